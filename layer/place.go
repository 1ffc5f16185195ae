package main

import (
	"cmp"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
)

// The place of a ledger, as --ledger or LAYER_LEDGER gives it. An address with
// a credential is refused, because places are printed, logged and recorded in
// the ledger.

// place is where a ledger is. It never contains a credential, so it may be
// shown.
type place struct {
	text string // as given
	kind ledgerKind

	// Only for Postgres: the ledger's name, the address of the database, and
	// whether the address sets default_query_exec_mode.
	name, url string
	ownMode   bool
}

type ledgerKind int

const (
	inFile ledgerKind = iota
	inBucket
	inPostgres
)

const places = "a ledger is a FILE, s3://BUCKET/PREFIX?endpoint=https://… or postgres://HOST/DATABASE: "

// parsePlace parses --ledger. Its errors do not repeat any part of an address,
// which may contain a password.
func (p process) parsePlace(text string) (place, error) {
	scheme, _, isURL := strings.Cut(text, "://")
	switch {
	case text == "":
		return place{}, usagef("--ledger is empty: %sgive one", places)
	case !isURL && (resemblesAddress(text) || resemblesKey(text)):
		return place{}, usagef("%s--ledger has none of these forms. Put a password into PGPASSWORD or ~/.pgpass, and a "+
			"key into the environment: change "+
			"one that others may have seen. A file with one of : = @ in its name is written ./NAME", places)
	case !isURL:
		return place{text: text}, nil
	case scheme == "s3":
		_, err := p.bucketAt(text)
		return place{text: text, kind: inBucket}, err
	case scheme == "postgres" || scheme == "postgresql":
		return postgresPlace(text)
	}
	return place{}, usagef("%s--ledger has another scheme", places)
}

// folder returns the folder of the identity and layer.seen: the one of a ledger
// file, else the current folder.
func (p place) folder() string {
	if p.kind == inFile {
		return filepath.Dir(p.text)
	}
	return "."
}

// bucketAt returns the options of a bucket from its address and the
// environment, without the credential.
func (p process) bucketAt(text string) (bucket.Options, error) {
	u, err := url.Parse(text)
	region := cmp.Or(p.getenv("AWS_REGION"), p.getenv("AWS_DEFAULT_REGION"))
	if err == nil && !u.Query().Has("endpoint") {
		endpoint := cmp.Or(p.getenv("AWS_ENDPOINT_URL_S3"), p.getenv("AWS_ENDPOINT_URL"))
		if own := cmp.Or(u.Query().Get("region"), region); endpoint == "" && own != "" {
			endpoint = "https://s3." + own + ".amazonaws.com"
		}
		if endpoint == "" {
			return bucket.Options{}, usagef("the address of the bucket has no endpoint: add ?endpoint=https://…, or set " +
				"AWS_ENDPOINT_URL_S3, or AWS_REGION for AWS itself")
		}
		more := "?"
		if u.RawQuery != "" || u.ForceQuery {
			more = "&"
		}
		text += more + "endpoint=" + url.QueryEscape(endpoint)
	}
	o, err := bucket.ParseURL(text)
	if err != nil {
		return o, usageError{err}
	}
	if o.Region == "" {
		o.Region = regionOf(o.Endpoint, region)
	}
	return o, nil
}

var awsHost = lazyregexp.New(`(?:^|\.)s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-[0-9]+)\.amazonaws\.com(?:\.cn)?$`)

// regionOf returns the region of an endpoint whose address names none. A region
// in the host name comes before the environment, which may be meant for another
// account. The last resort is us-east-1, the default of AWS, MinIO and
// versitygw.
func regionOf(endpoint, environment string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if strings.HasSuffix(host, ".r2.cloudflarestorage.com") {
		return "auto"
	}
	if m := awsHost().FindStringSubmatch(host); m != nil {
		return m[1]
	}
	return cmp.Or(environment, "us-east-1")
}

func (p process) bucketOptions(text string, ids ledger.Identities) (bucket.Options, error) {
	o, err := p.bucketAt(text)
	o.AccessKeyID, o.SecretAccessKey, o.SessionToken = p.getenv("AWS_ACCESS_KEY_ID"),
		driver.NewValue(p.getenv("AWS_SECRET_ACCESS_KEY")),
		driver.NewValue(p.getenv("AWS_SESSION_TOKEN"))
	o.Identities = ids
	return o, err
}

// postgresPlace parses the address of a database, and removes the parameter
// with the ledger's name, which the driver does not know.
func postgresPlace(text string) (place, error) {
	const form = "postgres://USER@HOST/DATABASE?sslmode=verify-full&name=LEDGER"
	damaged := usagef("the address of the database is damaged: it should be like %s", form)
	front, query, _ := strings.Cut(text, "?")
	_, authority, _ := strings.Cut(front, "://")
	authority, database, _ := strings.Cut(authority, "/")
	user, _, hasUser := cutLast(authority, "@")
	values, err := url.ParseQuery(query)
	if err != nil {
		return place{}, usagef("the address of the database is damaged after the question mark: it should be like %s", form)
	}
	if hasUser && strings.Contains(user, ":") || anyCredential(values) {
		return place{}, usagef("the address of the database contains a password, which lists of processes and logs " +
			"would show: put it into PGPASSWORD or ~/.pgpass, and change this one if others may have seen it")
	}
	// An unescaped password with one of these characters ends the host name.
	if strings.ContainsAny(database, "@:") || strings.Contains(text, "#") {
		return place{}, damaged
	}
	for name := range values {
		if !parameterForm().MatchString(name) {
			return place{}, damaged
		}
	}
	p := place{text: text, kind: inPostgres, name: cmp.Or(values.Get("name"), "default"), url: front,
		ownMode: values.Has("default_query_exec_mode")}
	// The other parameters stay as they are: in a database's address a plus sign is
	// a plus sign, and in a form it is a space.
	rest := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		return pair == "" || err == nil && name == "name"
	})
	if len(rest) > 0 {
		// An @ would end the user name.
		p.url += "?" + strings.ReplaceAll(strings.Join(rest, "&"), "@", "%40")
	}
	return p, nil
}

// parameterForm matches the name of a parameter, of psql or of the server.
var parameterForm = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// anyCredential reports whether a parameter contains a credential.
func anyCredential(values url.Values) bool {
	for name, list := range values {
		if slices.ContainsFunc(list, func(value string) bool { return holdsCredential(name, value) }) {
			return true
		}
	}
	return false
}

// cutLast cuts text at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return "", text, false
	}
	return text[:i], text[i+len(separator):], true
}
