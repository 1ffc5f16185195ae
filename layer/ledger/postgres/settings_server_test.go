package postgres_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/ledger/internal/stress"
	"github.com/layeron-hq/secret/layer/rotate"
)

// role creates a role that may use the ledgers of a database, with its own
// settings, and returns its URL.
func (w world) role(t *testing.T, url string, settings ...string) string {
	t.Helper()
	name := fmt.Sprintf("role%d", rand.Uint64())
	run(t, connect(t, url, nil), "CREATE ROLE "+name+" LOGIN", "GRANT SELECT, INSERT, UPDATE ON layer_ledger TO "+name)
	for _, setting := range settings {
		run(t, w.admin, "ALTER ROLE "+name+" SET "+setting)
	}
	return strings.Replace(url, "postgres@", name+"@", 1)
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// roleSettings: the settings of a role have no effect on the ledger that it reads,
// or on whether it can change the ledger.
func roleSettings(t *testing.T, w world) {
	slow := []string{ // for every role but the table's owner
		"CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM " +
			"pg_sleep(0.3); RETURN true; END $$",
		"ALTER TABLE layer_ledger ENABLE ROW LEVEL SECURITY",
		"CREATE POLICY slow ON layer_ledger USING (slow()) WITH CHECK (true)",
	}
	allow := []string{"ALTER TABLE layer_ledger ENABLE ROW LEVEL SECURITY", "CREATE POLICY everything ON " +
		"layer_ledger USING (true) WITH CHECK (true)"}
	usual := []string{"default_transaction_read_only = on", "default_transaction_isolation = serializable",
		"default_transaction_deferrable = on",
		"synchronous_commit = off", "idle_in_transaction_session_timeout = 1", "search_path = ''",
		"bytea_output = escape", "client_encoding = LATIN1",
		"standard_conforming_strings = off", "backslash_quote = off", "escape_string_warning = on",
		"DateStyle = 'German, DMY'",
		"IntervalStyle = sql_standard", "TimeZone = 'Asia/Kathmandu'", "extra_float_digits = -5",
		"transform_null_equals = on", "quote_all_identifiers = on",
		"row_security = off", "lc_messages = 'C.UTF-8'", "lc_numeric = 'C.UTF-8'", "client_min_messages = debug1",
		"plan_cache_mode = force_generic_plan",
		"enable_indexscan = off", "force_parallel_mode = on", "session_replication_role = replica"}
	for _, tc := range []struct {
		name     string
		settings []string
		table    []string // statements on the table before
	}{
		{name: "no path at all", settings: []string{"search_path = ''"}},
		{name: "a path to nowhere", settings: []string{"search_path = nowhere"}},
		{name: "a path to the catalog alone", settings: []string{"search_path = pg_catalog"}},
		{name: "a path to another schema", settings: []string{"search_path = pg_temp, information_schema"}},
		{name: "reads only by default", settings: []string{"default_transaction_read_only = on"}},
		{name: "statements end early", settings: []string{"statement_timeout = 100"}, table: slow},
		{name: "locks are not waited for", settings: []string{"lock_timeout = 1"}},
		{name: "transactions end early", settings: []string{"idle_in_transaction_session_timeout = 1",
			"default_transaction_read_only = on"}},
		{name: "sessions end early", settings: []string{"idle_session_timeout = 1"}},
		{name: "serializable", settings: []string{"default_transaction_isolation = serializable"}},
		{name: "repeatable read", settings: []string{"default_transaction_isolation = 'repeatable read'"}},
		{name: "no row security", settings: []string{"row_security = off"}, table: allow},
		{name: "no row security, and reads only", settings: []string{"row_security = off",
			"default_transaction_read_only = on"}, table: allow},
		{name: "bytes in octal", settings: []string{"bytea_output = escape"}},
		{name: "another encoding", settings: []string{"client_encoding = LATIN1"}},
		{name: "an encoding of several bytes", settings: []string{"client_encoding = SJIS"}},
		{name: "strings with backslashes", settings: []string{"standard_conforming_strings = off"}},
		{name: "all at once", settings: usual, table: allow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ids, url := keyed(t), w.fresh(t)
			const name = "läger's \\x41 ü"
			usual := open(t, connect(t, url, nil), name, ids)
			s, _ := begin(t, usual, ids)
			run(t, connect(t, url, nil), tc.table...)
			// as the command does
			l := open(t, connect(t, w.role(t, url, tc.settings...)+"&default_query_exec_mode=exec", nil), name, ids)
			found, rev, err := l.Load(t.Context())
			require.NoError(t, err)
			require.True(t, found.Equal(s))
			for range 2 {
				s, rev, err = rotate.Commit(t.Context(), l, rev, step(found, "role"))
				require.NoError(t, err)
				found, _, err = usual.Load(t.Context())
				require.NoError(t, err)
				require.True(t, found.Equal(s), "both are on one ledger")
			}
			_, _, err = rotate.Commit(t.Context(), l, "1", step(s, "late"))
			require.ErrorIs(t, err, rotate.ErrConflict)
			require.NotErrorIs(t, err, rotate.ErrUnknown)
			other, _ := begin(t, open(t, connect(t, w.role(t, url, tc.settings...), nil), "other", ids), ids)
			found, _, err = open(t, connect(t, url, nil), "other", ids).Load(t.Context())
			require.NoError(t, err)
			require.True(t, found.Equal(other))
		})
	}

	t.Run("a change waits for another's", func(t *testing.T) {
		ids, url := keyed(t), w.fresh(t)
		s, rev := begin(t, open(t, connect(t, url, nil), "x", ids), ids)
		tx, err := connect(t, url, nil).BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "SELECT FROM layer_ledger FOR UPDATE")
		require.NoError(t, err)
		time.AfterFunc(300*time.Millisecond, func() { _ = tx.Rollback() })
		l := open(t, connect(t, w.role(t, url, "lock_timeout = 20"), nil), "x", ids)
		_, _, err = rotate.Commit(t.Context(), l, rev, step(s, "x"))
		require.NoError(t, err)
	})

	t.Run("the table is made where others find it", func(t *testing.T) {
		for path, schema := range map[string]string{"''": "public", "nowhere": "public", "pg_catalog": "public",
			"pg_temp": "public", "team": "team", `"$user", public`: "public"} {
			ids, url := keyed(t), w.fresh(t)
			db := connect(t, url, nil)
			run(t, db, "CREATE SCHEMA team")
			name := fmt.Sprintf("role%d", rand.Uint64())
			run(t, db, "CREATE ROLE "+name+" LOGIN", "GRANT CREATE, USAGE ON SCHEMA public, team TO "+name,
				"ALTER ROLE "+name+" SET search_path = "+path,
				"ALTER ROLE "+name+" SET default_transaction_read_only = on")
			l := open(t, connect(t, strings.Replace(url, "postgres@", name+"@", 1), nil), "x", ids)
			_, _, err := l.Load(t.Context())
			require.ErrorIs(t, err, rotate.ErrNotFound)
			s, _ := begin(t, l, ids)
			var is string
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT string_agg(relnamespace::regnamespace::text, "+
				"' ') FROM pg_class WHERE relname = 'layer_ledger'").Scan(&is))
			require.Equal(t, schema, is, path)
			found, _, err := open(t, db, "x", ids).Load(t.Context())
			require.NoError(t, err, "another role begins no second ledger")
			require.True(t, found.Equal(s))
		}
	})

	t.Run("many make the table at once", func(t *testing.T) {
		ids, url := keyed(t), w.fresh(t)
		_, err := stress.Run(t.Context(), ids.Recipients(), 4, 5, func(i int) rotate.Ledger {
			return open(t, connect(t, url, nil), "x", ids)
		}, open(t, connect(t, url, nil), "x", ids))
		require.NoError(t, err)
	})

	t.Run("several tables", func(t *testing.T) {
		ids, url := keyed(t), w.fresh(t)
		db := connect(t, url, nil)
		run(t, db, "CREATE SCHEMA one", "CREATE SCHEMA two")
		in := func(schema string) string { return url + "&search_path=" + schema }
		one, _ := begin(t, open(t, connect(t, in("one"), nil), "x", ids), ids)
		two, _ := begin(t, open(t, connect(t, in("two"), nil), "x", ids), ids)
		for schema, want := range map[string]rotate.State{"one": one, "two": two} {
			found, _, err := open(t, connect(t, in(schema), nil), "x", ids).Load(t.Context())
			require.NoError(t, err)
			require.True(t, found.Equal(want), "the address names the place")
		}
		l := open(t, db, "x", ids)
		_, _, err := l.Load(t.Context())
		require.ErrorContains(t, err, "several tables layer_ledger")
		require.ErrorContains(t, err, "search_path=SCHEMA")
		require.NotErrorIs(t, err, rotate.ErrNotFound)
		_, _, err = rotate.Commit(t.Context(), l, "", rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
		require.ErrorContains(t, err, "several tables layer_ledger")
		require.NotErrorIs(t, err, rotate.ErrUnknown)

		_, _, err = open(t, connect(t, in("public"), nil), "x", ids).Load(t.Context())
		require.ErrorIs(t, err, rotate.ErrNotFound, "another place, which the address names")
		_, _, err = rotate.Commit(t.Context(), open(t, connect(t, in("nowhere"), nil), "x", ids), "",
			rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
		require.ErrorContains(t, err, "there is no schema to make the table in")
	})

	t.Run("a table of which the role may see nothing", func(t *testing.T) {
		ids, url := keyed(t), w.fresh(t)
		db := connect(t, url, nil)
		run(t, db, "CREATE SCHEMA theirs")
		begin(t, open(t, connect(t, url+"&search_path=theirs", nil), "x", ids), ids)
		name := fmt.Sprintf("role%d", rand.Uint64())
		run(t, db, "CREATE ROLE "+name+" LOGIN", "GRANT CREATE ON SCHEMA public TO "+name)
		l := open(t, connect(t, strings.Replace(url, "postgres@", name+"@", 1), nil), "x", ids)
		_, _, err := l.Load(t.Context())
		require.ErrorContains(t, err, "SQLSTATE 42501: let the role select, insert and update layer_ledger, or "+
			"create it, and use its schema")
		require.NotErrorIs(t, err, rotate.ErrNotFound, "or a second ledger would begin")
	})

	t.Run("a fence is respected", func(t *testing.T) {
		for name, fence := range map[string]string{
			"of the database": "ALTER DATABASE %s SET default_transaction_read_only = on",
			"of the server":   "ALTER SYSTEM SET default_transaction_read_only = on",
		} {
			t.Run(name, func(t *testing.T) {
				ids, url := keyed(t), w.fresh(t)
				s, rev := begin(t, open(t, connect(t, url, nil), "x", ids), ids)
				limited := w.role(t, url, "statement_timeout = 100")
				l := open(t, connect(t, limited, nil), "x", ids)
				base := url[strings.LastIndexByte(url, '/')+1 : strings.LastIndexByte(url, '?')]
				run(t, w.admin, strings.Replace(fence, "%s", base, 1), "SELECT pg_reload_conf()")
				t.Cleanup(func() {
					for _, statement := range []string{"ALTER SYSTEM RESET default_transaction_read_only",
						"SELECT pg_reload_conf()"} {
						_, err := w.admin.Exec(statement)
						require.NoError(t, err)
					}
					require.Eventually(t, func() bool {
						var is string
						return w.admin.QueryRow("SHOW default_transaction_read_only").Scan(&is) == nil && is == "off"
					}, 5*time.Second, 20*time.Millisecond)
				})
				for range 2 {
					require.Eventually(t, func() bool {
						_, _, err := l.Load(t.Context())
						return err != nil && strings.Contains(err.Error(), "replica or read-only")
					}, 5*time.Second, 20*time.Millisecond)
					_, _, err := rotate.Commit(t.Context(), l, rev, step(s, "x"))
					require.ErrorContains(t, err, "replica or read-only")
					require.NotErrorIs(t, err, rotate.ErrUnknown)
					l = open(t, connect(t, limited, nil), "x", ids)
				}
			})
		}
	})

	// Answers are lost in the worst places: the answer to the statement, and to the
	// COMMIT of its transaction.
	t.Run("faults in the transaction without the role's settings", func(t *testing.T) {
		ids, url := keyed(t), w.fresh(t)
		begin(t, open(t, connect(t, url, nil), "y", ids), ids)
		limited := w.role(t, url, "default_transaction_read_only = on", "idle_in_transaction_session_timeout = 1")
		db := connectWith(t, limited, func() fate {
			switch n := rand.IntN(20); { // a change has two packets that can be lost
			case n < 1:
				return answerLost
			case n < 2:
				return requestLost
			}
			return delivered
		}, "layer_ledger", "COMMIT")
		res, err := stress.Run(t.Context(), ids.Recipients(), 4, 20,
			func(int) rotate.Ledger { return open(t, db, "x", ids) },
			open(t, connect(t, url, nil), "x", ids))
		require.NoError(t, err)
		t.Logf("%+v", res)
	})

	t.Run("no setting is left behind", func(t *testing.T) {
		ids, url := keyed(t), w.fresh(t)
		s, rev := begin(t, open(t, connect(t, url, nil), "x", ids), ids)
		db := connect(t, w.role(t, url, "default_transaction_read_only = on", "statement_timeout = '77s'"), nil)
		db.SetMaxOpenConns(1)
		_, _, err := rotate.Commit(t.Context(), open(t, db, "x", ids), rev, step(s, "x"))
		require.NoError(t, err)
		var readOnly, limit string
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT current_setting('transaction_read_only'), "+
			"current_setting('statement_timeout')").Scan(&readOnly, &limit))
		require.Equal(t, "on 77s", readOnly+" "+limit)
	})
}

