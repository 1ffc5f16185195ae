package bucket_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/rotate"
)

func TestFailedLoadIsExplained(t *testing.T) {
	stale := func(s *scene) *http.Response {
		old, err := s.server.RoundTrip(httptest.NewRequest(http.MethodGet, "https://s3.example.com"+object, nil))
		require.NoError(s, err)
		s.build(1)
		_, _, err = s.ours.Load(s.Context())
		require.NoError(s, err)
		s.sent = nil
		return old
	}
	repeat := func(res *http.Response) func(int, *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(res.Body)
		return func(int, *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: res.StatusCode, Header: res.Header,
				Body: io.NopCloser(bytes.NewReader(body))}, nil
		}
	}
	for _, tc := range []struct {
		name string
		set  func(s *scene)
		says string // "": it is loaded
		is   error
		sent int
	}{
		{"nothing there", func(s *scene) { s.fault = repeat(answer(404, "NoSuchKey")) }, "not found: if there should " +
			"be one, check its name", rotate.ErrNotFound, 1},
		{"no bucket", func(s *scene) { s.fault = repeat(answer(404, "NoSuchBucket")) }, "make the bucket", nil, 1},
		{"not found, who knows what", func(s *scene) { s.fault = repeat(answer(404, "")) },
			"check the endpoint", nil, 1},
		{"forbidden", func(s *scene) { s.fault = repeat(answer(403, "AccessDenied")) }, "list the bucket", nil, 1},
		{"redirected", func(s *scene) {
			res := answer(301, "PermanentRedirect")
			res.Header.Set("Location", "https://elsewhere.example.com/")
			s.fault = repeat(res)
		}, "another region", nil, 1},
		{"no ETag", func(s *scene) { s.fault = repeat(answer(200, "")) }, "without an ETag", nil, 1},
		{"no ledger", func(s *scene) {
			res := answer(200, "x")
			res.Header.Set("ETag", `"1"`)
			s.fault = repeat(res)
		}, "not encrypted with age", nil, 1},
		{"a body without end", func(s *scene) {
			s.fault = func(int, *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"1"`}},
					Body: io.NopCloser(endless{})}, nil
			}
		}, "more than 67108864 bytes", nil, 1},
		{"answers are lost", func(s *scene) {
			s.fault = func(n int, _ *http.Request) (*http.Response, error) {
				if n < 8 {
					return nil, errLost
				}
				return nil, nil
			}
		}, "", nil, 8},
		{"all answers are lost",
			func(s *scene) { s.fault = func(int, *http.Request) (*http.Response, error) { return nil, errLost } },
			"the connection ended before the answer did", nil, 8},
		{"the server is down", func(s *scene) {
			s.fault = func(int, *http.Request) (*http.Response, error) { return answer(503, ""), nil }
		},
			"status 503", nil, 8},
		{"one stale answer", func(s *scene) {
			again := repeat(stale(s))
			s.fault = func(n int, r *http.Request) (*http.Response, error) {
				if n == 1 {
					return again(n, r)
				}
				return nil, nil
			}
		}, "", nil, 2},
		{"stale answers", func(s *scene) { s.fault = repeat(stale(s)) }, "the server returned an older state", nil, 4},
		{"gone since", func(s *scene) {
			stale(s)
			s.fault = repeat(answer(404, "NoSuchKey"))
		}, "it was here before", rotate.ErrNotFound, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(s *scene) {
				tc.set(s)
				st, rev, err := s.ours.Load(s.Context())
				require.Len(s, s.sent, tc.sent)
				if tc.says == "" {
					require.NoError(s, err)
					want, now, err := s.theirs.Load(s.Context())
					require.NoError(s, err)
					require.True(s, st.Equal(want))
					require.Equal(s, now, rev)
					return
				}
				require.ErrorContains(s, err, tc.says)
				require.Equal(s, tc.is != nil, errors.Is(err, rotate.ErrNotFound))
				require.NotErrorIs(s, err, rotate.ErrConflict)
				require.NotErrorIs(s, err, rotate.ErrUnknown)
				require.Empty(s, rev)
				require.Empty(s, redacttest.Check(err, keyID, key, token))
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestStaleConflict: a stale answer is no proof that a change was not made, so it
// is not reported as a conflict.
func TestStaleConflict(t *testing.T) {
	play(t, func(s *scene) {
		old, err := s.server.RoundTrip(httptest.NewRequest(http.MethodGet, "https://s3.example.com"+object, nil))
		require.NoError(s, err)
		body, err := io.ReadAll(old.Body)
		require.NoError(s, err)
		s.build(1)
		st, rev, err := s.ours.Load(s.Context())
		require.NoError(s, err)
		s.fault = func(_ int, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				return nil, errLost
			}
			return &http.Response{StatusCode: 200, Header: old.Header, Body: io.NopCloser(bytes.NewReader(body))}, nil
		}
		_, _, err = rotate.Commit(s.Context(), s.ours, rev, step(st, "ours"))
		require.ErrorIs(s, err, rotate.ErrUnknown)
		require.NotErrorIs(s, err, rotate.ErrConflict)
		require.ErrorContains(s, err, "never from a replica")
	})
}
