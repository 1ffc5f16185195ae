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

// A role, a database or a server has its own settings, and a ledger must work
// under every setting. A request is one plain statement at first. If a setting of
// the role prevents it, the request runs in a transaction without the role's
// settings.

const (
	ofRole = `source IN ('user', 'database user')`

	// behind is true for a replica and for a server or database that is read-only:
	// such a database may be under migration to another server. A role that is
	// read-only by default does not count: it can be so for other reasons.
	behind = `pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AND NOT EXISTS (
	SELECT FROM pg_settings WHERE name = 'default_transaction_read_only' AND ` + ofRole + `)`

	// hinders is true if a setting may be the reason why a request was refused.
	hinders = `
SELECT EXISTS (SELECT FROM pg_settings
	WHERE name = 'default_transaction_read_only' AND setting = 'on' AND ` + ofRole +
		` OR name = 'row_security' AND setting = 'off')`

	// putAside replaces settings until the transaction ends. Older servers lack some
	// of the settings. The time limits are one minute, in milliseconds: a client that
	// freezes keeps its lock on the row no longer.
	putAside = `
SELECT set_config(name, CASE name WHEN 'row_security' THEN 'on' ELSE '60000' END, true) FROM pg_settings
WHERE name IN ('row_security', 'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`

	// locate finds the tables outside search_path: two roles of one database must not
	// begin two ledgers. The last column is the schema for a new table. If the
	// connection itself sets a search_path, locate finds no other tables.
	locate = `
SELECT ` + behind + `, count(c.oid), coalesce(min(quote_ident(n.nspname)), ''),
	CASE WHEN s.given THEN '' WHEN current_schema() ~ '^pg_' THEN 'public' ELSE coalesce(quote_ident(current_schema()), 'public') END
FROM (SELECT source IN ('client', 'session') AS given FROM pg_settings WHERE name = 'search_path') AS s
	LEFT JOIN (pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace)
	ON c.relname = 'layer_ledger' AND c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND NOT s.given
GROUP BY s.given`
)

// querier is a connection, inside a transaction or not.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// request sends one statement on a table.
type request func(q querier, table string) error

// noTableError reports that the database has no table.
type noTableError struct {
	behind bool   // see the query behind
	home   string // the qualified name for a new table
}

func (*noTableError) Error() string { return "there is no table" }

var errTables = &resend.Failure{Err: errors.New("the database has several tables layer_ledger, and the role's " +
	"search_path contains none: choose one by its schema, with search_path=SCHEMA in the address")}

// request calls do with the name of the table, in any schema. The error is do's,
// or a *noTableError.
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

// once calls do, plainly or without the role's settings. If a setting caused the
// server to refuse do, do is called a second time: the first call was not applied.
func (t *table) once(ctx context.Context, c *sql.Conn, write bool, do func(querier) error) error {
	if t.bare.Load() {
		return apart(ctx, c, write, do)
	}
	err := do(c)
	switch code := state(err); {
	case timeout(code) && ctx.Err() == nil:
		t.bare.Store(true) // for the next request: the outcome of this one is unknown
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

// apart calls do in a transaction without the role's settings. The first request
// begins the transaction and replaces the settings, so no time limit of the role
// applies to do.
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
		if strings.HasPrefix(state(err), "0A") { // a replica cannot begin a READ WRITE transaction
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

// rollback ends the transaction. If that fails, it ends the connection.
func rollback(ctx context.Context, c *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
	}
}
