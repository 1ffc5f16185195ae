package postgres_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/rotate"
)

// private are the parts of an address that no error may repeat.
var private = []string{password, "Xq7mVt2b", "wJ4hPz9k", "gR8nLc3d"}

// TestConnectionFailuresAreToldApart: each reason for a failed connection has its
// own text, and only a temporary one is tried again.
func TestConnectionFailuresAreToldApart(t *testing.T) {
	day := 24 * time.Hour
	other, otherFile := certified(t, "some-host.example", time.Now().Add(day))
	old, oldFile := certified(t, "127.0.0.1", time.Now().Add(-day))
	good, goodFile := certified(t, "127.0.0.1", time.Now().Add(day))
	with := func(c tls.Certificate) *fakeServer {
		return &fakeServer{tls: &tls.Config{Certificates: []tls.Certificate{c}}}
	}
	refuses := func(code, message string) *fakeServer {
		return &fakeServer{login: &pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message}}
	}
	demanding := with(good)
	demanding.tls.ClientAuth = tls.RequireAnyClientCert
	for _, tc := range []struct {
		name   string
		server *fakeServer
		query  string
		says   string
		again  bool // the failure is temporary
	}{
		{"a certificate that is not trusted", with(good), "?sslmode=verify-full", "the server's certificate is not " +
			"trusted: name its authority in sslrootcert", false},
		{"a certificate that is not trusted, of whatever host", with(good), "?sslmode=verify-ca&sslrootcert=" +
			otherFile, "the server's certificate is not trusted", false},
		{"a certificate of another host", with(other), "?sslmode=verify-full&sslrootcert=" + otherFile,
			"the server's certificate is for another host", false},
		{"a certificate that has expired", with(old), "?sslmode=verify-full&sslrootcert=" + oldFile,
			"the server's certificate has expired", false},
		{"no certificate of the client", demanding, "?sslmode=verify-full&sslrootcert=" + goodFile,
			"the server refuses this client's TLS", false},
		{"no TLS", &fakeServer{}, "?sslmode=require", "the server has no TLS, which sslmode asks for", false},
		{"no TLS, verified", &fakeServer{}, "?sslmode=verify-full&sslrootcert=" + goodFile, "the server has no TLS, " +
			"which sslmode asks for", false},
		{"no TLS, which is only preferred", refuses("3D000", `database "`+password+`" does not exist`),
			"?sslmode=prefer", "SQLSTATE 3D000: there is no such database", false},
		{"no database", refuses("3D000", password), "?sslmode=disable", "SQLSTATE 3D000: there is no such database: " +
			"correct its name", false},
		{"no role", refuses("28000", password), "?sslmode=disable", "SQLSTATE 28000: the user or the " +
			"password is refused", false},
		{"another password", refuses("28P01", password), "?sslmode=disable", "SQLSTATE 28P01: the user or the " +
			"password is refused", false},
		{"may not connect", refuses("42501", password), "?sslmode=disable", "SQLSTATE 42501: let " +
			"the role connect", false},
		{"an unknown parameter", refuses("42704", password), "?sslmode=disable", "SQLSTATE 42704: the server does " +
			"not take a parameter of the address", false},
		{"a parameter's value", refuses("22023", password), "?sslmode=disable", "SQLSTATE 22023: the server does not " +
			"take a parameter of the address", false},
		{"starting", refuses("57P03", password), "?sslmode=disable", "SQLSTATE 57P03: the server " +
			"ended it: run again", true},
		{"too many", refuses("53300", password), "?sslmode=disable", "SQLSTATE 53300: the database " +
			"has no connection", false},
		{"the web", &fakeServer{raw: "HTTP/1.1 400 Bad Request\r\n\r\n" + password}, "?sslmode=disable",
			"another program than Postgres answers there: correct host and port", false},
		{"another database", &fakeServer{raw: "\x4a\x00\x00\x00\x0a" + password}, "?sslmode=disable",
			"another program than Postgres answers there: correct host and port", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := tc.server.start(t)
			l := open(t, connect(t, "postgres://Xq7mVt2b:"+password+"@"+f.address+"/wJ4hPz9k"+tc.query, nil), "x",
				keyed(t))
			_, _, err := l.Load(t.Context())
			require.ErrorContains(t, err, "ledger postgres:x: ")
			require.ErrorContains(t, err, tc.says)
			require.NotErrorIs(t, err, rotate.ErrUnknown)
			require.NotErrorIs(t, err, rotate.ErrNotFound)
			if tc.again {
				require.GreaterOrEqual(t, f.asked.Load(), int32(8))
			} else {
				require.LessOrEqual(t, f.asked.Load(), int32(2), "one try, and pgx's request to end it")
			}
			require.Empty(t, redacttest.Check(err, append(private, f.address)...))
		})
	}

	for _, tc := range []struct {
		name string
		dial error
		find error
		says string
		asks int
	}{
		{name: "nothing listens", dial: &net.OpError{Op: "dial", Net: "tcp",
			Err: errors.New("connect: connection refused " + password)},
			says: "no server answers at that host and port", asks: 8},
		{name: "no host of that name", find: &net.DNSError{Err: "no such host", Name: "gR8nLc3d", IsNotFound: true},
			says: "there is no host of that name: correct the host", asks: 1},
		{name: "names cannot be looked up", find: &net.DNSError{Err: "server misbehaving",
			Name: "gR8nLc3d", IsTemporary: true},
			says: "the host's name cannot be looked up: check the network", asks: 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			config, err := pgx.ParseConfig("postgres://Xq7mVt2b:" + password + "@gR8nLc3d/wJ4hPz9k?sslmode=disable")
			require.NoError(t, err)
			asked := 0
			config.LookupFunc = func(context.Context, string) ([]string, error) {
				asked++
				return []string{"127.0.0.1"}, tc.find
			}
			config.DialFunc = func(context.Context, string, string) (net.Conn, error) { return nil, tc.dial }
			db := stdlib.OpenDB(*config)
			defer db.Close()
			_, _, err = open(t, db, "x", keyed(t)).Load(t.Context())
			require.ErrorContains(t, err, tc.says)
			require.Equal(t, tc.asks, asked)
			require.Empty(t, redacttest.Check(err, private...))
		})
	}

	t.Run("nothing answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			config, err := pgx.ParseConfig("postgres://Xq7mVt2b:" + password + "@127.0.0.1/wJ4hPz9k?sslmode=disable")
			require.NoError(t, err)
			config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() { // it reads and never answers
					for b := make([]byte, 1024); ; {
						if _, err := theirs.Read(b); err != nil {
							return
						}
					}
				}()
				return ours, nil
			}
			db := stdlib.OpenDB(*config)
			defer db.Close()
			began := time.Now()
			_, _, err = open(t, db, "x", keyed(t)).Load(t.Context())
			require.ErrorContains(t, err, "no answer in time: check host and port, the network and its firewalls")
			require.WithinDuration(t, began.Add(8*time.Minute), time.Now(), 10*time.Second)
			require.Empty(t, redacttest.Check(err, private...))
		})
	})
}

