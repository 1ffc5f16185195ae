package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

func TestServerRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		name string
		test func(t *testing.T, w world)
	}{
		{"two roles take turns", turns},
		{"any password_encryption", encryptions},
		{"names", names},
		{"json", jsonValues},
		{"roles of others are refused", others},
		{"the rights of the administrator", rights},
		{"another grant", regrants},
		{"settings of the administrator do not matter", settings},
		{"retire", retire},
		{"sweep", sweep},
		{"a run that overtakes another", overtaken},
		{"a run that waits for another", waits},
		{"a crash at each statement", crashes},
		{"the context ends", contextEnds},
		{"failures have advice", failures},
		{"TLS", overTLS},
		{"a standby", standby},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, w) })
	}
}

func turns(t *testing.T, w world) {
	d := w.declare(t)
	base, admin := d.params["role"], w.admin(t)
	run(t, admin, "CREATE TABLE t"+base+" AS SELECT 1 AS n", "GRANT SELECT ON t"+base+" TO "+base+"_rights")
	first := d.make()
	require.Equal(t, base+"_a/"+fmt.Sprintf("layer 01234567 $SECRET.shop.%s %012x", base, 1), first.ID)
	second := d.make()
	require.True(t, strings.HasPrefix(second.ID, base+"_b/"))
	for range 5 {
		d.works()
		require.Equal(t, "1", one(t, connect(t, d.inUse[0].Value.Reveal()), "SELECT n::text FROM t"+base))
		_, err := d.tryMake(d.name())
		require.ErrorIs(t, err, driver.ErrNotApplied)
		require.ErrorContains(t, err, "wait until the older one has ended")
		d.works()
		d.retire()
		d.works()
		d.make()
	}
	require.Equal(t, "2", one(t, admin, "SELECT count(*)::text FROM pg_roles WHERE rolname LIKE '"+base+"__' AND "+
		"rolcanlogin"))
	// No password is in the log, although each statement is.
	log := w.log(t)
	require.True(t, strings.Contains(log, `PASSWORD E'SCRAM-SHA-256$4096:`), "the log has no statement")
	for _, p := range d.all {
		require.False(t, strings.Contains(log, p), "a password is in the server's log")
	}
}

func encryptions(t *testing.T, w world) {
	admin := w.admin(t)
	for _, how := range []string{"md5", "scram-sha-256"} {
		for _, method := range []string{"md5", "scram-sha-256", "password"} {
			t.Run(how+", login by "+method, func(t *testing.T) {
				run(t, admin, "ALTER SYSTEM SET password_encryption = '"+how+"'")
				w.access(t, lines("host all all all "+method)...)
				d := w.declare(t)
				d.make()
				d.make()
				d.retire()
				d.works()
				require.Equal(t, "2", one(t, admin, "SELECT count(*)::text FROM pg_authid WHERE rolname LIKE $1 AND "+
					"rolpassword LIKE 'SCRAM-SHA-256$4096:%'", d.params["role"]+"__"))
			})
		}
	}
}

func names(t *testing.T, w world) {
	for i, base := range []string{`it's "quoted"`, `Capitals`, `Übergröße 鍵`, `back\slash''`, `a/b`, `a;b--`, "user",
		"$1", " ", strings.Repeat("r", 61), strings.Repeat("é", 30) + "z"} {
		t.Run(base, func(t *testing.T) {
			grant := fmt.Sprintf(`rights'"\ Ü %d`, i)
			d := w.declare(t, "role", base, "grant", grant)
			admin := w.admin(t)
			first := d.make()
			d.make()
			d.works()
			d.retire()
			d.make()
			require.Equal(t, base+"_b", config(t, d.inUse[1]).User)
			require.Equal(t, "t", one(t, admin, "SELECT pg_has_role($1, $2, 'MEMBER')::text", base+"_a", grant)[:1])
			require.True(t, strings.HasPrefix(first.ID, base+"_a/"))
		})
	}
}

func jsonValues(t *testing.T, w world) {
	d := w.declare(t, "format", "json", "database", "template1")
	m := d.make()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(m.Value.Reveal()), &v))
	host, port, _ := strings.Cut(w.server.Address, ":")
	require.Equal(t, host, v["host"])
	require.Equal(t, port, fmt.Sprint(v["port"]))
	require.Equal(t, "template1", v["database"])
	require.Equal(t, d.params["role"]+"_a", v["user"])
	require.Equal(t, "template1", one(t, connect(t, v["url"].(string)), "SELECT current_database()"))
	require.Len(t, v, 6)
	d.make()
	d.retire()
}

