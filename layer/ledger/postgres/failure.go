package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
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

var stateForm = lazyregexp.New(`^[0-9A-Z]{5}$`)

// state returns the SQLSTATE of an error of pgx or lib/pq, or "" if there is none.
func state(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) && stateForm().MatchString(e.SQLState()) {
		return e.SQLState()
	}
	return ""
}

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
		known, ok := worded(poolers, err)
		if !ok {
			known = pooler
		}
		return &resend.Failure{Outcome: known.outcome, Err: errors.New(text + known.says)}
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
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		host        x509.HostnameError
		authority   x509.UnknownAuthorityError
		invalid     x509.CertificateInvalidError
		op          *net.OpError
		network     net.Error
	)
	refused := func(text string) *resend.Failure { return &resend.Failure{Err: errors.New(text)} }
	again := func(text string) *resend.Failure {
		return &resend.Failure{Outcome: resend.Unknown, Err: errors.New(text)}
	}
	switch {
	case errors.As(err, &host):
		return refused("the server's certificate is for another host: use a host name that the certificate has")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refused("the server's certificate has expired or is not valid yet: renew it, or set this " +
			"machine's clock")
	case errors.As(err, &authority), errors.As(err, &invalid), errors.As(err, &certificate):
		return refused("the server's certificate is not trusted: name its authority in sslrootcert or PGSSLROOTCERT, " +
			"or correct the host")
	}
	if known, ok := worded(wordings, err); ok {
		return &resend.Failure{Outcome: known.outcome, Err: errors.New(known.says)}
	}
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return refused("there is no host of that name: correct the host")
	case errors.As(err, &dns):
		return again("the host's name cannot be looked up: check the network")
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return again("no answer in time: check host and port, the network and its firewalls")
	case errors.As(err, &op) && op.Op == "dial":
		return again("no server answers at that host and port: check its address and the network")
	case errors.As(err, &op) && op.Op == "remote error":
		return refused("the server refuses this client's TLS: give a certificate that it trusts in sslcert and " +
			"sslkey, or PGSSLCERT and PGSSLKEY")
	}
	// Check this last: sslmode=prefer continues without TLS and fails for another
	// reason.
	if known, ok := worded(withoutTLS, err); ok {
		return refused(known.says)
	}
	return again("the connection to the database was lost, or there is none: check its address and the network")
}

// wording identifies an error by a part of its text, because its type does not
// show the reason. The text itself is never shown.
type wording struct {
	has     string
	outcome resend.Outcome
	says    string
}

// worded returns the first wording that the error's text contains.
func worded(list []wording, err error) (wording, bool) {
	text := err.Error()
	for _, known := range list {
		if strings.Contains(text, known.has) {
			return known, true
		}
	}
	return wording{}, false
}

// wordings are texts of pgx for a connection that failed.
var wordings = []wording{
	{"ValidateConnect failed", resend.Unknown, "none of the given servers fits target_session_attrs: give the " +
		"primary too"},
	{"require_auth check failed", resend.Refused, "the server asks for another kind of login than require_auth " +
		"allows: correct one of them"},
	{"channel binding", resend.Refused, "the login cannot be bound to the TLS connection, as channel_binding " +
		"requires: give sslmode=verify-full, or allow it on the server"},
	{"sslcertmode check failed", resend.Refused, "the server asks for no certificate, but sslcertmode requires one: " +
		"correct one of them"},
	{"GSSAPI provider", resend.Refused, "the server asks for a login by Kerberos, which layer does not support: let " +
		"the role log in with a password or a certificate"},
	{"received unexpected message", resend.Refused, notPostgres},
	{"unknown message type", resend.Refused, notPostgres},
	{"invalid body length", resend.Refused, notPostgres},
}

const notPostgres = "another program than Postgres answers there: correct host and port"

// withoutTLS are texts of pgx and lib/pq for a server that declines TLS.
var withoutTLS = []wording{
	{"server refused TLS connection", resend.Refused, noTLS},
	{"SSL is not enabled on the server", resend.Refused, noTLS},
}

const noTLS = "the server has no TLS, which sslmode asks for, or its default for another machine: enable TLS there, " +
	"or give sslmode=disable if no other machine can reach the connection"

// poolers are texts of PgBouncer, all with the SQLSTATE 08P01.
var poolers = []wording{
	{"unsupported startup parameter", resend.Refused, "a pooler does not support a parameter of the address, of " +
		"PGOPTIONS or of the service file: leave it out, or connect to the server itself"},
	{"invalid server parameter", resend.Refused, "a pooler refuses a parameter of the address, of PGOPTIONS or of " +
		"the service file as invalid: correct it"},
	{"no such database", resend.Refused, "the pooler has no database of that name: correct the name, or add the " +
		"database to the pooler"},
	{"does not exist", resend.Refused, "the server behind the pooler has no such database or user: correct the name"},
	{"authentication failed", resend.Refused, "the pooler refuses the user or the password: correct them, or add the " +
		"user to the pooler"},
	{"no such user", resend.Refused, "the pooler refuses the user or the password: correct them, or add the user to " +
		"the pooler"},
	{"transaction blocks not allowed", resend.Refused, "a pooler gives each statement another connection, and a " +
		"setting of the role needs a transaction: let it pool by transaction, or connect to the server itself"},
}

// pooler is the advice for 08P01. Postgres itself uses this SQLSTATE only for
// broken clients.
var pooler = wording{"", resend.Unknown, "a pooler such as PgBouncer refused the connection or ended it: run again, " +
	"look at its log for limits and for the server behind it, or connect to the server itself"}

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
