package main

import (
	"crypto/tls"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/layeron-hq/secret/layer/internal/loopback"
)

// The connection to a ledger in Postgres. The ledger is encrypted, but the
// password of the role is not: so a connection that leaves this machine uses
// TLS with a verified certificate, unless the operator chose another mode by
// name.

// postgresConfig returns the connection for the address of a ledger and the
// environment.
func (p process) postgresConfig(at place) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(at.url)
	if err != nil { // err repeats the address, so it is not wrapped
		return nil, usagef("the address of the database is damaged: write it like " +
			"postgres://USER@HOST/DATABASE?sslmode=verify-full; and the files that PGSERVICE, PGPASSFILE and similar " +
			"variables name must exist")
	}
	if err := p.settleParameters(config); err != nil {
		return nil, err
	}
	if err := verifyOffMachine(config, at.url); err != nil {
		return nil, err
	}
	if !at.ownMode {
		// Each statement is then a single request, so a connection pooler in between
		// works.
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	return config, nil
}

// verifyOffMachine makes sslmode=verify-full the default for each host that is
// not this machine. The default of psql, prefer, sends the password without TLS
// if a server answers that it has none. So prefer and allow mean verify-full
// for such a host, wherever they are set. The other modes stay as given.
func verifyOffMachine(config *pgx.ConnConfig, address string) error {
	falls, err := fallsBack(config, address)
	if err != nil || !falls {
		return err
	}
	list := slices.DeleteFunc(attempts(config), func(c *pgconn.FallbackConfig) bool {
		return offMachine(c) &&
			c.TLSConfig == nil
	})
	for _, c := range list {
		if offMachine(c) {
			c.TLSConfig = verified(c.TLSConfig, c.Host)
		}
	}
	config.Host, config.Port, config.TLSConfig = list[0].Host, list[0].Port, list[0].TLSConfig
	config.Fallbacks = list[1:]
	return nil
}

// fallsBack reports whether sslmode is prefer, allow or not set. pgx then tries
// a host with TLS and without.
func fallsBack(config *pgx.ConnConfig, address string) (bool, error) {
	if config.SSLNegotiation == "direct" {
		// With direct negotiation, pgx treats prefer, also as the default, as require.
		more := "?"
		if strings.Contains(address, "?") {
			more = "&"
		}
		asked, err := pgx.ParseConfig(address + more + "sslnegotiation=postgres")
		if err != nil {
			return false, usagef("the address of the database is damaged: sslnegotiation cannot be read")
		}
		config = asked
	}
	list := slices.DeleteFunc(attempts(config), func(c *pgconn.FallbackConfig) bool { return !offMachine(c) })
	return slices.ContainsFunc(list, overTLS) && slices.ContainsFunc(list, inTheOpen), nil
}

// attempts returns the connections that pgx tries, in their order.
func attempts(config *pgx.ConnConfig) []*pgconn.FallbackConfig {
	first := &pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}
	return append([]*pgconn.FallbackConfig{first}, config.Fallbacks...)
}

// offMachine reports whether a connection leaves this machine.
func offMachine(c *pgconn.FallbackConfig) bool { return !overSocket(c) && !loopback.Is(c.Host) }

// verified returns the TLS configuration of sslmode=verify-full for a host.
func verified(c *tls.Config, host string) *tls.Config {
	c = c.Clone()
	c.InsecureSkipVerify, c.ServerName = false, host
	return c
}
