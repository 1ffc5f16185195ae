package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/ledger/postgres"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The credentials of the tests. They must never be shown.
const (
	s3ID       = "AKIDmadeup0123456789"
	s3Key      = "mAde/Up+kEy0123456789abcdefGHIJKLMnopQRS"
	pgPassword = "hunter2-kT7qZw2mXv9RbL4n"
)

// engine is a server for ledgers.
type engine interface {
	// environment returns the variables that lead layer to the server.
	environment() []string
	// place returns an address without a ledger.
	place() string
	// away returns an address of the same form at which no server listens.
	away() string
	// open opens the ledger in a place without a memory of ledgers seen.
	open(place string, ids ledger.Identities) (rotate.Ledger, error)
	// drop deletes the ledger in a place.
	drop(place string) error
}

// placed numbers the places.
var placed atomic.Int64

// s3Engine is a server that speaks S3, with a bucket named ledgers.
type s3Engine struct {
	endpoint string
	remove   func(object string) error
}

func (e s3Engine) environment() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s3ID, "AWS_SECRET_ACCESS_KEY=" + s3Key}
}

func (e s3Engine) place() string {
	return fmt.Sprintf("s3://ledgers/team-%d/shop?endpoint=%s", placed.Add(1), url.QueryEscape(e.endpoint))
}

func (e s3Engine) away() string { return "s3://ledgers/shop?endpoint=http://127.0.0.1:1" }

func (e s3Engine) open(place string, ids ledger.Identities) (rotate.Ledger, error) {
	o, err := bucket.ParseURL(place)
	if err != nil {
		return nil, err
	}
	o.Region, o.AccessKeyID, o.SecretAccessKey, o.Identities = "us-east-1", s3ID, driver.NewValue(s3Key), ids
	return bucket.Open(context.Background(), o)
}

func (e s3Engine) drop(place string) error {
	o, err := bucket.ParseURL(place)
	if err != nil {
		return err
	}
	return e.remove(o.Prefix + "/ledger.age")
}

