package postgres

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// table is the engine: one row of layer_ledger.
type table struct {
	db   *sql.DB
	name string
}

const (
	// One statement, so that what is said of the server is of the one that answers.
	selectRow = `
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', l.rev, l.blob
FROM (VALUES (1)) AS one LEFT JOIN layer_ledger AS l ON l.name = $1`

	// As selectRow does, where there is no table yet.
	selectServer = `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'`

	// Role or database may have turned synchronous_commit down: what was acknowledged could be lost then, and its revision
	// come again with other content. This holds for the statement's own transaction alone.
	durable = `
WITH durable AS (SELECT set_config('synchronous_commit',
	CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)),
changed AS (`

	updateRow = durable + `
	UPDATE layer_ledger SET rev = rev + 1, blob = $2 FROM durable WHERE name = $1 AND rev = $3 RETURNING name, rev)
SELECT rev, pg_notify('layer_ledger', name || ' ' || rev) FROM changed`

	insertRow = durable + `
	INSERT INTO layer_ledger (name, rev, blob) SELECT $1::text, 1, $2::bytea FROM durable ON CONFLICT DO NOTHING RETURNING name, rev)
SELECT rev, pg_notify('layer_ledger', name || ' ' || rev) FROM changed`

	createTable = `CREATE TABLE IF NOT EXISTS layer_ledger (name text PRIMARY KEY, rev bigint NOT NULL, blob bytea NOT NULL)`
)

// requestTime bounds one request: a server that has frozen is noticed.
const requestTime = time.Minute

var errReplica = &resend.Failure{Err: errors.New("the database is a replica or read-only, and may be behind: connect to the primary, " +
	"with target_session_attrs=read-write where several hosts are given")}

// Fetch is [resend.Engine]'s.
func (t table) Fetch(ctx context.Context) (b resend.Blob, err error) {
	err = t.with(ctx, func(ctx context.Context, c *sql.Conn) error {
		var (
			readOnly bool
			rev      sql.NullInt64
			blob     []byte
		)
		err := c.QueryRowContext(ctx, selectRow, t.name).Scan(&readOnly, &rev, &blob)
		if state(err) == noTable {
			err = c.QueryRowContext(ctx, selectServer).Scan(&readOnly)
		}
		switch {
		case err != nil:
			return failure(ctx, "read", err)
		case readOnly:
			return errReplica
		case rev.Valid:
			b = resend.Blob{Sealed: blob, Revision: rotate.Revision(strconv.FormatInt(rev.Int64, 10))}
		}
		return nil
	})
	return b, err
}

// Send is [resend.Engine]'s.
func (t table) Send(ctx context.Context, old rotate.Revision, sealed []byte) (rev rotate.Revision, err error) {
	query, args := insertRow, []any{t.name, sealed}
	if old != "" {
		n, err := strconv.ParseInt(string(old), 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != string(old) {
			return "", errChanged
		}
		query, args = updateRow, append(args, n)
	}
	err = t.with(ctx, func(ctx context.Context, c *sql.Conn) error {
		var n int64
		var void any
		err := c.QueryRowContext(ctx, query, args...).Scan(&n, &void)
		if state(err) == noTable {
			if old != "" {
				return errChanged // it went with the table
			}
			if err := create(ctx, c); err != nil {
				return err
			}
			err = c.QueryRowContext(ctx, query, args...).Scan(&n, &void) // the first was refused: still one request at a time
		}
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return errChanged
		case err != nil:
			return failure(ctx, "written", err)
		}
		rev = rotate.Revision(strconv.FormatInt(n, 10))
		return nil
	})
	return rev, err
}

var errChanged = &resend.Failure{Outcome: resend.Conflict, Err: errors.New("its revision is another")}

// create makes the table. Several may do so at once: who comes second is told in one of three ways.
func create(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, createTable)
	switch state(err) {
	case "42P07", "42710", "23505":
		return nil
	}
	if err != nil {
		return failure(ctx, "created", err)
	}
	return nil
}

// with lends a connection, for one request. On one that is held, database/sql sends nothing a second time, whatever the driver
// says.
func (t table) with(ctx context.Context, do func(context.Context, *sql.Conn) error) error {
	var c *sql.Conn
	err := resend.Try(ctx, func(ctx context.Context) (err error) {
		bounded, cancel := context.WithTimeout(ctx, requestTime)
		defer cancel()
		if c, err = t.db.Conn(bounded); err != nil {
			return failure(ctx, "reached", err)
		}
		return nil
	})
	if err != nil {
		return &resend.Failure{Err: err} // nothing was sent
	}
	defer c.Close()
	bounded, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	return do(bounded, c)
}
