package bucket

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
)

var errMade = errors.New("the request could not be made: check the endpoint")

// lost is the failure of a request that got no answer. net/http's own words would repeat the address; a dialer's name the
// machine only.
func lost(ctx context.Context, err error) error {
	var (
		op          *net.OpError
		network     net.Error
		certificate *tls.CertificateVerificationError
	)
	text := "the connection ended before the answer did"
	switch {
	case ctx.Err() != nil:
		return &resend.Failure{Outcome: resend.Unknown, Err: fmt.Errorf("interrupted: %w", context.Cause(ctx))}
	case errors.As(err, &certificate):
		text = "the server's certificate is not trusted: check the endpoint"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
	case errors.As(err, &network) && network.Timeout():
		text = "no answer in time"
	case errors.As(err, &op) && op.Op == "dial":
		text = "no connection to the server: check the endpoint and the network"
	}
	return &resend.Failure{Outcome: resend.Unknown, Err: errors.New(text)}
}

var codeForm = lazyregexp.New(`^[A-Z][A-Za-z]{1,63}$`)

// code reads S3's word for a failure. Its message may repeat what was sent, and is left out.
func (c *client) code(text []byte) string {
	var e struct{ Code string }
	if xml.Unmarshal(text, &e) != nil || !codeForm().MatchString(e.Code) {
		return ""
	}
	for _, held := range []string{c.id.Reveal(), c.key.Reveal(), c.token.Reveal()} {
		for i := 0; i+8 <= len(held); i++ {
			if strings.Contains(e.Code, held[i:i+8]) {
				return ""
			}
		}
	}
	return e.Code
}

// failure is an answer that is no success: what was to be done could not be. condition tells that it was to replace something.
func (a *answer) failure(done string, condition bool) error {
	text := fmt.Sprintf("it cannot be %s: status %d", done, a.status)
	if a.code != "" {
		text += ", " + a.code
	}
	if next := a.next(); next != "" {
		text += ": " + next
	}
	return &resend.Failure{Outcome: a.outcome(condition), Err: errors.New(text)}
}

func (a *answer) outcome(condition bool) resend.Outcome {
	switch {
	case a.status == http.StatusPreconditionFailed, condition && a.status == http.StatusNotFound && a.code == "NoSuchKey":
		return resend.Conflict
	case a.status >= 500, a.status == http.StatusConflict, a.status == http.StatusRequestTimeout, a.status == http.StatusTooManyRequests:
		return resend.Unknown
	}
	return resend.Refused
}

// hints are what to do about S3's words.
var hints = map[string]string{
	"NoSuchBucket":          "make the bucket, or correct its name",
	"InvalidAccessKeyId":    "the access key does not exist (any more): give another",
	"SignatureDoesNotMatch": "the secret key does not belong to the access key's id, or something on the way rewrites the request",
	"ExpiredToken":          "the temporary credential has expired: get a new one",
	"InvalidToken":          "the session token is not that of the access key: get a new credential",
	"RequestTimeTooSkewed":  "this machine's clock is wrong: set it",
	"AccessDenied": "let the credential get and put ledger.age and probe under the prefix, and list the bucket: without that, AWS " +
		"answers so where there is no ledger yet",
	"AuthorizationHeaderMalformed": "the region is not the bucket's: give it",
	"PermanentRedirect":            "the bucket is in another region: give that one, and its endpoint",
}

func (a *answer) next() string {
	if hint, ok := hints[a.code]; ok {
		return hint
	}
	switch {
	case a.status/100 == 3:
		return "redirects are not followed: give the bucket's own endpoint and region"
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return "the credential may not do that: " + hints["AccessDenied"]
	case a.status == http.StatusNotFound:
		return "check the endpoint and the bucket's name"
	case a.status >= 500, a.status == http.StatusTooManyRequests:
		return "the server has a problem, or too much to do: run again later"
	}
	return ""
}
