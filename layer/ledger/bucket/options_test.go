package bucket_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/rotate"
)

const marker = "hunter2-kT7qZw2mXv9RbL4n"

func TestOptionsThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(o *bucket.Options)
		says string
	}{
		{"no bucket", func(o *bucket.Options) { o.Bucket = "" }, "there is no bucket's name"},
		{"no bucket's name", func(o *bucket.Options) { o.Bucket = marker + "/" }, "that is no bucket's name"},
		{"a bucket above", func(o *bucket.Options) { o.Bucket = ".." }, "that is no bucket's name"},
		{"a region", func(o *bucket.Options) { o.Region = marker + " " }, "that is no region"},
		{"no endpoint", func(o *bucket.Options) { o.Endpoint = "" }, "there is no endpoint: give " +
			"https://s3.REGION.amazonaws.com"},
		{"no address", func(o *bucket.Options) { o.Endpoint = marker }, "not of the form https://host"},
		{"another scheme", func(o *bucket.Options) { o.Endpoint = "ftp://" + marker }, "not of the form https://host"},
		{"damaged", func(o *bucket.Options) { o.Endpoint = "https://%zz" + marker }, "not of the form https://host"},
		{"a query", func(o *bucket.Options) { o.Endpoint = "https://h/?" + marker }, "without query"},
		{"a user", func(o *bucket.Options) { o.Endpoint = "https://me:" + marker + "@h" }, "the endpoint names a user"},
		{"a public address", func(o *bucket.Options) { o.Endpoint = "https://pub-1.R2.dev" }, "public r2.dev address"},
		{"plain http", func(o *bucket.Options) { o.Endpoint = "http://" + marker }, "plain http"},
		{"a relative path", func(o *bucket.Options) { o.Endpoint = "https://h/a/../b" }, "empty or relative parts"},
		{"no key", func(o *bucket.Options) { o.SecretAccessKey = driver.Value{} }, "there is no credential"},
		{"no id", func(o *bucket.Options) { o.AccessKeyID = "" }, "there is no credential"},
		{"a key with a newline", func(o *bucket.Options) { o.SecretAccessKey = driver.NewValue(marker + "\n") },
			"copy it again"},
		{"an id with a newline", func(o *bucket.Options) { o.AccessKeyID = marker + "\n" }, "copy it again"},
		{"a token with a newline", func(o *bucket.Options) { o.SessionToken = driver.NewValue(marker + "\n") },
			"copy it again"},
		{"a prefix above", func(o *bucket.Options) { o.Prefix = "a/../b" }, ". or .. is no name"},
		{"a prefix with a slash", func(o *bucket.Options) { o.Prefix = "/a" }, "none at its ends"},
		{"a prefix with two", func(o *bucket.Options) { o.Prefix = "a//b" }, "single slashes"},
		{"a prefix with a newline", func(o *bucket.Options) { o.Prefix = "a\nb" }, "control characters"},
		{"a prefix that is no text", func(o *bucket.Options) { o.Prefix = "a\xffb" }, "UTF-8"},
		{"a long prefix", func(o *bucket.Options) { o.Prefix = strings.Repeat("a", 513) }, "512 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(keyed(t), roundTrip(func(*http.Request) (*http.Response, error) {
				t.Error("sent")
				return nil, errLost
			}))
			tc.set(&o)
			_, err := bucket.Open(t.Context(), o)
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, redacttest.Check(err, marker, key, token))
		})
	}
}

func TestEndpointBeginsEveryURL(t *testing.T) {
	s3 := newS3(t)
	for endpoint, want := range map[string]string{
		"https://s3.example.com":                "https://s3.example.com/ledgers/team/shop/",
		"https://s3.example.com/":               "https://s3.example.com/ledgers/team/shop/",
		"https://s3.example.com:8443/storage/":  "https://s3.example.com:8443/storage/ledgers/team/shop/",
		"http://127.0.0.1:7070":                 "http://127.0.0.1:7070/ledgers/team/shop/",
		"http://localhost:7070":                 "http://localhost:7070/ledgers/team/shop/",
		"http://[::1]:7070":                     "http://[::1]:7070/ledgers/team/shop/",
		"https://a.eu.r2.cloudflarestorage.com": "https://a.eu.r2.cloudflarestorage.com/ledgers/team/shop/",
	} {
		o := options(keyed(t), roundTrip(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, want+"probe", r.URL.String())
			require.Contains(t, r.Header.Get("Authorization"), "/auto/s3/aws4_request")
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = probe, ""
			return direct{s3}.RoundTrip(r)
		}))
		o.Endpoint = endpoint
		_, err := bucket.Open(t.Context(), o)
		require.NoError(t, err, endpoint)
	}
}

// TestEndpointThatEndsWithTheBucketIsRefused: Cloudflare's dashboard shows the
// endpoint in this form. A ledger that was made with it would be in another place.
func TestEndpointThatEndsWithTheBucketIsRefused(t *testing.T) {
	for endpoint, right := range map[string]string{
		"https://a.r2.cloudflarestorage.com/ledgers": "give https://a.r2.cloudflarestorage.com. A ledger that was " +
			"made with the other endpoint has the prefix ledgers/team/shop",
		"https://a.r2.cloudflarestorage.com/ledgers/": "give https://a.r2.cloudflarestorage.com. ",
		"https://s3.example.com:8443/storage/ledgers": "give https://s3.example.com:8443/storage. ",
		"http://127.0.0.1:7070/%6Cedgers":             "give http://127.0.0.1:7070. ",
	} {
		o := options(keyed(t), roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error("sent")
			return nil, errLost
		}))
		o.Endpoint = endpoint
		_, err := bucket.Open(t.Context(), o)
		require.ErrorContains(t, err, "the endpoint ends with the bucket's name")
		require.ErrorContains(t, err, right)
		_, err = bucket.ParseURL("s3://ledgers/team/shop?endpoint=" + endpoint)
		require.ErrorContains(t, err, right)
	}
	for _, endpoint := range []string{"https://s3.example.com/other", "https://s3.example.com/ledgers/s3",
		"https://ledgers.example.com", "https://s3.example.com/my-ledgers"} {
		_, err := bucket.ParseURL("s3://ledgers/team/shop?endpoint=" + endpoint)
		require.NoError(t, err, endpoint)
	}
}

