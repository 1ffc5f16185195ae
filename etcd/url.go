package etcd

import (
	"errors"
	"net/url"
	"strings"
)

// ParseURL reads where the members are: etcd://HOST:PORT,HOST:PORT, and at its end ?tls=off where values may travel
// unencrypted. A credential never stands in it. The errors show nothing of the text.
func ParseURL(text string) (Options, error) {
	const form = "etcd://HOST:PORT,HOST:PORT, with ?tls=off at its end where there is no TLS"
	rest, ok := strings.CutPrefix(text, "etcd://")
	if !ok {
		return Options{}, errors.New("etcd: that is not of the form " + form)
	}
	// Not by net/url, which takes one host.
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimSuffix(rest, "/")
	if strings.Contains(rest, "@") {
		return Options{}, errors.New("etcd: the address names a user or a password: a credential never stands in an address, where logs and " +
			"lists of processes show it. Give it by itself, as in ETCDCTL_USER and ETCDCTL_PASSWORD, and change this one if others may have seen it")
	}
	scheme := ""
	values, err := url.ParseQuery(query)
	if err != nil {
		return Options{}, errors.New("etcd: what follows the question mark is damaged: it should be as in " + form)
	}
	for name, list := range values {
		switch {
		case name != "tls" || len(list) != 1 || list[0] != "on" && list[0] != "off":
			return Options{}, errors.New("etcd: after the question mark stands tls=on or tls=off, and nothing else")
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
