package postgres

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// longest is the longest name of a role in bytes. Postgres cuts longer names off.
const longest = 63

// turns are the suffixes of the roles that take turns.
var turns = [2]string{"_a", "_b"}

// params are the checked params of a declaration.
type params struct {
	dsnEnv, role, grant         string
	json                        bool
	host, database, sslrootcert string
	port                        uint16 // 0: the administrator's, or 5432 with a host
	nologin, terminate          bool
}

// names returns the names of the two roles.
func (p params) names() [2]string { return [2]string{p.role + turns[0], p.role + turns[1]} }

var (
	variableForm = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	hostForm     = lazyregexp.New(`^([A-Za-z0-9._-]{1,255}|[0-9A-Fa-f:.]{2,45})$`)
)

func parseParams(given map[string]string) (p params, err error) {
	known := []string{"dsn_env", "role", "grant", "format", "host", "database", "sslrootcert", "nologin", "terminate"}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, name) {
			return p, fmt.Errorf("%s takes no param %.64q: remove it, or correct its name: %s", Name, name,
				strings.Join(known, ", "))
		}
	}
	p = params{dsnEnv: given["dsn_env"], role: given["role"], grant: given["grant"],
		database: given["database"], sslrootcert: given["sslrootcert"]}
	// The text may be the connection string itself, so it is not repeated.
	if !variableForm().MatchString(p.dsnEnv) {
		return p, fmt.Errorf("the param dsn_env of %s is not the name of an environment variable: give a name such as "+
			"DATABASE_ADMIN_URL, and keep the connection string in the variable", Name)
	}
	if err := checkRole("role", p.role, longest-len(turns[0])); err != nil {
		return p, err
	}
	if err := checkRole("grant", p.grant, longest); err != nil {
		return p, err
	}
	if strings.HasPrefix(p.role, "pg_") || p.role == "pg" {
		return p, fmt.Errorf("the param role of %s is %q: Postgres keeps the names that begin with pg_ for itself: choose "+
			"another name", Name, p.role)
	}
	if turn := p.names(); slices.Contains(turn[:], p.grant) {
		return p, fmt.Errorf("the param grant of %s is %q, which is one of the roles that take turns: give a role "+
			"that has the rights and no login", Name, p.grant)
	}
	switch given["format"] {
	case "", "url":
	case "json":
		p.json = true
	default:
		return p, fmt.Errorf("the param format of %s can be url or json", Name)
	}
	if p.nologin, err = parseBool(given, "nologin"); err != nil {
		return p, err
	}
	if p.terminate, err = parseBool(given, "terminate"); err != nil {
		return p, err
	}
	for _, name := range []string{"database", "sslrootcert"} {
		if !plain(given[name]) {
			return p, fmt.Errorf("the param %s of %s must be UTF-8 without control characters", name, Name)
		}
	}
	if given["host"] != "" {
		if p.host, p.port, err = parseHost(given["host"]); err != nil {
			return p, err
		}
	}
	return p, nil
}

func checkRole(param, name string, most int) error {
	switch {
	case name == "":
		return fmt.Errorf("%s needs the param %s: the name of a role", Name, param)
	case !plain(name):
		return fmt.Errorf("the param %s of %s must be UTF-8 without control characters", param, Name)
	case len(name) > most:
		return fmt.Errorf("the param %s of %s has %d bytes: choose a name of at most %d, because Postgres cuts longer "+
			"names off", param, Name, len(name), most)
	}
	return nil
}

// plain reports whether a text can be in a name or a connection string.
func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func parseBool(given map[string]string, name string) (bool, error) {
	switch given[name] {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fmt.Errorf("the param %s of %s can be true or false", name, Name)
}

func parseHost(text string) (host string, port uint16, err error) {
	bad := errors.New("the param host of " + Name + " is not HOST or HOST:PORT: give a name such as " +
		"pooler.internal:6432, without a user and a password")
	host, digits := text, "5432"
	if h, d, err := net.SplitHostPort(text); err == nil {
		host, digits = h, d
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || !hostForm().MatchString(host) {
		return "", 0, bad
	}
	return host, uint16(n), nil
}
