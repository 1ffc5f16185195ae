//go:build unix

package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/layer/rotate"
)

// emulated publishes into a Worker's local secrets store, as Cloudflare's API
// does into the real one. The emulation stores no notes, so emulated keeps them
// itself.
type emulated struct {
	drivertest.MemoryPublisher
	t testing.TB
	w *worker
}

func (e *emulated) Publish(ctx context.Context, items []driver.Item) []error {
	for _, item := range items {
		e.w.put(e.t, item.Name, item.Text.Reveal())
	}
	return e.MemoryPublisher.Publish(ctx, items)
}

// A Worker in workerd reads the published texts of package rotate. No login is
// lost during a whole rotation.
func TestServerReadsWhatRotatePublishes(t *testing.T) {
	ctx := t.Context()
	w := newHarness(t).start(t, program(t, exampleGlue, "examples/worker"), nil)
	key := secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32})
	ledger := &rotate.MemoryLedger{}
	_, _, err := rotate.Commit(ctx, ledger, "", rotate.NewState(rotate.Settings{Window: time.Second, Margin: time.Second}))
	require.NoError(t, err)
	o := &rotate.Operator{Ledger: ledger, Publisher: &emulated{t: t, w: w},
		Spec: secret.NewApp(secret.AppOptions{}).Use(key).Spec()}
	did := func(r rotate.Result, err error) (list []string) {
		require.NoError(t, err)
		require.True(t, r.OK())
		for _, a := range r.Actions {
			list = append(list, string(a.Action)+" "+a.Version)
		}
		return list
	}
	// until runs rotate repeatedly, as cron does, until a run takes the action.
	// Meanwhile it sends requests to the Worker.
	until := func(action string, always func()) {
		deadline := time.Now().Add(30 * time.Second)
		for !slices.Contains(did(o.Rotate(ctx, rotate.RotateOptions{})), action) {
			always()
			require.True(t, time.Now().Before(deadline), "no %s", action)
		}
	}

	require.Equal(t, []string{"create v1"}, did(o.Apply(ctx)))
	old := w.login(t)
	require.Equal(t, "ann, signed by v1", w.signedBy(t, old))
	require.Equal(t, []string{"add v2"}, did(o.Rotate(ctx, rotate.RotateOptions{Now: true})))
	until("flip v2", func() {
		require.Equal(t, "ann, signed by v1", w.signedBy(t, old))
		require.Equal(t, "ann, signed by v1", w.signedBy(t, w.login(t)), "v2 is announced only")
	})
	status, err := o.Status(ctx)
	require.NoError(t, err)
	expires := status.Secrets[0].Versions[0].ExpiresAt
	fresh := w.login(t)
	require.Equal(t, "ann, signed by v2", w.signedBy(t, fresh))
	until("prune v1", func() {
		answer, ended := w.signedBy(t, old), time.Now()
		if ended.Before(expires) {
			require.Equal(t, "ann, signed by v1", answer)
		}
		require.Equal(t, "ann, signed by v2", w.signedBy(t, fresh))
	})
	require.Equal(t, "log in first", w.signedBy(t, old))
	require.Equal(t, "ann, signed by v2", w.signedBy(t, fresh))
}
