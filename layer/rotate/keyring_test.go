//go:build unix

package rotate_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/keyring"
	"github.com/layeron-hq/secret/layer/rotate"
)

// propagation publishes into memory, and records the times: readers see an
// earlier state.
type propagation struct {
	drivertest.MemoryPublisher
	mu   sync.Mutex
	past []publication
}

type publication struct {
	at   time.Time
	text string
}

func (p *propagation) Publish(ctx context.Context, items []driver.Item) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, item := range items {
		p.past = append(p.past, publication{time.Now(), item.Text.Reveal()})
	}
	return p.MemoryPublisher.Publish(ctx, items)
}

// behind is the store as a reader with this delay sees it.
type behind struct {
	p   *propagation
	lag time.Duration
}

func (b behind) Get(_ context.Context, addr secret.Address) (string, error) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	text := b.p.past[0].text
	for _, one := range b.p.past {
		if !one.at.After(time.Now().Add(-b.lag)) {
			text = one.text
		}
	}
	return text, nil
}

// TestThroughRotationsByRotate rotates with package rotate every week.
// Meanwhile programs up to three quarters of the window behind sign, verify,
// seal and open. Every program accepts at once the output of every other one,
// and no program accepts the output of a version after its end.
func TestThroughRotationsByRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		declare := func() *secret.Secret {
			return secret.Random(secret.Options{Namespace: "auth", Name: "session-key",
				Rotation: &secret.Rotation{EveryDays: 7}})
		}
		published, ledger := &propagation{}, &rotate.MemoryLedger{}
		_, _, err := rotate.Commit(ctx, ledger, "", rotate.NewState(rotate.Settings{}))
		require.NoError(t, err)
		operator := &rotate.Operator{Ledger: ledger, Publisher: published,
			Spec: secret.NewApp(secret.AppOptions{}).Use(declare()).Spec()}
		run := func(how rotate.RotateOptions) {
			r, err := operator.Rotate(ctx, how)
			require.NoError(t, err)
			require.True(t, r.OK())
		}
		run(rotate.RotateOptions{})

		type program struct {
			tokens  *keyring.Signer
			records *keyring.Sealer
			key     *secret.Secret
		}
		start := func(lag, refresh time.Duration) program {
			key := declare()
			app := secret.NewApp(secret.AppOptions{Store: behind{published, lag}, Refresh: refresh,
				Logger: slog.New(slog.DiscardHandler)}).Use(key)
			require.NoError(t, app.Start(ctx))
			t.Cleanup(func() { _ = app.Close() })
			return program{keyring.NewSigner(key, "session cookie"), keyring.NewSealer(key, "record"), key}
		}
		var programs []program
		for _, lag := range []time.Duration{0, 6 * time.Hour, 17 * time.Hour} {
			programs = append(programs, start(lag, time.Hour))
		}
		type made struct {
			by            int
			token, sealed string
		}
		versions := map[string]made{} // the last output of each version
		refused := 0
		for range 20 * 24 {
			for by, p := range programs {
				token, err := p.tokens.Sign([]byte("ann"), time.Time{})
				require.NoError(t, err)
				sealed, err := p.records.Seal([]byte("text"), nil)
				require.NoError(t, err)
				current, err := p.key.Current().Get(ctx)
				require.NoError(t, err)
				versions[current.ID] = made{by, token, string(sealed)}
				for _, other := range programs {
					_, err := other.tokens.Verify(ctx, token)
					require.NoError(t, err, "%s at %v", current.ID, time.Now())
					_, err = other.records.Open(ctx, sealed, nil)
					require.NoError(t, err)
				}
			}
			for id, one := range versions {
				for _, p := range programs {
					v, err := p.key.Version(id).Get(ctx)
					ended := err != nil || !v.ExpiresAt.IsZero() && !time.Now().Before(v.ExpiresAt)
					_, err = p.tokens.Verify(ctx, one.token)
					require.Equal(t, ended, err != nil, "%s at %v", id, time.Now())
					if ended {
						refused++
					}
				}
			}
			time.Sleep(time.Hour)
			run(rotate.RotateOptions{})
		}
		require.GreaterOrEqual(t, len(versions), 3, "two rotations")
		require.NotZero(t, refused)

		// A leaked key: a program that may ask the store accepts the new version at
		// once, any other after ten seconds.
		here, there := start(0, -1), start(0, -1)
		run(rotate.RotateOptions{Immediate: true})
		require.NoError(t, here.key.Refresh(ctx))
		token, err := here.tokens.Sign([]byte("ann"), time.Time{})
		require.NoError(t, err)
		_, err = there.tokens.Verify(ctx, token)
		require.NoError(t, err)
		run(rotate.RotateOptions{Immediate: true})
		require.NoError(t, here.key.Refresh(ctx))
		token, err = here.tokens.Sign([]byte("ann"), time.Time{})
		require.NoError(t, err)
		_, err = there.tokens.Verify(ctx, token)
		require.ErrorIs(t, err, keyring.ErrInvalidToken, "it has asked just now")
		time.Sleep(10 * time.Second)
		_, err = there.tokens.Verify(ctx, token)
		require.NoError(t, err)
	})
}
