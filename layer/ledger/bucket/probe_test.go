package bucket_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
)

func TestProbeFindsIgnoredConditions(t *testing.T) {
	always := func(status int, code string) roundTrip {
		return func(*http.Request) (*http.Response, error) { return answer(status, code), nil }
	}
	for _, tc := range []struct {
		name   string
		server func(t *testing.T) roundTrip
		says   string // "": it is taken
		sent   string
	}{
		{"honours conditions", func(t *testing.T) roundTrip { return direct{newS3(t)}.RoundTrip }, "", "PUT"},
		{"412", func(*testing.T) roundTrip { return always(412, "PreconditionFailed") }, "", "PUT"},
		{"404 of the object", func(*testing.T) roundTrip { return always(404, "NoSuchKey") }, "", "PUT"},
		{"404 of whatever", func(*testing.T) roundTrip { return always(404, "") }, "", "PUT"},
		{"404 of the key, as versitygw has it", func(*testing.T) roundTrip { return always(404, "XAdminUserNotFound") },
			"status 404, XAdminUserNotFound", "PUT"},
		{"404 of the bucket", func(*testing.T) roundTrip { return always(404, "NoSuchBucket") },
			"make the bucket", "PUT"},
		{"ignores conditions", func(t *testing.T) roundTrip { return deaf(t, direct{newS3(t)}) },
			"ignores conditions: it wrote a probe that it should have refused. It is deleted again", "PUT DELETE"},
		{"ignores conditions, and deletes nothing", func(*testing.T) roundTrip {
			return func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodDelete {
					return answer(403, "AccessDenied"), nil
				}
				return answer(200, ""), nil
			}
		}, "Delete the object team/shop/probe", "PUT DELETE"},
		{"does not know them", func(*testing.T) roundTrip { return always(501, "NotImplemented") },
			"does not support conditional writes", "PUT"},
		{"forbidden", func(*testing.T) roundTrip { return always(403, "SignatureDoesNotMatch") },
			"the secret key does not belong", "PUT"},
		{"redirects", func(*testing.T) roundTrip { return always(301, "PermanentRedirect") },
			"in another region", "PUT"},
		{"down", func(*testing.T) roundTrip { return always(503, "SlowDown") }, "status 503, SlowDown",
			strings.Repeat(" PUT", 8)[1:]},
		{"slow to come up", func(t *testing.T) roundTrip {
			n, s3 := 0, direct{newS3(t)}
			return func(r *http.Request) (*http.Response, error) {
				if n++; n < 4 {
					return nil, errLost
				}
				return s3.RoundTrip(r)
			}
		}, "", "PUT PUT PUT PUT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []string
				server := tc.server(t)
				_, err := bucket.Open(t.Context(),
					options(keyed(t), roundTrip(func(r *http.Request) (*http.Response, error) {
						sent = append(sent, r.Method)
						require.Equal(t, probe, r.URL.Path)
						if r.Method == http.MethodPut {
							require.Equal(t, `"00000000000000000000000000000000"`, r.Header.Get("If-Match"))
						}
						return server(r)
					})))
				require.Equal(t, tc.sent, strings.Join(sent, " "))
				if tc.says == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "ledger s3://ledgers/team/shop/ledger.age: ")
				require.ErrorContains(t, err, tc.says)
				require.Empty(t, redacttest.Check(err, keyID, key, token))
			})
		})
	}
	t.Run("the context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := bucket.Open(ctx, options(keyed(t), always(412, "")))
		require.ErrorIs(t, err, context.Canceled)
	})
}

// deaf removes the conditions, like a server that does not support them, and
// checks that the probe is deleted.
func deaf(t *testing.T, s3 direct) roundTrip {
	stays := false
	t.Cleanup(func() { require.False(t, stays) })
	return func(r *http.Request) (*http.Response, error) {
		stays = r.Method == http.MethodPut
		r = r.Clone(r.Context())
		r.Header.Del("If-Match")
		return s3.RoundTrip(r)
	}
}
