package kubernetes

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/driver"
)

// maxAnswer is the largest answer that is read, in bytes. A Secret has at most
// 1 MiB of values, which are base64 in JSON, and its annotations and its
// managed fields.
const maxAnswer = 8 << 20

// refusal is the error of a request that the API server answered with an error.
// Its text shows the server's message only if the message repeats no value: an
// admission webhook may write anything there.
type refusal struct {
	status int
	reason string   // such as NotFound
	causes []string // such as NamespaceTerminating
	detail string
	large  bool          // over the limit of etcd, which checks it before anything else
	after  time.Duration // when the server takes the request; 0: it does not say
	// applied reports that the request may have been applied, or may still be
	applied bool
}

func (e *refusal) Error() string { return e.detail }

// is reports whether err is a refusal with this HTTP status.
func is(err error, status int) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == status
}

// status is the API server's answer instead of an object.
type status struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Details struct {
		Causes []struct {
			Reason string `json:"reason"`
		} `json:"causes"`
	} `json:"details"`
}

// request is one request for the object. The values in send are never part of an
// error.
type request struct {
	method string
	path   string // after the collection; empty for the collection itself
	dry    bool   // the server checks the request, and changes nothing
	send   *patch
}

// A server with too many requests has refused one before it did anything, and
// names the seconds after which it takes one. They are few.
const (
	maxWaits = 5
	maxWait  = 5 * time.Second
)

// do sends one request, again after a wait if the server asks for one. An error
// of a request that certainly had no effect wraps driver.ErrNotApplied; so does
// each error of a request that only reads.
func (p *Publisher) do(ctx context.Context, r request) (object, error) {
	for waits := 0; ; waits++ {
		found, err := p.once(ctx, r)
		var refused *refusal
		if !errors.As(err, &refused) || refused.after == 0 || waits == maxWaits || p.pause(ctx, refused.after) != nil {
			return found, err
		}
	}
}

// once sends one request, once.
func (p *Publisher) once(ctx context.Context, r request) (object, error) {
	query := url.Values{}
	var body []byte
	if r.send != nil {
		query.Set("fieldManager", "layer")
		query.Set("fieldValidation", "Strict")
		var err error
		if body, err = json.Marshal(r.send); err != nil {
			return object{}, driver.NotApplied(errors.New("the request cannot be encoded"))
		}
	}
	if r.dry {
		query.Set("dryRun", "All")
	}
	to := p.collection + r.path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, to, bytes.NewReader(body))
	if err != nil {
		return object{}, driver.NotApplied(errors.New("the address of the cluster in the kubeconfig is no URL"))
	}
	sent := &sending{Reader: bytes.NewReader(body)}
	if len(body) > 0 {
		req.Body, req.GetBody = sent, nil // without GetBody, net/http does not send a request again
	}
	req.Header.Set("Accept", "application/json")
	switch r.method {
	case http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case http.MethodPost:
		req.Header.Set("Content-Type", "application/json")
	}
	harmless := r.dry || r.method == http.MethodGet
	res, err := p.answer(ctx, req)
	if err != nil {
		err = p.unanswered(ctx, err)
		if harmless || sent.withdraw() {
			return object{}, driver.NotApplied(err)
		}
		return object{}, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil || len(answer) > maxAnswer:
		err = errors.New("the answer ended early, or is too long")
	case res.StatusCode/100 != 2:
		refused := p.refused(res.StatusCode, answer, r)
		if seconds, wrong := strconv.Atoi(res.Header.Get("Retry-After")); wrong == nil && 0 <= seconds &&
			refused.status == http.StatusTooManyRequests && time.Duration(seconds)*time.Second <= maxWait {
			refused.after = max(time.Duration(seconds)*time.Second, time.Second)
		}
		harmless = harmless || !refused.applied
		err = refused
	default:
		var found object
		if json.Unmarshal(answer, &found) == nil && found.exists() {
			found.rest = len(answer) - len(found.Metadata.Managed)
			for _, value := range found.Data {
				found.rest -= base64.StdEncoding.EncodedLen(len(value))
			}
			return found, nil
		}
		err = errors.New("the answer is no Secret: the address of the cluster may be that of another server")
	}
	if harmless {
		return object{}, driver.NotApplied(err)
	}
	return object{}, err
}

// answer sends a request and returns its answer, or the error of ctx when it
// ends: a plugin of the kubeconfig, which runs before a request is sent, does not
// end with ctx.
func (p *Publisher) answer(ctx context.Context, req *http.Request) (*http.Response, error) {
	type result struct {
		res *http.Response
		err error
	}
	done := make(chan result, 1)
	go func() {
		res, err := p.client.Do(req)
		done <- result{res, err}
	}()
	select {
	case r := <-done:
		return r.res, r.err
	case <-ctx.Done():
		// An answer that comes now needs no Close: its connection ends with ctx.
		return nil, context.Cause(ctx)
	}
}

