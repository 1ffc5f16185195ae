package etcd_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/servers"
)

var (
	own     = secret.Address{Namespace: "auth", Name: "own"}
	also    = secret.Address{Namespace: "auth", Name: "also"}
	foreign = secret.Address{Namespace: "auth", Name: "foreign"}
)

func as(o etcd.Options, user string) etcd.Options {
	if o.Username = user; user != "" {
		o.Password = driver.NewValue(password)
	}
	return o
}

// guard creates users, all with the same password, and enables authentication.
// reader may read the keys of own and also. writer may do everything below the
// prefix. scribe may write the key of own, but not its note. half may write the
// keys that begin with ITEM. guard returns a function that creates clients of
// root: etcd 3.4 gives a client with an expired token no other one.
func guard(t testing.TB, e *servers.Etcd, o etcd.Options) func() *clientv3.Client {
	t.Helper()
	ctx := context.Background()
	c := raw(t, e.Endpoints()...)
	var err error
	do := func(_ any, failed error) {
		if err == nil {
			err = failed
		}
	}
	for _, name := range []string{"root", "reader", "writer", "scribe", "half"} {
		do(c.RoleAdd(ctx, name))
		do(c.UserAdd(ctx, name, password))
		do(c.UserGrantRole(ctx, name, name))
	}
	read, both := clientv3.PermissionType(clientv3.PermRead), clientv3.PermissionType(clientv3.PermReadWrite)
	do(c.RoleGrantPermission(ctx, "reader", prefix(o)+own.Binding(), "", read))
	do(c.RoleGrantPermission(ctx, "reader", prefix(o)+also.Binding(), "", read))
	do(c.RoleGrantPermission(ctx, "writer", prefix(o), clientv3.GetPrefixRangeEnd(prefix(o)), both))
	do(c.RoleGrantPermission(ctx, "scribe", prefix(o)+own.Binding(), "", both))
	do(c.RoleGrantPermission(ctx, "half", prefix(o)+"ITEM", clientv3.GetPrefixRangeEnd(prefix(o)+"ITEM"), both))
	do(c.AuthEnable(ctx))
	require.NoError(t, err)
	return func() *clientv3.Client {
		root, err := clientv3.New(clientv3.Config{Endpoints: e.Endpoints(), Username: "root", Password: password,
			Logger: zap.NewNop(), DialTimeout: 10 * time.Second})
		require.NoError(t, err)
		t.Cleanup(func() { _ = root.Close() })
		return root
	}
}

