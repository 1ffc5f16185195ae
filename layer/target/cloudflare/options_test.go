package cloudflare

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/generate/r2"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

func TestWrongOptionsAreRefused(t *testing.T) {
	id := cloudflarefake.Account
	for _, tc := range []struct {
		name   string
		change func(*Options)
		err    string
	}{
		{"complete", func(*Options) {}, ""},
		{"everything", func(o *Options) {
			o.StoreID, o.Scopes, o.BaseURL, o.Timeout = id, []string{"workers",
				"containers"}, "http://127.0.0.1:1/x/", time.Second
		}, ""},
		{"no account", func(o *Options) { o.AccountID = "" }, "there is no account id: set CLOUDFLARE_ACCOUNT_ID"},
		{"a path for an account", func(o *Options) { o.AccountID = "../" + id[3:] }, "not 32 hexadecimal digits"},
		{"upper case", func(o *Options) { o.AccountID = strings.ToUpper(id) }, "in lower case"},
		{"a line too many", func(o *Options) { o.AccountID += "\n" }, "not 32 hexadecimal digits"},
		{"no token", func(o *Options) { o.Token = driver.Value{} }, "there is no API token: set CLOUDFLARE_API_TOKEN"},
		{"a token with a line end", func(o *Options) { o.Token = driver.NewValue(cloudflarefake.Token + "\n") },
			"white space"},
		{"a token with a header", func(o *Options) { o.Token = driver.NewValue(cloudflarefake.Token + "\r\nX: y") },
			"white space"},
		{"a path for a store", func(o *Options) { o.StoreID = "../../tokens" }, "the store id is not 32"},
		{"no such scope", func(o *Options) { o.Scopes = []string{"worker"} },
			`"worker" is no scope: choose from workers, ai_gateway`},
		{"no URL", func(o *Options) { o.BaseURL = "api.cloudflare.com" }, "not of the form https://host/path"},
		{"another scheme", func(o *Options) { o.BaseURL = "file:///etc" }, "correct CLOUDFLARE_API_BASE_URL"},
		{"a password", func(o *Options) { o.BaseURL = "https://u:" + cloudflarefake.Token + "@host/" }, "without user"},
		{"a query", func(o *Options) { o.BaseURL = "https://host/?x=y" }, "without user, query"},
		{"an empty query", func(o *Options) { o.BaseURL = "https://host/?" }, "without user, query"},
		{"a port alone", func(o *Options) { o.BaseURL = "https://:443/" }, "not of the form"},
		{"in the open", func(o *Options) { o.BaseURL = "http://api.internal/client/v4" },
			"plain http, on which others can read the token"},
		{"in the open, in capitals", func(o *Options) { o.BaseURL = "HTTP://API.INTERNAL" }, "plain http"},
		{"in the open, by address", func(o *Options) { o.BaseURL = "http://10.0.0.1" }, "plain http"},
		{"in the open, like this machine", func(o *Options) { o.BaseURL = "http://127.0.0.1.example" }, "plain http"},
		{"in the open, to all addresses", func(o *Options) { o.BaseURL = "http://0.0.0.0:80" }, "plain http"},
		{"by address, on this machine", func(o *Options) { o.BaseURL = "http://[::1]:80" }, ""},
		{"by name, on this machine", func(o *Options) { o.BaseURL = "http://localhost:80" }, ""},
		{"nonsense", func(o *Options) { o.BaseURL = "https://[" + cloudflarefake.Token }, "not of the form"},
		{"a timeout below zero", func(o *Options) { o.Timeout = -1 }, "below zero"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := Options{AccountID: id, Token: driver.NewValue(cloudflarefake.Token)}
			tc.change(&o)
			_, err := NewStore(o)
			// Options that the generator does not have.
			if o.StoreID == "" && o.Scopes == nil && o.Timeout == 0 {
				_, other := generator(o)
				require.Equal(t, err, other)
			}
			if tc.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.err)
			quiet(t, err)
		})
	}
}

// The default is Cloudflare's API.
func TestRequestsGoUnderTheBaseURL(t *testing.T) {
	for base, want := range map[string]string{
		"":                     "https://api.cloudflare.com/client/v4/accounts/",
		"http://[::1]:1":       "http://[::1]:1/accounts/",
		"https://h/client/v4":  "https://h/client/v4/accounts/",
		"https://h/client/v4/": "https://h/client/v4/accounts/",
	} {
		var seen []*http.Request
		s, err := NewStore(Options{AccountID: cloudflarefake.Account, Token: driver.NewValue("made-up"), BaseURL: base,
			HTTPClient: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
				seen = append(seen, r)
				return nil, http.ErrHandlerTimeout
			})}})
		require.NoError(t, err)
		_, err = s.ID(t.Context())
		require.ErrorContains(t, err, "the connection ended before the answer did")
		require.Len(t, seen, 1)
		require.Equal(t, want+cloudflarefake.Account+"/secrets_store/stores", strings.Split(seen[0].URL.String(), "?")[0])
		require.Equal(t, []string{"Bearer made-up"}, seen[0].Header["Authorization"])

		// If a transport does not report its connections, an unsent request cannot be
		// detected.
		s.id, s.ids = cloudflarefake.Account, map[string]string{}
		require.NotErrorIs(t, s.Publish(t.Context(), items(1))[0], driver.ErrNotApplied)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNothingShowsTheToken(t *testing.T) {
	_, o := start(t, cloudflarefake.Options{})
	o.HTTPClient = nil
	s, err := NewStore(o)
	require.NoError(t, err)
	g, err := generator(o)
	require.NoError(t, err)
	type deep struct{ inner any }
	type kept struct {
		s *Store
		g *r2.Generator
		c *cloudflareapi.Client
	}
	for _, v := range []any{o, &o, s, g, deep{s}, []any{s, g}, map[string]any{"x": g}, kept{s, g, s.client},
		&kept{s, g, s.client}} {
		require.Empty(t, redacttest.Check(v, cloudflarefake.Token))
	}
	require.Equal(t, "secrets store of Cloudflare account "+cloudflarefake.Account, s.String())
	require.Equal(t, "R2 credentials of Cloudflare account "+cloudflarefake.Account, g.String())
}
