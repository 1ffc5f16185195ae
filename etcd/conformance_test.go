package etcd_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/secrettest"
)

var places atomic.Int64

func unique(testing.TB) string { return "shop-" + strconv.FormatInt(places.Add(1), 10) }

// TestServerConformance: store, watcher and publisher fulfill their contracts, on
// a cluster of three members.
func TestServerConformance(t *testing.T) {
	e := servers.StartEtcd(t, 3)
	others := raw(t, e.Endpoints()...)
	t.Run("store", func(t *testing.T) {
		secrettest.TestStore(t, func(t *testing.T, values map[secret.Address]string) secret.Store {
			o := place(t, e)
			for addr, text := range values {
				set(t, others, prefix(o)+addr.Binding(), text)
			}
			return openStore(t, o)
		})
	})
	t.Run("watcher", func(t *testing.T) {
		o := place(t, e)
		secrettest.TestWatcher(t,
			func(t *testing.T) (secret.Store, func(secret.Address, string), func(secret.Address)) {
				key := func(addr secret.Address) string { return prefix(o) + addr.Binding() }
				return openStore(t, o), func(addr secret.Address, text string) { set(t, others, key(addr), text) },
					func(addr secret.Address) {
						_, err := others.Delete(context.Background(), key(addr))
						require.NoError(t, err)
					}
			})
	})
	t.Run("publisher", func(t *testing.T) {
		drivertest.TestPublisher(t, func(t *testing.T) (driver.Publisher, func(string) (string, bool)) {
			o := place(t, e)
			return openPublisher(t, o), func(name string) (string, bool) {
				r, err := others.Get(context.Background(), prefix(o)+name)
				require.NoError(t, err)
				if len(r.Kvs) == 0 {
					return "", false
				}
				return string(r.Kvs[0].Value), true
			}
		})
	})
}