// TestServerAuth: the permissions of users, and the errors for a missing one.
func TestServerAuth(t *testing.T) {
	t.Parallel()
	whole := t
	e := servers.StartEtcd(t, 1)
	o := place(t, e)
	early := openStore(t, as(o, "reader")) // before authentication is enabled
	root := guard(t, e, o)
	for _, addr := range []secret.Address{own, also, foreign} {
		set(t, root(), prefix(o)+addr.Binding(), "v1")
	}
	hidden := func(t *testing.T, err error) {
		t.Helper()
		require.Error(t, err)
		require.Empty(t, redacttest.Check(err, password, text))
	}
	watch := func(t *testing.T, s *etcd.Store, addrs ...secret.Address) error {
		t.Helper()
		return s.Watch(within(t, deadline), addrs, func(secret.Address) {})
	}

	t.Run("its own keys", func(t *testing.T) {
		for _, s := range []*etcd.Store{openStore(t, as(o, "reader")), early} {
			for _, addr := range []secret.Address{own, also} {
				got, err := s.Get(t.Context(), addr)
				require.NoError(t, err)
				require.True(t, got == "v1" || got == "v2")
			}
			w := begin(t, s, own, also)
			set(t, root(), prefix(o)+also.Binding(), "v2")
			until(t, "a change is reported", deadline, func() bool { return w.count(also) > 1 })
		}
	})

	t.Run("another key", func(t *testing.T) {
		s := openStore(t, as(o, "reader"))
		_, err := s.Get(t.Context(), foreign)
		require.EqualError(t, err, "etcd key "+prefix(o)+foreign.Binding()+": permission denied: let the user's role "+
			"read this key, or write it and its note")
		require.NotErrorIs(t, err, secret.ErrNotFound)
		hidden(t, err)
		err = watch(t, s, own, foreign)
		require.ErrorContains(t, err, "the member ended the watch of a key: permission denied: let the "+
			"user's role read this key")
		hidden(t, err)
	})

	t.Run("a wrong password", func(t *testing.T) {
		wrong := as(o, "reader")
		wrong.Password = driver.NewValue(password[1:])
		_, err := etcd.OpenStore(t.Context(), wrong)
		require.EqualError(t, err, "etcd: the user cannot be logged in: authentication failed, invalid user ID or "+
			"password: correct user and password")
		hidden(t, err)
		_, err = etcd.OpenPublisher(t.Context(), as(o, "nobody"))
		require.ErrorContains(t, err, "correct user and password")
		hidden(t, err)
	})

	t.Run("no user", func(t *testing.T) {
		s := openStore(t, o)
		began := time.Now()
		_, err := s.Get(t.Context(), own)
		require.ErrorContains(t, err, "user name is empty: etcd asks for a user: give one, and a password")
		require.NotErrorIs(t, err, secret.ErrNotFound)
		err = watch(t, s, own)
		require.ErrorContains(t, err, "give one, and a password")
		errs := openPublisher(t, o).Publish(t.Context(), items(1))
		require.ErrorIs(t, errs[0], driver.ErrNotApplied)
		require.ErrorContains(t, errs[0], "give one, and a password")
		require.Less(t, time.Since(began), 5*time.Second)
	})

	t.Run("what may be written", func(t *testing.T) {
		revision := func() int64 {
			r, err := root().Get(context.Background(), "x")
			require.NoError(t, err)
			return r.Header.Revision
		}
		before := revision()
		mine := []string{own.Binding()}
		many := names(items(120))
		require.NoError(t, openPublisher(t, as(o, "writer")).Check(t.Context(), append(many, mine...)))
		for _, user := range []string{"reader", "scribe"} {
			p := openPublisher(t, as(o, user))
			err := p.Check(t.Context(), mine)
			require.ErrorContains(t, err, "etcd "+prefix(o)+" cannot be written: permission denied: let the user's "+
				"role read this key, or write it and its note")
			hidden(t, err)
			errs := p.Publish(t.Context(), []driver.Item{{Name: own.Binding(),
				Text: driver.NewValue(text), Note: "note"}})
			require.ErrorIs(t, errs[0], driver.ErrNotApplied)
			hidden(t, errs[0])
			_, err = p.Inspect(t.Context(), mine)
			require.ErrorContains(t, err, "cannot be read: permission denied")
		}
		half := openPublisher(t, as(o, "half"))
		require.NoError(t, half.Check(t.Context(), many))
		require.ErrorContains(t, half.Check(t.Context(), append(many, mine...)), "permission denied",
			"one may not be written, of many")
		require.Equal(t, before, revision())
		r, err := root().Get(context.Background(), prefix(o), clientv3.WithPrefix(), clientv3.WithKeysOnly())
		require.NoError(t, err)
		require.Len(t, r.Kvs, 3)
	})

	for name, forget := range map[string]func(t *testing.T){
		// A member keeps tokens in memory only.
		"a restart": func(t *testing.T) {
			e.Members[0].Kill()
			e.Members[0].Start(whole)
			until(t, "it logs in again", deadline, func() bool {
				s, err := etcd.OpenStore(t.Context(), as(o, "reader"))
				return err == nil && s.Close() == nil
			})
		},
		// A change of a password revokes the tokens, even if the new password is the same.
		"another password": func(t *testing.T) {
			for _, user := range []string{"reader", "writer"} {
				_, err := root().UserChangePassword(context.Background(), user, password)
				require.NoError(t, err)
			}
		},
	} {
		t.Run("a token that ends by "+name, func(t *testing.T) {
			s, p := openStore(t, as(o, "reader")), openPublisher(t, as(o, "writer"))
			_, err := s.Get(t.Context(), own)
			require.NoError(t, err)
			forget(t)
			_, err = s.Get(t.Context(), own)
			require.NoError(t, err)
			for _, errs := range [][]error{p.Publish(t.Context(), items(2)), p.Remove(t.Context(), names(items(2)))} {
				for _, err := range errs {
					require.NoError(t, err)
				}
			}
			forget(t)
			begin(t, s, own, also)
			_, err = p.Inspect(t.Context(), []string{own.Binding()})
			require.NoError(t, err)
			forget(t)
			require.NoError(t, p.Check(t.Context(), []string{own.Binding()}))
		})
	}

	t.Run("the password is another by now", func(t *testing.T) {
		s, p := openStore(t, as(o, "reader")), openPublisher(t, as(o, "writer"))
		for _, user := range []string{"reader", "writer"} {
			_, err := root().UserChangePassword(context.Background(), user, "another-made-up")
			require.NoError(t, err)
		}
		_, err := s.Get(t.Context(), own)
		require.ErrorContains(t, err, "authentication failed, invalid user ID or password: correct user and password")
		hidden(t, err)
		err = watch(t, s, own)
		require.ErrorContains(t, err, "correct user and password")
		hidden(t, err)
		errs := p.Publish(t.Context(), items(2))
		for _, err := range errs {
			require.ErrorIs(t, err, driver.ErrNotApplied)
			require.ErrorContains(t, err, "correct user and password")
			hidden(t, err)
		}
	})
}
