//go:build !js

package secret

import "github.com/layeron-hq/secret/internal/swap"

func init() {
	swap.Secret = func(s, store any) (func(), error) {
		to, _ := store.(Store) // nil: the App's store, or the environment
		return s.(*Secret).swap(to)
	}
}

// swap makes s read another store, as With does for a copy: tests use it for
// declarations that other packages hold.
func (s *Secret) swap(store Store) (restore func(), err error) {
	claims.Lock()
	defer claims.Unlock()
	if s.held(nil) {
		return nil, because(ErrInvalid, s.String()+" is held by a running App; swap its store before App.Start")
	}
	before, other := new(Secret), s.With(store)
	before.become(s)
	s.become(other)
	s.forget()
	return func() {
		claims.Lock()
		defer claims.Unlock()
		before.leaveClosed()
		s.become(before)
		s.forget()
	}, nil
}

// leaveClosed makes s read its own store if it belongs to a closed App, whose
// last document would otherwise stay for the next test.
func (s *Secret) leaveClosed() {
	if sec, ok := s.loader.Load().owner.(interface{ over() bool }); ok && sec.over() {
		s.loader.Store(newLoader(s.declaration(), nil))
		s.live.Store(nil)
	}
}

func (s *Secret) become(other *Secret) {
	s.decl.Store(other.decl.Load())
	s.loader.Store(other.loader.Load())
	s.live.Store(other.live.Load())
}

// forget makes package keyring ask the store of s anew.
func (s *Secret) forget() {
	f := s.declaration().family
	if f == nil {
		return // no constructor made s
	}
	if shared, ok := f.Shared.Load().(interface{ Forget() }); ok {
		shared.Forget()
	}
}
