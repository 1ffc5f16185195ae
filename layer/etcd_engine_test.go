package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/rotate"
)

// TestServerEngineOverEtcd follows the whole life of a secret on etcd, and the
// values that an App reads.
func TestServerEngineOverEtcd(t *testing.T) {
	t.Parallel()
	e := servers.StartEtcd(t, 3)
	o := etcd.Options{Endpoints: e.Endpoints(), Workspace: "acme", Project: "shop", Environment: "test"}
	others, err := clientv3.New(clientv3.Config{Endpoints: e.Endpoints(), Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = others.Close() })
	store, err := etcd.OpenStore(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	publisher, err := etcd.OpenPublisher(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, publisher.Close()) })
	decl := secret.Random(secret.Options{Namespace: "auth", Name: "key"})
	app := secret.NewApp(secret.AppOptions{Store: store, Logger: slog.New(slog.DiscardHandler), Workspace: o.Workspace,
		Project: o.Project, Environment: o.Environment}).Use(decl)

	ledger := &rotate.MemoryLedger{}
	_, _, err = rotate.Commit(t.Context(), ledger, "", rotate.NewState(rotate.Settings{}))
	require.NoError(t, err)
	operator := &rotate.Operator{Ledger: ledger, Publisher: publisher, Spec: app.Spec(), Window: time.Second,
		Margin: time.Second}
	until := func(what string, is func() bool) {
		t.Helper()
		for began := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
			require.Less(t, time.Since(began), 30*time.Second, what)
		}
	}
	run := func(result rotate.Result, err error) rotate.Result {
		t.Helper()
		require.NoError(t, err)
		return result
	}
	current := func(id string) func() bool {
		return func() bool { return app.Status().Secrets[0].Current == id }
	}
	versions := func(n int) func() bool {
		return func() bool { return len(app.Status().Secrets[0].Versions) == n }
	}

	require.True(t, run(operator.Apply(t.Context())).OK())
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	require.True(t, current("v1")())
	require.Empty(t, run(operator.Apply(t.Context())).Actions, "twice is once")

	run(operator.Rotate(t.Context(), rotate.RotateOptions{Now: true}))
	until("the next version is announced", versions(2))
	require.True(t, current("v1")())

	until("the window is over, and it is flipped", func() bool {
		run(operator.Rotate(t.Context(), rotate.RotateOptions{}))
		return current("v2")()
	})
	require.Len(t, app.Status().Secrets[0].Versions, 2)

	until("the old version has ended, and is pruned", func() bool {
		run(operator.Rotate(t.Context(), rotate.RotateOptions{}))
		return versions(1)()
	})
	require.True(t, current("v2")())

	// The same text, written by hand: only the revision differs.
	name := "/layer/acme/shop/test/" + decl.Binding()
	r, err := others.Get(t.Context(), name)
	require.NoError(t, err)
	_, err = others.Put(t.Context(), name, string(r.Kvs[0].Value))
	require.NoError(t, err)
	result, err := operator.Rotate(t.Context(), rotate.RotateOptions{Now: true})
	require.NoError(t, err)
	require.False(t, result.OK())
	require.Equal(t, rotate.StateDrifted, result.Secrets[0].State)
	after, err := others.Get(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, r.Kvs[0].ModRevision+1, after.Kvs[0].ModRevision, "it was not overwritten")

	require.True(t, run(operator.Rotate(t.Context(), rotate.RotateOptions{Adopt: true})).OK())
	require.Equal(t, rotate.StateOK, run(operator.Status(t.Context())).Secrets[0].State)

	// A person deletes the key. The next run publishes the ledger's value. The App
	// has kept the value and continues.
	_, err = others.Delete(t.Context(), name)
	require.NoError(t, err)
	until("the App knows", func() bool { return app.Status().Secrets[0].LastError != "" })
	_, err = decl.Current().Text()
	require.NoError(t, err)
	run(operator.Apply(t.Context()))
	until("the App reads it again", func() bool { return app.Status().Secrets[0].LastError == "" })
	require.True(t, current("v2")())
}
