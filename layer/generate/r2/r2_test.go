package r2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

func generator(t *testing.T, fo cloudflarefake.Options) (*cloudflarefake.Server, *Generator) {
	t.Helper()
	fake := cloudflarefake.New(fo)
	o := Options{AccountID: cloudflarefake.Account, Token: driver.NewValue(cloudflarefake.Token), BaseURL: fake.Start(t),
		HTTPClient: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(o.HTTPClient.CloseIdleConnections)
	g, err := New(o)
	require.NoError(t, err)
	g.client.Wait = func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
	return fake, g
}

type fault = cloudflarefake.Fault

const (
	now   = cloudflarefake.Now
	twice = cloudflarefake.Twice
	late  = cloudflarefake.Late
)

// quiet expects that an error shows neither these values nor the token.
func quiet(t *testing.T, err error, values ...string) {
	t.Helper()
	require.Empty(t, redacttest.Check(err, append(values, cloudflarefake.Token)...))
}

func media(access string) map[string]string {
	return map[string]string{"bucket": "media-2", "access": access}
}

func TestMakeGrantsOneBucket(t *testing.T) {
	for access, group := range map[string]string{"read": cloudflarefake.BucketRead,
		"read-write": cloudflarefake.BucketWrite} {
		fake, g := generator(t, cloudflarefake.Options{})
		made, err := g.Make(t.Context(), "layer 7f/1", media(access))
		require.NoError(t, err)
		require.Len(t, fake.Requests(), 1)
		require.Len(t, fake.Tokens(), 1)
		token := fake.Tokens()[0]
		require.Equal(t, "layer 7f/1", token.Name)
		require.Equal(t, []string{group}, token.Groups)
		require.Equal(t, map[string]string{"com.cloudflare.edge.r2.bucket." + cloudflarefake.Account +
			"_default_media-2": "*"}, token.Resources)

		require.Equal(t, token.ID, made.ID)
		key := sha256.Sum256([]byte(token.Value))
		require.Equal(t, `{"accessKeyId":"`+token.ID+`","secretAccessKey":"`+hex.EncodeToString(key[:])+
			`","endpoint":"https://`+cloudflarefake.Account+`.r2.cloudflarestorage.com"}`, made.Value.Reveal())
		require.Empty(t, redacttest.Check(made, hex.EncodeToString(key[:]), token.Value))
	}
}

func TestWrongParamsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		token  string
		params map[string]string
		err    string
	}{
		{"none", "n", nil, `the param bucket of cloudflare/r2-credentials is ""`},
		{"no bucket", "n", map[string]string{"access": "read"}, "the param bucket"},
		{"no access", "n", map[string]string{"bucket": "media"},
			`the param access of cloudflare/r2-credentials is "": it can be read or read-write`},
		{"other access", "n", map[string]string{"bucket": "media", "access": "admin"},
			`"admin": it can be read or read-write`},
		{"upper case", "n", map[string]string{"bucket": "Media", "access": "read"}, "3 to 63 of a-z"},
		{"short", "n", map[string]string{"bucket": "me", "access": "read"}, "3 to 63 of a-z"},
		{"a hyphen at the end", "n", map[string]string{"bucket": "media-", "access": "read"}, "3 to 63 of a-z"},
		{"every bucket", "n", map[string]string{"bucket": "*", "access": "read"}, "3 to 63 of a-z"},
		{"another member", "n", map[string]string{"bucket": "media", "access": "read", "jurisdiction": "eu"},
			`takes no param "jurisdiction": remove it`},
		{"no name", "", media("read"), "a token's name is 1 to 120"},
		{"a name of lines", "a\nb", media("read"), "a token's name is 1 to 120"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, g := generator(t, cloudflarefake.Options{})
			_, err := g.Make(t.Context(), tc.token, tc.params)
			require.ErrorContains(t, err, tc.err)
			require.ErrorIs(t, err, driver.ErrNotApplied)
			require.Empty(t, fake.Requests())
		})
	}
}

func TestRetireEndsAToken(t *testing.T) {
	fake, g := generator(t, cloudflarefake.Options{})
	id := fake.AddToken("a")
	require.NoError(t, g.Retire(t.Context(), id))
	require.Empty(t, fake.Tokens())
	require.NoError(t, g.Retire(t.Context(), id), "gone already")

	id = fake.AddToken("b")
	for _, tc := range []struct {
		fault fault
		err   string
	}{
		{fault{Status: 403}, "delete the token " + id +
			": status 403: add the permission Account > API Tokens > Edit (API Tokens Write)"},
		{fault{Status: 404, Code: 7003}, "check the account id"},
		{fault{Status: 404, Raw: "<html>"}, "the answer was not understood"},
		{fault{Status: 500}, "status 500"},
		{fault{Drop: true}, "the connection ended"},
	} {
		fake.Fail(tc.fault)
		err := g.Retire(t.Context(), id)
		require.ErrorContains(t, err, tc.err)
		quiet(t, err)
	}
	require.Len(t, fake.Tokens(), 1)
}

