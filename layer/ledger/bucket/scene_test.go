package bucket_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// scene is a ledger with two operators: the requests of ours meet faults, those of
// the other do not.
type scene struct {
	*testing.T
	ids    ledger.Identities
	server direct
	ours   rotate.Ledger
	theirs rotate.Ledger
	state  rotate.State // as it was created
	rev    rotate.Revision
	// fault handles our request n, from 1. It returns nil, nil for no fault.
	fault   func(n int, r *http.Request) (*http.Response, error)
	sent    []string // our requests since the beginning
	bodies  [][]byte // of our PUTs
	headers []http.Header
}

// play runs a test on a ledger that exists, inside a synctest bubble.
func play(t *testing.T, test func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t, ids: keyed(t), server: direct{newS3(t)}}
		s.theirs = open(t, s.ids, s.server)
		s.state, s.rev = begin(t, s.theirs, s.ids)
		s.ours = open(t, s.ids, roundTrip(s.carry))
		s.sent, s.bodies, s.headers = nil, nil, nil
		test(s)
	})
}

func (s *scene) carry(r *http.Request) (*http.Response, error) {
	s.sent = append(s.sent, r.Method)
	s.headers = append(s.headers, r.Header)
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		require.NoError(s, err)
		require.Nil(s, r.GetBody, "net/http could send it again")
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.bodies = append(s.bodies, body)
	}
	if s.fault != nil {
		if res, err := s.fault(len(s.sent), r); res != nil || err != nil {
			return res, err
		}
	}
	return s.server.RoundTrip(r)
}

// applied applies a request and loses the answer.
func (s *scene) applied(r *http.Request) (*http.Response, error) {
	_, err := s.server.RoundTrip(r)
	require.NoError(s, err)
	return nil, errLost
}

// build lets the other operator make changes.
func (s *scene) build(n int) {
	for range n {
		st, rev, err := s.theirs.Load(s.Context())
		require.NoError(s, err)
		_, _, err = rotate.Commit(s.Context(), s.theirs, rev, step(st, "theirs"))
		require.NoError(s, err)
	}
}

// times returns how often our change is in the ledger.
func (s *scene) times() int {
	st, _, err := s.theirs.Load(s.Context())
	require.NoError(s, err)
	n := 0
	for _, e := range st.Log() {
		if e.By == "ours" {
			n++
		}
	}
	return n
}

func (s *scene) commit(ctx context.Context) (rotate.State, rotate.Revision, error) {
	return rotate.Commit(ctx, s.ours, s.rev, step(s.state, "ours"))
}

// answer returns a response in the form of S3.
func answer(status int, code string) *http.Response {
	body := ""
	if code != "" {
		body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` +
			key + `</Message></Error>`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}
