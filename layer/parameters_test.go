package main

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
)

// ofPsql are all parameters that libpq 18 accepts, with values that request no
// special behaviour. The parameters of the address's other parts are not
// included.
var ofPsql = map[string]string{
	"passfile": "", "require_auth": "", "channel_binding": "prefer", "connect_timeout": "7", "client_encoding": "auto",
	"options": "-c geqo=on", "application_name": "", "fallback_application_name": "psql", "keepalives": "1",
	"keepalives_idle":     "60",
	"keepalives_interval": "10", "keepalives_count": "5", "tcp_user_timeout": "1000", "replication": "false",
	"gssencmode": "disable",
	"sslmode":    "disable", "requiressl": "0", "sslnegotiation": "postgres", "sslcompression": "0", "sslcert": "",
	"sslkey": "", "sslkeylogfile": "",
	"sslcertmode": "allow", "sslrootcert": "", "sslcrl": "", "sslcrldir": "", "sslsni": "1", "requirepeer": "",
	"ssl_min_protocol_version": "TLSv1.2",
	"ssl_max_protocol_version": "TLSv1.3", "min_protocol_version": "3.0", "max_protocol_version": "3.0",
	"krbsrvname": "postgres", "gsslib": "gssapi",
	"gssdelegation": "0", "target_session_attrs": "any", "load_balance_hosts": "disable", "hostaddr": "",
}

// ofServer are the parameters that are sent to the server.
var ofServer = []string{"application_name", "client_encoding", "options", "standard_conforming_strings"}

// settled returns the connection settings that result from an address.
func settled(t *testing.T, p process, address string) (*pgx.ConnConfig, error) {
	t.Helper()
	at, err := postgresPlace(address)
	require.NoError(t, err)
	config, err := pgx.ParseConfig(at.url)
	require.NoError(t, err)
	return config, p.settleParameters(config)
}

func query(params map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, name+"="+strings.ReplaceAll(url.QueryEscape(params[name]), "+", "%20"))
	}
	return "?" + strings.Join(pairs, "&")
}

// TestParametersOfPsqlStayHere checks that these parameters are not sent: the
// server would refuse a connection for each.
func TestParametersOfPsqlStayHere(t *testing.T) {
	config, err := settled(t, with(nil), "postgres://layer@db.internal/ledgers"+query(ofPsql))
	require.NoError(t, err)
	require.ElementsMatch(t, ofServer, slices.Collect(maps.Keys(config.RuntimeParams)))
	require.Equal(t, "UTF8", config.RuntimeParams["client_encoding"])
	require.Equal(t, "on", config.RuntimeParams["standard_conforming_strings"])
	require.Equal(t, "psql", config.RuntimeParams["application_name"])
	require.Equal(t, "-c geqo=on", config.RuntimeParams["options"])

	for name, value := range map[string]string{ // values that request no more than the default
		"gssencmode": "prefer", "replication": "off", "ssl_min_protocol_version": "TLSv1", "sslcompression": "1",
	} {
		_, err := settled(t, with(nil), "postgres://h/d?sslmode=verify-full&"+name+"="+value)
		require.NoError(t, err, name)
	}
	for _, address := range []string{
		"postgres://h/d?sslmode=disable&sslcrl=/x", "postgres://h/d?sslmode=disable&sslcrldir=/x",
		"postgres://h/d?sslmode=disable&ssl_min_protocol_version=TLSv1.3",
		"postgres://h/d?sslmode=require&requiressl=1", "postgres:///d?host=/tmp&requiressl=1",
		"postgres:///d?host=/tmp&sslcrl=/x", "postgres://h/d?requirepeer=postgres",
	} {
		_, err := settled(t, with(nil), address)
		require.NoError(t, err, address)
	}
}

