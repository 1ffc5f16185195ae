package bucket

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/internal/loopback"
	"github.com/layeron-hq/secret/layer/ledger"
)

// Options say where the ledger is, and as whom to ask for it. They show no key, however they are printed.
type Options struct {
	// Endpoint is the server's address, and must be given: https://s3.REGION.amazonaws.com,
	// https://ACCOUNT.r2.cloudflarestorage.com. Plain http is for this machine only.
	Endpoint string
	// Region is what requests are signed for. Empty: auto, which R2 takes; AWS needs the bucket's region.
	Region string
	// Bucket is the bucket's name. It must exist.
	Bucket string
	// Prefix is the folder of the object, as in team/shop, without slashes at its ends. Empty: the bucket's root.
	Prefix string
	// AccessKeyID and SecretAccessKey are the credential, and must be given.
	AccessKeyID     string
	SecretAccessKey driver.Value
	// SessionToken belongs to a temporary credential. Empty: none.
	SessionToken driver.Value
	// Identities open the ledger. One of them must belong to a recipient.
	Identities ledger.Identities
	// HTTPClient sends the requests; its Transport must send nothing again by itself, as http.Transport doesn't. It follows no
	// redirect. Nil: one of its own, on http.DefaultTransport.
	HTTPClient *http.Client
}

var (
	bucketForm = lazyregexp.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionForm = lazyregexp.New(`^[a-z0-9-]{1,64}$`)
	keyForm    = lazyregexp.New(`^[!-~]+$`)
	idForm     = lazyregexp.New(`^[0-9A-Za-z._-]+$`)
)

// check repeats nothing of what it refuses, but for names: somebody may have put a key in the wrong place.
func (o Options) check() error {
	switch {
	case o.Bucket == "":
		return errors.New("bucket: there is no bucket's name: give one, as in s3://BUCKET/PREFIX?endpoint=https://…")
	case !bucketForm().MatchString(o.Bucket):
		return errors.New("bucket: that is no bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens")
	case o.Region != "" && !regionForm().MatchString(o.Region):
		return errors.New("bucket: that is no region: it should be like eu-central-1, or auto")
	case o.AccessKeyID == "" || o.SecretAccessKey.Reveal() == "":
		return errors.New("bucket: there is no credential: give the access key's id and its secret")
	case !idForm().MatchString(o.AccessKeyID):
		return errors.New("bucket: the access key's id holds characters that none has: copy it again")
	case !keyForm().MatchString(o.SecretAccessKey.Reveal()), o.SessionToken.Reveal() != "" && !keyForm().MatchString(o.SessionToken.Reveal()):
		return errors.New("bucket: the secret key or the session token holds white space or other characters that none has: copy it again")
	}
	if err := checkPrefix(o.Prefix); err != nil {
		return err
	}
	_, err := o.endpoint()
	return err
}

// checkPrefix refuses what a server or a proxy might take for another path.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > 512 || !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl) {
		return errors.New("bucket: the prefix must be at most 512 bytes of UTF-8 without control characters")
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("bucket: the prefix must be names with single slashes between them and none at its ends, and . or .. is no name")
		}
	}
	return nil
}

func (o Options) endpoint() (*url.URL, error) {
	if o.Endpoint == "" {
		return nil, errors.New("bucket: there is no endpoint: give https://s3.REGION.amazonaws.com for AWS, https://ACCOUNT.r2.cloudflarestorage.com for R2")
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return nil, errors.New("bucket: the endpoint is not of the form https://host, without query and fragment")
	case u.User != nil:
		return nil, errors.New("bucket: the endpoint names a user: a credential never stands in an address, where logs show it. Give it by itself")
	case strings.HasSuffix(strings.ToLower(u.Hostname()), ".r2.dev"):
		return nil, errors.New("bucket: the endpoint is a public r2.dev address, which answers from a cache: give https://ACCOUNT.r2.cloudflarestorage.com")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return nil, errors.New("bucket: the endpoint is plain http, on which anybody on the way could put another ledger in its place: give its https address")
	case u.Path != "" && u.Path != "/" && checkPrefix(strings.Trim(u.Path, "/")) != nil:
		return nil, errors.New("bucket: the endpoint's path holds empty or relative parts")
	}
	endpoint := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	if before, last := path.Split(endpoint.Path); last == o.Bucket && last != "" {
		// As Cloudflare's dashboard shows it. The bucket would be named twice.
		right := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(before, "/")}
		return nil, fmt.Errorf("bucket: the endpoint ends with the bucket's name, so that the bucket is named twice: give %s. "+
			"A ledger that was made with the other endpoint has the prefix %s", right, path.Join(o.Bucket, o.Prefix))
	}
	return endpoint, nil
}
