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

// Options are the options of [Open].
type Options struct {
	// Name is the name of the ledger in the table. It is required.
	Name string
	// Identities open the ledger. One must belong to a recipient.
	Identities ledger.Identities
}

// Open returns the ledger with that name, which need not exist yet. It sends no
// request. The ledger uses db, which the caller closes.
//
// Load reads again after a lost connection, at most eight times with up to some
// seconds between. It refuses to read from a replica, and never returns a state
// older than one that the ledger has seen. After a lost connection, CompareAndSwap
// finds out whether the change was made. If it was not, it sends the change again,
// at most eight times. It refuses a change after which none of the identities
// could open the ledger. One request may take a minute. The ledger is safe for
// concurrent use, and so are several ledgers on one row.
func Open(db *sql.DB, o Options) (rotate.Ledger, error) {
	switch {
	case db == nil:
		return nil, errors.New("postgres: there is no database: open one with database/sql and a driver such as pgx")
	case o.Name == "":
		return nil, errors.New("postgres: there is no name for the ledger: give one, such as the name of the project")
	case len(o.Name) > 200 || !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, unicode.IsControl):
		return nil, errors.New("postgres: the ledger's name must be at most 200 bytes of UTF-8 without control " +
			"characters")
	}
	return resend.New(&table{db: db, name: hex.EncodeToString([]byte(o.Name))}, "postgres:"+o.Name, o.Identities), nil
}