// TestParametersForTheServerReachIt checks that the server gets these
// parameters unchanged.
func TestParametersForTheServerReachIt(t *testing.T) {
	config, err := settled(t, with(nil),
		"postgres://h/d?search_path=a%2Cb&name=the+shop&options=-c%20a%3Db%2Bc+d&application_name=layer&"+
			"fallback_application_name=x&")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"search_path": "a,b", "options": "-c a=b+c+d", "application_name": "layer",
		"client_encoding":             "UTF8",
		"standard_conforming_strings": "on"}, config.RuntimeParams)
	at, err := postgresPlace("postgres://h/d?search_path=a&n%61me=the%20shop")
	require.NoError(t, err)
	require.Equal(t, "the shop", at.name)
	require.Equal(t, "postgres://h/d?search_path=a", at.url)
}

// TestParametersThatWouldBeMissedAreNamed checks parameters that layer cannot
// apply: without them a connection would be less safe, or go to another server.
func TestParametersThatWouldBeMissedAreNamed(t *testing.T) {
	const at, tls = "postgres://layer@db.internal/ledgers?", "postgres://layer@db.internal/ledgers?sslmode=verify-full&"
	inAddress := map[string]string{
		at + "gssencmode=require":                                   "gssencmode.*Kerberos",
		at + "requiressl=1":                                         "requiressl.*sslmode=verify-full",
		at + "sslmode=disable&requiressl=1":                         "requiressl",
		tls + "sslcrl=" + pgPassword:                                "sslcrl.*revoked",
		at + "sslcrl=" + pgPassword:                                 "sslcrl,.*revoked",
		tls + "sslcrldir=" + pgPassword:                             "sslcrldir.*revoked",
		tls + "ssl_min_protocol_version=TLSv1.3":                    "ssl_min_protocol_version.*TLS 1.2",
		tls + "ssl_min_protocol_version=" + pgPassword:              "ssl_min_protocol_version",
		at + "hostaddr=10.1.2.3":                                    "hostaddr.*host that resolves to the address",
		at + "replication=database":                                 "replication",
		at + "oauth_issuer=" + pgPassword:                           "oauth_issuer.*OAuth",
		at + "oauth_client_id=" + pgPassword:                        "oauth_client_id",
		at + "oauth_scope=" + pgPassword:                            "oauth_scope",
		"postgres:///d?host=/tmp&requirepeer=" + pgPassword:         "requirepeer.*the user that runs the server",
		"postgres://a,b/d?host=%2Ftmp,h&requirepeer=" + pgPassword:  "requirepeer.*the user that runs the server",
		at + "oauth_client_secret=" + pgPassword:                    "contains a password",
		at + "scram_client_key=" + pgPassword:                       "contains a password",
		at + "scram_server_key=" + pgPassword + "&sslmode=disable":  "contains a password",
		at + "name=x&scram%5Fclient_key=" + pgPassword + "&x=y&z=w": "contains a password",
	}
	dir := t.TempDir()
	refused := func(t *testing.T, env []string, address, says string) {
		t.Helper()
		r := runHere(t, dir, env, "secret", "init", "--to", "dir:out", "--ledger", address)
		require.Equal(t, 2, r.status, r.stderr)
		require.Regexp(t, says, r.stderr)
		require.Empty(t, redacttest.Find(r.stderr, pgPassword))
		require.NotContains(t, r.stderr, "10.1.2.3")
		require.NotContains(t, r.stderr, "db.internal")
	}
	for address, says := range inAddress {
		t.Run(says, func(t *testing.T) { refused(t, nil, address, says) })
	}
	for variable, says := range map[string]string{
		"PGGSSENCMODE=require":            "the variable PGGSSENCMODE asks for encryption by Kerberos",
		"PGHOSTADDR=10.1.2.3":             "the variable PGHOSTADDR gives the server's address",
		"PGREQUIRESSL=1":                  "the variable PGREQUIRESSL asks for TLS",
		"PGSSLCRL=" + pgPassword:          "the variable PGSSLCRL asks for a check of revoked certificates",
		"PGSSLCRLDIR=" + pgPassword:       "the variable PGSSLCRLDIR asks",
		"PGSSLMINPROTOCOLVERSION=TLSv1.3": "the variable PGSSLMINPROTOCOLVERSION asks for a version above TLS 1.2",
	} {
		t.Run(variable[:strings.Index(variable, "=")], func(t *testing.T) {
			refused(t, []string{variable}, strings.TrimSuffix(at, "?"), says)
		})
	}
	t.Run("PGREQUIREPEER", func(t *testing.T) {
		refused(t, []string{"PGREQUIREPEER=" + pgPassword}, "postgres:///d?host=/tmp",
			"the variable PGREQUIREPEER asks for a check of the user")
	})

	// A service's file, which no address shows.
	file := filepath.Join(dir, "services")
	for name, says := range map[string]string{"scram_client_key": "give it in PGPASSWORD", "oauth_client_secret": "OAuth",
		"gssencmode": ""} {
		require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf("[team]\nhost=db.internal\n%s=%s\n", name, pgPassword)),
			0o600))
		config, err := pgx.ParseConfig("postgres://?service=team&servicefile=" + url.QueryEscape(file))
		require.NoError(t, err)
		err = with(nil).settleParameters(config)
		if says == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, name+", in the address of the database or the file of PGSERVICE, ")
		require.ErrorContains(t, err, says)
		require.Empty(t, redacttest.Check(err, pgPassword))
	}
}

