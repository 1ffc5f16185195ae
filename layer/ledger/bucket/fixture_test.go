package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/rotate"
)

const (
	keyID  = "AKIDmadeup0123456789"
	key    = "mAde/Up+kEy0123456789abcdefGHIJKLMnopQRS"
	token  = "MaDeUp/9876543210+zYxWvUtSrQ="
	object = "/ledgers/team/shop/ledger.age"
	probe  = "/ledgers/team/shop/probe"
)

// keyed returns a new identity.
func keyed(t testing.TB) ledger.Identities {
	t.Helper()
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	return ids
}

// newS3 returns a server in this process, with one empty bucket. It checks no
// signature.
func newS3(t testing.TB) http.Handler {
	t.Helper()
	memory := s3mem.New()
	require.NoError(t, memory.CreateBucket("ledgers"))
	return gofakes3.New(memory).Server()
}

// direct passes requests to a handler without a network, so that a test can use
// synctest.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	in := httptest.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method,
		r.URL.String(), bytes.NewReader(body))
	in.Header = r.Header.Clone()
	in.Header.Set("Content-Length", strconv.Itoa(len(body)))
	w := httptest.NewRecorder()
	d.ServeHTTP(w, in)
	return w.Result(), nil
}

// roundTrip is a transport made of a function, which may cause a fault.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errLost = errors.New("connection reset by the test")

// lossy loses some answers, and delivers some requests after their sender stopped
// waiting.
type lossy struct {
	http.RoundTripper
	takes, late time.Duration // at most
	all         *sync.WaitGroup
}

func (l lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(rand.N(l.takes))
	switch n := rand.IntN(10); {
	case n < 2:
		res, err := l.RoundTripper.RoundTrip(r)
		if err == nil {
			res.Body.Close()
		}
		return nil, errLost
	case n < 3:
		stray := r.Clone(context.WithoutCancel(r.Context()))
		if r.Body != nil {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			stray.Body = io.NopCloser(bytes.NewReader(body))
		}
		l.all.Go(func() {
			time.Sleep(rand.N(l.late))
			if res, err := l.RoundTripper.RoundTrip(stray); err == nil {
				res.Body.Close()
			}
		})
		return nil, errLost
	}
	return l.RoundTripper.RoundTrip(r)
}

// options returns the options of a ledger behind a transport.
func options(ids ledger.Identities, through http.RoundTripper) bucket.Options {
	return bucket.Options{Endpoint: "https://s3.example.com", Bucket: "ledgers",
		Prefix: "team/shop", AccessKeyID: keyID,
		SecretAccessKey: driver.NewValue(key), SessionToken: driver.NewValue(token), Identities: ids,
		HTTPClient: &http.Client{Transport: through}}
}

func open(t testing.TB, ids ledger.Identities, through http.RoundTripper) rotate.Ledger {
	t.Helper()
	l, err := bucket.Open(t.Context(), options(ids, through))
	require.NoError(t, err)
	return l
}

// begin creates a ledger.
func begin(t testing.TB, l rotate.Ledger, ids ledger.Identities) (rotate.State, rotate.Revision) {
	t.Helper()
	s, rev, err := rotate.Commit(t.Context(), l, "", rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
	require.NoError(t, err)
	return s, rev
}

func step(s rotate.State, by string) rotate.State {
	return s.WithLog(rotate.LogEntry{By: by, Op: "test"})
}
