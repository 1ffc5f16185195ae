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

// Options say where the values are, and as whom to ask for them. They show no password, however they are printed.
type Options struct {
	// Endpoints are the members' addresses, and at least one must be given: https://host:port, or http://host:port, on which
	// everybody on the way can read the values. host:port alone is https, and http on this machine unless TLS is given. All are of
	// one sort.
	Endpoints []string
	// Workspace, Project and Environment are parts of every key, as the ledger has them. Empty: an empty part.
	Workspace, Project, Environment string
	// Username and Password are a user of etcd's own; one without the other is refused. Empty: none, as where a certificate names the
	// user or etcd asks for none. A login costs etcd some 65 ms of a core, so where there are many replicas a certificate is better.
	Username string
	Password driver.Value
	// TLS says which certificates to trust and to show. Nil: the system's, and none. It is not used over http.
	TLS *tls.Config
}

// check refuses what would make two paths one, and half a credential.
func (o Options) check() error {
	if (o.Username == "") != (o.Password.Reveal() == "") {
		return errors.New("etcd: a user and a password belong together: one of them is missing")
	}
	for what, name := range map[string]string{"workspace": o.Workspace, "project": o.Project, "environment": o.Environment} {
		if len(name) > 200 || !utf8.ValidString(name) || strings.Contains(name, "/") || strings.ContainsFunc(name, unicode.IsControl) {
			return errors.New("etcd: the " + what + " must be at most 200 bytes of UTF-8 without slashes and control characters: it is a part of the keys")
		}
	}
	return nil
}

func (o Options) prefix() string {
	return "/layer/" + o.Workspace + "/" + o.Project + "/" + o.Environment + "/"
}

// endpoints are the addresses in full. The errors repeat none: somebody may have put a password into it.
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
		return nil, errors.New("etcd: a certificate is given, and the endpoints are http, which uses none: give them as https://host:port")
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
		name, port, err = net.SplitHostPort(u.Host) // which is how it is connected to
	}
	switch {
	case err != nil, name == "", !isPort(port), u.Scheme != "https" && u.Scheme != "http", u.Path != "" && u.Path != "/",
		u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errMalformed
	case u.User != nil:
		return "", errors.New("etcd: an endpoint names a user: a credential never stands in an address, where logs show it. Give it by itself")
	case bare && o.TLS == nil && loopback(name):
		u.Scheme = "http"
	}
	// With its escapes, as of an address's zone: clientv3 reads it once more, and uses no TLS for what it cannot read.
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