func others(t *testing.T, w world) {
	d := w.declare(t)
	base, admin := d.params["role"], w.admin(t)
	refused := func(says string) {
		t.Helper()
		_, err := d.tryMake(d.name())
		require.ErrorIs(t, err, driver.ErrNotApplied)
		require.ErrorContains(t, err, says)
	}
	run(t, admin, "CREATE ROLE "+base+"_a LOGIN PASSWORD 'x'")
	before := one(t, admin, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", base+"_a")
	refused("the role \"" + base + "_a\" exists and is not one of layer's")
	run(t, admin, "COMMENT ON ROLE "+base+"_a IS 'of the shop'")
	refused("has another comment than layer's")
	require.Equal(t, before, one(t, admin, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", base+"_a"))
	require.Equal(t, "of the shop", one(t, admin, "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE "+
		"rolname = $1", base+"_a"))
	run(t, admin, "COMMENT ON ROLE "+base+"_a IS 'layer secret: free'") // what the message says
	d.make()

	other := *d
	other.inUse = nil
	_, err := other.generator().Make(t.Context(), "layer 76543210 $SECRET.shop.db 01", other.params)
	require.ErrorContains(t, err, "another secret or another ledger")
	d.works()

	d = w.declare(t)
	run(t, admin, "DROP ROLE "+d.params["grant"])
	_, err = d.tryMake(d.name())
	require.ErrorContains(t, err, "there is no role \""+d.params["grant"]+"\", which the param grant names")
}

// settings: neither the role's time limits nor its formats nor its search_path
// count, and a commit is durable.
func settings(t *testing.T, w world) {
	d := w.declare(t)
	base, admin := d.params["role"], w.admin(t)
	run(t, admin, "CREATE ROLE dba_"+base+" SUPERUSER LOGIN PASSWORD '"+adminPassword+"'",
		"ALTER ROLE dba_"+base+" SET standard_conforming_strings = off",
		"ALTER ROLE dba_"+base+" SET client_encoding = 'LATIN1'",
		"ALTER ROLE dba_"+base+" SET search_path = trap, pg_catalog",
		"ALTER ROLE dba_"+base+" SET synchronous_commit = off",
		"ALTER ROLE dba_"+base+" SET backslash_quote = off",
		"ALTER ROLE dba_"+base+" SET escape_string_warning = on",
		"ALTER ROLE dba_"+base+" SET default_transaction_isolation = 'serializable'")
	run(t, admin, "CREATE SCHEMA trap", "CREATE VIEW trap.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE false",
		"CREATE VIEW trap.pg_stat_activity AS SELECT * FROM pg_catalog.pg_stat_activity WHERE false",
		"CREATE FUNCTION trap.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT 'on'$$",
		"ALTER SYSTEM SET wal_writer_delay = '10s'")
	w.reload(t)
	d.dsn = fmt.Sprintf("postgres://dba_%s:%s@%s/postgres?sslmode=disable", base, adminPassword, w.server.Address)
	d.params["role"], d.params["terminate"] = `ü\'`+base, "true"
	durable := func() bool { // sooner than the server would write it by itself
		query := "SELECT (pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn())::text"
		return one(t, admin, query) == "true"
	}
	run(t, admin, "CHECKPOINT")
	require.Eventually(t, durable, 2*time.Second, 5*time.Millisecond)
	m, err := d.tryMake(d.name())
	require.NoError(t, err)
	require.Eventually(t, durable, 2*time.Second, 5*time.Millisecond)
	d.inUse = []driver.Made{m}
	d.make()
	open := connect(t, m.Value.Reveal())
	d.retire()
	_, err = open.Exec(t.Context(), "SELECT 1")
	require.Error(t, err, "the session is ended")
	d.works()
	run(t, admin, "ALTER SYSTEM RESET wal_writer_delay")
	run(t, admin, "ALTER ROLE dba_"+base+" SET default_transaction_read_only = on")
	_, err = d.tryMake(d.name())
	require.ErrorContains(t, err, "is a standby or read-only")
}

func retire(t *testing.T, w world) {
	admin := w.admin(t)
	login := func(d *declared, suffix string) string {
		return one(t, admin, "SELECT rolcanlogin::text FROM pg_roles WHERE rolname = $1", d.params["role"]+suffix)
	}
	t.Run("sessions are left", func(t *testing.T) {
		d := w.declare(t)
		c := connect(t, d.make().Value.Reveal())
		d.make()
		d.retire()
		run(t, c, "SELECT 1")
		require.Equal(t, "true", login(d, "_a"))
	})
	t.Run("sessions are ended", func(t *testing.T) {
		d := w.declare(t, "terminate", "true", "nologin", "true")
		old, current := connect(t, d.make().Value.Reveal()), connect(t, d.make().Value.Reveal())
		id := d.inUse[1].ID
		d.retire()
		_, err := old.Exec(t.Context(), "SELECT 1")
		require.Error(t, err)
		run(t, current, "SELECT 1")
		require.Equal(t, "false", login(d, "_a"))
		has := func() string {
			return one(t, admin, "SELECT rolpassword || shobj_description(oid, 'pg_authid') FROM pg_authid WHERE rolname = $1",
				d.params["role"]+"_a")
		}
		before := has()
		require.NoError(t, d.generator().Retire(t.Context(), id), "once more")
		require.True(t, before == has(), "it changes the role")
		d.make()
		require.Equal(t, "true", login(d, "_a"))
		d.works()
	})
	t.Run("a role that has another value by now", func(t *testing.T) {
		d := w.declare(t, "terminate", "true")
		first := d.make()
		require.NoError(t, d.generator().Retire(t.Context(), first.ID))
		d.inUse = nil
		d.make()
		c := connect(t, d.inUse[0].Value.Reveal())
		require.NoError(t, d.generator().Retire(t.Context(), first.ID))
		require.NoError(t, d.generator().Retire(t.Context(), "no such role/no such name"))
		require.NoError(t, d.generator().Retire(t.Context(), ""))
		run(t, c, "SELECT 1")
		d.works()
	})
	t.Run("a role that is gone", func(t *testing.T) {
		d := w.declare(t)
		m := d.make()
		run(t, admin, "DROP ROLE "+d.params["role"]+"_a")
		require.NoError(t, d.generator().Retire(t.Context(), m.ID))
	})
	t.Run("without the right to end sessions", func(t *testing.T) {
		d := w.declare(t, "terminate", "true")
		base := d.params["role"]
		run(t, admin, "CREATE ROLE dba_"+base+" CREATEROLE LOGIN PASSWORD '"+adminPassword+"'",
			"GRANT "+base+"_rights TO dba_"+base+" WITH ADMIN OPTION")
		d.dsn = fmt.Sprintf("postgres://dba_%s:%s@%s/postgres?sslmode=disable", base, adminPassword, w.server.Address)
		m := d.make()
		c := connect(t, m.Value.Reveal())
		err := d.clean(d.generator().Retire(t.Context(), m.ID))
		require.ErrorContains(t, err, "GRANT pg_signal_backend TO")
		require.Error(t, d.test(m), "the password is replaced")
		run(t, c, "SELECT 1")
		run(t, admin, "GRANT pg_signal_backend TO dba_"+base)
		require.NoError(t, d.generator().Retire(t.Context(), m.ID), "the next run ends the sessions")
		_, err = c.Exec(t.Context(), "SELECT 1")
		require.Error(t, err)
	})
}

func sweep(t *testing.T, w world) {
	d := w.declare(t)
	d.make()
	lost, err := d.tryMake("layer 01234567 $SECRET.shop." + d.params["role"] + " lost")
	require.NoError(t, err)
	g := d.generator()
	name := strings.TrimPrefix(lost.ID, d.params["role"]+"_b/")
	require.NoError(t, g.Sweep(t.Context(), nil, nil))
	require.NoError(t, g.Sweep(t.Context(), []string{"layer", name + " ", name[1:]}, nil))
	require.NoError(t, g.Sweep(t.Context(), []string{name}, []string{lost.ID}))
	require.NoError(t, d.test(lost))
	require.NoError(t, g.Sweep(t.Context(), []string{"other", name}, d.ids()))
	require.ErrorContains(t, d.test(lost), "the login as")
	d.works()
	d.make()
	require.NoError(t, g.Sweep(t.Context(), []string{name}, d.ids()), "again")
	d.works()
}

func failures(t *testing.T, w world) {
	d := w.declare(t)
	m := d.make()
	good := d.dsn
	for _, tc := range []struct{ dsn, says string }{
		{"", "the environment variable DATABASE_ADMIN_URL, which dsn_env names, is empty"},
		{"postgres://a:" + adminPassword + "@%zz", "has no valid connection string"},
		{adminPassword, "has no valid connection string"},
		{"postgres://a:" + adminPassword + "@db/x?sslmode=verify-full&sslrootcert=/no/file", "has no valid connection string"},
		{"postgres://nobody:" + adminPassword + "@" + w.server.Address + "/postgres?sslmode=disable", "SQLSTATE 28P01: " +
			"correct the user and the password in DATABASE_ADMIN_URL"},
		{"postgres://postgres:" + adminPassword + "@" + w.server.Address + "/nowhere?sslmode=disable", "SQLSTATE 3D000: " +
			"there is no such database"},
		{"postgres://a:" + adminPassword + "@127.0.0.1:1/x?sslmode=disable", "no server answers at that host and port"},
		{"postgres://a:" + adminPassword + "@" + w.server.Address + "/x?sslmode=require", "the server has no TLS"},
	} {
		d.dsn = tc.dsn
		t.Run(tc.says, func(t *testing.T) {
			_, err := d.tryMake(d.name())
			require.ErrorContains(t, err, "postgres: ")
			require.ErrorContains(t, err, tc.says)
			require.ErrorIs(t, err, driver.ErrNotApplied)
			require.ErrorContains(t, d.clean(d.generator().Retire(t.Context(), m.ID)), tc.says)
			require.ErrorContains(t, d.clean(d.generator().Sweep(t.Context(), []string{"x"}, nil)), tc.says)
		})
	}
	d.dsn = good
	d.works()
	host, port, _ := strings.Cut(w.server.Address, ":")
	d.dsn = "host='no url," + host + "' port=1," + port + " user=postgres dbname=postgres sslmode=disable"
	_, err := d.tryMake(d.name())
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "no connection string can hold the database's or the host's name")
	d.dsn = good
	require.ErrorContains(t, d.clean(d.generator().(driver.Tester).Test(t.Context(), driver.Made{
		Value: driver.NewValue("postgres://x:" + adminPassword + "@" + w.server.Address + "/postgres?sslmode=disable")})),
		`the login as "x" fails: SQLSTATE 28P01: the password is refused`)
}

func standby(t *testing.T, w world) {
	d := w.declare(t)
	m := d.make()
	replica := w.server.StartReplica(t)
	d.dsn = replica.URL("postgres")
	_, err := d.tryMake(d.name())
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "the server in DATABASE_ADMIN_URL is a standby or read-only: connect to the primary")
	require.ErrorContains(t, d.generator().Retire(t.Context(), m.ID), "standby")
	require.ErrorContains(t, d.generator().Sweep(t.Context(), []string{"x"}, nil), "standby")
	// Of several hosts, the primary is used.
	d.dsn = "postgres://postgres@" + replica.Address + "," + w.server.Address +
		"/postgres?sslmode=disable&target_session_attrs=read-write"
	m, err = d.tryMake(d.name())
	require.NoError(t, err)
	// The login asks the replica first, which receives the password a moment later.
	require.Eventually(t, func() bool { return d.test(m) == nil }, 10*time.Second, 20*time.Millisecond)
	require.Contains(t, m.Value.Reveal(), replica.Address+","+w.server.Address)
	require.Contains(t, m.Value.Reveal(), "target_session_attrs=read-write")
}

func overTLS(t *testing.T, w world) {
	admin := w.admin(t)
	certificate, authority := certified(t)
	w.write(t, w.folder+"/server.crt", certificate.cert)
	w.write(t, w.folder+"/server.key", certificate.key)
	run(t, admin, "ALTER SYSTEM SET ssl = on")
	t.Cleanup(func() {
		run(t, w.admin(t), "ALTER SYSTEM SET ssl = off")
		w.access(t, lines("host all all all scram-sha-256")...)
	})
	w.access(t, lines("hostssl all all all scram-sha-256")...)
	d := w.declare(t, "sslrootcert", "/etc/postgres/authority.pem")
	d.dsn = "postgres://postgres@" + w.server.Address + "/postgres?sslmode=verify-full&sslrootcert=" + authority
	m := d.make()
	require.Contains(t, m.Value.Reveal(), "sslmode=verify-full&sslrootcert=%2Fetc%2Fpostgres%2Fauthority.pem")
	d.dsn = strings.Replace(d.dsn, "verify-full", "verify-ca", 1)
	d.make()
	d.works()
	d.dsn = "postgres://postgres@" + w.server.Address + "/postgres?sslmode=verify-full"
	require.ErrorContains(t, d.test(m), "the server's certificate is not trusted")
}
