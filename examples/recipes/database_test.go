package recipes

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

// server accepts one password at a time, and only at a login, as Postgres does.
type server struct {
	sync.Mutex // the pool closes connections in the background
	password   string
	refused    int
	open       map[*session]string // the password of each login
}

type session struct{ server *server }

var errNoQueries = errors.New("the fake server has no queries")

func (s *server) Open(string) (driver.Conn, error) { return nil, errNoQueries }

func (s *server) login(_ context.Context, password string) (driver.Conn, error) {
	s.Lock()
	defer s.Unlock()
	if password != s.password {
		s.refused++
		return nil, errors.New("password authentication failed")
	}
	c := &session{s}
	s.open[c] = password
	return c, nil
}

func (c *session) Begin() (driver.Tx, error)           { return nil, errNoQueries }
func (c *session) Prepare(string) (driver.Stmt, error) { return nil, errNoQueries }

func (c *session) Close() error {
	c.server.Lock()
	defer c.server.Unlock()
	delete(c.server.open, c)
	return nil
}

// passwords returns the password of each open connection.
func (s *server) passwords() (all []string) {
	s.Lock()
	defer s.Unlock()
	for _, password := range s.open {
		all = append(all, password)
	}
	return all
}

func TestPoolFollowsThePassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, dbPassword, "old")
		s := &server{password: "old", open: map[*session]string{}}
		pool := openPool(r.app, connector{s, s.login})
		defer pool.Close()
		ping := func() { t.Helper(); require.NoError(t, pool.PingContext(t.Context())) }
		ping()
		require.Equal(t, []string{"old"}, s.passwords())

		r.set("new")
		synctest.Wait()
		require.Empty(t, s.passwords(), "a change closes the idle connections")
		ping()
		require.Equal(t, 1, s.refused, "the server has the old password still")
		held := hold(t, pool)
		require.Equal(t, []string{"old"}, s.passwords())

		s.password = "new"
		ping()
		require.ElementsMatch(t, []string{"old", "new"}, s.passwords(), "a connection in use stays open")
		require.Equal(t, 1, s.refused, "the current password is the first that is tried")

		time.Sleep(30*time.Minute + time.Second)
		require.NoError(t, held.Close())
		require.NotContains(t, s.passwords(), "old", "no connection is older than 30 minutes")
	})
}

// hold takes a connection out of the pool.
func hold(t *testing.T, pool *sql.DB) *sql.Conn {
	t.Helper()
	conn, err := pool.Conn(t.Context())
	require.NoError(t, err)
	return conn
}

func TestPoolReportsWhyNoPasswordOpensAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, dbPassword, "old")
		r.set("new")
		s := &server{password: "another"}
		pool := openPool(r.app, connector{s, s.login})
		defer pool.Close()
		require.EqualError(t, pool.PingContext(t.Context()),
			"no active version of $SECRET.billing.db-password opens a connection\n"+
				"version v2: password authentication failed\nversion v1: password authentication failed")
	})
}

func TestPoolWithoutAPasswordFails(t *testing.T) {
	secrettest.Swap(t, secret.NewMemory(nil), dbPassword)
	_, err := connector{}.Connect(t.Context())
	require.ErrorIs(t, err, secret.ErrNotFound)
	secrettest.Set(t, dbPassword, "current=v1;v1=old;v1_expires=2020-01-01T00:00:00Z")
	_, err = connector{}.Connect(t.Context())
	require.ErrorContains(t, err, "no active version")
}
