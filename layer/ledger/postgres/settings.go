package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"time"

	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
)

// A role, a database or a server has settings of its own, and a ledger must work
// under all settings. A request is one plain statement at first. Where a setting of
// the role is in the way, it runs in a transaction without the role's settings.

const (
	ofRole = `source IN ('user', 'database user')`

	// behind is true of a server that follows another, and of one that is
	// read-only: such a database may be on its way to another server. A role may
	// read only by default for other reasons.
	behind = `pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AND NOT EXISTS (
	SELECT FROM pg_settings WHERE name = 'default_transaction_read_only' AND ` + ofRole + `)`

	// hinders is true where a setting may be why a request was refused.
	hinders = `
SELECT EXISTS (SELECT FROM pg_settings
	WHERE name = 'default_transaction_read_only' AND setting = 'on' AND ` + ofRole + ` OR name = 'row_security' AND setting = 'off')`

	// putAside changes settings until the transaction ends. Older servers lack
	// some. A client that freezes keeps its lock on the row for a minute.
	putAside = `
SELECT set_config(name, CASE name WHEN 'row_security' THEN 'on' ELSE '60000' END, true) FROM pg_settings
WHERE name IN ('row_security', 'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`

	// locate finds the tables that search_path does not: two roles of one database
	// must not begin two ledgers. The last column is the schema for a new table.
	// Where the connection itself gives a search_path, only that counts.
	locate = `
SELECT ` + behind + `, count(c.oid), coalesce(min(quote_ident(n.nspname)), ''),
	CASE WHEN s.given THEN '' WHEN current_schema() ~ '^pg_' THEN 'public' ELSE coalesce(quote_ident(current_schema()), 'public') END
FROM (SELECT source IN ('client', 'session') AS given FROM pg_settings WHERE name = 'search_path') AS s
	LEFT JOIN (pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace)
	ON c.relname = 'layer_ledger' AND c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND NOT s.given
GROUP BY s.given`
)

// querier is a connection, inside of a transaction or not.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// request sends one statement on a table.
type request func(q querier, table string) error

// noTableError reports that the database has no table.
type noTableError struct {
	behind bool
	home   string // the name under which to create it
}

func (*noTableError) Error() string { return "there is no table" }

var errTables = &resend.Failure{Err: errors.New("the database has several tables layer_ledger, and the role's search_path leads to none: " +
	"choose one by its schema, as search_path=SCHEMA in the address")}

// request sends do to the table, wherever it is. The error is do's, or a
// *noTableError.
func (t *table) request(ctx context.Context, c *sql.Conn, write bool, do request) error {
	err := t.once(ctx, c, write, func(q querier) error { return do(q, tableName) })
	if state(err) != noTable {
		return err
	}
	var (
		none   noTableError
		tables int
		schema string
	)
	err = t.once(ctx, c, false, func(q querier) error {
		return q.QueryRowContext(ctx, locate).Scan(&none.behind, &tables, &schema, &none.home)
	})
	switch {
	case err != nil:
		return err
	case tables > 1:
		return errTables
	case tables == 1:
		return t.once(ctx, c, write, func(q querier) error { return do(q, schema+"."+tableName) })
	}
	if none.home != "" {
		none.home += "."
	}
	none.home += tableName
	return &none
}

// once calls do, plainly or without the role's settings. Where do was refused
// because of a setting, do is called twice: the first was not carried out.
func (t *table) once(ctx context.Context, c *sql.Conn, write bool, do func(querier) error) error {
	if t.bare.Load() {
		return apart(ctx, c, write, do)
	}
	err := do(c)
	switch code := state(err); {
	case timeout(code) && ctx.Err() == nil:
		t.bare.Store(true) // for the next request: the end of this one is not known
	case code == readOnly || code == noPrivilege:
		var found bool
		if c.QueryRowContext(ctx, hinders).Scan(&found) != nil || !found {
			return err
		}
		t.bare.Store(true)
		return apart(ctx, c, write, do)
	}
	return err
}

// apart calls do in a transaction without the role's settings. Its beginning is
// one request, before which no time limit of the role counts.
func apart(ctx context.Context, c *sql.Conn, write bool, do func(querier) error) (err error) {
	begin := "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;"
	if write {
		begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
	}
	defer func() {
		if err != nil {
			rollback(ctx, c)
		}
	}()
	if _, err := c.ExecContext(ctx, begin+putAside); err != nil {
		if strings.HasPrefix(state(err), "0A") { // a replica writes nothing
			return errReplica
		}
		return err
	}
	if write {
		var isBehind bool
		switch err := c.QueryRowContext(ctx, "SELECT "+behind).Scan(&isBehind); {
		case err != nil:
			return err
		case isBehind:
			return errReplica
		}
	}
	if err := do(c); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return err
}

// rollback ends a transaction, or the connection.
func rollback(ctx context.Context, c *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
	}
}
