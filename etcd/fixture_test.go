package etcd_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/servers"
)

// raw is etcd without this package: what others write and read.
func raw(t testing.TB, endpoints ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// place is one of its own, on the cluster.
func place(t testing.TB, e *servers.Etcd) etcd.Options {
	t.Helper()
	return etcd.Options{Endpoints: e.Endpoints(), Workspace: "acme", Project: unique(t), Environment: "test"}
}

func openStore(t testing.TB, o etcd.Options) *etcd.Store {
	t.Helper()
	s, err := etcd.OpenStore(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func openPublisher(t testing.TB, o etcd.Options) *etcd.Publisher {
	t.Helper()
	p, err := etcd.OpenPublisher(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func prefix(o etcd.Options) string {
	return "/layer/" + o.Workspace + "/" + o.Project + "/" + o.Environment + "/"
}

func set(t testing.TB, c *clientv3.Client, key, text string) {
	t.Helper()
	_, err := c.Put(context.Background(), key, text)
	require.NoError(t, err)
}
