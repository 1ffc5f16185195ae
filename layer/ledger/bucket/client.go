package bucket

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// client sends requests, each exactly once. It stores the keys as driver.Value,
// which redacts itself when printed.
type client struct {
	endpoint *url.URL
	region   string
	bucket   string
	prefix   string
	id       driver.Value
	key      driver.Value
	token    driver.Value
	http     *http.Client
	timeout  time.Duration // for one request
	signer   *v4.Signer
}

func newClient(o Options) (*client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	endpoint, err := o.endpoint()
	if err != nil {
		return nil, err
	}
	c := &client{
		endpoint: endpoint, region: o.Region, bucket: o.Bucket, prefix: o.Prefix,
		id: driver.NewValue(o.AccessKeyID), key: o.SecretAccessKey, token: o.SessionToken,
		http: &http.Client{}, timeout: time.Minute,
		signer: v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }),
	}
	if c.region == "" {
		c.region = "auto"
	}
	if o.HTTPClient != nil {
		own := *o.HTTPClient
		c.http = &own
	}
	// A redirect with status 307 would send the state again, to another server.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

const (
	ledgerObject = "ledger.age"
	probeObject  = "probe"
)

func (c *client) place() string { return "s3://" + c.bucket + "/" + c.object(ledgerObject) }

func (c *client) object(name string) string {
	if c.prefix == "" {
		return name
	}
	return c.prefix + "/" + name
}

// answer is a response whose body has been read.
type answer struct {
	status int
	code   string // S3's error code of a failure; "" if there is none or its form is invalid
	etag   string
	body   []byte // of a successful GET
}

// do sends one request, once. condition is the name and value of a header; an
// empty name means no condition. The error is a *resend.Failure with outcome
// Unknown.
func (c *client) do(ctx context.Context, method, object string, condition [2]string, body []byte) (*answer, error) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(bounded, method, object, condition, body)
	if err != nil {
		return nil, &resend.Failure{Err: err}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, lost(ctx, err)
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, etag: res.Header.Get("ETag")}
	if res.StatusCode/100 != 2 {
		// A part of the error document is enough. The status decides also if the document
		// is lost.
		text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		a.code = c.code(text)
		return a, nil
	}
	if method == http.MethodGet {
		a.body, err = io.ReadAll(io.LimitReader(res.Body, rotate.MaxSealed+1))
	} else {
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	}
	if err != nil {
		return nil, lost(ctx, err)
	}
	return a, nil
}

// request returns a signed request.
func (c *client) request(ctx context.Context, method, object string, condition [2]string, body []byte) (*http.Request,
	error) {
	u := *c.endpoint
	u.Path += "/" + c.bucket + "/" + c.object(object)
	u.RawPath = escape(u.Path) // the signed form: net/url escapes fewer characters
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, errMade
	}
	req.GetBody = nil // without GetBody, net/http cannot send a body a second time
	if condition[0] != "" {
		req.Header.Set(condition[0], condition[1])
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
		// A bucket with Object Lock accepts no object without a checksum. Every server
		// supports this one.
		sum := md5.Sum(body)
		req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", digest)
	credential := aws.Credentials{AccessKeyID: c.id.Reveal(), SecretAccessKey: c.key.Reveal(),
		SessionToken: c.token.Reveal()}
	if err := c.signer.SignHTTP(ctx, credential, req, digest, "s3", c.region, time.Now()); err != nil {
		return nil, errMade
	}
	// An object that is compressed on the way would have another ETag. This header is
	// not signed, because proxies rewrite it.
	req.Header.Set("Accept-Encoding", "identity")
	return req, nil
}

// escape returns a path in the form that S3 signs: all bytes except unreserved
// characters and slashes are percent-encoded.
func escape(path string) string {
	var b strings.Builder
	for i := range len(path) {
		switch ch := path[i]; {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', strings.IndexByte("-._~/",
			ch) >= 0:
			b.WriteByte(ch)
		default:
			b.WriteByte('%')
			b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{ch})))
		}
	}
	return b.String()
}
