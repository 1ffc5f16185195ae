package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/rotate"
)

func TestFaultsLoseNoChange(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(s *scene, n int, r *http.Request) (*http.Response, error)
		want  error // nil: it is stored
		not   error
		says  string
		sent  string
		times int
	}{
		{name: "no fault", sent: "PUT", times: 1},
		{name: "the answer is lost", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				return s.applied(r)
			}
			return nil, nil
		}, sent: "PUT GET", times: 1},
		{name: "the request is lost", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				return nil, errLost
			}
			return nil, nil
		}, sent: "PUT GET PUT", times: 1},
		{name: "the answer has no ETag", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n > 1 {
				return nil, nil
			}
			res, err := s.server.RoundTrip(r)
			res.Header.Del("ETag")
			return res, err
		}, sent: "PUT GET", times: 1},
		{name: "the request is late", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			switch n {
			case 1:
				stray := r.Clone(context.WithoutCancel(r.Context()))
				stray.Body = io.NopCloser(bytes.NewReader(s.bodies[0]))
				go func() {
					time.Sleep(time.Minute)
					_, _ = s.server.RoundTrip(stray)
				}()
				return nil, errLost
			case 3:
				require.True(s, bytes.Equal(s.bodies[0], s.bodies[1]), "sent again are the same bytes")
				require.Equal(s, s.headers[0].Get("If-Match"), s.headers[2].Get("If-Match"), "under the same condition")
			}
			return nil, nil
		}, sent: "PUT GET PUT", times: 1},
		{name: "the request is late, and overtakes its repetition",
			fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
				switch n {
				case 1:
					return nil, errLost
				case 3: // the first request is applied just before the second one
					_, _ = s.applied(r.Clone(r.Context()))
					r.Body = io.NopCloser(bytes.NewReader(s.bodies[0]))
				}
				return nil, nil
			}, sent: "PUT GET PUT GET", times: 1},
		{name: "superseded", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				defer s.build(1)
				return s.applied(r)
			}
			return nil, nil
		}, want: rotate.ErrSuperseded, sent: "PUT GET", times: 1},
		{name: "superseded by the last that the ring keeps",
			fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
				if n == 1 {
					defer s.build(63)
					return s.applied(r)
				}
				return nil, nil
			}, want: rotate.ErrSuperseded, sent: "PUT GET", times: 1},
		{name: "the ring is overrun", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				defer s.build(65)
				return s.applied(r)
			}
			return nil, nil
		}, want: rotate.ErrUnknown, not: rotate.ErrConflict, says: "too much has changed", sent: "PUT GET", times: 1},
		{name: "lost, and somebody was faster", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				s.build(1)
				return nil, errLost
			}
			return nil, nil
		}, want: rotate.ErrConflict, not: rotate.ErrSuperseded, sent: "PUT GET"},
		{name: "lost, and the ledger is gone", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				return nil, errLost
			}
			return answer(404, "NoSuchKey"), nil
		}, want: rotate.ErrUnknown, not: rotate.ErrConflict, says: "it is gone", sent: "PUT GET"},
		{name: "a conflict", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				s.build(1)
			}
			return nil, nil
		}, want: rotate.ErrConflict, not: rotate.ErrSuperseded, sent: "PUT GET"},
		{name: "a conflict of which nobody can ask",
			fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
				if n == 1 {
					return answer(412, "PreconditionFailed"), nil
				}
				return nil, errLost
			}, want: rotate.ErrUnknown, not: rotate.ErrConflict, says: "and the ledger cannot be read", sent: "PUT" +
				strings.Repeat(" GET", 12)},
		{name: "gone under If-Match", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			return answer(404, "NoSuchKey"), nil
		}, want: rotate.ErrConflict, not: rotate.ErrUnknown, says: "it is gone", sent: "PUT GET"},
		{name: "no bucket", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			return answer(404, "NoSuchBucket"), nil
		}, not: rotate.ErrConflict, says: "status 404, NoSuchBucket: make the bucket", sent: "PUT"},
		{name: "not found, who knows what", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			return answer(404, ""), nil
		}, not: rotate.ErrConflict, says: "status 404: check the endpoint", sent: "PUT"},
		{name: "forbidden", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			return answer(403, "AccessDenied"), nil
		}, not: rotate.ErrUnknown, says: "status 403, AccessDenied: let the credential", sent: "PUT"},
		{name: "forbidden after an unknown send",
			fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
				switch {
				case n == 1:
					return nil, errLost
				case r.Method == http.MethodPut:
					return answer(403, "RequestTimeTooSkewed"), nil
				}
				return nil, nil
			}, want: rotate.ErrUnknown, says: "after 8 attempts (it cannot be written: status 403, RequestTimeTooSkewed",
			sent: "PUT GET" + strings.Repeat(" PUT GET", 7)},
		{name: "redirected", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			require.NotContains(s, r.URL.Host, "elsewhere")
			res := answer(307, "TemporaryRedirect")
			res.Header.Set("Location", "https://elsewhere.example.com/")
			return res, nil
		}, not: rotate.ErrUnknown, says: "redirects are not followed", sent: "PUT"},
		{name: "nothing but lost requests", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				return nil, errLost
			}
			return nil, nil
		}, want: rotate.ErrUnknown, not: rotate.ErrConflict, says: "after 8 attempts", sent: "PUT GET" +
			strings.Repeat(" PUT GET", 7)},
		{name: "looks are lost, too", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				return s.applied(r)
			}
			if n < 4 {
				return nil, errLost
			}
			return nil, nil
		}, sent: "PUT GET GET GET", times: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(s *scene) {
				if tc.fault != nil {
					s.fault = func(n int, r *http.Request) (*http.Response, error) { return tc.fault(s, n, r) }
				}
				st, rev, err := s.commit(s.Context())
				require.Equal(s, tc.sent, strings.Join(s.sent, " "))
				switch {
				case tc.want != nil:
					require.ErrorIs(s, err, tc.want)
				case tc.says != "":
					require.Error(s, err)
				default:
					require.NoError(s, err)
					found, now, err := s.theirs.Load(s.Context())
					require.NoError(s, err)
					require.True(s, found.Equal(st))
					require.Equal(s, now, rev)
				}
				if tc.not != nil {
					require.NotErrorIs(s, err, tc.not)
				}
				if tc.says != "" {
					require.ErrorContains(s, err, tc.says)
					require.ErrorContains(s, err, "ledger s3://ledgers/team/shop/ledger.age: ")
				}
				require.Empty(s, redacttest.Check(err, keyID, key, token))
				time.Sleep(2 * time.Minute) // late requests are applied
				require.Equal(s, tc.times, s.times())
			})
		})
	}
}

