package postgres_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/postgres"
	"github.com/layeron-hq/secret/layer/rotate"
)

func keyed(t testing.TB) ledger.Identities {
	t.Helper()
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	return ids
}

func open(t testing.TB, db *sql.DB, name string, ids ledger.Identities) rotate.Ledger {
	t.Helper()
	l, err := postgres.Open(db, postgres.Options{Name: name, Identities: ids})
	require.NoError(t, err)
	return l
}

func begin(t testing.TB, l rotate.Ledger, ids ledger.Identities) (rotate.State, rotate.Revision) {
	t.Helper()
	s, rev, err := rotate.Commit(t.Context(), l, "", rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
	require.NoError(t, err)
	return s, rev
}

func step(s rotate.State, by string) rotate.State {
	return s.WithLog(rotate.LogEntry{By: by, Op: "test"})
}

// connect opens a database over connections that meet faults. Nil: no faults.
func connect(t testing.TB, url string, fate func() fate) *sql.DB {
	t.Helper()
	return connectWith(t, url, fate, "layer_ledger")
}

// connectWith opens a database where packets that contain one of the words meet
// faults.
func connectWith(t testing.TB, url string, fate func() fate, words ...string) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	if fate != nil {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec // a statement is one packet
		dial := config.DialFunc
		config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &wire{Conn: c, fate: fate, words: words}, nil
		}
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { db.Close() })
	return db
}

// database creates a database and returns its URL.
func database(t testing.TB, admin *sql.DB, url func(string) string) string {
	t.Helper()
	name := fmt.Sprintf("test%d", rand.Uint64())
	_, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	return url(name)
}

// fate is the fault that a statement on layer_ledger meets.
type fate int

const (
	delivered fate = iota
	answerLost
	requestLost
	late // it is applied after its sender stopped waiting
)

// wire is a connection on which statements meet faults.
type wire struct {
	net.Conn
	fate  func() fate
	words []string

	mu   sync.Mutex
	dead bool
	lose bool // the next answer
	held bool // a late request is under way: the connection must stay open
}

// A statement is one packet, so one Write contains the table's name.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return 0, os.ErrClosed
	}
	if !slices.ContainsFunc(w.words, func(word string) bool { return bytes.Contains(b, []byte(word)) }) {
		return w.Conn.Write(b)
	}
	switch w.fate() {
	case answerLost:
		w.lose = true
	case requestLost:
		w.dead = true
		return len(b), nil
	case late:
		w.dead, w.held = true, true
		packet := bytes.Clone(b)
		strays.Go(func() {
			time.Sleep(rand.N(100 * time.Millisecond))
			_ = w.Conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := w.Conn.Write(packet); err == nil {
				// After the first byte of the answer, the statement is applied.
				_, _ = w.Conn.Read(make([]byte, 1))
			}
			w.Conn.Close()
		})
		return len(b), nil
	}
	return w.Conn.Write(b)
}

var strays sync.WaitGroup

func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	dead, lose := w.dead, w.lose
	w.mu.Unlock()
	if dead {
		return 0, os.ErrClosed
	}
	n, err := w.Conn.Read(b)
	if lose {
		w.mu.Lock()
		w.dead = true
		w.mu.Unlock()
		return 0, os.ErrClosed
	}
	return n, err
}

func (w *wire) SetDeadline(at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held {
		return nil
	}
	return w.Conn.SetDeadline(at)
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held {
		return nil
	}
	return w.Conn.Close()
}
