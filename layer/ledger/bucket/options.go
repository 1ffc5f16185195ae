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

// Options are the location of the ledger and the credential. They redact the keys
// under every format.
type Options struct {
	// Endpoint is the server's address, and is required:
	// https://s3.REGION.amazonaws.com or https://ACCOUNT.r2.cloudflarestorage.com.
	// Plain http is allowed only for this machine.
	Endpoint string
	// Region is the region that requests are signed for. Empty: auto, which R2
	// accepts. AWS needs the bucket's region.
	Region string
	// Bucket is the bucket's name. It must exist.
	Bucket string
	// Prefix is the folder of the object, such as team/shop, without slashes at its
	// ends. Empty: the bucket's root.
	Prefix string
	// AccessKeyID and SecretAccessKey are the credential, and are required.
	AccessKeyID     string
	SecretAccessKey driver.Value
	// SessionToken belongs to a temporary credential. Empty: none.
	SessionToken driver.Value
	// Identities open the ledger. One must belong to a recipient.
	Identities ledger.Identities
	// HTTPClient sends the requests. Its Transport must not retry by itself;
	// http.Transport does not. A copy of the client is used, which follows no
	// redirect. Nil: a client on http.DefaultTransport.
	HTTPClient *http.Client
}

var (
	bucketForm = lazyregexp.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionForm = lazyregexp.New(`^[a-z0-9-]{1,64}$`)
	keyForm    = lazyregexp.New(`^[!-~]+$`)
	idForm     = lazyregexp.New(`^[0-9A-Za-z._-]+$`)
)

// check returns an error for invalid options. The error repeats no option except
// names, because a key may be in the wrong field.
func (o Options) check() error {
	switch {
	case o.Bucket == "":
		return errors.New("bucket: there is no bucket's name: give one, as in s3://BUCKET/PREFIX?endpoint=https://…")
	case !bucketForm().MatchString(o.Bucket):
		return errors.New("bucket: that is no bucket's name: give 3 to 63 lower-case letters, digits, dots and hyphens")
	case o.Region != "" && !regionForm().MatchString(o.Region):
		return errors.New("bucket: that is no region: give one such as eu-central-1, or auto")
	case o.AccessKeyID == "" || o.SecretAccessKey.Reveal() == "":
		return errors.New("bucket: there is no credential: give the access key's id and its secret")
	case !idForm().MatchString(o.AccessKeyID):
		return errors.New("bucket: the access key's id has characters that are not allowed there: copy it again")
	case !keyForm().MatchString(o.SecretAccessKey.Reveal()), o.SessionToken.Reveal() != "" &&
		!keyForm().MatchString(o.SessionToken.Reveal()):
		return errors.New("bucket: the secret key or the session token has white space or other characters that are " +
			"not allowed there: copy it again")
	}
	if err := checkPrefix(o.Prefix); err != nil {
		return err
	}
	_, err := o.endpoint()
	return err
}

// checkPrefix returns an error for a prefix that a server or a proxy may rewrite
// to another path.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if len(prefix) > 512 || !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl) {
		return errors.New("bucket: the prefix must be at most 512 bytes of UTF-8 without control characters")
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("bucket: the prefix must be names with single slashes between them and none at its " +
				"ends, where . or .. is no name")
		}
	}
	return nil
}

func (o Options) endpoint() (*url.URL, error) {
	if o.Endpoint == "" {
		return nil, errors.New("bucket: there is no endpoint: give https://s3.REGION.amazonaws.com for AWS, " +
			"https://ACCOUNT.r2.cloudflarestorage.com for R2")
	}
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.ForceQuery ||
		u.Fragment != "" || u.Opaque != "":
		return nil, errors.New("bucket: the endpoint is not of the form https://host, without query and fragment")
	case u.User != nil:
		return nil, errors.New("bucket: the endpoint names a user: an address must not contain a credential, because " +
			"logs show addresses. Give the credential separately")
	case strings.HasSuffix(strings.ToLower(u.Hostname()), ".r2.dev"):
		return nil, errors.New("bucket: the endpoint is a public r2.dev address, which answers from a cache: give " +
			"https://ACCOUNT.r2.cloudflarestorage.com")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return nil, errors.New("bucket: the endpoint is plain http, so a machine on the way could replace the " +
			"ledger: give its https address")
	case u.Path != "" && u.Path != "/" && checkPrefix(strings.Trim(u.Path, "/")) != nil:
		return nil, errors.New("bucket: the endpoint's path has empty or relative parts")
	}
	endpoint := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	if before, last := path.Split(endpoint.Path); last == o.Bucket && last != "" {
		// Cloudflare's dashboard shows the endpoint in this form. The bucket would be
		// named twice.
		right := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(before, "/")}
		return nil, fmt.Errorf("bucket: the endpoint ends with the bucket's name, so that the bucket is named twice: "+
			"give %s. "+
			"A ledger that was made with the other endpoint has the prefix %s", right, path.Join(o.Bucket, o.Prefix))
	}
	return endpoint, nil
}