// fakeS3 returns a server in this process. Requests pass through the handler
// that the test adds.
func fakeS3(t testing.TB, through func(http.Handler) http.Handler) s3Engine {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("ledgers"))
	handler := gofakes3.New(backend).Server()
	if through != nil {
		handler = through(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return s3Engine{server.URL, func(object string) error {
		_, err := backend.DeleteObject("ledgers", object)
		return err
	}}
}

// versity is versitygw, which checks signatures.
func versity(t testing.TB) s3Engine {
	t.Helper()
	program := servers.Find(t, "versitygw")
	dir, address := t.TempDir(), servers.Address(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ledgers"), 0o700))
	servers.Start(t, address, []string{"ROOT_ACCESS_KEY=" + s3ID, "ROOT_SECRET_KEY=" + s3Key}, program, "--port", address,
		"--quiet", "posix", dir)
	return s3Engine{"http://" + address, func(object string) error {
		return os.Remove(filepath.Join(dir, "ledgers", filepath.FromSlash(object)))
	}}
}

// pgEngine is a Postgres that asks for a password.
type pgEngine struct {
	server *servers.Postgres
	admin  *sql.DB
}

func newPostgres(t testing.TB) pgEngine {
	t.Helper()
	e := pgEngine{server: servers.StartPostgres(t)}
	config, err := pgx.ParseConfig(e.server.URL("postgres"))
	require.NoError(t, err)
	e.admin = stdlib.OpenDB(*config)
	t.Cleanup(func() { e.admin.Close() })
	// Any user but this test's administrator must send a password.
	var rules string
	require.NoError(t, e.admin.QueryRow("SHOW hba_file").Scan(&rules))
	require.NoError(t, os.WriteFile(rules,
		[]byte("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o600))
	for _, statement := range []string{"SELECT pg_reload_conf()", "CREATE ROLE layer LOGIN PASSWORD '" + pgPassword + "'",
		"CREATE ROLE reader LOGIN PASSWORD '" + pgPassword + "'", "CREATE DATABASE ledgers OWNER layer"} {
		_, err := e.admin.Exec(statement)
		require.NoError(t, err, "the server cannot be prepared")
	}
	return e
}

func (e pgEngine) environment() []string { return []string{"PGPASSWORD=" + pgPassword} }

func (e pgEngine) place() string {
	return fmt.Sprintf("postgres://layer@%s/ledgers?sslmode=disable&name=shop%%20%d", e.server.Address, placed.Add(1))
}

func (e pgEngine) away() string {
	return "postgres://layer@127.0.0.1:1/ledgers?sslmode=disable&name=shop"
}

func (e pgEngine) connect(address string) (*sql.DB, string, error) {
	p, err := postgresPlace(address)
	if err != nil {
		return nil, "", err
	}
	config, err := pgx.ParseConfig(p.url)
	if err != nil {
		return nil, "", err
	}
	config.Password = pgPassword
	return stdlib.OpenDB(*config), p.name, nil
}

func (e pgEngine) open(place string, ids ledger.Identities) (rotate.Ledger, error) {
	db, name, err := e.connect(place)
	if err != nil {
		return nil, err
	}
	return postgres.Open(db, postgres.Options{Name: name, Identities: ids})
}

func (e pgEngine) drop(place string) error {
	db, name, err := e.connect(place)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec("DELETE FROM layer_ledger WHERE name = $1", name)
	return err
}

// TestLedgerScripts runs an operator's commands on a ledger elsewhere, here in
// a bucket in this process. TestServerVersity and TestServerPostgres run the
// same on real servers.
func TestLedgerScripts(t *testing.T) {
	t.Parallel()
	inBothWays(t, func(t *testing.T, setUp func(*testscript.Env) error) { ledgerScripts(t, fakeS3(t, nil), setUp) })
}

func TestServerVersity(t *testing.T) {
	ledgerScripts(t, versity(t), setUp)
}

func TestServerPostgres(t *testing.T) {
	ledgerScripts(t, newPostgres(t), setUp)
}

// TestServerAcross moves a ledger from a file to a bucket, from there to
// Postgres, and back into the file.
func TestServerAcross(t *testing.T) {
	ledgerScripts(t, across{versity(t), newPostgres(t)}, setUp, "testdata/ledger/copy.txtar")
}

// across is two servers that provide the places in turn.
type across [2]engine

func (a across) environment() []string { return append(a[0].environment(), a[1].environment()...) }

// turns counts the places of all across values.
var turns atomic.Int64

func (a across) place() string { return a[(turns.Add(1)+1)%2].place() }

func (a across) away() string { return a[0].away() }

func (a across) of(place string) engine {
	if strings.HasPrefix(place, "s3:") {
		return a[0]
	}
	return a[1]
}

func (a across) open(place string, ids ledger.Identities) (rotate.Ledger, error) {
	return a.of(place).open(place, ids)
}

func (a across) drop(place string) error { return a.of(place).drop(place) }

// ledgerScripts sets LEDGER and NEXT, two places without a ledger, and AWAY, at
// which no server listens. Without files it runs all scripts.
func ledgerScripts(t *testing.T, e engine, setUp func(*testscript.Env) error, files ...string) {
	dir := ""
	if len(files) == 0 {
		dir = "testdata/ledger"
	}
	testscript.Run(t, testscript.Params{Dir: dir, Files: files, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: scriptCommands(), Condition: condition,
		Setup: func(env *testscript.Env) error {
			if err := setUp(env); err != nil {
				return err
			}
			useEngine(env.Values[sessionKey{}].(*session), e, env.Setenv)
			return nil
		}})
}

func useEngine(s *session, e engine, setenv func(key, value string)) {
	s.engine = e
	for _, v := range e.environment() {
		name, value, _ := strings.Cut(v, "=")
		setenv(name, value)
	}
	for _, private := range []string{s3Key, pgPassword} {
		s.hide(private, "a credential")
	}
	setenv("LEDGER", e.place())
	setenv("NEXT", e.place())
	setenv("AWAY", e.away())
}

// cmdPlace works on the ledger in a place, without a memory of ledgers seen:
//
//	place keep ADDRESS NAME       keeps the present state
//	place restore ADDRESS NAME    restores that state, as from a backup
//	place same ADDRESS NAME       the state equals the kept one
//	place other ADDRESS           puts another ledger there
//	place drop ADDRESS            deletes the ledger
//	place holds ADDRESS PATTERN   PATTERN matches its generation, a space, and the place it moved to
func cmdPlace(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if len(args) < 2 || s.engine == nil {
		ts.Fatalf("usage: place keep|restore|other|drop|holds ADDRESS …")
	}
	if args[0] == "drop" {
		ts.Check(s.engine.drop(args[1]))
		return
	}
	ids, err := ledger.ReadIdentities(ts.MkAbs("layer.identity"))
	ts.Check(err)
	l, err := s.engine.open(args[1], ids)
	ts.Check(err)
	state, rev, err := l.Load(context.Background())
	ts.Check(err)
	write := func(next rotate.State) {
		_, err := l.CompareAndSwap(context.Background(), rev, next)
		ts.Check(err)
	}
	switch args[0] {
	case "keep":
		if s.kept == nil {
			s.kept = map[string]rotate.State{}
		}
		s.kept[args[2]] = state
	case "restore":
		write(s.kept[args[2]])
	case "same":
		if kept, ok := s.kept[args[2]]; !ok || state.Equal(kept) == neg {
			ts.Fatalf("it is the same: %v", neg)
		}
	case "other":
		_, _, err := rotate.Commit(context.Background(), l, rev, rotate.NewState(state.Settings()))
		ts.Check(err)
	case "holds":
		matches(ts, neg, args[2], fmt.Sprint(state.Generation(), " ", state.Moved()))
	default:
		ts.Fatalf("place does not %s", args[0])
	}
}
