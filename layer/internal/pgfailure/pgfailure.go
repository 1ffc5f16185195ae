// Package pgfailure describes failures of Postgres connections. It never repeats
// the driver's text, which may contain the connection string or the statement.
package pgfailure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

var stateForm = lazyregexp.New(`^[0-9A-Z]{5}$`)

// State returns the SQLSTATE of an error of pgx or lib/pq, or "" if there is none.
func State(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) && stateForm().MatchString(e.SQLState()) {
		return e.SQLState()
	}
	return ""
}

// Lost returns the reason, with the next step, for a request that the server did
// not answer, or a connection that was not made. again reports that a retry may
// help.
func Lost(err error) (says string, again bool) {
	var (
		dns         *net.DNSError
		certificate *tls.CertificateVerificationError
		host        x509.HostnameError
		authority   x509.UnknownAuthorityError
		invalid     x509.CertificateInvalidError
		op          *net.OpError
		network     net.Error
	)
	switch {
	case errors.As(err, &host):
		return "the server's certificate is for another host: use a host name that the certificate has", false
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet: renew it, or set this " +
			"machine's clock", false
	case errors.As(err, &authority), errors.As(err, &invalid), errors.As(err, &certificate):
		return "the server's certificate is not trusted: name its authority in sslrootcert or PGSSLROOTCERT, " +
			"or correct the host", false
	}
	if known, ok := worded(wordings, err); ok {
		return known.says, known.again
	}
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no host of that name: correct the host", false
	case errors.As(err, &dns):
		return "the host's name cannot be looked up: check the network", true
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time: check host and port, the network and its firewalls", true
	case errors.As(err, &op) && op.Op == "dial":
		return "no server answers at that host and port: check its address and the network", true
	case errors.As(err, &op) && op.Op == "remote error":
		return "the server refuses this client's TLS: give a certificate that it trusts in sslcert and " +
			"sslkey, or PGSSLCERT and PGSSLKEY", false
	}
	// Check this last: sslmode=prefer continues without TLS and fails for another
	// reason.
	if known, ok := worded(withoutTLS, err); ok {
		return known.says, false
	}
	return "the connection to the database was lost, or there is none: check its address and the network", true
}

// wording identifies an error by a part of its text, because its type does not
// show the reason. The text itself is never shown.
type wording struct {
	has   string
	again bool
	says  string
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
	{"ValidateConnect failed", true, "none of the given servers fits target_session_attrs: give the " +
		"primary too"},
	{"require_auth check failed", false, "the server asks for another kind of login than require_auth " +
		"allows: correct one of them"},
	{"channel binding", false, "the login cannot be bound to the TLS connection, as channel_binding " +
		"requires: give sslmode=verify-full, or allow it on the server"},
	{"sslcertmode check failed", false, "the server asks for no certificate, but sslcertmode requires one: " +
		"correct one of them"},
	{"GSSAPI provider", false, "the server asks for a login by Kerberos, which layer does not support: let " +
		"the role log in with a password or a certificate"},
	{"received unexpected message", false, notPostgres},
	{"unknown message type", false, notPostgres},
	{"invalid body length", false, notPostgres},
}

const notPostgres = "another program than Postgres answers there: correct host and port"

// withoutTLS are texts of pgx and lib/pq for a server that declines TLS.
var withoutTLS = []wording{
	{"server refused TLS connection", false, noTLS},
	{"SSL is not enabled on the server", false, noTLS},
}

const noTLS = "the server has no TLS, which sslmode asks for, or its default for another machine: enable TLS there, " +
	"or give sslmode=disable if no other machine can reach the connection"

// poolers are texts of PgBouncer, all with the SQLSTATE 08P01.
var poolers = []wording{
	{"unsupported startup parameter", false, "a pooler does not support a parameter of the address, of " +
		"PGOPTIONS or of the service file: leave it out, or connect to the server itself"},
	{"invalid server parameter", false, "a pooler refuses a parameter of the address, of PGOPTIONS or of " +
		"the service file as invalid: correct it"},
	{"no such database", false, "the pooler has no database of that name: correct the name, or add the " +
		"database to the pooler"},
	{"does not exist", false, "the server behind the pooler has no such database or user: correct the name"},
	{"authentication failed", false, "the pooler refuses the user or the password: correct them, or add the " +
		"user to the pooler"},
	{"no such user", false, "the pooler refuses the user or the password: correct them, or add the user to " +
		"the pooler"},
	{"transaction blocks not allowed", false, "a pooler gives each statement another connection, and a " +
		"setting of the role needs a transaction: let it pool by transaction, or connect to the server itself"},
}

// Pooler returns the reason, with the next step, for an error with the SQLSTATE
// 08P01. again reports that a retry may help.
func Pooler(err error) (says string, again bool) {
	if known, ok := worded(poolers, err); ok {
		return known.says, known.again
	}
	return pooler.says, pooler.again
}

// pooler is the advice for 08P01. Postgres itself uses this SQLSTATE only for
// broken clients.
var pooler = wording{"", true, "a pooler such as PgBouncer refused the connection or ended it: run again, " +
	"look at its log for limits and for the server behind it, or connect to the server itself"}
