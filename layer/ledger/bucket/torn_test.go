package bucket_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/ledger/internal/stress"
	"github.com/layeron-hq/secret/layer/rotate"
)

// torn returns the answers of a server that writes an object in place, while it
// replaces old with new.
func torn(old, new []byte) map[string][]byte {
	return map[string][]byte{
		"nothing yet":                   {},
		"the beginning of the header":   new[:10],
		"the header":                    new[:100],
		"half":                          new[:len(new)/2],
		"all but the end":               new[:len(new)-1],
		"as long as the old one":        append(bytes.Clone(new[:len(old)-40]), make([]byte, 40)...),
		"new, and the rest of the old":  append(bytes.Clone(new[:len(old)/2]), old[len(old)/2:]...),
		"new, and more than the newest": append(bytes.Clone(new), old[len(old)-9:]...),
	}
}

// TestHalfWrittenObjectIsReadAgain: another operator's PUT is under way, and the
// server returns the part that is written.
func TestHalfWrittenObjectIsReadAgain(t *testing.T) {
	get := func(s *scene) []byte {
		res, err := s.server.RoundTrip(httptest.NewRequest(http.MethodGet, "https://s3.example.com"+object, nil))
		require.NoError(s, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(s, err)
		return body
	}
	each := func(t *testing.T, test func(s *scene, half func(r *http.Request) *http.Response)) {
		for name := range torn(make([]byte, 400), make([]byte, 400)) {
			t.Run(name, func(t *testing.T) {
				play(t, func(s *scene) {
					old := get(s)
					s.build(1)
					body := get(s)
					text := torn(old, body)[name]
					test(s, func(r *http.Request) *http.Response {
						if r.Method != http.MethodGet {
							return nil
						}
						return &http.Response{StatusCode: 200,
							Header: http.Header{"Etag": {`"00112233445566778899aabbccddeeff"`}},
							Body:   io.NopCloser(bytes.NewReader(text))}
					})
				})
			})
		}
	}
	t.Run("until it is whole", func(t *testing.T) {
		each(t, func(s *scene, half func(*http.Request) *http.Response) {
			s.fault = func(n int, r *http.Request) (*http.Response, error) {
				if n < 6 {
					return half(r), nil
				}
				return nil, nil
			}
			found, rev, err := s.ours.Load(s.Context())
			require.NoError(s, err)
			want, now, err := s.theirs.Load(s.Context())
			require.NoError(s, err)
			require.True(s, found.Equal(want))
			require.Equal(s, now, rev)
			require.Len(s, s.sent, 6)
		})
	})
	t.Run("and it stays so", func(t *testing.T) {
		each(t, func(s *scene, half func(*http.Request) *http.Response) {
			s.fault = func(_ int, r *http.Request) (*http.Response, error) { return half(r), nil }
			began := time.Now()
			_, _, err := s.ours.Load(s.Context())
			require.ErrorContains(s, err, "it was read 10 times: the server may answer with an object that is only "+
				"half written, as rclone's does")
			require.ErrorContains(s, err, "restore the last good one from git or a backup")
			require.NotErrorIs(s, err, rotate.ErrNotFound)
			require.Len(s, s.sent, 10)
			require.WithinDuration(s, began, time.Now(), 7*time.Second)
			require.Empty(s, redacttest.Check(err, keyID, key, token))
		})
	})
	t.Run("while a change of ours is not known", func(t *testing.T) {
		each(t, func(s *scene, half func(*http.Request) *http.Response) {
			st, rev, err := s.theirs.Load(s.Context())
			require.NoError(s, err)
			s.fault = func(n int, r *http.Request) (*http.Response, error) {
				switch {
				case n == 1:
					return s.applied(r)
				case n < 5:
					return half(r), nil
				}
				return nil, nil
			}
			_, _, err = rotate.Commit(s.Context(), s.ours, rev, step(st, "ours"))
			require.NoError(s, err)
			require.Equal(s, 1, s.times())
		})
	})
	t.Run("until its context ends", func(t *testing.T) {
		each(t, func(s *scene, half func(*http.Request) *http.Response) {
			s.fault = func(_ int, r *http.Request) (*http.Response, error) { return half(r), nil }
			ctx, cancel := context.WithTimeout(s.Context(), 30*time.Millisecond)
			defer cancel()
			_, _, err := s.ours.Load(ctx)
			require.ErrorIs(s, err, context.DeadlineExceeded)
		})
	})
}

// TestDamageThatNoServerMakesIsNotReadAgain: another file, and a ledger of other
// recipients.
func TestDamageThatNoServerMakesIsNotReadAgain(t *testing.T) {
	play(t, func(s *scene) {
		sealed, err := rotate.Seal(rotate.NewState(rotate.Settings{Recipients: keyed(t).Recipients()}))
		require.NoError(s, err)
		for says, text := range map[string][]byte{
			"encrypted to others":       sealed,
			"not encrypted with age":    []byte("hello"),
			"no ledger, or its beginni": []byte("age-encryption.org/v2\n"),
		} {
			s.sent = nil
			s.fault = func(int, *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"1"`}},
					Body: io.NopCloser(bytes.NewReader(text))}, nil
			}
			_, _, err := s.ours.Load(s.Context())
			require.ErrorContains(s, err, says)
			require.NotContains(s, err.Error(), "half written")
			require.Len(s, s.sent, 1)
		}
	})
}

// tearing returns half of an object for some time after each change.
type tearing struct {
	direct
	mu    *sync.Mutex
	until *time.Time
}

func (s tearing) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, err := s.direct.RoundTrip(r)
	switch {
	case err != nil || res.StatusCode != 200:
	case r.Method == http.MethodPut:
		*s.until = time.Now().Add(20 * time.Millisecond)
	case time.Now().Before(*s.until):
		body, _ := io.ReadAll(res.Body)
		res.Body = io.NopCloser(bytes.NewReader(body[:len(body)/2]))
	}
	return res, err
}

// TestContestOnAServerThatShowsHalfOfAnObject: every change is made once.
func TestContestOnAServerThatShowsHalfOfAnObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids, through := keyed(t), tearing{direct{newS3(t)}, new(sync.Mutex), new(time.Time)}
		var strays sync.WaitGroup
		res, err := stress.Run(t.Context(), ids.Recipients(), 4, 10, func(int) rotate.Ledger {
			return open(t, ids, lossy{through, 80 * time.Millisecond, 200 * time.Millisecond, &strays})
		}, open(t, ids, through))
		strays.Wait()
		require.NoError(t, err)
		t.Logf("%+v", res)
	})
}
