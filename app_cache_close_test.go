package secret_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestCloseDoesNotWaitForASlowCache longer than for other work, and does not call
// it a store.
func TestCloseDoesNotWaitForASlowCache(t *testing.T) {
	for _, takes := range []time.Duration{time.Second, 3 * time.Second, 4900 * time.Millisecond, 4999 * time.Millisecond,
		5 * time.Second, time.Minute} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := newProbe(), newEntries()
				names := make([]string, 100)
				for i := range names {
					names[i] = "n" + strconv.Itoa(i)
				}
				secrets := restarted(names...)
				for _, s := range secrets {
					p.set(s, "one")
				}
				c.step(nil, func(ctx context.Context, _ secret.Address) error {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(takes):
						return nil
					}
				})
				app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: silence}).Use(secrets...)
				require.NoError(t, app.Start(t.Context()))
				time.Sleep(takes / 2)
				began := time.Now()
				require.NoError(t, app.Close())
				require.Less(t, time.Since(began), 10*time.Second)
			})
		})
	}
}
