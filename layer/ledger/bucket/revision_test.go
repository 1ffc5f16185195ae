package bucket_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/rotate"
)

// TestEqualBytes: if the same bytes are stored again, a server returns the same
// revision again. A ledger never stores the same bytes twice.
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

// TestRevisionsThatAreNone: only a revision that a server sent becomes a
// condition. A star would match any object.
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

func TestFailedCreateIsExplained(t *testing.T) {
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
				_, _, err := rotate.Commit(t.Context(), l, "",
					rotate.NewState(rotate.Settings{Recipients: ids.Recipients()}))
				require.ErrorContains(t, err, tc.says)
				require.NotErrorIs(t, err, rotate.ErrConflict)
				require.NotErrorIs(t, err, rotate.ErrUnknown)
				require.Equal(t, 1, sent)
				require.Empty(t, redacttest.Check(err, marker, keyID))
			})
		})
	}
}
