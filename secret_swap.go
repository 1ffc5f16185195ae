//go:build !js

package secret

import "github.com/layeron-hq/secret/internal/swap"

func init() {
	swap.Secret = func(s, store any) (func(), error) {
		to, _ := store.(Store) // nil: the App's, or the environment
		return s.(*Secret).swap(to)
	}
}

// swap puts s on another store, as With does with a copy: tests need it for declarations that other packages hold.
func (s *Secret) swap(store Store) (restore func(), err error) {
	claims.Lock()
	defer claims.Unlock()
	if s.held(nil) {
		return nil, because(ErrInvalid, s.String()+" is held by a running App; swap its store before App.Start")
	}
	decl, l, live := s.decl.Load(), s.loader.Load(), s.live.Load()
	s.put(s.With(store))
	return func() {
		claims.Lock()
		defer claims.Unlock()
		s.decl.Store(decl)
		s.loader.Store(l)
		s.live.Store(live)
	}, nil
}

// put makes s what other is.
func (s *Secret) put(other *Secret) {
	s.decl.Store(other.decl.Load())
	s.loader.Store(other.loader.Load())
	s.live.Store(nil)
}
