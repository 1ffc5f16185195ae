package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// callTime bounds one call, so that a frozen server is detected, and an old call
	// changes nothing late.
	callTime = time.Minute
	// loginTime bounds one login.
	loginTime = 20 * time.Second
	// oldest is the first version that takes verifiers. An older one would take a
	// verifier for a password.
	oldest = 100000
)

// session is a connection of the administrator. Each statement is one packet of
// the simple protocol, without prepared statements, which poolers need.
type session struct {
	conn *pgconn.PgConn
	user string // who the administrator is
	env  string // the variable with the connection string
}

// config returns the settings in the administrator's connection string. No error
// repeats a part of it.
func (r *roles) config(p params) (*pgconn.Config, error) {
	text := r.getenv(p.dsnEnv)
	if text == "" {
		return nil, fmt.Errorf("the environment variable %s, which dsn_env names, is empty: put the administrator's "+
			"connection string into it, such as postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full", p.dsnEnv)
	}
	c, err := pgconn.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("the environment variable %s has no valid connection string: give one such as "+
			"postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full, with special characters of the password as "+
			"%%XX, and check that the files it names exist", p.dsnEnv)
	}
	// Literals are in UTF-8. A role's own client_encoding does not count then.
	c.RuntimeParams["client_encoding"] = "UTF8"
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "layer"
	}
	return c, nil
}

// connect returns a session of the administrator on the primary.
func (r *roles) connect(ctx context.Context, p params) (*session, *pgconn.Config, error) {
	c, err := r.config(p)
	if err != nil {
		return nil, nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	conn, err := pgconn.ConnectConfig(bounded, c)
	s := &session{conn: conn, env: p.dsnEnv}
	if err != nil {
		return nil, nil, s.failed(ctx, "the server cannot be reached with "+p.dsnEnv, err, "correct the user and the "+
			"password in "+p.dsnEnv)
	}
	// The administrator's search_path may have others of these names.
	rows, err := s.rows(ctx, `SELECT current_user, pg_catalog.current_setting('server_version_num'),
	pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only') = 'on'`)
	switch {
	case err != nil:
		err = s.failed(ctx, "the server cannot be asked", err, "")
	case len(rows) != 1 || len(rows[0]) != 3:
		err = errAnswer
	case rows[0][2] != "f":
		err = fmt.Errorf("the server in %s is a standby or read-only: connect to the primary, with "+
			"target_session_attrs=read-write if several hosts are given", p.dsnEnv)
	default:
		s.user = rows[0][0]
		if n, _ := strconv.Atoi(rows[0][1]); n < oldest {
			err = errors.New("the server is older than Postgres 10, which has no SCRAM: upgrade it")
		}
	}
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, c, nil
}

var errAnswer = errors.New("the answer is not one of Postgres: connect to the server itself")

// close ends the connection. A transaction that is open is rolled back.
func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.conn.Close(ctx)
}

// rows sends one packet and returns the rows of its last statement, as text.
func (s *session) rows(ctx context.Context, sql string) ([][]string, error) {
	results, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	last := results[len(results)-1]
	var rows [][]string
	for _, row := range last.Rows {
		var texts []string
		for _, field := range row {
			texts = append(texts, string(field))
		}
		rows = append(rows, texts)
	}
	return rows, last.Err
}

// beginning begins a transaction without the administrator's settings: a time
// limit of its own, and a commit that a crash of the server does not undo. Runs
// for the same database take turns by the lock.
const beginning = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL search_path = pg_catalog; SET LOCAL lock_timeout = '15s'; SET LOCAL statement_timeout = '20s';
SET LOCAL idle_in_transaction_session_timeout = '30s';
SELECT set_config('synchronous_commit',
	CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true);
SELECT pg_advisory_xact_lock(1818326629, 1)`

// begin begins a transaction.
func (s *session) begin(ctx context.Context) error {
	_, err := s.rows(ctx, beginning)
	return s.failed(ctx, "the server refuses a transaction", err, "")
}

// now returns the server's time.
func (s *session) now(ctx context.Context) (time.Time, error) {
	rows, err := s.rows(ctx, `SELECT floor(extract(epoch FROM clock_timestamp()))::bigint`)
	if err != nil {
		return time.Time{}, s.failed(ctx, "the server cannot be asked", err, "")
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return time.Time{}, errAnswer
	}
	n, err := strconv.ParseInt(rows[0][0], 10, 64)
	if err != nil {
		return time.Time{}, errAnswer
	}
	return time.Unix(n, 0), nil
}

// roles returns the roles that a condition on r selects, with their comments.
func (s *session) roles(ctx context.Context, where string) ([]role, error) {
	rows, err := s.rows(ctx, `SELECT r.rolname, d.description FROM pg_roles AS r LEFT JOIN pg_shdescription AS d
	ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass WHERE `+where+` ORDER BY 1`)
	if err != nil {
		return nil, s.failed(ctx, "the roles cannot be read", err, "")
	}
	var found []role
	for _, row := range rows {
		if len(row) != 2 {
			return nil, errAnswer
		}
		found = append(found, role{row[0], row[1]})
	}
	return found, nil
}

// do sends a statement that changes something. right is the next step if the
// administrator lacks a right.
func (s *session) do(ctx context.Context, what, sql, right string) error {
	_, err := s.rows(ctx, sql)
	return s.failed(ctx, what, err, right)
}

// commit ends the transaction. After an error its outcome is unknown.
func (s *session) commit(ctx context.Context) error {
	results, err := s.conn.Exec(ctx, "COMMIT").ReadAll()
	if err == nil && (len(results) != 1 || results[0].CommandTag.String() != "COMMIT") {
		err = errAnswer
	}
	return s.failed(ctx, "the change may not be stored", err, "")
}