// TestServerPostgresTakesAddressesOfPsql also uses unusual settings of the
// role.
func TestServerPostgresTakesAddressesOfPsql(t *testing.T) {
	e := newPostgres(t)
	for _, setting := range []string{"search_path = ''", "default_transaction_read_only = on", "statement_timeout = '1s'",
		"client_encoding = LATIN1",
		"bytea_output = escape", "standard_conforming_strings = off", "synchronous_commit = off", "lock_timeout = 1"} {
		_, err := e.admin.Exec("ALTER ROLE layer SET " + setting)
		require.NoError(t, err)
	}
	given := maps.Clone(ofPsql)
	given["options"] = "-c geqo=on -c work_mem=8MB"
	for _, mode := range []string{"", "exec", "cache_statement", "describe_exec", "simple_protocol"} {
		t.Run("mode "+mode, func(t *testing.T) {
			dir, params := t.TempDir(), maps.Clone(given)
			declare(t, dir, rotating)
			if params["name"] = "läden of " + mode; mode != "" {
				params["default_query_exec_mode"] = mode
			}
			address := "postgres://layer@" + e.server.Address + "/ledgers" + query(params)
			env := append(e.environment(), "LAYER_LEDGER="+address)
			layerIn(t, dir, env, 0, "secret", "init", "--to", "dir:out")
			layerIn(t, dir, env, 0, "secret", "apply", "--spec", "spec.json")
			layerIn(t, dir, env, 0, "secret", "status", "--spec", "spec.json")
		})
	}
	for address, says := range map[string]string{
		"postgres://layer@127.0.0.1:1/ledgers?sslmode=disable":              "no server answers at that host and port",
		"postgres://layer@" + e.server.Address + "/ledgers?sslmode=require": "the server has no TLS, which sslmode asks for",
		"postgres://layer@" + e.server.Address +
			"/missing": "SQLSTATE 3D000: there is no such database",
		"postgres://missing@" + e.server.Address + "/ledgers": "SQLSTATE 28P01: the user or the password is refused",
		"postgres://layer@" + e.server.Address + "/ledgers?" + pgPassword +
			"=1": "SQLSTATE 42704: the server does not take a parameter",
		"postgres://layer@" + e.server.Address +
			"/ledgers?target_session_attrs=standby&name=x": "none of the given servers fits target_session_attrs",
	} {
		t.Run(says, func(t *testing.T) {
			dir := t.TempDir()
			_, stderr := layerIn(t, dir, append(e.environment(), "LAYER_LEDGER="+address), 1, "secret", "init", "--to",
				"dir:out")
			require.Contains(t, stderr, says)
			for _, private := range []string{pgPassword, e.server.Address, "missing"} {
				require.NotContains(t, stderr, private)
			}
		})
	}
}
