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

// lost returns the failure of a request that has no answer. It does not use the
// text of net/http's error, which would repeat the address.
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

// code returns the error code in S3's error document. It does not use the message,
// which may repeat parts of the request, and drops a code that contains 8
// characters in sequence of a credential.
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

// failure returns the error for an answer without success. done is the past
// participle of the operation. condition reports whether the request was to
// replace an existing object.
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

// outcome returns whether the request may have been applied. A server may answer
// with status 409, 429 or 5xx after it applied the request.
func (a *answer) outcome(condition bool) resend.Outcome {
	switch {
	case a.status == http.StatusPreconditionFailed, condition && a.status == http.StatusNotFound &&
		a.code == "NoSuchKey":
		return resend.Conflict
	case a.status >= 500, a.status == http.StatusConflict, a.status == http.StatusRequestTimeout,
		a.status == http.StatusTooManyRequests:
		return resend.Unknown
	}
	return resend.Refused
}

// hints are the next steps for the operator, by S3's error code.
var hints = map[string]string{
	"NoSuchBucket":       "make the bucket, or correct its name",
	"InvalidAccessKeyId": "the access key does not exist (any more): give another one",
	"SignatureDoesNotMatch": "the secret key does not belong to the access key's id, or a proxy on the way rewrites " +
		"the request",
	"ExpiredToken":         "the temporary credential has expired: get a new one",
	"InvalidToken":         "the session token is not that of the access key: get a new credential",
	"RequestTimeTooSkewed": "this machine's clock is wrong: set it",
	"AccessDenied": "let the credential get and put ledger.age and probe under the prefix, and list the bucket: " +
		"without that, AWS gives the same answer if there is no ledger yet",
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
		return "the server has a problem or is overloaded: run again later"
	}
	return ""
}
