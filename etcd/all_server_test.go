package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/servers"
)

// getOnly is a store without its optional interfaces.
type getOnly struct{ secret.Store }

// published publishes n secrets, each with a note, and declares them.
func published(t testing.TB, o etcd.Options, n int) (secrets []*secret.Secret, addrs []secret.Address) {
	t.Helper()
	p := openPublisher(t, o)
	items := make([]driver.Item, n)
	for i := range items {
		s := secret.Static(secret.Options{Namespace: "all", Name: fmt.Sprintf("n%d", i)})
		secrets, addrs = append(secrets, s), append(addrs, s.Address())
		items[i] = driver.Item{Name: s.Binding(), Text: driver.NewValue(content(i)), Note: "made up"}
	}
	well(t, p.Publish(context.Background(), items))
	return secrets, addrs
}

// start returns the time that the Start of a new App with these secrets takes.
func start(t testing.TB, store secret.Store, secrets []*secret.Secret) time.Duration {
	t.Helper()
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Logger: quiet}).Use(secrets...)
	began := time.Now()
	require.NoError(t, app.Start(context.Background()))
	took := time.Since(began)
	require.NoError(t, app.Close())
	return took
}

// TestServerStartsThousandSecrets: the Start of an App with 1,000 secrets takes a
// small part of the time that single reads take.
func TestServerStartsThousandSecrets(t *testing.T) {
	e := servers.StartEtcd(t, 3)
	o := place(t, e)
	secrets, _ := published(t, o, 1000)
	store := openStore(t, o)
	start(t, getOnly{store}, secrets) // connects
	each, all := time.Hour, time.Hour // the shortest: other programs may keep the machine busy
	for range 5 {
		each, all = min(each, start(t, getOnly{store}, secrets)), min(all, start(t, store, secrets))
	}
	t.Logf("the Start of 1,000 secrets: %s by 1,000 reads, %s by one range: %.0f times as fast",
		each.Round(time.Millisecond), all.Round(100*time.Microsecond), float64(each)/float64(all))
	require.Greater(t, each, 2*all)
}

// BenchmarkServerRead: the time of reading that many of 1,000 secrets, by Get
// one after the other, and by GetAll.
func BenchmarkServerRead(b *testing.B) {
	e := servers.StartEtcd(b, 1)
	o := place(b, e)
	secrets, addrs := published(b, o, 1000)
	store := openStore(b, o)
	for _, n := range []int{1, 10, 100, 128, 129, 1000} {
		b.Run(fmt.Sprintf("Get/%d", n), func(b *testing.B) {
			for b.Loop() {
				for _, addr := range addrs[:n] {
					if _, err := store.Get(b.Context(), addr); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(fmt.Sprintf("GetAll/%d", n), func(b *testing.B) {
			for b.Loop() {
				if texts, err := store.GetAll(b.Context(), addrs[:n]); err != nil || len(texts) != n {
					b.Fatal(err)
				}
			}
		})
	}
	for _, s := range []struct {
		name  string
		store secret.Store
	}{{"Get", getOnly{store}}, {"GetAll", store}} {
		b.Run("Start/"+s.name, func(b *testing.B) {
			for b.Loop() {
				start(b, s.store, secrets)
			}
		})
	}
}

// TestServerPartOfBatch: a user may read some of the keys one by one, but not the
// range. The others are denied, each for itself, and a missing one is not found.
func TestServerPartOfBatch(t *testing.T) {
	e := servers.StartEtcd(t, 1)
	o := place(t, e)
	secrets, addrs := published(t, o, 300)
	root := guard(t, e, o)()
	ctx := context.Background()
	allowed := func(i int) bool { return i%100 != 7 }
	missing := secret.Address{Namespace: "all", Name: "missing"}
	read := clientv3.PermissionType(clientv3.PermRead)
	for i, addr := range append(addrs, missing) {
		if allowed(i) {
			_, err := root.RoleGrantPermission(ctx, "reader", prefix(o)+addr.Binding(), "", read)
			require.NoError(t, err)
		}
	}
	store := openStore(t, as(o, "reader"))
	for range 2 {
		texts, err := store.GetAll(ctx, append(addrs, missing, missing))
		require.Error(t, err)
		require.Len(t, texts, 297)
		for i, addr := range addrs {
			text, found := texts[addr]
			require.Equal(t, allowed(i), found)
			require.True(t, !found || text == content(i))
		}
		var own *secret.Error
		require.ErrorAs(t, err, &own)
	}

	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Logger: quiet}).Use(secrets...).
		Use(secret.Static(secret.Options{Namespace: missing.Namespace, Name: missing.Name}))
	err := app.Start(ctx)
	require.ErrorContains(t, err, "4 problems with the App's 301 secrets")
	require.ErrorContains(t, err, "$SECRET.all.n107 from etcd key "+prefix(o)+addrs[107].Binding()+": etcd key "+
		prefix(o)+addrs[107].Binding()+": permission denied")
	require.ErrorContains(t, err, "$SECRET.all.missing: etcd key "+prefix(o)+missing.Binding()+" does not exist: not found")

	_, err = root.RoleGrantPermission(ctx, "reader", prefix(o), clientv3.GetPrefixRangeEnd(prefix(o)), read)
	require.NoError(t, err)
	texts, err := store.GetAll(ctx, append(addrs, missing))
	require.NoError(t, err)
	require.Len(t, texts, 300)
	none := openStore(t, o)
	_, err = none.GetAll(ctx, addrs)
	require.ErrorContains(t, err, "etcd asks for a user: give one")
	require.False(t, errors.Is(err, secret.ErrNotFound))
}

// TestServerFewOperations: etcd may be set to fewer operations in a transaction.
func TestServerFewOperations(t *testing.T) {
	_, o := single(t, "--max-txn-ops=20")
	for i := range 100 {
		set(t, raw(t, o.Endpoints...), prefix(o)+secret.Address{Namespace: "all", Name: fmt.Sprintf("n%d", i)}.Binding(), "x")
	}
	addrs := make([]secret.Address, 100)
	for i := range addrs {
		addrs[i] = secret.Address{Namespace: "all", Name: fmt.Sprintf("n%d", i)}
	}
	store := openStore(t, o)
	for range 2 {
		texts, err := store.GetAll(t.Context(), addrs)
		require.NoError(t, err)
		require.Len(t, texts, 100)
	}
}

// TestServerLargeBatch: the answer for all may be larger than the client takes.
func TestServerLargeBatch(t *testing.T) {
	_, o := single(t)
	c := raw(t, o.Endpoints...)
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = byte('a' + i%26)
	}
	addrs := make([]secret.Address, 140)
	for i := range addrs {
		addrs[i] = secret.Address{Namespace: "all", Name: fmt.Sprintf("n%d", i)}
		set(t, c, prefix(o)+addrs[i].Binding(), string(large))
	}
	texts, err := openStore(t, o).GetAll(t.Context(), addrs)
	require.NoError(t, err)
	require.Len(t, texts, 140)
	for _, text := range texts {
		require.Equal(t, len(large), len(text))
	}
}
