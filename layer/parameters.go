package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The parameters of psql in a database's address. pgx sends a parameter that it
// does not know to the server, which refuses the connection. So this file
// removes the parameters that do not matter, and refuses those that ask for
// protection that the connection would not have. None is ignored silently if it
// makes a connection safer.

// leftOut are parameters of psql that neither pgx nor the server knows, and
// that make the connection neither safer nor lead elsewhere. They are removed.
var leftOut = []string{"keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout",
	"sslcompression",
	"sslkeylogfile", "ssl_max_protocol_version", "gsslib", "gssdelegation", "load_balance_hosts"}

// missing is a parameter of psql that pgx does not support. It is refused if
// its value asks for a property that the connection would not have.
type missing struct {
	asks func(config *pgx.ConnConfig, value string) bool
	says string
}

var missingParameters = map[string]missing{
	"gssencmode": {func(_ *pgx.ConnConfig, value string) bool { return value == "require" },
		"asks for encryption by Kerberos, which layer lacks: use sslmode=verify-full instead"},
	"requiressl": {func(config *pgx.ConnConfig, value string) bool {
		return strings.HasPrefix(value, "1") && connects(config, inTheOpen)
	},
		"asks for TLS, and sslmode does not: use sslmode=verify-full instead"},
	"requirepeer": {func(config *pgx.ConnConfig, value string) bool { return value != "" && connects(config, overSocket) },
		"asks for a check of the user that runs the server, which layer does not make: leave it out, or connect with TLS"},
	"hostaddr": {func(_ *pgx.ConnConfig, value string) bool { return value != "" },
		"gives the server's address beside its name, which layer does not support: give a host that resolves to the address"},
	"replication": {func(_ *pgx.ConnConfig, value string) bool {
		return !slices.Contains([]string{"", "0", "off", "no", "false"}, strings.ToLower(value))
	}, "asks for a replication connection: leave it out"},
	"ssl_min_protocol_version": {func(config *pgx.ConnConfig, value string) bool {
		return connects(config, overTLS) && !slices.Contains([]string{"", "tlsv1", "tlsv1.1", "tlsv1.2"},
			strings.ToLower(value))
	}, "asks for a version above TLS 1.2, which layer cannot require: set it on the server"},
	"sslcrl":              revocationList,
	"sslcrldir":           revocationList,
	"scram_client_key":    roleKey,
	"scram_server_key":    roleKey,
	"oauth_issuer":        oauth,
	"oauth_client_id":     oauth,
	"oauth_client_secret": oauth,
	"oauth_scope":         oauth,
}

var (
	revocationList = missing{func(config *pgx.ConnConfig, value string) bool {
		return value != "" &&
			connects(config, overTLS)
	},
		"asks for a check of revoked certificates, which layer does not make: leave it out"}
	roleKey = missing{always, "is equivalent to the role's password, and layer takes only the password: give it in " +
		"PGPASSWORD or ~/.pgpass"}
	oauth = missing{always, "asks for a login by OAuth, which layer lacks: use a role with a password or a certificate"}
)

func always(*pgx.ConnConfig, string) bool { return true }

// unreadVariables are the variables of psql that pgx does not read, each with
// its parameter.
var unreadVariables = map[string]string{
	"PGGSSENCMODE":            "gssencmode",
	"PGHOSTADDR":              "hostaddr",
	"PGREQUIREPEER":           "requirepeer",
	"PGREQUIRESSL":            "requiressl",
	"PGSSLCRL":                "sslcrl",
	"PGSSLCRLDIR":             "sslcrldir",
	"PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
}

// settleParameters leaves in config only parameters that a server knows. Its
// errors name a refused parameter and show no value.
func (p process) settleParameters(config *pgx.ConnConfig) error {
	params := config.RuntimeParams
	for _, name := range slices.Sorted(maps.Keys(missingParameters)) {
		value, given := params[name]
		delete(params, name)
		if m := missingParameters[name]; given && m.asks(config, value) {
			return usagef("%s, in the address of the database or the file of PGSERVICE, %s", name, m.says)
		}
	}
	for _, variable := range slices.Sorted(maps.Keys(unreadVariables)) {
		value := p.getenv(variable)
		if m := missingParameters[unreadVariables[variable]]; value != "" && m.asks(config, value) {
			return usagef("the variable %s %s", variable, m.says)
		}
	}
	for _, name := range leftOut {
		delete(params, name)
	}
	if name, given := params["fallback_application_name"]; given {
		delete(params, "fallback_application_name")
		if params["application_name"] == "" {
			params["application_name"] = name
		}
	}
	// pgx's simple protocol needs both. PgBouncer accepts both.
	params["client_encoding"], params["standard_conforming_strings"] = "UTF8", "on"
	return nil
}

// connects reports whether pgx may make such a connection. pgx tries several
// connections if there are several hosts, or if sslmode only prefers TLS.
func connects(config *pgx.ConnConfig, such func(*pgconn.FallbackConfig) bool) bool {
	return slices.ContainsFunc(attempts(config), such)
}

func overSocket(c *pgconn.FallbackConfig) bool {
	network, _ := pgconn.NetworkAddress(c.Host, c.Port)
	return network == "unix"
}
func overTLS(c *pgconn.FallbackConfig) bool   { return c.TLSConfig != nil }
func inTheOpen(c *pgconn.FallbackConfig) bool { return !overTLS(c) && !overSocket(c) }
