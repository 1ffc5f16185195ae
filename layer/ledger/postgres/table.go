package postgres

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// table is the engine: one row of layer_ledger.
type table struct {
	db *sql.DB
	// name is the ledger's name in hexadecimal, which no client_encoding changes.
	name string
	// bare is set when a setting of the role has prevented a request. From then on,
	// every request runs without the role's settings.
	bare atomic.Bool
}

const (
	// tableName is the unqualified name of the table, for search_path.
	tableName = "layer_ledger"

	ledgerName = `convert_from(decode($1, 'hex'), 'UTF8')`

	// selectRow is one statement, so that the row and the state of the server come
	// from the same server. Base64 is the same under every bytea_output.
	selectRow = `
SELECT ` + behind + `, l.rev, encode(l.blob, 'base64')
FROM (VALUES (1)) AS one LEFT JOIN %s AS l ON l.name = ` + ledgerName

	// durable sets synchronous_commit, for the statement's own transaction only. A
	// role or database may have a weaker value. Then an acknowledged change could be
	// lost, and its revision could be used again for other content.
	durable = `
WITH durable AS (SELECT set_config('synchronous_commit',
	CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)),
changed AS (`

	updateRow = durable + `
	UPDATE %s SET rev = rev + 1, blob = $2 FROM durable WHERE name = ` + ledgerName + ` AND rev = $3 RETURNING name, rev)
SELECT rev, pg_notify('layer_ledger', name || ' ' || rev) FROM changed`

	insertRow = durable + `
	INSERT INTO %s (name, rev, blob) SELECT ` + ledgerName +
		`, 1, $2::bytea FROM durable ON CONFLICT DO NOTHING RETURNING name, rev)
SELECT rev, pg_notify('layer_ledger', name || ' ' || rev) FROM changed`

	createTable = `CREATE TABLE IF NOT EXISTS %s (name text PRIMARY KEY, rev bigint NOT NULL, blob bytea NOT NULL)`
)

// requestTime bounds one request, so that a frozen server is detected.
const requestTime = time.Minute

var errReplica = &resend.Failure{Err: errors.New("the database is a replica or read-only, and may be behind: connect " +
	"to the primary, with target_session_attrs=primary if several hosts are given")}

// Fetch implements [resend.Engine].
func (t *table) Fetch(ctx context.Context) (b resend.Blob, err error) {
	err = t.with(ctx, func(ctx context.Context, c *sql.Conn) error {
		var (
			isBehind bool
			rev      sql.NullInt64
			text     sql.NullString
			none     *noTableError
		)
		err := t.request(ctx, c, false, func(q querier, table string) error {
			return q.QueryRowContext(ctx, fmt.Sprintf(selectRow, table), t.name).Scan(&isBehind, &rev, &text)
		})
		if errors.As(err, &none) {
			isBehind, err = none.behind, nil
		}
		switch {
		case err != nil:
			return failure(ctx, "read", err)
		case isBehind:
			return errReplica
		case rev.Valid:
			sealed, err := base64.StdEncoding.DecodeString(text.String)
			if err != nil {
				return errAltered
			}
			b = resend.Blob{Sealed: sealed, Revision: rotate.Revision(strconv.FormatInt(rev.Int64, 10))}
		}
		return nil
	})
	return b, err
}

var errAltered = &resend.Failure{Err: errors.New("the answer was altered on the way from the database: connect to " +
	"the server itself")}

// Send implements [resend.Engine].
func (t *table) Send(ctx context.Context, old rotate.Revision, sealed []byte) (rev rotate.Revision, err error) {
	query, args := insertRow, []any{t.name, sealed}
	if old != "" {
		n, err := strconv.ParseInt(string(old), 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != string(old) {
			return "", errChanged
		}
		query, args = updateRow, append(args, n)
	}
	var n int64
	send := func(ctx context.Context) request {
		return func(q querier, table string) error {
			var void any
			return q.QueryRowContext(ctx, fmt.Sprintf(query, table), args...).Scan(&n, &void)
		}
	}
	err = t.with(ctx, func(ctx context.Context, c *sql.Conn) error {
		var none *noTableError
		err := t.request(ctx, c, true, send(ctx))
		switch {
		case !errors.As(err, &none):
		case none.behind:
			return errReplica
		case old != "":
			return errChanged // the row was dropped with the table
		default:
			if err := t.create(ctx, c, none.home); err != nil {
				return err
			}
			// The first statement was refused, so this is still one request at a time.
			err = t.once(ctx, c, true, func(q querier) error { return send(ctx)(q, none.home) })
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

// create creates the table. Two clients may do so at the same time: the second one
// gets one of three SQLSTATEs, which create ignores.
func (t *table) create(ctx context.Context, c *sql.Conn, table string) error {
	err := t.once(ctx, c, true, func(q querier) error {
		_, err := q.ExecContext(ctx, fmt.Sprintf(createTable, table))
		return err
	})
	switch state(err) {
	case "42P07", "42710", "23505":
		return nil
	}
	if err != nil {
		return failure(ctx, "created", err)
	}
	return nil
}

// with calls do with a connection, for one request. On a connection that the
// caller holds, database/sql does not repeat a request, even if the driver asks
// for that.
func (t *table) with(ctx context.Context, do func(context.Context, *sql.Conn) error) error {
	var c *sql.Conn
	err := resend.Try(ctx, func(ctx context.Context) (err error) {
		bounded, cancel := context.WithTimeout(ctx, requestTime)
		defer cancel()
		if c, err = t.db.Conn(bounded); err != nil {
			return failure(ctx, reached, err)
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
