package cloudflare

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
	"github.com/layeron-hq/secret/layer/rotate"
)

// busy is a transport to the fake on which requests take time. It answers each
// request several times with the rate limit before it forwards the request.
type busy struct {
	fake  http.Handler
	takes time.Duration // duration of one request
	times int           // how often each request meets the rate limit; below zero: always
	after string        // the Retry-After of these answers; "": none

	met  map[string]int
	sent int
	at   []time.Time // times of the requests
}

func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	b.sent++
	b.at = append(b.at, time.Now())
	select {
	case <-time.After(b.takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	request := r.Method + " " + r.URL.RequestURI()
	if b.met == nil {
		b.met = map[string]int{}
	}
	if b.met[request]++; b.times < 0 || b.met[request] <= b.times {
		header := http.Header{}
		if b.after != "" {
			header.Set("Retry-After", b.after)
		}
		return &http.Response{StatusCode: 429, Header: header, Request: r,
			Body: io.NopCloser(strings.NewReader(`{"success":false,"errors":[{"code":10429,"message":"rate limited"}]}`))}, nil
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	in := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	in.Header = r.Header.Clone()
	w := httptest.NewRecorder()
	b.fake.ServeHTTP(w, in)
	return w.Result(), nil
}

// onBusy runs a test inside a synctest bubble, on a Store with the given number of
// published secrets, whose transport is busy from then on.
func onBusy(t *testing.T, fo cloudflarefake.Options, secrets int, way *busy, test func(t *testing.T,
	fake *cloudflarefake.Server, s *Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := cloudflarefake.New(fo)
		for _, i := range items(secrets) {
			fake.Put(i.Name, "x", i.Note)
		}
		way.fake = fake
		s, err := NewStore(Options{AccountID: cloudflarefake.Account, Token: driver.NewValue(cloudflarefake.Token),
			HTTPClient: &http.Client{Transport: way}})
		require.NoError(t, err)
		test(t, fake, s)
	})
}

const patience = 6 * time.Minute // the default of Options.Patience

// TestOneCallEndsWithinItsPatience: a call with any number of requests ends within
// its patience, even if each single wait would be short enough.
func TestOneCallEndsWithinItsPatience(t *testing.T) {
	for name, tc := range map[string]struct {
		way  busy
		call func(t *testing.T, s *Store) []error
	}{
		"Publish, of secrets that exist": {busy{takes: 20 * time.Second, times: 2, after: "60"},
			func(t *testing.T, s *Store) []error {
				return s.Publish(t.Context(), items(5))
			}},
		"Publish, of new ones": {busy{takes: 20 * time.Second, times: 3, after: "60"}, func(t *testing.T, s *Store) []error {
			return s.Publish(t.Context(), items(12)[8:])
		}},
		"Publish, put off six times": {busy{takes: 20 * time.Second, times: 6, after: "60"},
			func(t *testing.T, s *Store) []error {
				s.id, s.ids = "0123456789abcdef0123456789abcdef", map[string]string{item(0).Name: "0123456789abcdef0123456789abcdef"}
				return s.Publish(t.Context(), items(1))
			}},
		"Inspect": {busy{takes: 20 * time.Second, times: 2, after: "60"}, func(t *testing.T, s *Store) []error {
			_, err := s.Inspect(t.Context(), namesOf(items(5)))
			return []error{err}
		}},
		"Remove": {busy{takes: 10 * time.Second, times: 1, after: "60"}, func(t *testing.T, s *Store) []error {
			return s.Remove(t.Context(), namesOf(items(5)))
		}},
		"Check": {busy{takes: 19 * time.Second, times: 5, after: "60"}, func(t *testing.T, s *Store) []error {
			return []error{s.Check(t.Context(), namesOf(items(12)[8:]))}
		}},
		"ID": {busy{takes: 20 * time.Second, times: 6, after: "60"}, func(t *testing.T, s *Store) []error {
			_, err := s.ID(t.Context())
			return []error{err}
		}},
		"requests that are slow alone": {busy{takes: 29 * time.Second}, func(t *testing.T, s *Store) []error {
			return s.Publish(t.Context(), items(8))
		}},
		"a limit that never ends": {busy{takes: time.Second, times: -1}, func(t *testing.T, s *Store) []error {
			_, err := s.Inspect(t.Context(), namesOf(items(5)))
			return []error{err}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			most := 0
			if name == "requests that are slow alone" || name == "Inspect" || name == "a limit that never ends" ||
				strings.HasPrefix(name, "Remove") {
				most = 1 // one secret per page
			}
			onBusy(t, cloudflarefake.Options{PageCap: most}, 8, &tc.way,
				func(t *testing.T, fake *cloudflarefake.Server, s *Store) {
					began := time.Now()
					errs := tc.call(t, s)
					require.LessOrEqual(t, time.Since(began), patience)
					failed := 0
					for _, err := range errs {
						if err == nil {
							continue
						}
						failed++
						require.ErrorContains(t, err, "run again")
						quiet(t, err)
					}
					require.Positive(t, failed, "more than there is patience for")
					require.ErrorIs(t, errs[len(errs)-1], driver.ErrNotApplied, "it was never sent, or put off")
				})
		})
	}
}

// TestPutOffSixTimes: a request meets the rate limit six times, with the pauses
// that Cloudflare gives, and with the default pauses for answers without one.
func TestPutOffSixTimes(t *testing.T) {
	for after, want := range map[string]time.Duration{"": 85 * time.Second, "30": 187 * time.Second,
		"52": 319 * time.Second} {
		t.Run(after, func(t *testing.T) {
			onBusy(t, cloudflarefake.Options{}, 1, &busy{takes: time.Second, times: 6, after: after},
				func(t *testing.T, fake *cloudflarefake.Server, s *Store) {
					began := time.Now()
					_, err := s.ID(t.Context())
					require.NoError(t, err)
					require.LessOrEqual(t, time.Since(began), want)
				})
		})
	}
	onBusy(t, cloudflarefake.Options{}, 1, &busy{takes: time.Second, times: 6, after: "60"},
		func(t *testing.T, fake *cloudflarefake.Server, s *Store) {
			began := time.Now()
			_, err := s.ID(t.Context())
			require.ErrorContains(t, err,
				"look for the account's store: status 429, code 10429: Cloudflare asks to wait: run again in 1m0s")
			require.ErrorIs(t, err, driver.ErrNotApplied)
			require.LessOrEqual(t, time.Since(began), patience)
		})
}

// TestSlowPublishGoesOnInTheNextCall: each call publishes as many secrets as its
// time allows.
func TestSlowPublishGoesOnInTheNextCall(t *testing.T) {
	way := &busy{takes: 20 * time.Second}
	onBusy(t, cloudflarefake.Options{}, 40, way, func(t *testing.T, fake *cloudflarefake.Server, s *Store) {
		left, calls := items(40), 0
		for ; len(left) > 0; calls++ {
			require.Less(t, calls, 4)
			began := time.Now()
			errs := s.Publish(t.Context(), left)
			require.LessOrEqual(t, time.Since(began), patience)
			var next []driver.Item
			for i, err := range errs {
				if err == nil {
					continue
				}
				next = append(next, left[i])
				require.ErrorIs(t, err, driver.ErrNotApplied, "none is cut off")
				require.ErrorContains(t, err, "replace "+left[i].Name+
					": not sent, because all requests of a call together may take 6m0s: run again")
			}
			require.Less(t, len(next), len(left), "it gets on")
			left = next
		}
		require.Equal(t, 3, calls)
		for _, i := range items(40) {
			stored, _ := fake.Value(i.Name)
			require.Equal(t, value, stored)
		}
	})
}

// TestRunOfSeveralCalls: a run ends at the first call that exceeds its patience.
func TestRunOfSeveralCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		way  busy
		most time.Duration
	}{
		"a limit that never ends": {busy{takes: time.Second, times: -1, after: "60"}, patience},
		"each request is put off": {busy{takes: time.Second, times: 3, after: "60"}, 3 * patience},
	} {
		t.Run(name, func(t *testing.T) {
			onBusy(t, cloudflarefake.Options{}, 0, &tc.way, func(t *testing.T, fake *cloudflarefake.Server, s *Store) {
				ledger := &rotate.MemoryLedger{}
				_, _, err := rotate.Commit(t.Context(), ledger, "", rotate.NewState(rotate.Settings{}))
				require.NoError(t, err)
				o := &rotate.Operator{Ledger: ledger, Publisher: s,
					Spec: secret.NewApp(secret.AppOptions{}).Use(randoms(3)...).Spec()}
				began := time.Now()
				_, err = o.Apply(t.Context())
				t.Logf("%s, %d requests: %v", time.Since(began), tc.way.sent, err)
				require.LessOrEqual(t, time.Since(began), tc.most)
				require.ErrorContains(t, err, "Cloudflare asks to wait: run again in 1m0s")
				require.Empty(t, fake.Names())
			})
		})
	}
}
