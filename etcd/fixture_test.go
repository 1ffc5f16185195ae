package etcd_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/servers"
)

// raw returns a client of etcd without this package, to write and read as another
// program.
func raw(t testing.TB, endpoints ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// place returns a separate place for a test, on the cluster.
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

const password = "hunter2-kT7qZw2mXv9RbL4n"

// within returns a context that ends a test that would wait for ever.
func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// until waits in real time until a condition is true.
func until(t testing.TB, what string, limit time.Duration, is func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !is() {
		require.Less(t, time.Since(began), limit, what)
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// nothingRuns checks that no goroutine of a Watch is left, neither this package's
// nor grpc's.
func nothingRuns(t testing.TB) {
	t.Helper()
	until(t, "a Watch has left something running", 10*time.Second, func() bool { return streams() == 0 })
}

// streams counts the goroutines of Watches.
func streams() int {
	all := make([]byte, 64<<20)
	all = all[:runtime.Stack(all, true)]
	return bytes.Count(all, []byte("secret/etcd.(*client).follow")) +
		bytes.Count(all, []byte("google.golang.org/grpc.newClientStreamWithParams"))
}

// single starts one member with these flags, until the test ends. It returns the
// Options for it.
func single(t testing.TB, flags ...string) (*servers.Process, etcd.Options) {
	t.Helper()
	return singleAt(t, servers.Address(t), nil, flags...)
}

// singleAt is like single, with a given address for http, and additional
// addresses.
func singleAt(t testing.TB, address string, also []string, flags ...string) (*servers.Process, etcd.Options) {
	t.Helper()
	peers, all := "http://"+servers.Address(t), strings.Join(append([]string{"http://" + address}, also...), ",")
	p := servers.Start(t, address, nil, servers.Find(t, "etcd"), append([]string{"--data-dir", t.TempDir(),
		"--listen-client-urls", all, "--advertise-client-urls", all,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default=" + peers},
		flags...)...)
	o := etcd.Options{Endpoints: []string{"http://" + address}, Workspace: "acme", Project: "shop", Environment: "test"}
	c := raw(t, o.Endpoints...)
	until(t, "it leads", 30*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Get(ctx, "x")
		return err == nil
	})
	return p, o
}
