package bucket_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/rotate"
)

// signature computes AWS Signature Version 4 from the received request, as AWS
// documents it.
func signature(r *http.Request, secret string) string {
	auth := r.Header.Get("Authorization")
	part := func(name string) string {
		_, rest, _ := strings.Cut(auth, name+"=")
		value, _, _ := strings.Cut(rest, ",")
		return value
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	canonical := r.Method + "\n" + path + "\n" + query + "\n"
	for name := range strings.SplitSeq(part("SignedHeaders"), ";") {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		canonical += name + ":" + strings.TrimSpace(value) + "\n"
	}
	canonical += "\n" + part("SignedHeaders") + "\n" + r.Header.Get("X-Amz-Content-Sha256")
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.SplitN(part("Credential"), "/", 2)[1]
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	k := []byte("AWS4" + secret)
	for _, step := range append(strings.Split(scope, "/"), text) {
		h := hmac.New(sha256.New, k)
		h.Write([]byte(step))
		k = h.Sum(nil)
	}
	return hex.EncodeToString(k)
}

// A prefix may contain any character.
func TestSignedPathIsTheOneThatArrives(t *testing.T) {
	for prefix, path := range map[string]string{
		"":               "/ledgers/",
		"team/shop":      "/ledgers/team/shop/",
		"a b/ü":          "/ledgers/a%20b/%C3%BC/",
		"100%/%41/%2F":   "/ledgers/100%25/%2541/%252F/",
		"+~-_.!*'();":    "/ledgers/%2B~-_.%21%2A%27%28%29%3B/",
		`:@&=$,?#[]\"<>`: "/ledgers/%3A%40%26%3D%24%2C%3F%23%5B%5D%5C%22%3C%3E/",
	} {
		t.Run(prefix, func(t *testing.T) {
			ids, s3 := keyed(t), newS3(t)
			signed := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.True(t, r.RequestURI == path+"ledger.age" || r.RequestURI == path+"probe", r.RequestURI)
				require.Contains(t, r.Header.Get("Authorization"), "Credential="+keyID+"/")
				require.Contains(t, r.Header.Get("Authorization"), "/eu-north-1/s3/aws4_request, ")
				require.True(t, strings.HasSuffix(r.Header.Get("Authorization"), "Signature="+signature(r, key)),
					"another signature")
				signedHeaders := r.Header.Get("Authorization")
				for _, name := range []string{"If-Match", "If-None-Match", "Content-MD5", "X-Amz-Content-Sha256",
					"X-Amz-Security-Token"} {
					if r.Header.Get(name) != "" {
						require.Contains(t, signedHeaders, strings.ToLower(name), "a header that counts is not signed")
					}
				}
				require.Equal(t, token, r.Header.Get("X-Amz-Security-Token"))
				require.Equal(t, "identity", r.Header.Get("Accept-Encoding"))
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				sum := sha256.Sum256(body)
				require.Equal(t, hex.EncodeToString(sum[:]), r.Header.Get("X-Amz-Content-Sha256"))
				require.Empty(t, r.TransferEncoding)
				r.Body = io.NopCloser(strings.NewReader(string(body)))
				signed++
				s3.ServeHTTP(w, r)
			}))
			defer server.Close()
			o := options(ids, nil)
			o.HTTPClient, o.Endpoint, o.Prefix, o.Region = nil, server.URL, prefix, "eu-north-1"
			l, err := bucket.Open(t.Context(), o)
			require.NoError(t, err)
			st, rev := begin(t, l, ids)
			st, _, err = rotate.Commit(t.Context(), l, rev, step(st, "x"))
			require.NoError(t, err)
			found, _, err := l.Load(t.Context())
			require.NoError(t, err)
			require.True(t, found.Equal(st))
			require.Equal(t, 4, signed)
		})
	}
}

// TestObjectLockTakesEveryPut: a bucket with Object Lock refuses an object without
// a checksum, or with a wrong one.
func TestObjectLockTakesEveryPut(t *testing.T) {
	ids, s3, puts := keyed(t), direct{newS3(t)}, 0
	l := open(t, ids, roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodPut {
			require.Empty(t, r.Header.Get("Content-MD5"))
			return s3.RoundTrip(r)
		}
		puts++
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		r.Body = io.NopCloser(bytes.NewReader(body))
		given, err := base64.StdEncoding.DecodeString(r.Header.Get("Content-MD5"))
		require.NoError(t, err)
		if sum := md5.Sum(body); !bytes.Equal(sum[:], given) {
			return answer(400, "InvalidRequest"), nil
		}
		require.Contains(t, r.Header.Get("Authorization"), ";content-md5;")
		return s3.RoundTrip(r)
	}))
	st, rev := begin(t, l, ids)
	_, _, err := rotate.Commit(t.Context(), l, rev, step(st, "x"))
	require.NoError(t, err)
	_, _, err = l.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, puts, "the probe, too")
}

// TestOneSendIsOneRequest tests the case in which net/http by itself would resend:
// the server closes a connection that was used before.
func TestOneSendIsOneRequest(t *testing.T) {
	ids, s3 := keyed(t), newS3(t)
	var cut atomic.Bool
	var sent, arrived atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && cut.Load() {
			arrived.Add(1)
			panic(http.ErrAbortHandler)
		}
		s3.ServeHTTP(w, r)
	}))
	defer server.Close()
	o := options(ids, roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			sent.Add(1)
		}
		return server.Client().Transport.RoundTrip(r)
	}))
	o.Endpoint = server.URL
	l, err := bucket.Open(t.Context(), o)
	require.NoError(t, err)
	st, rev := begin(t, l, ids)
	sent.Store(0)
	cut.Store(true)
	_, _, err = rotate.Commit(t.Context(), l, rev, step(st, "x"))
	require.ErrorIs(t, err, rotate.ErrUnknown)
	require.EqualValues(t, 8, sent.Load())
	require.EqualValues(t, 8, arrived.Load())
}

// A client that follows one takes the state and a signature elsewhere.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	o := options(keyed(t), nil)
	followed := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	o.Endpoint, o.HTTPClient = server.URL, followed
	_, err := bucket.Open(t.Context(), o)
	require.ErrorContains(t, err, "redirects are not followed")
	require.NoError(t, followed.CheckRedirect(nil, nil), "the client that was given is not changed")
}
