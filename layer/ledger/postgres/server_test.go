package postgres_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/internal/stress"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/rotate/rotatetest"
)

// world is a server with a separate database for each test.
type world struct {
	server *servers.Postgres
	admin  *sql.DB
}

// fresh returns the URL of a new database.
func (w world) fresh(t testing.TB) string { return database(t, w.admin, w.server.URL) }

func TestServerLedger(t *testing.T) {
	w := world{server: servers.StartPostgres(t)}
	w.admin = connect(t, w.server.URL("postgres"), nil)
	for name, test := range map[string]func(t *testing.T, w world){
		"conformance": conformance,
		"contest":     lossyContest,
		"terminated":  terminatedContest,
		"faults":      faults,
		"table":       theTable,
		"durable":     durable,
		"notify":      notify,
		"refusals":    refusals,
		"replica":     replica,

		"settings of a role do not matter": roleSettings,
		"text settings do not matter":      textSettings,
		"connections that fail":            connections,
	} {
		t.Run(name, func(t *testing.T) { test(t, w) })
	}
}

// conformance: the table does not exist before the first test creates it, in the
// worst case with eight clients at the same time.
func conformance(t *testing.T, w world) {
	rotatetest.TestLedger(t, func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
		url := w.fresh(t)
		return func() rotate.Ledger { return open(t, connect(t, url, nil), "it's a ledger", ids) }
	})
}

func lossyContest(t *testing.T, w world) {
	ids, url := keyed(t), w.fresh(t)
	db := connect(t, url, func() fate {
		switch n := rand.IntN(10); {
		case n < 2:
			return answerLost
		case n < 3:
			return late
		}
		return delivered
	})
	res, err := stress.Run(t.Context(), ids.Recipients(), 8, servers.Changes(),
		func(int) rotate.Ledger { return open(t, db, "x", ids) },
		open(t, connect(t, url, nil), "x", ids))
	strays.Wait()
	require.NoError(t, err)
	t.Logf("%+v", res)
}

