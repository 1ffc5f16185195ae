package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/internal/slow"
)

// psql logs in with the password that the ledger has, before and after a
// change. layer's own PGPASSWORD has another value.
func TestServerRunPsql(t *testing.T) {
	e := newPostgres(t)
	psql := servers.Find(t, "psql")
	host, port, err := net.SplitHostPort(e.server.Address)
	require.NoError(t, err)
	dir := t.TempDir()
	declare(t, dir, `{"kind": "static", "namespace": "db", "name": "password"}`)
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:secrets")
	own := []string{"PGPASSWORD=madeup_other", "PGPASSFILE=/dev/null"}
	run := func(status int, flags ...string) (stdout, stderr string) {
		args := append([]string{"secret", "run", "--spec", "spec.json"}, flags...)
		return layerIn(t, dir, own, status, append(args, "--", psql, "-h", host, "-p", port, "-U", "reader", "-d", "ledgers",
			"-wAtc", "SELECT current_user")...)
	}
	for _, password := range []string{pgPassword, "it's a \"new\" $one\\ #1"} {
		_, err := e.admin.Exec("ALTER ROLE reader PASSWORD '" + strings.ReplaceAll(password, "'", "''") + "'")
		require.NoError(t, err)
		layerIn(t, dir, []string{"VALUE=" + password}, 0, "secret", "set", "$SECRET.db.password", "--value-env", "VALUE",
			"--spec", "spec.json")
		stdout, stderr := run(0, "--env", "PGPASSWORD=db.password")
		require.Equal(t, "reader\n", stdout)
		require.Empty(t, stderr)
		stdout, _ = run(0, "--env", "PGPASSWORD=db.password", "--watch")
		require.Equal(t, "reader\n", stdout)
		_, stderr = run(2)
		require.Contains(t, stderr, "no password supplied")
	}
}

// A change of the ledger in a bucket or a database reaches the program.
func TestServerWatchPostgres(t *testing.T) {
	w := watchElsewhere(t, newPostgres(t))
	w.signal(syscall.SIGTERM)
	require.Equal(t, 0, w.ends().ExitStatus())
}

// The same, and the bucket is not asked more often than every five seconds.
func TestWatchBucket(t *testing.T) {
	slow.Test(t)
	t.Parallel()
	asked := make(chan time.Time, 100)
	e := fakeS3(t, func(to http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "ledger.age") {
				asked <- time.Now()
			}
			to.ServeHTTP(w, r)
		})
	})
	w := watchElsewhere(t, e)
	for len(asked) > 0 {
		<-asked // by other commands too
	}
	for last, i := <-asked, 0; i < 2; i++ {
		next := <-asked
		require.Greater(t, next.Sub(last), ledgerEvery-500*time.Millisecond)
		last = next
	}
	w.signal(syscall.SIGTERM)
	require.Equal(t, 0, w.ends().ExitStatus())
}

// watchElsewhere watches a ledger on a server, and changes it once.
func watchElsewhere(t *testing.T, e engine) *watchTest {
	t.Helper()
	dir := t.TempDir()
	declare(t, dir, rotating)
	env := append(e.environment(), "LAYER_LEDGER="+e.place())
	layerIn(t, dir, env, 0, "secret", "init", "--to", "dir:secrets")
	layerIn(t, dir, env, 0, "secret", "apply", "--spec", "spec.json")
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "hold"), 0o600))
	w := startWatch(t, dir, env, []string{"--env", "KEY=auth.session-key"},
		`printf %s "$KEY" >got; trap 'exit 0' TERM; echo started; `+waits)
	w.prints("started")
	w.hasCurrent()
	w.layer("rotate", "--immediate")
	w.prints("started")
	w.hasCurrent()
	return w
}

// The target is on a server. A change starts the program again, and a change by
// another clone of the ledger is reported.
func TestWatchWithARemoteTarget(t *testing.T) {
	slow.Test(t)
	t.Parallel()
	g := newGate(t)
	dir, clone := t.TempDir(), t.TempDir()
	declare(t, dir, rotating)
	layerIn(t, dir, g.env, 0, "secret", "init", "--to", "cloudflare")
	layerIn(t, dir, g.env, 0, "secret", "apply", "--spec", "spec.json")
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "hold"), 0o600))
	w := startWatch(t, dir, g.env, []string{"--env", "KEY=auth.session-key"},
		`printf %s "$KEY" >got; trap 'exit 0' TERM; echo started; `+waits)
	w.prints("started")
	for range 2 {
		w.layer("rotate", "--immediate")
		w.prints("started")
		w.hasCurrent()
	}
	for _, name := range []string{"layer.secrets.age", "layer.identity", "spec.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(clone, name), text, 0o600))
	}
	layerIn(t, clone, g.env, 0, "secret", "rotate", "--immediate", "--spec", "spec.json")
	w.reports("This ledger is an old copy")
	require.NotContains(t, w.says(), "can be used again")
	w.signal(syscall.SIGTERM)
	require.Equal(t, 0, w.ends().ExitStatus())
}
