package etcd

import (
	"errors"
	"net/url"
	"strings"
)

// ParseURL parses the addresses of the members: etcd://HOST:PORT,HOST:PORT. The
// suffix ?tls=off sends the values unencrypted. An address with a credential is
// refused. The errors show no part of the text.
func ParseURL(text string) (Options, error) {
	const form = "etcd://HOST:PORT,HOST:PORT, with ?tls=off at its end if there is no TLS"
	rest, ok := strings.CutPrefix(text, "etcd://")
	if !ok {
		return Options{}, errors.New("etcd: that is not of the form " + form)
	}
	// net/url accepts only one host.
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimSuffix(rest, "/")
	if strings.Contains(rest, "@") {
		return Options{}, errors.New("etcd: the address names a user or a password: an address must not contain a " +
			"credential, because logs and lists of processes show addresses. Give the credential in ETCDCTL_USER and " +
			"ETCDCTL_PASSWORD, and change this one if others may have seen it")
	}
	scheme := ""
	values, err := url.ParseQuery(query)
	if err != nil {
		return Options{}, errors.New("etcd: the address is damaged after the question mark: it must " +
			"be of the form " + form)
	}
	for name, list := range values {
		switch {
		case name != "tls" || len(list) != 1 || list[0] != "on" && list[0] != "off":
			return Options{}, errors.New("etcd: after the question mark, give tls=on or tls=off, and nothing else")
		case list[0] == "on":
			scheme = "https://"
		default:
			scheme = "http://"
		}
	}
	var o Options
	for host := range strings.SplitSeq(rest, ",") {
		if strings.Contains(host, "/") {
			return Options{}, errors.New("etcd: that is not of the form " + form)
		}
		o.Endpoints = append(o.Endpoints, scheme+host)
	}
	if _, err := o.endpoints(); err != nil {
		return Options{}, err
	}
	return o, nil
}
