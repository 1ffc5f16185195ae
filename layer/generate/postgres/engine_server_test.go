package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/generate/postgres"
	"github.com/layeron-hq/secret/layer/internal/busypool"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/target/dir"
)

// fragile is a ledger whose run is killed before it records a value that was made.
type fragile struct {
	rotate.Ledger
	made *atomic.Bool // a value was made since the last record
	kill *atomic.Bool
}

var errKilled = errors.New("killed")

// passwordForm finds a password, also one that was never published.
var passwordForm = regexp.MustCompile(`[A-Za-z0-9_-]{43}`)

func (l fragile) CompareAndSwap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error) {
	if l.made.Swap(false) && l.kill.Swap(false) {
		return "", errKilled
	}
	return l.Ledger.CompareAndSwap(ctx, old, next)
}

// noted notes that a value was made.
type noted struct {
	*postgres.Generator
	made *atomic.Bool
}

func (g noted) For(r driver.Request) driver.Generator {
	return notedRoles{g.Generator.For(r), g.made}
}

type notedRoles struct {
	driver.Generator
	made *atomic.Bool
}

func (g notedRoles) Make(ctx context.Context, name string, params map[string]string) (driver.Made, error) {
	m, err := g.Generator.Make(ctx, name, params)
	if err == nil {
		g.made.Store(true)
	}
	return m, err
}

func (g notedRoles) Test(ctx context.Context, made driver.Made) error {
	return g.Generator.(driver.Tester).Test(ctx, made)
}

// TestServerBusyPoolLosesNoQuery: a service with a busy pool follows five
// rotations. Runs end at each statement, before and after it, and between Make and
// the record of its value.
func TestServerBusyPoolLosesNoQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.declare(t, "host", w.server.Address, "terminate", "false")
	admin := w.admin(t)
	run(t, admin, "CREATE TABLE orders (n int)", "GRANT INSERT ON orders TO "+d.params["grant"])
	database := secret.Generated(secret.Options{Namespace: "shop", Name: "database", Generator: postgres.Name,
		Params: d.params, Rotation: &secret.Rotation{EveryDays: 30}})
	require.NoError(t, database.Err())

	folder := t.TempDir()
	var dsn atomic.Pointer[string]
	direct := w.server.URL("postgres")
	dsn.Store(&direct)
	var made, kill atomic.Bool
	ledger := fragile{&rotate.MemoryLedger{}, &made, &kill}
	_, _, err := rotate.Commit(t.Context(), ledger, "", rotate.NewState(rotate.Settings{Target: "dir:" + folder}))
	require.NoError(t, err)
	app := secret.NewApp(secret.AppOptions{Store: secret.Dir(folder), Logger: slog.New(slog.DiscardHandler)})
	app.Use(database)
	operator := &rotate.Operator{Ledger: ledger, Publisher: dir.New(folder), Spec: app.Spec(),
		Window: 1500 * time.Millisecond, Margin: 500 * time.Millisecond,
		Generators: map[string]driver.Generator{postgres.Name: noted{postgres.New(postgres.Options{
			Getenv: func(string) string { return *dsn.Load() }}), &made}}}
	proxy := servers.StartPostgresProxy(t, w.server.Address)
	through := strings.Replace(direct, w.server.Address, proxy.Address, 1)
	rotateOnce := func(now bool) (actions string, err error) {
		r, err := operator.Rotate(t.Context(), rotate.RotateOptions{Now: now})
		for _, a := range r.Actions {
			actions += string(a.Action) + " "
		}
		err = errors.Join(append([]error{err}, r.Failed...)...)
		require.False(t, passwordForm.MatchString(fmt.Sprint(err)), "an error shows a password")
		return actions, err
	}

	_, err = operator.Apply(t.Context())
	require.NoError(t, err)
	require.NoError(t, app.Start(t.Context()))
	defer app.Close()

	service := busypool.Start(t, database, "INSERT INTO orders VALUES (1)", nil)
	used := func() string {
		return one(t, admin, "SELECT count(*)::text FROM pg_roles AS r WHERE shobj_description(oid, 'pg_authid') LIKE "+
			"'layer secret: in use by %' AND rolname LIKE $1", d.params["role"]+"__")
	}
	crashes := 0
	for rotation := range 5 {
		require.Equal(t, "1", used())
		kill.Store(true)
		_, err := rotateOnce(true)
		require.ErrorIs(t, err, errKilled)
		require.False(t, kill.Load())
		crashes++

		fault, added := []servers.Fault{servers.Cut, servers.Lost}[rotation%2], ""
		cut := 1
		for ; !strings.Contains(added, "add"); cut++ {
			proxy.Stop(cut, fault, nil)
			dsn.Store(&through)
			added, err = rotateOnce(true)
			dsn.Store(&direct)
			if proxy.Seen() < cut {
				require.NoError(t, err)
				require.Contains(t, added, "add")
				break
			}
			require.True(t, err != nil || strings.Contains(added, "add"))
			crashes++
		}
		require.Equal(t, "2", used())
		wait := func(step string) {
			t.Helper()
			require.Eventually(t, func() bool {
				actions, err := rotateOnce(false)
				require.NoError(t, err)
				return strings.Contains(actions, step)
			}, time.Minute, 100*time.Millisecond)
		}
		wait("flip")
		before := service.Queries.Load()
		require.Equal(t, "2", used())
		// The old value ends, and so does each attempt to retire it, a statement later
		// each time.
		cut = 1
		require.Eventually(t, func() bool {
			proxy.Stop(cut, fault, nil)
			dsn.Store(&through)
			_, err := rotateOnce(false)
			dsn.Store(&direct)
			if proxy.Seen() >= cut {
				require.Error(t, err)
				crashes++
				cut++
			}
			return used() == "1"
		}, time.Minute, 100*time.Millisecond)
		require.Greater(t, service.Queries.Load(), before)
		_, err = rotateOnce(false)
		require.NoError(t, err)
	}
	service.Stop()
	require.Zero(t, service.Failed.Load())
	require.GreaterOrEqual(t, service.Connections.Load(), int64(10))
	require.Equal(t, fmt.Sprint(service.Queries.Load()), one(t, admin, "SELECT count(*)::text FROM orders"))
	users := one(t, admin, "SELECT count(DISTINCT rolname)::text FROM pg_roles WHERE rolcanlogin AND rolname LIKE $1",
		d.params["role"]+"__")
	require.Equal(t, "2", users)
	log := w.log(t)
	for _, p := range service.Passwords() {
		require.False(t, strings.Contains(log, p), "a password is in the server's log")
	}
	require.Len(t, service.Passwords(), 6)
	for _, p := range service.Passwords() {
		require.True(t, passwordForm.MatchString(p))
	}
	t.Logf("%d queries over %d connections, %d crashes", service.Queries.Load(), service.Connections.Load(), crashes)
}
