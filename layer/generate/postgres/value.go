package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// login is the content of a value.
type login struct {
	hosts                    []string // HOST:PORT, or the folder of a socket
	port                     uint16   // of the first host
	database, user, password string
	settings                 url.Values
}

// newLogin returns the login of a role: at the administrator's hosts and database,
// where the params name no others.
func newLogin(admin *pgconn.Config, p params, role, password string) login {
	l := login{database: admin.Database, user: role, password: password, settings: url.Values{}}
	if l.database == "" {
		l.database = admin.User // the server's rule
	}
	if p.database != "" {
		l.database = p.database
	}
	l.settings.Set("sslmode", sslMode(admin))
	switch {
	case p.host != "":
		l.hosts, l.port = []string{net.JoinHostPort(p.host, strconv.Itoa(int(p.port)))}, p.port
	default:
		l.port = admin.Port
		for _, e := range endpoints(admin) {
			if h := net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))); !slices.Contains(l.hosts, h) {
				l.hosts = append(l.hosts, h)
			}
		}
	}
	// Without this, a service whose first host becomes a standby cannot write.
	if len(l.hosts) > 1 {
		l.settings.Set("target_session_attrs", "read-write")
	}
	if admin.SSLNegotiation == "direct" {
		l.settings.Set("sslnegotiation", "direct")
	}
	if admin.ChannelBinding == "require" {
		l.settings.Set("channel_binding", "require")
	}
	if p.sslrootcert != "" {
		l.settings.Set("sslrootcert", p.sslrootcert)
	}
	return l
}

func endpoints(c *pgconn.Config) []*pgconn.FallbackConfig {
	return append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
}

// sslMode returns the sslmode of a connection string, which pgx keeps only as the
// TLS settings of its attempts.
func sslMode(c *pgconn.Config) string {
	var first []*pgconn.FallbackConfig
	for _, e := range endpoints(c) {
		if strings.HasPrefix(e.Host, "/") {
			continue
		}
		if len(first) == 0 || first[0].Host == e.Host && first[0].Port == e.Port {
			first = append(first, e)
		}
	}
	switch {
	case len(first) == 0 || len(first) == 1 && first[0].TLSConfig == nil:
		return "disable"
	case len(first) > 1 && first[0].TLSConfig == nil:
		return "allow"
	case len(first) > 1:
		return "prefer"
	case !first[0].TLSConfig.InsecureSkipVerify:
		return "verify-full"
	case first[0].TLSConfig.VerifyPeerCertificate != nil:
		return "verify-ca"
	}
	return "require"
}

// url returns the login as a connection string.
func (l login) url() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(l.user, l.password), Path: "/" + l.database}
	settings := l.settings
	if host, _, _ := net.SplitHostPort(l.hosts[0]); strings.HasPrefix(host, "/") {
		settings = url.Values{"host": {host}, "port": {strconv.Itoa(int(l.port))}}
	} else {
		u.Host = strings.Join(l.hosts, ",")
	}
	// libpq reads a plus sign as it is, not as a space.
	u.RawQuery = strings.ReplaceAll(settings.Encode(), "+", "%20")
	return u.String()
}

// jsonValue is the value in the format json.
type jsonValue struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
	Database string `json:"database"`
	User     string `json:"user"`
	Password string `json:"password"`
	URL      string `json:"url"`
}

// text returns the value.
func (l login) text(asJSON bool) (string, error) {
	if !asJSON {
		return l.url(), nil
	}
	host, _, err := net.SplitHostPort(l.hosts[0])
	if err != nil {
		return "", err
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(jsonValue{host, l.port, l.database, l.user, l.password, l.url()})
	return strings.TrimSuffix(b.String(), "\n"), err
}

// readValue returns the connection string in a value of either format.
func readValue(text string) (string, error) {
	if !strings.HasPrefix(text, "{") {
		return text, nil
	}
	var v jsonValue
	if json.Unmarshal([]byte(text), &v) != nil || v.URL == "" {
		return "", errors.New("the value is not one that " + Name + " made")
	}
	return v.URL, nil
}

// parseValue returns the settings of a login with a value. The authorities and the
// client's certificate are those of the administrator's connection, because the
// files that the value names are on another machine.
func parseValue(text string, admin *pgconn.Config) (*pgconn.Config, error) {
	bad := errors.New("the value is not one that " + Name + " made")
	text, err := readValue(text)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" || u.User == nil {
		return nil, bad
	}
	q := u.Query()
	q.Del("sslrootcert")
	u.RawQuery = q.Encode()
	c, err := pgconn.ParseConfig(u.String())
	if err != nil {
		return nil, bad
	}
	for _, from := range endpoints(admin) {
		if from.TLSConfig == nil {
			continue
		}
		for _, to := range endpoints(c) {
			if to.TLSConfig != nil { // not a clone: VerifyPeerCertificate reads RootCAs of this one
				to.TLSConfig.RootCAs, to.TLSConfig.Certificates = from.TLSConfig.RootCAs, from.TLSConfig.Certificates
				to.TLSConfig.GetClientCertificate = from.TLSConfig.GetClientCertificate
			}
		}
		break
	}
	return c, nil
}

// check returns an error unless the value's connection string has the meaning of
// the login. Names that a URL cannot hold are found here.
func (l login) check(admin *pgconn.Config) error {
	c, err := parseValue(l.url(), admin)
	if err != nil || c.User != l.user || c.Password != l.password || c.Database != l.database {
		return fmt.Errorf("no connection string can hold the database's or the host's name: rename it, or set the " +
			"params host and database")
	}
	return nil
}
