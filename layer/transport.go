package main

import (
	"crypto/tls"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/layeron-hq/secret/layer/internal/loopback"
)

// postgresConfig returns the connection that the address of a ledger and the
// environment ask for.
func (p process) postgresConfig(at place) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(at.url)
	if err != nil { // whose words repeat the address
		return nil, usagef("the address of the database is damaged: it should be like postgres://USER@HOST/DATABASE?sslmode=verify-full, and what " +
			"PGSERVICE, PGPASSFILE and the other variables of that kind name must exist")
	}
	if err := p.settleParameters(config); err != nil {
		return nil, err
	}
	if err := verifyOffMachine(config, at.url); err != nil {
		return nil, err
	}
	if !at.ownMode {
		// A statement is one request then, and a pool of connections between does not matter.
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	return config, nil
}

// verifyOffMachine makes verify-full the default of sslmode for each host that is
// not this machine. Psql's default, prefer, sends the password in the open where
// a server says that it has no TLS; prefer and allow are read as verify-full
// there, wherever they are written. The other modes stay as they were typed.
func verifyOffMachine(config *pgx.ConnConfig, address string) error {
	falls, err := fallsBack(config, address)
	if err != nil || !falls {
		return err
	}
	list := slices.DeleteFunc(attempts(config), func(c *pgconn.FallbackConfig) bool { return offMachine(c) && c.TLSConfig == nil })
	for _, c := range list {
		if offMachine(c) {
			c.TLSConfig = verified(c.TLSConfig, c.Host)
		}
	}
	config.Host, config.Port, config.TLSConfig = list[0].Host, list[0].Port, list[0].TLSConfig
	config.Fallbacks = list[1:]
	return nil
}

// fallsBack reports whether sslmode is prefer or allow, or not given: pgx tries a
// host with TLS and without then.
func fallsBack(config *pgx.ConnConfig, address string) (bool, error) {
	if config.SSLNegotiation == "direct" {
		// For which pgx takes prefer, the default too, for require.
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

// attempts are the connections that pgx tries, in their order.
func attempts(config *pgx.ConnConfig) []*pgconn.FallbackConfig {
	first := &pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}
	return append([]*pgconn.FallbackConfig{first}, config.Fallbacks...)
}

// offMachine reports whether a connection leaves this machine.
func offMachine(c *pgconn.FallbackConfig) bool { return !overSocket(c) && !loopback.Is(c.Host) }

// verified returns a configuration as sslmode=verify-full has it.
func verified(c *tls.Config, host string) *tls.Config {
	c = c.Clone()
	c.InsecureSkipVerify, c.ServerName = false, host
	return c
}
