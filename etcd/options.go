package etcd

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layeron-hq/secret/driver"
)

// Options are the location of the values and the credential. They redact the
// password under every format.
type Options struct {
	// Endpoints are the addresses of the members, at least one: https://host:port or
	// http://host:port. Over http, any machine on the way can read the values.
	// host:port without a scheme means https, but on this machine it means http if TLS
	// is nil. All endpoints must use the same scheme.
	Endpoints []string
	// Workspace, Project and Environment are parts of every key, with the same values
	// as in the ledger. Empty: an empty part.
	Workspace, Project, Environment string
	// Username and Password are those of an etcd user. One without the other is
	// refused. Empty: no user, for example if a certificate names the user or etcd
	// requires none. A login costs etcd about 65 ms of one core, so use certificates
	// for many replicas.
	Username string
	Password driver.Value
	// TLS has the certificates to trust and the client certificate. Nil: the system's
	// trusted certificates, and no client certificate. It must be nil for http.
	TLS *tls.Config
}

// check returns an error for parts that could give two secrets the same key, and
// for an incomplete credential.
func (o Options) check() error {
	if (o.Username == "") != (o.Password.Reveal() == "") {
		return errors.New("etcd: a user and a password belong together: one of them is missing")
	}
	for what, name := range map[string]string{"workspace": o.Workspace, "project": o.Project,
		"environment": o.Environment} {
		if len(name) > 200 || !utf8.ValidString(name) || strings.Contains(name, "/") ||
			strings.ContainsFunc(name, unicode.IsControl) {
			return errors.New("etcd: the " + what + " must be at most 200 bytes of UTF-8 without slashes and control " +
				"characters: it is a part of the keys")
		}
	}
	return nil
}

func (o Options) prefix() string {
	return "/layer/" + o.Workspace + "/" + o.Project + "/" + o.Environment + "/"
}

// endpoints returns the addresses with scheme. The errors repeat no address,
// because it may contain a password.
func (o Options) endpoints() ([]string, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("etcd: there is no endpoint: give the address of each member, as in https://etcd-1:2379")
	}
	var list []string
	for _, text := range o.Endpoints {
		full, err := o.endpoint(text)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && strings.HasPrefix(list[0], "https:") != strings.HasPrefix(full, "https:") {
			return nil, errors.New("etcd: some endpoints are https and others http: all must be of one sort")
		}
		list = append(list, full)
	}
	if o.TLS != nil && strings.HasPrefix(list[0], "http:") {
		return nil, errors.New("etcd: a certificate is given, and the endpoints are http, which uses none: give " +
			"them as https://host:port")
	}
	return list, nil
}

func (o Options) endpoint(text string) (full string, err error) {
	bare := !strings.Contains(text, "://")
	if bare {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	var name, port string
	if err == nil {
		name, port, err = net.SplitHostPort(u.Host) // the dialer splits it the same way
	}
	switch {
	case err != nil, name == "", !isPort(port), u.Scheme != "https" && u.Scheme != "http",
		u.Path != "" && u.Path != "/",
		u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errMalformed
	case u.User != nil:
		return "", errors.New("etcd: an endpoint names a user: an address must not contain a credential, because " +
			"logs show addresses. Give the credential separately")
	case bare && o.TLS == nil && loopback(name):
		u.Scheme = "http"
	}
	// Keep escapes, for example in the zone of an address: clientv3 parses the text
	// again, and uses no TLS if it cannot parse it.
	full = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	if again, err := url.Parse(full); err != nil || again.Host != u.Host {
		return "", errMalformed
	}
	return full, nil
}

var errMalformed = errors.New("etcd: an endpoint is not of the form https://host:port")

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