// textSettings: a server may use any format for bytes, texts and errors.
func textSettings(t *testing.T, w world) {
	// client encodings that it can be converted to, its default first
	for encoding, clients := range map[string][]string{
		"LATIN1":    {"LATIN1", "UTF8"},
		"SQL_ASCII": {"SJIS", "UTF8", "LATIN1", "EUC_JP"},
		"UTF8":      {"SJIS", "UTF8", "LATIN1", "WIN1252", "EUC_JP"},
	} {
		t.Run("a database in "+encoding, func(t *testing.T) {
			ids, base := keyed(t), fmt.Sprintf("test%d", rand.Uint64())
			run(t, w.admin, "CREATE DATABASE "+base+" TEMPLATE template0 LOCALE 'C' ENCODING '"+encoding+"'",
				"ALTER DATABASE "+base+" SET bytea_output = escape",
				"ALTER DATABASE "+base+" SET client_encoding = "+clients[0],
				"ALTER DATABASE "+base+" SET standard_conforming_strings = off",
				"ALTER DATABASE "+base+" SET synchronous_commit = off")
			url := w.server.URL(base)
			s, rev := begin(t, open(t, connect(t, url, nil), "läger", ids), ids)
			s, _, err := rotate.Commit(t.Context(), open(t, connect(t, url+"&client_encoding=UTF8", nil), "läger",
				ids), rev, step(s, "x"))
			require.NoError(t, err)
			for _, client := range clients {
				found, _, err := open(t, connect(t, url+"&client_encoding="+client, nil),
					"läger", ids).Load(t.Context())
				require.NoError(t, err, client)
				require.True(t, found.Equal(s), client)
			}
		})
	}
	t.Run("a name that the database cannot hold", func(t *testing.T) {
		ids, base := keyed(t), fmt.Sprintf("test%d", rand.Uint64())
		run(t, w.admin, "CREATE DATABASE "+base+" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
		_, _, err := rotate.Commit(t.Context(), open(t, connect(t, w.server.URL(base), nil), password+" 鍵", ids), "",
			rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
		require.ErrorContains(t, err, "SQLSTATE 22P05: the ledger's name has characters that the "+
			"database's encoding lacks")
		require.NotErrorIs(t, err, rotate.ErrUnknown)
	})
	t.Run("errors in other words", func(t *testing.T) {
		for _, code := range []string{"XX000", "42703"} {
			ids, url := keyed(t), w.fresh(t)
			l := open(t, connect(t, url, nil), "x", ids)
			s, rev := begin(t, l, ids)
			run(t, connect(t, url, nil), "CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+
				"RAISE EXCEPTION USING ERRCODE = '"+code+
				"', MESSAGE = '"+password+"', DETAIL = encode(NEW.blob, 'hex'), HINT = '"+password+"'; END $$",
				"CREATE TRIGGER complain BEFORE UPDATE ON layer_ledger FOR EACH ROW EXECUTE FUNCTION complain()")
			_, _, err := rotate.Commit(t.Context(), l, rev, step(s, "x"))
			require.ErrorContains(t, err, "it cannot be written: SQLSTATE "+code)
			require.Empty(t, redacttest.Check(err, password))
			require.Less(t, len(err.Error()), 300)
		}
	})
}
