package cloudflare

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/generate/r2"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

const value = `{"current":"v1","versions":{"v1":{"value":"Zt9qWm4xKp7Rb2Vn"}}}`

// start serves a fake, and returns the Options for it.
func start(t *testing.T, fo cloudflarefake.Options) (*cloudflarefake.Server, Options) {
	t.Helper()
	fake := cloudflarefake.New(fo)
	o := Options{
		AccountID: cloudflarefake.Account, Token: driver.NewValue(cloudflarefake.Token), BaseURL: fake.Start(t),
		HTTPClient: &http.Client{Transport: &http.Transport{}},
	}
	t.Cleanup(o.HTTPClient.CloseIdleConnections)
	return fake, o
}

// open returns a Store whose clock advances when it waits, and the list of its
// waits.
func open(t *testing.T, o Options) (*Store, *[]time.Duration) {
	t.Helper()
	s, err := NewStore(o)
	require.NoError(t, err)
	return s, still(s.client)
}

func still(c *cloudflareapi.Client) *[]time.Duration {
	waits := &[]time.Duration{}
	at := time.Now()
	c.Now = func() time.Time { return at }
	c.Wait = func(ctx context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		at = at.Add(d)
		return context.Cause(ctx)
	}
	return waits
}

func item(n int) driver.Item {
	return driver.Item{
		Name: fmt.Sprintf("lo_%024x", n),
		Text: driver.NewValue(value),
		Note: fmt.Sprintf("sv1 gen=%d cur=v1 fp=0123456789abcdef0123456789abcdef by=0123456789abcdef", n+1),
	}
}

func items(n int) (list []driver.Item) {
	for i := range n {
		list = append(list, item(i))
	}
	return list
}

func namesOf(list []driver.Item) (names []string) {
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// published publishes and expects no error.
func published(t *testing.T, s *Store, list ...driver.Item) {
	t.Helper()
	for _, err := range s.Publish(t.Context(), list) {
		require.NoError(t, err)
	}
}

// quiet expects that neither the value nor the token shows in an error.
func quiet(t *testing.T, err error, values ...string) {
	t.Helper()
	require.Empty(t, redacttest.Check(err, append(values, value, cloudflarefake.Token)...))
}

func methods(requests []cloudflarefake.Request) (list []string) {
	for _, r := range requests {
		list = append(list, r.Method)
	}
	return list
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// generator returns a generator for the same account, which does not wait for a
// rate limit.
func generator(o Options) (*r2.Generator, error) {
	return r2.New(r2.Options{AccountID: o.AccountID, Token: o.Token, BaseURL: o.BaseURL, HTTPClient: o.HTTPClient,
		Patience: time.Second}) // shorter than the shortest pause
}
