package secret

import "sync"

// claims guards the fields that say which App a secret belongs to: App.holds
// and Secret.loader.
var claims sync.Mutex

// held reports whether an App other than besides has claimed s. The caller
// holds claims.
func (s *Secret) held(besides any) bool {
	keep := s.loader.Load().owner
	return keep != nil && keep.holds(besides)
}

// claim claims all secrets for this App and returns a problem for each secret
// that another App holds.
func (a *App) claim(secrets []*appSecret) (found []problem) {
	claims.Lock()
	defer claims.Unlock()
	for _, sec := range secrets {
		for _, s := range sec.readers {
			if s.held(a) {
				found = append(found, problem{decl: sec.decl, err: because(ErrInvalid,
					"in use by another App; close that one first, or give this one a copy made by With")})
				continue
			}
			s.loader.Store(&sec.loader)
		}
	}
	a.holds = !a.closed()
	return found
}

// release gives up all secrets; they keep their documents. It reports whether
// the App was open until now.
func (a *App) release(next appState) bool {
	claims.Lock()
	defer claims.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holds = false
	if a.state == appClosed {
		return false
	}
	a.state = next
	if next == appNew {
		a.dropOthers()
	}
	return true
}
