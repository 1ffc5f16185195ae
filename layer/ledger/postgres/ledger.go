package postgres

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Options are the settings of [Open] beside the database.
type Options struct {
	// Name is the ledger's, among those of the table. It must be given.
	Name string
	// Identities open the ledger. One must belong to a recipient.
	Identities ledger.Identities
}

// Open returns the ledger with that name, which need not exist yet. It asks the
// database for nothing. The ledger uses db, which the caller closes.
//
// Load of the ledger asks again after a lost connection, eight times at most with
// some seconds between, refuses to read from a replica, and never returns a state
// older than one that the ledger has seen. CompareAndSwap finds out after a lost
// connection whether the change was made, and sends it again if it was not, eight
// times at most; a change after which none of the identities could open the ledger is
// refused. One request may take a minute. The ledger may be used concurrently, and so
// may several on one row.
func Open(db *sql.DB, o Options) (rotate.Ledger, error) {
	switch {
	case db == nil:
		return nil, errors.New("postgres: there is no database: open one with database/sql and a driver such as pgx")
	case o.Name == "":
		return nil, errors.New("postgres: there is no name for the ledger: give one, such as that of the project")
	case len(o.Name) > 200 || !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, unicode.IsControl):
		return nil, errors.New("postgres: the ledger's name must be at most 200 bytes of UTF-8 without control characters")
	}
	return resend.New(&table{db: db, name: hex.EncodeToString([]byte(o.Name))}, "postgres:"+o.Name, o.Identities), nil
}