// terminatedContest ends the backends of the operators, one after the other.
func terminatedContest(t *testing.T, w world) {
	ids, url := keyed(t), w.fresh(t)
	db := connect(t, url+"&application_name=operator", nil)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	ended := 0
	all.Go(func() {
		for ctx.Err() == nil {
			var n int
			if w.admin.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
				WHERE application_name = 'operator' ORDER BY random() LIMIT 1) AS one`).Scan(&n) == nil {
				ended += n
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	res, err := stress.Run(t.Context(), ids.Recipients(), 8, servers.Changes(),
		func(int) rotate.Ledger { return open(t, db, "x", ids) },
		open(t, connect(t, url, nil), "x", ids))
	stop()
	all.Wait()
	require.NoError(t, err)
	require.Positive(t, ended)
	t.Logf("%+v, %d backends ended", res, ended)
}

func faults(t *testing.T, w world) {
	for _, tc := range []struct {
		name  string
		fates []fate // of our statements: write, read, write, …
		build int    // number of changes by others after the first statement
		want  error
		not   error
		times int
	}{
		{name: "no fault", fates: []fate{delivered}, times: 1},
		{name: "the answer is lost", fates: []fate{answerLost}, times: 1},
		{name: "the request is lost", fates: []fate{requestLost}, times: 1},
		{name: "everything is lost for a while", fates: []fate{requestLost, answerLost, answerLost, delivered,
			requestLost, answerLost}, times: 1},
		{name: "the request is late", fates: []fate{late}, times: 1},
		{name: "superseded", fates: []fate{answerLost}, build: 63, want: rotate.ErrSuperseded, times: 1},
		{name: "the ring is overrun", fates: []fate{answerLost}, build: 65, want: rotate.ErrUnknown,
			not: rotate.ErrConflict, times: 1},
		{name: "lost, and somebody was faster", fates: []fate{requestLost}, build: 1, want: rotate.ErrConflict,
			not: rotate.ErrSuperseded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ids, url := keyed(t), w.fresh(t)
			theirs := open(t, connect(t, url, nil), "x", ids)
			s, rev := begin(t, theirs, ids)
			n := 0
			db := connect(t, url, func() fate {
				n++
				if n == 2 {
					for range tc.build {
						st, rev, err := theirs.Load(t.Context())
						require.NoError(t, err)
						_, _, err = rotate.Commit(t.Context(), theirs, rev, step(st, "theirs"))
						require.NoError(t, err)
					}
				}
				if n > len(tc.fates) {
					return delivered
				}
				return tc.fates[n-1]
			})
			_, _, err := rotate.Commit(t.Context(), open(t, db, "x", ids), rev, step(s, "ours"))
			strays.Wait()
			if tc.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tc.want)
			}
			if tc.not != nil {
				require.NotErrorIs(t, err, tc.not)
			}
			found, _, err := theirs.Load(t.Context())
			require.NoError(t, err)
			times := 0
			for _, e := range found.Log() {
				if e.By == "ours" {
					times++
				}
			}
			require.Equal(t, tc.times, times)
		})
	}
	t.Run("the context ends while it is unknown", func(t *testing.T) {
		ids, url := keyed(t), w.fresh(t)
		s, rev := begin(t, open(t, connect(t, url, nil), "x", ids), ids)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		db := connect(t, url, func() fate {
			if n++; n == 2 {
				cancel()
			}
			return answerLost
		})
		_, _, err := rotate.Commit(ctx, open(t, db, "x", ids), rev, step(s, "ours"))
		require.ErrorIs(t, err, rotate.ErrUnknown)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func theTable(t *testing.T, w world) {
	t.Run("reading makes none", func(t *testing.T) {
		ids, db := keyed(t), connect(t, w.fresh(t), nil)
		l := open(t, db, "x", ids)
		_, _, err := l.Load(t.Context())
		require.ErrorIs(t, err, rotate.ErrNotFound)
		s, _, err := rotate.Commit(t.Context(), new(rotate.MemoryLedger), "",
			rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
		require.NoError(t, err)
		_, err = l.CompareAndSwap(t.Context(), "1", s)
		require.ErrorIs(t, err, rotate.ErrConflict)
		_, err = db.ExecContext(t.Context(), "SELECT * FROM layer_ledger")
		require.ErrorContains(t, err, "42P01")
	})
	t.Run("as it was agreed", func(t *testing.T) {
		ids, db := keyed(t), connect(t, w.fresh(t), nil)
		a, b := open(t, db, "a", ids), open(t, db, "b", ids)
		s, rev := begin(t, a, ids)
		begin(t, b, ids)
		_, _, err := rotate.Commit(t.Context(), a, rev, step(s, "x"))
		require.NoError(t, err)
		var rows []string
		list, err := db.QueryContext(t.Context(), "SELECT name || ' ' || rev || ' ' || pg_typeof(rev) || ' ' || "+
			"pg_typeof(blob) || ' ' || convert_from(substr(blob, 1, 21), 'UTF8') FROM layer_ledger ORDER BY name")
		require.NoError(t, err)
		for list.Next() {
			var row string
			require.NoError(t, list.Scan(&row))
			rows = append(rows, row)
		}
		require.NoError(t, list.Err())
		require.Equal(t, []string{"a 2 bigint bytea age-encryption.org/v1", "b 1 bigint bytea age-encryption.org/v1"},
			rows)
	})
	t.Run("made by many at once", func(t *testing.T) {
		for range 5 {
			ids, url := keyed(t), w.fresh(t)
			problems := make([]error, 8)
			start := make(chan struct{})
			var all sync.WaitGroup
			for i := range problems {
				db := connect(t, url, nil)
				require.NoError(t, db.PingContext(t.Context()))
				all.Go(func() {
					<-start
					_, _, problems[i] = rotate.Commit(t.Context(), open(t, db, fmt.Sprint(i), ids), "",
						rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
				})
			}
			close(start)
			all.Wait()
			for _, err := range problems {
				require.NoError(t, err)
			}
		}
	})
}

// durable: under any setting of the database, a change is on the disk before it is
// acknowledged.
func durable(t *testing.T, w world) {
	for setting, want := range map[string]string{"off": "on", "local": "on", "on": "on",
		"remote_apply": "remote_apply"} {
		t.Run(setting, func(t *testing.T) {
			ids, url := keyed(t), w.fresh(t)
			l := open(t, connect(t, url+"&synchronous_commit="+setting, nil), "x", ids)
			s, rev := begin(t, l, ids)
			db := connect(t, url, nil)
			_, err := db.ExecContext(t.Context(), `CREATE TABLE seen (setting text);
				CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
					$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
				CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON layer_ledger
					DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look()`)
			require.NoError(t, err)
			_, _, err = rotate.Commit(t.Context(), l, rev, step(s, "x"))
			require.NoError(t, err)
			begin(t, open(t, connect(t, url+"&synchronous_commit="+setting, nil), "y", ids), ids)
			var seen string
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT string_agg(setting, ' ') FROM seen").Scan(&seen))
			require.Equal(t, want+" "+want, seen)
		})
	}
}

// notify: a change sends a notification with name and revision. A refused change
// sends none.
func notify(t *testing.T, w world) {
	ids, url := keyed(t), w.fresh(t)
	listener, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer listener.Close(t.Context())
	_, err = listener.Exec(t.Context(), "LISTEN layer_ledger")
	require.NoError(t, err)
	l := open(t, connect(t, url, nil), "it's a ledger", ids)
	s, rev := begin(t, l, ids)
	_, _, err = rotate.Commit(t.Context(), l, "", step(s, "too late"))
	require.ErrorIs(t, err, rotate.ErrConflict)
	_, _, err = rotate.Commit(t.Context(), l, rev, step(s, "x"))
	require.NoError(t, err)
	_, _, err = rotate.Commit(t.Context(), l, rev, step(s, "too late"))
	require.ErrorIs(t, err, rotate.ErrConflict)
	_, err = listener.Exec(t.Context(), "SELECT pg_notify('layer_ledger', 'end')")
	require.NoError(t, err)
	var told []string
	for len(told) == 0 || told[len(told)-1] != "end" {
		n, err := listener.WaitForNotification(t.Context())
		require.NoError(t, err)
		told = append(told, n.Payload)
	}
	require.Equal(t, []string{"it's a ledger 1", "it's a ledger 2", "end"}, told)
}

const password = "hunter2-kT7qZw2mXv9RbL4n"

func refusals(t *testing.T, w world) {
	url := w.fresh(t)
	ids, db := keyed(t), connect(t, url, nil)
	begin(t, open(t, db, "x", ids), ids)
	_, err := db.ExecContext(t.Context(), "CREATE ROLE reader LOGIN; GRANT SELECT ON layer_ledger TO reader; "+
		"CREATE ROLE nobody LOGIN")
	require.NoError(t, err)
	as := func(who string) string { return strings.Replace(url, "postgres@", who+":"+password+"@", 1) }
	for _, tc := range []struct{ name, url, load, change string }{
		{"reads only", as("reader"), "", "it cannot be written: SQLSTATE 42501: let the role"},
		{"may nothing", as("nobody"), "it cannot be read: SQLSTATE 42501: let the role", ""},
		{"is nobody", as("unknown"), "it cannot be reached: SQLSTATE 28000: the user or the password is refused", ""},
		{"no database", strings.Replace(as("reader"), "/test", "/"+password, 1),
			"it cannot be reached: SQLSTATE 3D000", ""},
		{"a session that only reads", url + "&default_transaction_read_only=on", "replica or read-only", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := open(t, connect(t, tc.url, nil), "x", ids)
			s, rev, err := l.Load(t.Context())
			if tc.load == "" {
				require.NoError(t, err)
				_, _, err = rotate.Commit(t.Context(), l, rev, step(s, "x"))
				tc.load = tc.change
			}
			require.ErrorContains(t, err, "ledger postgres:x: ")
			require.ErrorContains(t, err, tc.load)
			require.NotErrorIs(t, err, rotate.ErrUnknown)
			require.Empty(t, redacttest.Check(err, password))
		})
	}
	t.Run("another table of that name", func(t *testing.T) {
		db := connect(t, w.fresh(t), nil)
		_, err := db.ExecContext(t.Context(), "CREATE TABLE layer_ledger (id int)")
		require.NoError(t, err)
		_, _, err = open(t, db, "x", ids).Load(t.Context())
		require.ErrorContains(t, err, "another table layer_ledger")
	})
	t.Run("serializable", func(t *testing.T) {
		url := w.fresh(t) + "&default_transaction_isolation=serializable"
		ids := keyed(t)
		_, err := stress.Run(t.Context(), ids.Recipients(), 4, 10,
			func(int) rotate.Ledger { return open(t, connect(t, url, nil), "x", ids) },
			open(t, connect(t, url, nil), "x", ids))
		require.NoError(t, err)
	})
}

// connections: each refusal of a real server is reported with its reason.
func connections(t *testing.T, w world) {
	var dir string
	require.NoError(t, w.admin.QueryRow("SHOW data_directory").Scan(&dir))
	mine, authority := certified(t, "127.0.0.1", time.Now().Add(time.Hour))
	_, another := certified(t, "127.0.0.1", time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(mine.PrivateKey)
	require.NoError(t, err)
	owner, err := os.Stat(dir)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"server.crt": {Type: "CERTIFICATE", Bytes: mine.Certificate[0]},
		"server.key": {Type: "PRIVATE KEY", Bytes: key}} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
		if stat := owner.Sys().(*syscall.Stat_t); os.Getuid() == 0 {
			require.NoError(t, os.Chown(file, int(stat.Uid), int(stat.Gid)))
		}
	}
	url := strings.TrimSuffix(w.fresh(t), "?sslmode=disable")
	fails := func(query, says string) {
		t.Helper()
		_, _, err := open(t, connect(t, url+query, nil), "x", keyed(t)).Load(t.Context())
		require.ErrorContains(t, err, says)
		require.Empty(t, redacttest.Check(err, password))
	}
	fails("?sslmode=require", "the server has no TLS, which sslmode asks for")
	run(t, w.admin, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
	reaches := func(query string) func() bool {
		return func() bool { return connect(t, url+query, nil).PingContext(t.Context()) == nil }
	}
	require.Eventually(t, reaches("?sslmode=verify-full&sslrootcert="+authority), 10*time.Second, 50*time.Millisecond)
	fails("?sslmode=verify-full&sslrootcert="+another, "the server's certificate is not trusted")
	fails("?sslmode=verify-ca&sslrootcert="+another, "the server's certificate is not trusted")
	byName := strings.Replace(url, "127.0.0.1", "localhost", 1)
	_, _, err = open(t, connect(t, byName+"?sslmode=verify-full&sslrootcert="+authority, nil), "x",
		keyed(t)).Load(t.Context())
	require.ErrorContains(t, err, "the server's certificate is for another host")

	fails("?sslmode=disable&target_session_attrs=standby", "none of the given servers fits target_session_attrs")
	fails("?sslmode=disable&require_auth=scram-sha-256", "the server asks for another kind of login "+
		"than require_auth allows")
	fails("?sslmode=disable&channel_binding=require", "the login cannot be bound to the TLS connection")
	fails("?sslmode=disable&gssencmode=disable", "SQLSTATE 42704: the server does not take a parameter of the address")
	fails("?sslmode=disable&work_mem="+password, "SQLSTATE 22023: the server does not take a parameter of the address")
	fails("?sslmode=disable&options=-c"+password, "SQLSTATE 42601: the server does not take a parameter of the address")
}

// replica: a replica is refused, whether or not it has the table yet.
func replica(t *testing.T, w world) {
	url := w.fresh(t)
	ids := keyed(t)
	s, rev := begin(t, open(t, connect(t, url, nil), "x", ids), ids)
	empty := w.fresh(t)
	r := w.server.StartReplica(t)
	for name, url := range map[string]string{"with the table": url, "without": empty} {
		t.Run(name, func(t *testing.T) {
			l := open(t, connect(t, strings.Replace(url, w.server.Address, r.Address, 1), nil), "x", ids)
			_, _, err := l.Load(t.Context())
			require.ErrorContains(t, err, "replica")
			require.NotErrorIs(t, err, rotate.ErrNotFound)
			for _, old := range []rotate.Revision{rev, ""} {
				_, _, err = rotate.Commit(t.Context(), l, old, step(s, "x"))
				if old != "" && name == "without" {
					continue // there is nothing to change
				}
				require.ErrorContains(t, err, "replica")
				require.NotErrorIs(t, err, rotate.ErrConflict)
				require.NotErrorIs(t, err, rotate.ErrUnknown)
			}
		})
	}
}
