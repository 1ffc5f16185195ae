package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/leak"
	"github.com/layeron-hq/secret/rotate"
	"github.com/layeron-hq/secret/rotate/bucket"
)

// scene is a ledger of two operators: ours, whose requests meet faults, and another's, whose don't.
type scene struct {
	*testing.T
	ids     rotate.Identities
	server  direct
	ours    *bucket.Ledger
	theirs  *bucket.Ledger
	state   rotate.State // as it was created
	rev     rotate.Revision
	fault   func(n int, r *http.Request) (*http.Response, error) // of our request n, from 1; nil, nil: none
	sent    []string                                             // our requests since
	bodies  [][]byte                                             // of our PUTs
	headers []http.Header
}

// play runs a test on a ledger that exists, in a time of its own.
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

// applied carries a request out and loses the answer.
func (s *scene) applied(r *http.Request) (*http.Response, error) {
	_, err := s.server.RoundTrip(r)
	require.NoError(s, err)
	return nil, errLost
}

// build has the other operator make changes.
func (s *scene) build(n int) {
	for range n {
		st, rev, err := s.theirs.Load(s.Context())
		require.NoError(s, err)
		_, _, err = rotate.Commit(s.Context(), s.theirs, rev, step(st, "theirs"))
		require.NoError(s, err)
	}
}

// times is how often our change is in the ledger.
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

// answer is a response as S3 writes one.
func answer(status int, code string) *http.Response {
	body := ""
	if code != "" {
		body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` + key + `</Message></Error>`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestFaults(t *testing.T) {
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
		{name: "the request is late, and overtakes its repetition", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			switch n {
			case 1:
				return nil, errLost
			case 3: // the first arrives just before the second
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
		{name: "superseded by the last that the ring keeps", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
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
		{name: "a conflict of which nobody can ask", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(412, "PreconditionFailed"), nil
			}
			return nil, errLost
		}, want: rotate.ErrUnknown, not: rotate.ErrConflict, says: "asking fails", sent: "PUT" + strings.Repeat(" GET", 12)},
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
		{name: "forbidden after an unknown send", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
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
		}, want: rotate.ErrUnknown, not: rotate.ErrConflict, says: "after 8 attempts", sent: "PUT GET" + strings.Repeat(" PUT GET", 7)},
		{name: "stale answers while it is unknown", fault: func(s *scene, n int, r *http.Request) (*http.Response, error) {
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
				require.Empty(s, leak.Check(err, keyID, key, token))
				time.Sleep(2 * time.Minute) // strays arrive
				require.Equal(s, tc.times, s.times())
			})
		})
	}
}

// TestAnswersThatAreUnknown: after each of them the change is made once, whether the server had made it or not.
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

// TestContextEnds, at every moment of a change whose outcome is unknown.
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

func TestLoad(t *testing.T) {
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
			return &http.Response{StatusCode: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(body))}, nil
		}
	}
	for _, tc := range []struct {
		name string
		set  func(s *scene)
		says string // "": it is loaded
		is   error
		sent int
	}{
		{"nothing there", func(s *scene) { s.fault = repeat(answer(404, "NoSuchKey")) }, "`layer secret init` makes one", rotate.ErrNotFound, 1},
		{"no bucket", func(s *scene) { s.fault = repeat(answer(404, "NoSuchBucket")) }, "make the bucket", nil, 1},
		{"not found, who knows what", func(s *scene) { s.fault = repeat(answer(404, "")) }, "check the endpoint", nil, 1},
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
				return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"1"`}}, Body: io.NopCloser(endless{})}, nil
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
		{"all answers are lost", func(s *scene) { s.fault = func(int, *http.Request) (*http.Response, error) { return nil, errLost } },
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
		{"stale answers", func(s *scene) { s.fault = repeat(stale(s)) }, "an older state was answered", nil, 4},
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
				require.Empty(s, leak.Check(err, keyID, key, token))
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestStaleConflict: a conflict that a stale answer seems to explain is none that somebody may act on.
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

// TestEqualBytes: a server brings an old revision back with the bytes that it named. A ledger never stores the same twice.
func TestEqualBytes(t *testing.T) {
	play(t, func(s *scene) {
		put := func(text string) string {
			r := httptest.NewRequest(http.MethodPut, "https://s3.example.com/ledgers/other", strings.NewReader(text))
			res, err := s.server.RoundTrip(r)
			require.NoError(s, err)
			return res.Header.Get("ETag")
		}
		first := put("a")
		put("b")
		require.Equal(s, first, put("a"))

		seen := map[rotate.Revision]bool{s.rev: true}
		for range 5 {
			var err error
			s.rev, err = s.ours.CompareAndSwap(s.Context(), s.rev, s.state)
			require.NoError(s, err)
			require.False(s, seen[s.rev])
			require.Regexp(s, `^"[0-9a-f]{32}"$`, s.rev, "as it was received")
			seen[s.rev] = true
		}
	})
}

// TestRevisionsThatAreNone: no revision but one that was received becomes a condition. A star would fit whatever is there.
func TestRevisionsThatAreNone(t *testing.T) {
	play(t, func(s *scene) {
		for _, old := range []rotate.Revision{"*", `"a", ` + s.rev, s.rev + ", *", "made up", "a\r\nX-Other: b", `""`} {
			s.sent = nil
			_, _, err := rotate.Commit(s.Context(), s.ours, old, step(s.state, "ours"))
			require.ErrorIs(s, err, rotate.ErrConflict)
			require.Equal(s, []string{"GET"}, s.sent)
		}
		require.Zero(s, s.times())
	})
}

// TestCreate: what a first write meets.
func TestCreate(t *testing.T) {
	for _, tc := range []struct {
		name string
		with *http.Response
		says string
	}{
		{"no key", answer(404, "NoSuchKey"), "status 404, NoSuchKey"},
		{"no word", answer(400, marker+" is no key"), "it cannot be written: status 400"},
		{"our key, as a word", answer(400, "AKIDmadeup"), "it cannot be written: status 400"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids, s3, sent := keyed(t), direct{newS3(t)}, 0
				l := open(t, ids, roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == probe {
						return s3.RoundTrip(r)
					}
					sent++
					require.Equal(t, "*", r.Header.Get("If-None-Match"))
					return tc.with, nil
				}))
				_, _, err := rotate.Commit(t.Context(), l, "", rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
				require.ErrorContains(t, err, tc.says)
				require.NotErrorIs(t, err, rotate.ErrConflict)
				require.NotErrorIs(t, err, rotate.ErrUnknown)
				require.Equal(t, 1, sent)
				require.Empty(t, leak.Check(err, marker, keyID))
			})
		})
	}
}