// A hundred tokens are on three pages. Sweep deletes those with one of the names
// and an unknown id.
func TestSweepEndsUnknownTokensAlone(t *testing.T) {
	fake, g := generator(t, cloudflarefake.Options{PageCap: 45})
	var keep []string
	add := func(name string) string {
		id := fake.AddToken(name)
		keep = append(keep, id)
		return id
	}
	known := []string{add("ours"), add("ours")}
	for i := range 60 {
		add(fmt.Sprintf("ours-%d", i))
	}
	fake.AddToken("ours")
	for range 40 {
		add("Ours")
	}
	fake.AddToken("theirs")
	fake.AddToken("ours")
	add("our")
	left := func() (ids []string) {
		for _, token := range fake.Tokens() {
			ids = append(ids, token.ID)
		}
		return ids
	}

	require.NoError(t, g.Sweep(t.Context(), nil, nil))
	require.Empty(t, fake.Requests())

	// If one deletion fails, the others are still sent.
	fake.Fail(fault{Method: "DELETE", Status: 500})
	err := g.Sweep(t.Context(), []string{"theirs", "ours"}, known)
	require.ErrorContains(t, err, "status 500")
	require.Equal(t, []string{"GET", "GET", "GET", "DELETE", "DELETE", "DELETE"}, methods(fake.Requests()))
	require.Len(t, left(), len(keep)+1)

	require.NoError(t, g.Sweep(t.Context(), []string{"theirs", "ours"}, known))
	require.ElementsMatch(t, keep, left())

	fake.Fail(fault{Method: "GET", Skip: 1, Status: 403})
	require.ErrorContains(t, g.Sweep(t.Context(), []string{"Ours"}, nil),
		"list the API tokens: status 403: add the permission Account > API Tokens > Edit")
	require.ElementsMatch(t, keep, left(), "half a list sweeps nothing")
}

// TestMakeFaults: after any fault of the request, a sweep of its name leaves no
// token, and no error shows a credential.
func TestMakeFaults(t *testing.T) {
	for _, tc := range []struct {
		name       string
		fault      fault
		err        string
		notApplied bool
		made       int
	}{
		{"no permission", fault{Status: 403, Code: 10000},
			"add the permission Account > API Tokens > Edit (API Tokens Write) to the API token", true, 0},
		{"invalid", fault{Status: 400, Code: 1001}, "status 400", true, 0},
		{"conflict", fault{Applied: now, Status: 409}, "status 409", false, 1},
		{"broken", fault{Applied: now, Status: 500}, "status 500", false, 1},
		{"dropped", fault{Applied: now, Drop: true}, "the connection ended", false, 1},
		{"late", fault{Applied: late, Drop: true}, "the connection ended", false, 1},
		{"no success", fault{Applied: now, Status: 200}, "no success", false, 1},
		{"no value", fault{Applied: now, Raw: `{"success":true,"result":{"id":"` + cloudflarefake.Account + `"}}`},
			"the answer holds no usable token", false, 1},
		{"no result", fault{Applied: now, Raw: `{"success":true}`}, "the answer holds no usable token", false, 1},
		{"another kind of result", fault{Applied: now, Raw: `{"success":true,"result":["x"]}`}, "answer", false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, g := generator(t, cloudflarefake.Options{})
			tc.fault.Method, tc.fault.Times = "POST", -1
			fake.Fail(tc.fault)
			made, err := g.Make(t.Context(), "n", media("read"))
			require.ErrorContains(t, err, tc.err)
			require.Equal(t, tc.notApplied, errors.Is(err, driver.ErrNotApplied))
			require.Equal(t, driver.Made{}, made)
			require.Len(t, fake.Requests(), 1, "minted once")
			fake.Release()
			require.Len(t, fake.Tokens(), tc.made)
			for _, token := range fake.Tokens() {
				quiet(t, err, token.Value)
			}
			require.NoError(t, g.Sweep(t.Context(), []string{"n"}, nil))
			require.Empty(t, fake.Tokens())
		})
	}

	// Make waits for the rate limit and makes no second token. A request that is
	// duplicated on the way makes one.
	fake, g := generator(t, cloudflarefake.Options{})
	fake.Fail(fault{Method: "POST", Status: 429})
	fake.Fail(fault{Method: "POST", Applied: twice})
	made, err := g.Make(t.Context(), "n", media("read"))
	require.NoError(t, err)
	require.Len(t, fake.Tokens(), 2)
	require.NoError(t, g.Sweep(t.Context(), []string{"n"}, []string{made.ID}))
	require.Len(t, fake.Tokens(), 1)
	require.Equal(t, made.ID, fake.Tokens()[0].ID)
}

func methods(requests []cloudflarefake.Request) (list []string) {
	for _, r := range requests {
		list = append(list, r.Method)
	}
	return list
}
