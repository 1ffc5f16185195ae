package bucket

import (
	"errors"
	"net/url"
	"strings"
)

// ParseURL parses the address of a ledger:
// s3://BUCKET/PREFIX?endpoint=https://…&region=…, where prefix and region are
// optional. An address with a credential is refused. The errors show no part of
// the text.
func ParseURL(text string) (Options, error) {
	const form = "s3://BUCKET/PREFIX?endpoint=https://…&region=…"
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Opaque != "" || u.Fragment != "" {
		return Options{}, errors.New("bucket: that is not of the form " + form)
	}
	if u.User != nil {
		return Options{}, errors.New("bucket: the address names a user or a key: an address must not contain a " +
			"credential, because logs and lists of processes show addresses. Give the credential in " +
			"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and replace this one if others may have seen it")
	}
	o := Options{Bucket: u.Host, Prefix: strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Options{}, errors.New("bucket: the address is damaged after the question mark: it must be of " +
			"the form " + form)
	}
	for name, values := range query {
		to := map[string]*string{"endpoint": &o.Endpoint, "region": &o.Region}[name]
		switch {
		case to == nil:
			return Options{}, errors.New("bucket: after the question mark, give endpoint and region, and " +
				"nothing else: " + form)
		case len(values) != 1 || values[0] == "":
			return Options{}, errors.New("bucket: endpoint or region is given twice, or empty")
		}
		*to = values[0]
	}
	switch {
	case !bucketForm().MatchString(o.Bucket):
		return Options{}, errors.New("bucket: the first part is no bucket's name: give 3 to 63 lower-case letters, " +
			"digits, dots and hyphens")
	case o.Region != "" && !regionForm().MatchString(o.Region):
		return Options{}, errors.New("bucket: that is no region: give one such as eu-central-1, or auto")
	}
	if err := checkPrefix(o.Prefix); err != nil {
		return Options{}, err
	}
	if _, err := o.endpoint(); err != nil {
		return Options{}, err
	}
	return o, nil
}
