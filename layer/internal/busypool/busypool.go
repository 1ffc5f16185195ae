// Package busypool is a service with a busy pool of database connections, for
// tests of passwords that rotate.
package busypool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// Service sends queries as fast as it can, over a pool whose connections live
// for a moment only.
type Service struct {
	// Queries are the queries that the server has answered, Failed those that failed,
	// and Connections the logins.
	Queries, Failed, Connections atomic.Int64
	// Stop ends the service. It waits until no query runs.
	Stop func()

	mu   sync.Mutex
	seen map[string]bool
}

// Start starts a service until the test ends. Its pool follows the secret, whose
// values are connection strings, as docs/postgres.md describes it. change may
// change the settings of a connection. Nil: it changes nothing. A query that fails
// fails the test.
func Start(t testing.TB, database *secret.Secret, query string, change func(*pgx.ConnConfig)) *Service {
	t.Helper()
	s := &Service{seen: map[string]bool{}}
	config, err := pgxpool.ParseConfig("")
	require.NoError(t, err)
	config.MaxConns, config.MaxConnLifetime, config.HealthCheckPeriod = 4, 200*time.Millisecond, 100*time.Millisecond
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		text, err := database.Current().Text()
		if err != nil {
			return err
		}
		next, err := pgx.ParseConfig(text)
		if err != nil {
			return errors.New("the database's connection string cannot be parsed")
		}
		s.Connections.Add(1)
		s.mu.Lock()
		s.seen[next.Password] = true
		s.mu.Unlock()
		c.Config = next.Config
		if change != nil {
			change(c)
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := pool.Exec(context.WithoutCancel(ctx), query); err != nil {
					s.Failed.Add(1)
					t.Errorf("a query is lost: %v", err)
					return
				}
				s.Queries.Add(1)
				time.Sleep(2 * time.Millisecond) // the other tests use the machine too
			}
		})
	}
	s.Stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		pool.Close()
	})
	t.Cleanup(s.Stop)
	return s
}

// Passwords returns the passwords of the logins.
func (s *Service) Passwords() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.seen {
		list = append(list, p)
	}
	return list
}