func TestParseURL(t *testing.T) {
	for _, tc := range []struct {
		text string
		want bucket.Options
		says string
	}{
		{text: "s3://ledgers/team/shop?endpoint=https://a.r2.cloudflarestorage.com",
			want: bucket.Options{Bucket: "ledgers", Prefix: "team/shop",
				Endpoint: "https://a.r2.cloudflarestorage.com"}},
		{text: "s3://ledgers?endpoint=https%3A%2F%2Fs3.eu-central-1.amazonaws.com&region=eu-central-1",
			want: bucket.Options{Bucket: "ledgers", Endpoint: "https://s3.eu-central-1.amazonaws.com",
				Region: "eu-central-1"}},
		{text: "s3://ledgers/a%20b/?endpoint=http://127.0.0.1:7070/s3", want: bucket.Options{Bucket: "ledgers",
			Prefix: "a b", Endpoint: "http://127.0.0.1:7070/s3"}},
		{text: "", says: "not of the form s3://"},
		{text: marker, says: "not of the form s3://"},
		{text: "https://" + marker, says: "not of the form s3://"},
		{text: "s3:ledgers", says: "not of the form s3://"},
		{text: "s3://", says: "not of the form s3://"},
		{text: "s3:///x", says: "not of the form s3://"},
		{text: "s3://ledgers/%zz" + marker, says: "not of the form s3://"},
		{text: "s3://ledgers#" + marker, says: "not of the form s3://"},
		{text: "s3://AKID:" + marker + "@ledgers/x?endpoint=https://h", says: "an address must " +
			"not contain a credential"},
		{text: "s3://" + marker + "@ledgers/x?endpoint=https://h", says: "an address must not contain a credential"},
		{text: "s3://ledgers/x?endpoint=https://u:" + marker + "@h", says: "the endpoint names a user"},
		{text: "s3://ledgers/x", says: "there is no endpoint"},
		{text: "s3://ledgers/x?endpoint=", says: "given twice, or empty"},
		{text: "s3://ledgers/x?endpoint=https://h&endpoint=https://" + marker, says: "given twice, or empty"},
		{text: "s3://ledgers/x?endpoint=https://h&secret_access_key=" + marker, says: "endpoint and region, and " +
			"nothing else"},
		{text: "s3://ledgers/x?endpoint=https://h;" + marker, says: "is damaged"},
		{text: "s3://ledgers/x?endpoint=https://h&region=" + marker + "_", says: "that is no region"},
		{text: "s3://" + marker + "_/x?endpoint=https://h", says: "no bucket's name"},
		{text: "s3://ledgers//x?endpoint=https://h", says: "single slashes"},
		{text: "s3://ledgers/a/%2E%2E/x?endpoint=https://h", says: ". or .. is no name"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			o, err := bucket.ParseURL(tc.text)
			if tc.says == "" {
				require.NoError(t, err)
				require.Equal(t, tc.want, o)
				return
			}
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, redacttest.Check(err, marker))
		})
	}
}

// FuzzParseURL: a URL that is accepted can be opened, and requests go only to the
// endpoint. The error for any other URL repeats no part of the text.
func FuzzParseURL(f *testing.F) {
	for _, text := range []string{"s3://ledgers/team?endpoint=https://h&region=auto",
		"s3://k:s@ledgers/?endpoint=http://localhost:1/%2f", "s3://a.b/%00?endpoint=https://[::1%25x]",
		"s3://0000?endpoint=Https://0"} {
		f.Add(text)
	}
	ids := keyed(f)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := bucket.ParseURL(text)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "bucket: "))
			return
		}
		require.NotContains(t, o.Endpoint, "@")
		o.AccessKeyID, o.SecretAccessKey, o.Identities = keyID, driver.NewValue(key), ids
		asked := false
		o.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = true
			host := r.URL.Scheme + "://" + r.URL.Host
			require.True(t, len(host) <= len(o.Endpoint) && strings.EqualFold(host, o.Endpoint[:len(host)]), r.URL.Host)
			require.True(t, strings.HasSuffix(r.URL.Path, "/probe"))
			return answer(412, ""), nil
		})}
		_, err = bucket.Open(t.Context(), o)
		require.NoError(t, err)
		require.True(t, asked)
	})
}

func TestNothingIsShown(t *testing.T) {
	o := options(keyed(t), direct{newS3(t)})
	o.AccessKeyID = "AKID"
	l, err := bucket.Open(t.Context(), o)
	require.NoError(t, err)
	for _, shown := range []any{o, &o, l, struct{ l rotate.Ledger }{l}, struct{ L rotate.Ledger }{l},
		[]rotate.Ledger{l}} {
		require.Empty(t, redacttest.Check(shown, key, token, keyID))
	}
	require.Equal(t, "ledger s3://ledgers/team/shop/ledger.age", fmt.Sprint(l))
}