// TestPoolerFailuresHaveAdvice: PgBouncer uses one SQLSTATE for most of its
// refusals, and its connections do not share prepared statements.
func TestPoolerFailuresHaveAdvice(t *testing.T) {
	for _, tc := range []struct{ message, says string }{
		{"unsupported startup parameter: " + password, "a pooler does not support a parameter of the address, of " +
			"PGOPTIONS or of the service file"},
		{"invalid server parameter", "a pooler refuses a parameter of the address"},
		{"no such database: " + password, "the pooler has no database of that name"},
		{`database "` + password + `" does not exist`, "the server behind the pooler has no such database or user"},
		{`"trust" authentication failed`, "the pooler refuses the user or the password"},
		{"no such user: " + password, "the pooler refuses the user or the password"},
	} {
		t.Run(strings.ReplaceAll(tc.message, password, "X"), func(t *testing.T) {
			t.Parallel()
			f := (&fakeServer{login: &pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01",
				Message: tc.message}}).start(t)
			l := open(t, connect(t, "postgres://Xq7mVt2b:"+password+"@"+f.address+"/wJ4hPz9k?sslmode=disable", nil),
				"x", keyed(t))
			_, _, err := l.Load(t.Context())
			require.ErrorContains(t, err, "it cannot be reached: SQLSTATE 08P01: "+tc.says)
			require.LessOrEqual(t, f.asked.Load(), int32(2))
			require.Empty(t, redacttest.Check(err, private...))
		})
	}
	t.Run("whatever else", func(t *testing.T) {
		t.Parallel()
		f := (&fakeServer{login: &pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01",
			Message: "no more connections allowed (" + password + ")"}}).start(t)
		_, _, err := open(t, connect(t, "postgres://Xq7mVt2b@"+f.address+"/d?sslmode=disable", nil), "x",
			keyed(t)).Load(t.Context())
		require.ErrorContains(t, err, "SQLSTATE 08P01: a pooler such as PgBouncer refused the connection or ended it")
		require.GreaterOrEqual(t, f.asked.Load(), int32(8), "it may pass")
		require.Empty(t, redacttest.Check(err, private...))
	})

	for _, tc := range []struct {
		severity, code, message, says string
		unknown                       bool
	}{
		{"ERROR", "42P05", `prepared statement "` + password + `" already exists`, "leave default_query_exec_mode " +
			"out of the address", false},
		{"ERROR", "26000", `prepared statement "` + password + `" does not exist`, "leave default_query_exec_mode " +
			"out of the address", false},
		{"FATAL", "08P01", "server conn crashed?", "a pooler such as PgBouncer refused the " +
			"connection or ended it", true},
		{"FATAL", "08P01", "transaction blocks not allowed in statement pooling mode", "let it pool by transaction",
			false},
	} {
		t.Run(tc.code+" "+strings.ReplaceAll(tc.message, password, "X"), func(t *testing.T) {
			t.Parallel()
			f := (&fakeServer{statement: &pgproto3.ErrorResponse{Severity: tc.severity, Code: tc.code,
				Message: tc.message}}).start(t)
			ids := keyed(t)
			l := open(t, connect(t, "postgres://Xq7mVt2b:"+password+"@"+f.address+"/wJ4hPz9k?sslmode=disable", nil),
				"x", ids)
			_, _, err := l.Load(t.Context())
			require.ErrorContains(t, err, "it cannot be read: SQLSTATE "+tc.code+": ")
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, redacttest.Check(err, private...))

			_, _, err = rotate.Commit(t.Context(), l, "1",
				rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
			require.ErrorContains(t, err, "it cannot be written: SQLSTATE "+tc.code+": ")
			require.ErrorContains(t, err, tc.says)
			require.Equal(t, tc.unknown, errors.Is(err, rotate.ErrUnknown))
			require.Empty(t, redacttest.Check(err, private...))
		})
	}
}