// TestAnswersThatAreUnknown: after each of these answers the change is made
// exactly once, whether or not the server had applied it.
func TestAnswersThatAreUnknown(t *testing.T) {
	for _, status := range []int{408, 409, 429, 500, 502, 503, 504} {
		for _, made := range []bool{false, true} {
			t.Run(fmt.Sprint(status, made), func(t *testing.T) {
				play(t, func(s *scene) {
					s.fault = func(n int, r *http.Request) (*http.Response, error) {
						if n > 1 {
							return nil, nil
						}
						if made {
							_, _ = s.applied(r)
						}
						return answer(status, "ConditionalRequestConflict"), nil
					}
					_, _, err := s.commit(s.Context())
					require.NoError(s, err)
					require.Equal(s, 1, s.times())
				})
			})
		}
	}
}

// TestContextEnds ends the context at every step of a change whose outcome is
// unknown.
func TestContextEnds(t *testing.T) {
	for at := 1; at <= 4; at++ {
		t.Run(fmt.Sprint("request ", at), func(t *testing.T) {
			play(t, func(s *scene) {
				ctx, cancel := context.WithCancelCause(s.Context())
				reason := errors.New("the night shift")
				s.fault = func(n int, r *http.Request) (*http.Response, error) {
					if n == at {
						cancel(reason)
					}
					return nil, errLost
				}
				_, _, err := s.commit(ctx)
				require.ErrorIs(s, err, rotate.ErrUnknown)
				require.ErrorIs(s, err, reason)
				require.NotErrorIs(s, err, rotate.ErrConflict)
				require.Len(s, s.sent, at, "nothing is sent after the end")
			})
		})
	}
	t.Run("frozen", func(t *testing.T) {
		play(t, func(s *scene) {
			s.fault = func(n int, r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
			defer cancel()
			_, _, err := s.commit(ctx)
			require.ErrorIs(s, err, rotate.ErrUnknown)
			require.ErrorIs(s, err, context.DeadlineExceeded)
			_, _, err = s.ours.Load(ctx)
			require.ErrorIs(s, err, context.DeadlineExceeded)
		})
	})
	t.Run("frozen, without an end", func(t *testing.T) {
		play(t, func(s *scene) {
			s.fault = func(n int, r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			began := time.Now()
			_, _, err := s.ours.Load(s.Context())
			require.ErrorContains(s, err, "no answer in time")
			require.WithinDuration(s, began.Add(8*time.Minute), time.Now(), 10*time.Second)
		})
	})
}
