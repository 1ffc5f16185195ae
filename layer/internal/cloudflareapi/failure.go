package cloudflareapi

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

// Failure is the error of one request. Its text is layer's own: the messages of
// the API and of net/http may repeat the request.
type Failure struct {
	Op     string
	needs  Permission
	Status int
	Codes  []int64
	// Known messages, and those that have the form of one and repeat no part of the
	// request.
	Messages   []string
	Detail     string
	Hint       string
	NotApplied bool
	retryAfter time.Duration
	Cause      error
}

// Permission is a permission of an API token.
type Permission string

const (
	EditSecrets Permission = "Account > Secrets Store > Edit (Secrets Store Write)"
	EditTokens  Permission = "Account > API Tokens > Edit (API Tokens Write)"
)

// definite are the statuses after which a request is certainly not applied.
// 408, 409 and 5xx are not among these: an intermediary may have forwarded the
// request, or sent it twice.
var definite = map[int]bool{400: true, 401: true, 402: true, 403: true, 404: true, 405: true, 406: true, 411: true,
	413: true,
	414: true, 415: true, 422: true, 429: true, 431: true}

// messages explains the messages of Cloudflare, which are more precise than its
// codes, and gives the next step.
var messages = map[string]string{
	"secret_name_already_exists": "another process has created a secret of this name: run again",
	"secret_not_found":           "another process has deleted the secret: run again",
	"store_not_found":            "the account has no such store: give the id of an existing store, or none",
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
	"maximum_secrets_exceeded":   NoRoom,
	"maximum_stores_exceeded":    "",
}

const NoRoom = "remove unused secrets, or ask Cloudflare for more room"

// invalid are the messages that refuse a whole request before any part is
// applied, so also a whole batch.
var invalid = map[string]bool{"store_not_found": true, "secret_value_too_long": true, "secret_value_too_large": true,
	"secret_value_empty": true, "secret_name_empty": true, "secret_name_invalid": true, "secret_name_too_long": true,
	"secret_comment_too_long": true, "secret_scope_invalid": true, "secret_scopes_empty": true, "invalid_json_body": true}

var wordForm = lazyregexp.New(`^[a-z]+(_[a-z]+)+`)

// lost returns the failure of a request that got no answer.
func lost(err error) *Failure {
	f := &Failure{Detail: "the connection ended before the answer did"}
	var (
		network     net.Error
		certificate *tls.CertificateVerificationError
	)
	switch {
	case err == nil:
		f.Detail = "the answer is too long"
	case errors.Is(err, context.Canceled):
		f.Detail, f.Cause = "interrupted", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		f.Detail, f.Cause = "no answer in time", context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
	case errors.As(err, &certificate):
		f.Detail = "the server's certificate is not trusted"
	case errors.As(err, &network):
		var op *net.OpError
		if errors.As(err, &op) { // contains addresses, and no part of the request
			f.Detail = op.Error()
		} else if network.Timeout() {
			f.Detail = "no answer in time"
		}
	}
	return f
}

// refused returns the failure of a request whose answer was no success.
func refused(req *http.Request, res *http.Response, e envelope, understood bool) *Failure {
	f := &Failure{Status: res.StatusCode, NotApplied: definite[res.StatusCode] || req.Method == http.MethodGet}
	if !understood {
		f.Detail = "the answer was not understood"
	}
	for _, m := range e.Errors {
		f.Codes = append(f.Codes, m.Code)
		// Cloudflare may append the secret's name.
		word := wordForm().FindString(m.Message)
		if _, ok := messages[word]; ok || word != "" && word == m.Message && len(word) <= 64 && !repeats(req, word) {
			f.Messages = append(f.Messages, word)
		}
	}
	// An intermediary may have sent the request twice, and this is the answer to
	// the second.
	if f.Says("secret_name_already_exists") {
		f.NotApplied = false
	}
	return f
}

// repeats reports whether text contains eight consecutive characters of the
// request.
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

func (f *Failure) Says(message string) bool { return slices.Contains(f.Messages, message) }

