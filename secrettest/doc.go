// Package secrettest tests that a [secret.Store] behaves as programs that read
// from it expect:
//
//	func TestStore(t *testing.T) {
//		secrettest.TestStore(t, func(t *testing.T, values map[secret.Address]string) secret.Store {
//			server := startServer(t)
//			for addr, text := range values {
//				server.Put(addr.Binding(), text)
//			}
//			return NewStore(server.URL)
//		})
//	}
//
// The store finds a text by its binding name, which it takes from the context of
// the read:
//
//	func (s *Store) Get(ctx context.Context, addr secret.Address) (string, error) {
//		return s.fetch(ctx, secret.BindingOf(ctx, addr))
//	}
//
// The values are made up for the test, so its messages may quote the store's
// answers.
package secrettest
