package cloudflare

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// failure is the error of one request. It is made of our own words: what the API and net/http say may repeat what was sent.
type failure struct {
	op         string
	needs      permission
	status     int
	codes      []int64
	messages   []string // those that are known, and those that look like one and repeat nothing that was sent
	detail     string
	hint       string
	notApplied bool
	retryAfter time.Duration
	cause      error
}

// permission is what an API token must be allowed.
type permission string

const (
	editSecrets permission = "Account > Secrets Store > Edit (Secrets Store Write)"
	editTokens  permission = "Account > API Tokens > Edit (API Tokens Write)"
)

// definite are the answers after which a request is certainly not carried out. 408, 409 and 5xx are not among them: something
// on the way may have sent the request on, or again.
var definite = map[int]bool{400: true, 401: true, 402: true, 403: true, 404: true, 405: true, 406: true, 411: true, 413: true,
	414: true, 415: true, 422: true, 429: true, 431: true}

// messages are Cloudflare's, which tell more than its codes do, and what to do about them.
var messages = map[string]string{
	"secret_name_already_exists": "somebody has created a secret of this name: run again",
	"secret_not_found":           "somebody has deleted the secret: run again",
	"store_not_found":            "the account has no such store: give the id of one that it has, or none",
	"secret_value_too_long":      "keep the value within 65,536 bytes",
	"secret_value_too_large":     "keep the value within 65,536 bytes",
	"secret_value_empty":         "",
	"secret_name_empty":          "",
	"secret_name_invalid":        "",
	"secret_name_too_long":       "choose a shorter name",
	"secret_comment_too_long":    "",
	"secret_scope_invalid":       "choose another scope",
	"secret_scopes_empty":        "",
	"invalid_json_body":          "",
	"maximum_secrets_exceeded":   full,
	"maximum_stores_exceeded":    "",
}

const full = "remove secrets that nobody needs, or ask Cloudflare for more room"

// invalid are the messages that refuse a request before any of it is carried out, so a batch as a whole.
var invalid = map[string]bool{"store_not_found": true, "secret_value_too_long": true, "secret_value_too_large": true,
	"secret_value_empty": true, "secret_name_empty": true, "secret_name_invalid": true, "secret_name_too_long": true,
	"secret_comment_too_long": true, "secret_scope_invalid": true, "secret_scopes_empty": true, "invalid_json_body": true}

var wordForm = lazyregexp.New(`^[a-z]+(_[a-z]+)+`)

// lost is the failure of a request that got no answer.
func lost(err error) *failure {
	f := &failure{detail: "the connection ended before the answer did"}
	var (
		network     net.Error
		certificate *tls.CertificateVerificationError
	)
	switch {
	case err == nil:
		f.detail = "the answer is too long"
	case errors.Is(err, context.Canceled):
		f.detail, f.cause = "interrupted", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		f.detail, f.cause = "no answer in time", context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
	case errors.As(err, &certificate):
		f.detail = "the server's certificate is not trusted"
	case errors.As(err, &network):
		var op *net.OpError
		if errors.As(err, &op) { // names addresses, and nothing that was sent
			f.detail = op.Error()
		} else if network.Timeout() {
			f.detail = "no answer in time"
		}
	}
	return f
}

// refused is the failure of a request that was answered, but not with success.
func refused(req *http.Request, res *http.Response, e envelope, understood bool) *failure {
	f := &failure{status: res.StatusCode, notApplied: definite[res.StatusCode] || req.Method == http.MethodGet}
	if !understood {
		f.detail = "the answer was not understood"
	}
	for _, m := range e.Errors {
		f.codes = append(f.codes, m.Code)
		// Cloudflare may append the name that it is about.
		word := wordForm().FindString(m.Message)
		if _, ok := messages[word]; ok || word != "" && word == m.Message && len(word) <= 64 && !repeats(req, word) {
			f.messages = append(f.messages, word)
		}
	}
	// Something on the way may have sent the request twice, and this is the answer to the second.
	if f.says("secret_name_already_exists") {
		f.notApplied = false
	}
	return f
}

