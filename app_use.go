package secret

import "slices"

// Use adds secrets to the App and returns a. It does not read a store. Before
// Start, the first read of each secret loads it, and later reads return the
// same document. The same secret may be given twice. Reads of a secret that
// belonged to another App, one that has been closed or has not started, come
// from this App from now on. A secret that another App holds stays there.
//
// A secret that is given to Use after Start was called is not checked by Start.
// Its first read loads it, and from then on the App keeps it fresh like the
// others: a Watcher reports its changes at the latest some seconds after Use.
// After Close, Use does nothing. A [Literal] is left out: it has no store.
func (a *App) Use(secrets ...*Secret) *App {
	if !a.made() {
		return a
	}
	claims.Lock()
	defer claims.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == appClosed {
		return a
	}
	known := len(a.secrets)
	for _, s := range secrets {
		s = s.declared()
		if d := s.declaration(); d.isLiteral() && d.err == nil {
			continue // a Literal: there is nothing to load
		}
		sec := a.secretFor(s)
		if s == undeclared {
			continue // shared by all Secrets that no constructor made: no App can hold it
		}
		if !slices.Contains(sec.readers, s) {
			sec.readers = append(sec.readers, s)
		}
		if !s.held(a) {
			sec.take(s)
		}
	}
	a.followLater(a.secrets[known:])
	return a
}

// used returns the secrets given to Use so far.
func (a *App) used() []*appSecret {
	if !a.made() {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.secrets)
}

// secretFor returns the appSecret of s. Each declaration has one.
func (a *App) secretFor(s *Secret) *appSecret {
	d := s.declaration()
	first := a.byAddr[d.addr]
	if first != nil && first.decl.same(d) {
		return first
	}
	if first != nil { // a second, different declaration of the address; Start refuses it
		for _, sec := range a.secrets {
			if sec.decl.same(d) {
				return sec
			}
		}
	}
	sec := newAppSecret(a, d)
	a.secrets = append(a.secrets, sec)
	if first == nil {
		a.byAddr[d.addr] = sec
	} else {
		sec.cache = nil // the entry of the address is that of the first, whose store may be another
	}
	return sec
}

// regroup gives the secrets that were swapped to another store since Use
// appSecrets of their own. The caller holds claims and mu.
func (a *App) regroup() {
	var swapped []*Secret
	a.secrets = slices.DeleteFunc(a.secrets, func(sec *appSecret) bool {
		had := len(sec.readers)
		sec.readers = slices.DeleteFunc(sec.readers, func(s *Secret) bool {
			if s.declaration().same(sec.decl) {
				return false
			}
			swapped = append(swapped, s)
			return true
		})
		emptied := had > 0 && len(sec.readers) == 0
		if emptied && a.byAddr[sec.decl.addr] == sec {
			delete(a.byAddr, sec.decl.addr)
		}
		return emptied
	})
	for _, s := range swapped {
		sec := a.secretFor(s)
		sec.readers = append(sec.readers, s)
	}
}
