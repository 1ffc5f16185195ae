package r2

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestOneCallEndsWithinItsPatience: each request takes 20 seconds, and meets the
// rate limit once or six times, with a pause of a minute each.
func TestOneCallEndsWithinItsPatience(t *testing.T) {
	id := "0123456789abcdef0123456789abcdef"
	for name, tc := range map[string]struct {
		times  int
		strays int
		call   func(t *testing.T, g *Generator) error
	}{
		"Make": {6, 0, func(t *testing.T, g *Generator) error {
			_, err := g.Make(t.Context(), "n", media("read"))
			return err
		}},
		"Retire": {6, 0, func(t *testing.T, g *Generator) error { return g.Retire(t.Context(), id) }},
		"Sweep":  {1, 5, func(t *testing.T, g *Generator) error { return g.Sweep(t.Context(), []string{"n"}, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, met := cloudflarefake.New(cloudflarefake.Options{}), map[string]int{}
				for range tc.strays {
					fake.AddToken("n")
				}
				way := roundTrip(func(r *http.Request) (*http.Response, error) {
					time.Sleep(20 * time.Second)
					request := r.Method + " " + r.URL.Path
					if met[request]++; met[request] <= tc.times {
						return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"60"}},
							Body: io.NopCloser(strings.NewReader("{}"))}, nil
					}
					in := httptest.NewRequest(r.Method, r.URL.String(), r.Body)
					in.Header = r.Header.Clone()
					w := httptest.NewRecorder()
					fake.ServeHTTP(w, in)
					return w.Result(), nil
				})
				g, err := New(Options{AccountID: cloudflarefake.Account, Token: driver.NewValue(cloudflarefake.Token),
					HTTPClient: &http.Client{Transport: way}})
				require.NoError(t, err)
				began := time.Now()
				err = tc.call(t, g)
				require.LessOrEqual(t, time.Since(began), 6*time.Minute)
				require.ErrorContains(t, err, "run again")
				require.ErrorIs(t, err, driver.ErrNotApplied)
				quiet(t, err)
				if tc.strays > 0 {
					left := len(fake.Tokens())
					require.Positive(t, left)
					require.Less(t, left, tc.strays, "it gets on")
				}
			})
		})
	}
}
