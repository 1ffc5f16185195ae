package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/generate/postgres"
)

// databaseTest is a database with a secret for its password. The administrator
// and the tests of values reach it through a proxy, a service does not.
type databaseTest struct {
	*testing.T
	server   *servers.Postgres
	proxy    *servers.PostgresProxy
	admin    *pgx.Conn
	database *secret.Secret
}

func newDatabase(t *testing.T) databaseTest {
	w := databaseTest{T: t, server: servers.StartPostgres(t)}
	w.proxy = servers.StartPostgresProxy(t, w.server.Address)
	var err error
	w.admin, err = pgx.Connect(t.Context(), w.server.URL("postgres"))
	require.NoError(t, err)
	t.Cleanup(func() { w.admin.Close(context.Background()) })
	require.NoError(t, os.WriteFile(w.ask("SHOW hba_file"),
		[]byte("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o600))
	for _, s := range []string{"SELECT pg_reload_conf()", "CREATE ROLE app_rights", "CREATE TABLE orders (n int)",
		"GRANT INSERT ON orders TO app_rights"} {
		_, err := w.admin.Exec(t.Context(), s)
		require.NoError(t, err)
	}
	w.database = secret.Generated(secret.Options{Namespace: "shop", Name: "database", Generator: postgres.Name,
		Params:   map[string]string{"dsn_env": "DATABASE_ADMIN_URL", "role": "app", "grant": "app_rights"},
		Rotation: &secret.Rotation{EveryDays: 30}})
	return w
}

// app returns the service's App, for the values of a folder.
func (w *databaseTest) app(dir string) *secret.App {
	app := secret.NewApp(secret.AppOptions{Store: secret.Dir(filepath.Join(dir, "secrets")),
		Logger: slog.New(slog.DiscardHandler)})
	app.Use(w.database)
	return app
}

// direct leads a connection of the service around the proxy.
func (w databaseTest) direct(c *pgx.ConnConfig) {
	direct, err := pgx.ParseConfig(w.server.URL("postgres"))
	require.NoError(w, err)
	c.Host, c.Port = direct.Host, direct.Port
}

func (w databaseTest) env() []string {
	return []string{"DATABASE_ADMIN_URL=" + strings.Replace(w.server.URL("postgres"), w.server.Address, w.proxy.Address, 1)}
}

func (w databaseTest) layer(dir string, args ...string) {
	w.Helper()
	line := append([]string{"secret"}, args...)
	if args[0] != "init" {
		line = withSpec(args)
	}
	r := runHere(w.T, dir, w.env(), line...)
	require.Zero(w, r.status, "layer %s: %s", strings.Join(args, " "), r.stderr)
}

func (w databaseTest) status(dir string) secretJSON {
	w.Helper()
	r := runHere(w.T, dir, w.env(), "secret", "status", "--spec", "spec.json", "--json")
	require.Zero(w, r.status, r.stderr)
	var report reportJSON
	require.NoError(w, json.Unmarshal([]byte(r.stdout), &report))
	return report.Secrets[0]
}

func (w databaseTest) ask(query string, args ...any) (text string) {
	w.Helper()
	require.NoError(w, w.admin.QueryRow(context.Background(), query, args...).Scan(&text))
	return text
}

// databaseStage is a folder with the roles that belong to it.
type databaseStage struct {
	dir   string
	roles string // the statements that make them
}

func (w databaseTest) stage(dir string) databaseStage {
	w.Helper()
	return databaseStage{dir, w.ask(`SELECT coalesce(string_agg(format('CREATE ROLE %1$I LOGIN PASSWORD %2$L; ' ||
	'GRANT app_rights TO %1$I; COMMENT ON ROLE %1$I IS %3$L;', rolname, rolpassword, shobj_description(oid, 'pg_authid')),
	''), '') FROM pg_authid WHERE rolname LIKE 'app__'`)}
}

// restored returns a copy of the folder, and makes the roles as they were.
func (w databaseTest) restored(s databaseStage) string {
	w.Helper()
	_, err := w.admin.Exec(w.Context(), "BEGIN; DROP ROLE IF EXISTS app_a, app_b;"+s.roles+"COMMIT")
	require.NoError(w, err)
	return copiedTo(w.T, s.dir, inMemory(w.T))
}

// next runs a command on copies of a stage until it has the effect, and returns
// the stage after it.
func (w databaseTest) next(s databaseStage, effect func(secretJSON) bool, args ...string) databaseStage {
	w.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; {
		dir := w.restored(s)
		w.layer(dir, args...)
		if effect(w.status(dir)) {
			return w.stage(dir)
		}
	}
	require.Fail(w, "the time never came")
	return s
}

// logins requires that the active versions of the published document work.
func (w databaseTest) logins(dir string, at int) {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "secrets", "LAYERON_*"))
	require.NoError(w, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(w, err)
		document, err := secret.Parse(strings.TrimSuffix(string(text), "\n"))
		require.NoError(w, err)
		for _, v := range append(document.Active(time.Now()), document.Current()) {
			c, err := pgx.ParseConfig(v.Text())
			require.NoError(w, err)
			w.direct(c)
			conn, err := pgx.ConnectConfig(w.Context(), c)
			require.NoError(w, err, "step %d: %s", at, v.ID)
			conn.Close(w.Context())
		}
	}
}

// clean requires that the server has one role for each value in use, and that the
// ledger has no work left. The names of interrupted runs stay in it for a while.
func (w databaseTest) clean(dir string, at int) {
	w.Helper()
	require.Empty(w, leftovers(w.T, dir), "step %d", at)
	var state struct {
		Secrets []struct {
			Making, Intent *struct{}
			Versions       []struct{ Resource *struct{ ID string } }
		}
		Retire []struct{}
		Sweep  []struct {
			Name  string
			Until time.Time
		}
	}
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(w, err)
	identities, err := age.ParseIdentities(bytes.NewReader(key))
	require.NoError(w, err)
	sealed, err := os.ReadFile(filepath.Join(dir, "layer.secrets.age"))
	require.NoError(w, err)
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), identities...)
	require.NoError(w, err)
	text, err := io.ReadAll(plain)
	require.NoError(w, err)
	require.NoError(w, json.Unmarshal(text, &state))
	var want []string
	for _, s := range state.Secrets {
		require.Nil(w, s.Making, "step %d", at)
		require.Nil(w, s.Intent, "step %d", at)
		for _, v := range s.Versions {
			if v.Resource != nil {
				role, name, _ := strings.Cut(v.Resource.ID, "/")
				want = append(want, role+": layer secret: in use by "+name)
			}
		}
	}
	require.Empty(w, state.Retire, "step %d", at)
	for _, s := range state.Sweep {
		require.WithinDuration(w, time.Now(), s.Until, 16*time.Minute, "step %d", at)
	}
	require.LessOrEqual(w, len(state.Sweep), 1, "step %d", at)
	require.LessOrEqual(w, w.ask("SELECT count(*)::text FROM pg_roles WHERE rolname LIKE 'app%'"), "3", "step %d", at)
	var got []string
	for _, mark := range strings.Split(w.ask(`SELECT string_agg(rolname || ': ' ||
	regexp_replace(shobj_description(oid, 'pg_authid'), ' since .*', ''), E'\n') FROM pg_roles WHERE rolname LIKE 'app__'`),
		"\n") {
		if !strings.Contains(mark, ": layer secret: free") {
			got = append(got, mark)
		}
	}
	require.ElementsMatch(w, want, got, "step %d", at)
}