// Error returns the operation, the reason and the next step.
func (f *Failure) Error() string {
	var b strings.Builder
	b.WriteString("cloudflare: " + f.Op)
	if f.Status != 0 {
		fmt.Fprintf(&b, ": status %d", f.Status)
	}
	if f.Detail != "" {
		b.WriteString(": " + f.Detail)
	}
	if f.Status != 0 && f.Status/100 == 2 && f.Detail == "" {
		b.WriteString(", but no success")
	}
	for _, m := range f.Messages {
		b.WriteString(", " + m)
	}
	if len(f.Messages) == 0 {
		for _, code := range f.Codes {
			fmt.Fprintf(&b, ", code %d", code)
		}
	}
	if f.Cause != nil {
		fmt.Fprintf(&b, ": %v", f.Cause)
	}
	if next := f.next(); next != "" {
		b.WriteString(": " + next)
	}
	return b.String()
}

func (f *Failure) next() string {
	if f.Hint != "" {
		return f.Hint
	}
	for _, m := range f.Messages {
		if messages[m] != "" {
			return messages[m]
		}
	}
	switch {
	case f.BadToken():
		return "the API token is malformed: set CLOUDFLARE_API_TOKEN to one with the permission " + string(f.needs)
	case slices.Contains(f.Codes, 7003):
		return "check the account id"
	case f.Status == http.StatusUnauthorized:
		return "the API token is no longer valid: set CLOUDFLARE_API_TOKEN to one with the permission " + string(f.needs)
	case f.Status == http.StatusForbidden:
		return "add the permission " + string(f.needs) + " to the API token, if it is one of this account"
	case f.Status >= 500:
		return "Cloudflare has a problem: run again later, to continue"
	case f.Cause != nil && !errors.Is(f.Cause, context.DeadlineExceeded):
		return ""
	case f.Status/100 == 3:
		return "the answer is a redirect, which is not followed: check CLOUDFLARE_API_BASE_URL"
	case f.NotApplied && f.Status != 0 && f.Status/100 != 2:
		return "another try would be refused too: look the answer up in Cloudflare's documentation"
	case f.NotApplied && f.Status == 0:
		return "check the network, and CLOUDFLARE_API_BASE_URL if it is set"
	}
	return "run again, to continue"
}

// Unwrap returns driver.ErrNotApplied if the request was certainly not applied,
// and the error of the context if that was the cause.
func (f *Failure) Unwrap() []error {
	var errs []error
	if f.NotApplied {
		errs = append(errs, driver.ErrNotApplied)
	}
	if f.Cause != nil {
		errs = append(errs, f.Cause)
	}
	return errs
}

// OfBatch adapts the failure of a request for n secrets. No document promises
// that a batch is atomic, so NotApplied stays only if the batch was refused as
// a whole.
func (f *Failure) OfBatch(n int) {
	if n == 1 || f.Status != 400 && f.Status != 422 || f.BadToken() {
		return
	}
	known := len(f.Messages) == len(f.Codes)
	for i, code := range f.Codes {
		// 1001 is any error in the request, 1003 an obstacle to it.
		f.NotApplied = f.NotApplied && (code == 1001 || known && invalid[f.Messages[i]])
	}
	f.NotApplied = f.NotApplied && len(f.Codes) > 0
}

// BadToken reports whether the token was refused, which Cloudflare does with
// status 400.
func (f *Failure) BadToken() bool { return slices.Contains(f.Codes, 6003) }

// Gone reports whether the account exists and has no object with that id.
func (f *Failure) Gone() bool {
	return f.Status == http.StatusNotFound && f.Detail == "" && !slices.Contains(f.Codes, 7003)
}

// leastPause is the shortest pause, even if an answer asks for less.
const leastPause = time.Second

// pause returns the time to wait after a 429: the time in the answer, else 1,
// 2, 4 … 60 s, plus up to a quarter.
func (f *Failure) pause(attempt int) time.Duration {
	if f.retryAfter > 0 {
		return max(f.retryAfter, leastPause)
	}
	d := min(time.Second<<min(attempt, 6), time.Minute)
	return d + rand.N(d/4)
}

// retryAfter parses the header: seconds, or a date. 0: it contains no usable
// time.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseFloat(header, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
