package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Options are what [Open] takes beside the database.
type Options struct {
	// Name is the ledger's, among those of the table. It must be given.
	Name string
	// Identities open the ledger. One of them must belong to a recipient.
	Identities rotate.Identities
}

// Ledger is a [rotate.Ledger] in Postgres. It may be used concurrently, and several at once on one row.
type Ledger struct {
	inner *resend.Ledger
	name  string
}

// Open returns the ledger of that name, which need not exist yet. Nothing is asked of the database before the first Load or
// CompareAndSwap. The Ledger uses db, and closing it remains the caller's.
func Open(db *sql.DB, o Options) (*Ledger, error) {
	switch {
	case db == nil:
		return nil, errors.New("postgres: there is no database: open one with database/sql and a driver such as pgx")
	case o.Name == "":
		return nil, errors.New("postgres: there is no name for the ledger: give one, such as that of the project")
	case len(o.Name) > 200 || !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, unicode.IsControl):
		return nil, errors.New("postgres: the ledger's name must be at most 200 bytes of UTF-8 without control characters")
	}
	return &Ledger{resend.New(table{db, o.Name}, "postgres:"+o.Name, o.Identities), o.Name}, nil
}

// Load is [rotate.Ledger]'s. It asks again after a lost connection, for some seconds at most, refuses to read from a replica,
// and never returns a state older than one that this Ledger has seen.
func (l *Ledger) Load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	return l.inner.Load(ctx)
}

// CompareAndSwap is [rotate.Ledger]'s. After a lost connection it finds out whether the change was made, and sends it again if
// it was not, eight times at most. A change after which none of the identities could open the ledger is refused.
func (l *Ledger) CompareAndSwap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error) {
	return l.inner.CompareAndSwap(ctx, old, next)
}

// String names the ledger.
func (l *Ledger) String() string { return "ledger postgres:" + l.name }

// Format writes what String returns, under every verb and flag.
func (l *Ledger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// MarshalText returns what String does, for encoding/json and log/slog.
func (l *Ledger) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
