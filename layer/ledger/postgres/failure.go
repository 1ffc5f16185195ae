package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/pgfailure"
	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
)

// The SQLSTATEs that requests handle.
const (
	noTable     = "42P01"
	noPrivilege = "42501"
	readOnly    = "25006"
)

// reached is the operation of connecting. Only there, a SQLSTATE in parameter is
// about a connection parameter.
const reached = "reached"

// parameter has the SQLSTATEs for a parameter that is unknown or has a wrong
// value.
var parameter = map[string]bool{"42704": true, "22023": true, "42601": true}

func state(err error) string { return pgfailure.State(err) }

// failure returns the error for an operation that failed. done is the past
// participle of the operation. It does not use the driver's text, which may repeat
// the connection string or the statement.
func failure(ctx context.Context, done string, err error) error {
	var made *resend.Failure
	if errors.As(err, &made) {
		return made
	}
	code := state(err)
	switch {
	case code == "" && ctx.Err() != nil, code == "57014" && ctx.Err() != nil:
		return &resend.Failure{Outcome: resend.Unknown, Err: fmt.Errorf("interrupted: %w", context.Cause(ctx))}
	case code == "":
		return lost(err)
	}
	text := "it cannot be " + done + ": SQLSTATE " + code + ": "
	if code == "08P01" {
		says, again := pgfailure.Pooler(err)
		return &resend.Failure{Outcome: unknownIf(again), Err: errors.New(text + says)}
	}
	if done == reached && parameter[code] {
		return &resend.Failure{Err: errors.New(text + "the server does not take a parameter of the address, of " +
			"PGOPTIONS or of the service file: correct it, or leave it out")}
	}
	if done == reached && code == noPrivilege {
		return &resend.Failure{Err: errors.New(text + "let the role connect to the database, and set each parameter " +
			"of the address")}
	}
	return &resend.Failure{Outcome: outcome(code), Err: errors.New(text + next(code))}
}

// lost returns the failure of a request that the server did not answer. If there
// never was a connection, the outcome Unknown means that a retry may help.
func lost(err error) *resend.Failure {
	says, again := pgfailure.Lost(err)
	return &resend.Failure{Outcome: unknownIf(again), Err: errors.New(says)}
}

func unknownIf(again bool) resend.Outcome {
	if again {
		return resend.Unknown
	}
	return resend.Refused
}

// outcome returns the outcome for a SQLSTATE. A transaction that the server ends
// with an error is not applied, unless the cause came from outside the
// transaction.
func outcome(code string) resend.Outcome {
	if code == "40001" || code == "40P01" || code == "40003" || strings.HasPrefix(code, "08") ||
		strings.HasPrefix(code, "57") || timeout(code) {
		return resend.Unknown
	}
	return resend.Refused
}

// timeout reports whether a time limit of the role or the server ended the
// request.
func timeout(code string) bool {
	return code == "57014" || code == "55P03" || code == "25P03" || code == "25P04"
}

// next returns the next step for the operator.
func next(code string) string {
	switch code {
	case readOnly:
		return "the database is a replica or read-only: connect to the primary"
	case noPrivilege:
		return "let the role select, insert and update layer_ledger, or create it, and use its schema"
	case "42703", "42804":
		return "there is another table layer_ledger: give the ledgers a schema of their own, by search_path"
	case "3D000":
		return "there is no such database: correct its name"
	case "28P01", "28000":
		return "the user or the password is refused: correct them. If pg_hba.conf allows only TLS, give " +
			"sslmode=verify-full"
	case "3F000":
		return "there is no schema to make the table in: set search_path"
	case "22021", "22P05":
		return "the ledger's name has characters that the database's encoding lacks: choose another name"
	case "42P05", "26000":
		return "a pooler gives each statement another connection, which does not have the prepared statements: leave " +
			"default_query_exec_mode out of the address, open pgx with default_query_exec_mode=exec, or connect to " +
			"the server itself"
	}
	if timeout(code) {
		return "a time limit of the server ended it: raise statement_timeout and lock_timeout, or run again"
	}
	switch code[:2] {
	case "53":
		return "the database has no connection, disk or memory to spare: free some, then run again"
	case "57", "08", "40":
		return "the server ended it: run again"
	}
	return "look the code up in Postgres' documentation"
}