// sending is a body that is either read or withdrawn, whichever comes first.
type sending struct {
	*bytes.Reader
	state atomic.Int32
}

const (
	unread = iota
	begun
	withdrawn
)

// withdraw reports whether no byte was read. None is read afterwards.
func (s *sending) withdraw() bool { return s.state.CompareAndSwap(unread, withdrawn) }

func (s *sending) Read(b []byte) (int, error) {
	if !s.state.CompareAndSwap(unread, begun) && s.state.Load() == withdrawn {
		return 0, errors.New("the request was withdrawn")
	}
	return s.Reader.Read(b)
}

func (s *sending) Close() error { return nil }

// unanswered returns the error of a request without an answer. The text of err
// is not shown, but for the plugin's and the network's: it may repeat a part of
// the kubeconfig.
func (p *Publisher) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		if u.Timeout() {
			return errors.New("the API server gave no answer in time: run again")
		}
		err = u.Err
	}
	text := oneLine(err.Error())
	if reason, ok := strings.CutPrefix(text, "getting credentials: "); ok {
		// A decoder's error repeats parts of the output, which has the credential.
		if strings.HasPrefix(reason, "decoding stdout: ") {
			reason = "its output is no ExecCredential in JSON"
		}
		return fmt.Errorf("the plugin of the kubeconfig gave no credential: %s", reason)
	}
	return fmt.Errorf("the API server cannot be reached: %s", text)
}

// refused returns the error for an answer without success.
func (p *Publisher) refused(code int, answer []byte, r request) *refusal {
	var s status
	_ = json.Unmarshal(answer, &s)
	e := &refusal{status: code, reason: s.Reason}
	for _, c := range s.Details.Causes {
		e.causes = append(e.causes, c.Reason)
	}
	message := oneLine(s.Message)
	if len(message) > 600 {
		message = message[:600] + "…"
	}
	if message == "" || repeats(message, r.send) {
		message = fmt.Sprintf("HTTP status %d %s", code, e.reason)
	}
	// After 408 and 5xx the request may have been applied, or may still be. An
	// intermediary may answer so, and etcd behind the API server.
	e.large = strings.Contains(s.Message, "etcdserver: request is too large")
	e.applied = !e.large && (code >= 500 || code == http.StatusRequestTimeout || code < 400)
	e.detail = message
	if advice := e.advice(p.object); advice != "" {
		e.detail += ": " + advice
	}
	return e
}

// advice returns the next step, or "".
func (e *refusal) advice(o Object) string {
	switch {
	case e.status == http.StatusUnauthorized:
		return "log in again, `kubectl auth whoami` shows the user"
	case slices.Contains(e.causes, "NamespaceTerminating"):
		return "the namespace is being deleted: wait until it is gone and create it again, or choose another one"
	case e.status == http.StatusNotFound && strings.HasPrefix(e.detail, "namespaces "):
		return fmt.Sprintf("create it, `kubectl create namespace %s`, or name another one in the target", o.Namespace)
	case e.status == http.StatusForbidden && strings.HasPrefix(e.detail, "secrets ") && strings.Contains(e.detail, " cannot "):
		return fmt.Sprintf("the user needs a Role with the verbs get and patch on %s, and create on secrets", o)
	case e.status == http.StatusConflict:
		return "others write the object at the same time: run again"
	case e.status == http.StatusTooManyRequests:
		return "the API server has too many requests: run again in a minute"
	case strings.Contains(e.detail, "database space exceeded"):
		return "etcd behind the API server is full: free space there, then run again"
	case e.large:
		return "etcd behind the API server takes a smaller request: publish to several objects"
	case e.status >= 500:
		return "run again: then layer finds out whether the request was applied"
	}
	return ""
}

// refusesContent reports whether the server refused a request because of its
// values, so that it may take some of them.
func refusesContent(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.large || is(err, http.StatusUnprocessableEntity) || is(err, http.StatusBadRequest) ||
		denied(err))
}

// denied reports whether an admission webhook or policy refused a request.
func denied(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status < 500 &&
		(strings.HasPrefix(r.detail, "admission webhook ") || strings.Contains(r.detail, " denied request"))
}

// undry reports whether a webhook refused a request because it cannot check one
// without a change.
func undry(err error) bool {
	return is(err, http.StatusBadRequest) && strings.Contains(err.Error(), "does not support dry run")
}

// repeats reports whether a message of the server contains a value that was
// sent, or eight consecutive characters of one, plain or in base64.
func repeats(message string, sent *patch) bool {
	if sent == nil {
		return false
	}
	for _, value := range sent.Data {
		for _, text := range []string{oneLine(string(value)), base64.StdEncoding.EncodeToString(value)} {
			if text == "" {
				continue
			}
			for i := 0; i == 0 || i+8 <= len(text); i++ {
				if strings.Contains(message, text[i:min(i+8, len(text))]) {
					return true
				}
			}
		}
	}
	return false
}