// repeats tells whether text holds eight characters in a row of what was sent.
func repeats(req *http.Request, text string) bool {
	if req.GetBody == nil {
		return false
	}
	r, err := req.GetBody()
	if err != nil {
		return true
	}
	body, err := io.ReadAll(r)
	if err != nil {
		return true
	}
	for i := 0; i == 0 || i+8 <= len(text); i++ {
		if strings.Contains(string(body), text[i:min(i+8, len(text))]) {
			return true
		}
	}
	return false
}

func (f *failure) says(message string) bool { return slices.Contains(f.messages, message) }

// Error says what failed, how, and what to do next.
func (f *failure) Error() string {
	var b strings.Builder
	b.WriteString("cloudflare: " + f.op)
	if f.status != 0 {
		fmt.Fprintf(&b, ": status %d", f.status)
	}
	if f.detail != "" {
		b.WriteString(": " + f.detail)
	}
	if f.status != 0 && f.status/100 == 2 && f.detail == "" {
		b.WriteString(", but no success")
	}
	for _, m := range f.messages {
		b.WriteString(", " + m)
	}
	if len(f.messages) == 0 {
		for _, code := range f.codes {
			fmt.Fprintf(&b, ", code %d", code)
		}
	}
	if f.cause != nil {
		fmt.Fprintf(&b, ": %v", f.cause)
	}
	if next := f.next(); next != "" {
		b.WriteString(": " + next)
	}
	return b.String()
}

func (f *failure) next() string {
	if f.hint != "" {
		return f.hint
	}
	for _, m := range f.messages {
		if messages[m] != "" {
			return messages[m]
		}
	}
	switch {
	case f.badToken():
		return "the API token is malformed: set CLOUDFLARE_API_TOKEN to one with the permission " + string(f.needs)
	case slices.Contains(f.codes, 7003):
		return "check the account id"
	case f.status == http.StatusUnauthorized:
		return "the API token is not valid any more: set CLOUDFLARE_API_TOKEN to one with the permission " + string(f.needs)
	case f.status == http.StatusForbidden:
		return "add the permission " + string(f.needs) + " to the API token, if it is one of this account"
	case f.status >= 500:
		return "Cloudflare has a problem: run again later, which finds out how far it came"
	case f.cause != nil && !errors.Is(f.cause, context.DeadlineExceeded):
		return ""
	case f.status/100 == 3:
		return "something on the way redirects, which is not followed: check CLOUDFLARE_API_BASE_URL"
	case f.notApplied && f.status != 0 && f.status/100 != 2:
		return "it is refused, and would be again: look the answer up in Cloudflare's documentation"
	case f.notApplied && f.status == 0:
		return "check the network, and CLOUDFLARE_API_BASE_URL if it is set"
	}
	return "run again, which finds out how far it came"
}

// Unwrap returns rotate.ErrNotApplied where that is certain, and the end of the context where that was the cause.
func (f *failure) Unwrap() []error {
	var errs []error
	if f.notApplied {
		errs = append(errs, driver.ErrNotApplied)
	}
	if f.cause != nil {
		errs = append(errs, f.cause)
	}
	return errs
}

// badToken: such a token is refused with status 400.
func (f *failure) badToken() bool { return slices.Contains(f.codes, 6003) }

// gone: there is nothing of that id in the account, which exists.
func (f *failure) gone() bool {
	return f.status == http.StatusNotFound && f.detail == "" && !slices.Contains(f.codes, 7003)
}

// pause is how long to wait after a 429: what the answer says, else 1, 2, 4 … 60 s, up to a quarter more.
func (f *failure) pause(attempt int) time.Duration {
	if f.retryAfter > 0 {
		return f.retryAfter
	}
	d := min(time.Second<<min(attempt, 6), time.Minute)
	return d + rand.N(d/4)
}

// retryAfter reads the header: seconds, or a date. 0: it says nothing of use.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(header, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
