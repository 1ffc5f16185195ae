package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
)

const noTable = "42P01"

var stateForm = lazyregexp.New(`^[0-9A-Z]{5}$`)

// state is the SQLSTATE of an error, as pgx and lib/pq tell it; "" where there is none.
func state(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) && stateForm().MatchString(e.SQLState()) {
		return e.SQLState()
	}
	return ""
}

// failure says that something could not be done. A driver's own words may repeat the connection string, or what was sent.
func failure(ctx context.Context, done string, err error) error {
	code := state(err)
	switch {
	case code == "" && ctx.Err() != nil, code == "57014" && ctx.Err() != nil:
		return &resend.Failure{Outcome: resend.Unknown, Err: fmt.Errorf("interrupted: %w", context.Cause(ctx))}
	case code == "":
		return &resend.Failure{Outcome: resend.Unknown, Err: errors.New("the connection to the database was lost, or there is none: check its address and the network")}
	}
	text := "it cannot be " + done + ": SQLSTATE " + code
	if next := next(code); next != "" {
		text += ": " + next
	}
	return &resend.Failure{Outcome: outcome(code), Err: errors.New(text)}
}

// outcome: a transaction that the server ends with an error is not carried out, unless the end came from outside it.
func outcome(code string) resend.Outcome {
	if code == "40001" || code == "40P01" || code == "40003" || strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57") {
		return resend.Unknown
	}
	return resend.Refused
}

func next(code string) string {
	switch code {
	case "25006":
		return "the database is a replica or read-only: connect to the primary"
	case "42501":
		return "let the role select, insert and update layer_ledger, or create it"
	case "42703", "42804":
		return "there is another table layer_ledger: give the ledgers a schema of their own, by search_path"
	case "3D000":
		return "there is no such database: correct its name"
	case "28P01", "28000":
		return "the user or the password is refused: correct them"
	case "3F000":
		return "there is no schema to make the table in: set search_path"
	}
	switch code[:2] {
	case "53":
		return "the database has no connection, disk or memory to spare: free some, then run again"
	case "57", "08", "40":
		return "the server ended it: run again"
	}
	return "look the code up in Postgres' documentation"
}
