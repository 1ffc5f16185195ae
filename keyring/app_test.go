package keyring_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
	"github.com/layeron-hq/secret/secrettest"
)

// counted counts the reads of a store that reports no changes. It can be slow,
// hang and panic.
type counted struct {
	store  *secret.Memory
	gets   atomic.Int64
	hangs  atomic.Bool
	takes  atomic.Int64 // nanoseconds; the context plays no part
	panics atomic.Bool
}

func (c *counted) Get(ctx context.Context, a secret.Address) (string, error) {
	c.gets.Add(1)
	if takes := c.takes.Load(); takes > 0 {
		time.Sleep(time.Duration(takes))
	}
	if c.panics.Load() {
		text, _ := c.store.Get(ctx, a)
		panic(text)
	}
	if c.hangs.Load() {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return c.store.Get(ctx, a)
}

// machine is a program with a copy of its own of one secret.
type machine struct {
	secret  *secret.Secret
	app     *secret.App
	tokens  *keyring.Signer
	records *keyring.Sealer
}

func newMachine(t testing.TB, store secret.Store, refresh time.Duration) machine {
	t.Helper()
	s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: refresh, Logger: slog.New(slog.DiscardHandler)}).Use(s)
	require.NoError(t, app.Start(ctx))
	return machine{s, app, keyring.NewSigner(s, "session cookie"), keyring.NewSealer(s, "record")}
}

func newStore(text string) (*counted, *secret.Memory) {
	m := secret.NewMemory(map[string]string{"$SECRET.auth.session-key": text})
	return &counted{store: m}, m
}

// TestThroughTwoRotations has three machines: one refreshes every second, one
// every ten minutes, and one only on request. In every hour of two rotations
// each signs and seals, and each reads the tokens and texts that all have made
// so far.
func TestThroughTwoRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		var machines []machine
		for _, refresh := range []time.Duration{time.Second, 10 * time.Minute, -1} {
			m := newMachine(t, store, refresh)
			defer m.app.Close()
			machines = append(machines, m)
		}
		operator := machines[0].secret
		const window, overlap, life = 2 * time.Hour, 12 * time.Hour, 6 * time.Hour
		type made struct {
			token, sealed string
			by            string
			until         time.Time
		}
		var all []made
		accepted, refused := map[string]int{}, map[string]int{}
		ends := map[string]time.Time{} // of the versions that have been replaced
		hour := func() {
			for _, m := range machines {
				until := time.Now().Add(life)
				token, err := m.tokens.Sign([]byte("ann"), until)
				require.NoError(t, err)
				sealed, err := m.records.SealText([]byte("ann"), nil)
				require.NoError(t, err)
				v, err := m.secret.Current().Get(ctx)
				require.NoError(t, err)
				all = append(all, made{token, sealed, v.ID, until})
			}
			for _, x := range all {
				end, replaced := ends[x.by]
				good := time.Now().Before(x.until) && (!replaced || time.Now().Before(end))
				for i, m := range machines[:2] {
					payload, err := m.tokens.Verify(ctx, x.token)
					if good {
						require.NoError(t, err, "machine %d, %s", i, x.by)
						require.Equal(t, "ann", string(payload))
						accepted[x.by]++
					} else {
						require.ErrorIs(t, err, keyring.ErrInvalidToken, "machine %d, %s", i, x.by)
						refused[x.by]++
					}
					_, err = m.records.OpenText(ctx, x.sealed, nil)
					require.NoError(t, err)
				}
				// The one that never looks by itself finds the new versions all the same, and
				// knows of no end.
				if good {
					_, err := machines[2].tokens.Verify(ctx, x.token)
					require.NoError(t, err, x.by)
				}
				_, err := machines[2].records.OpenText(ctx, x.sealed, nil)
				require.NoError(t, err, x.by)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		for rotation := range 2 {
			for range 3 {
				hour()
			}
			old := "v" + strconv.Itoa(rotation+1)
			secrettest.Announce(t, texts, operator, hexKey(byte(rotation+2)), time.Now().Add(window))
			hour()
			hour()
			secrettest.Flip(t, texts, operator, overlap)
			ends[old] = time.Now().Add(overlap)
			hour() // machine 1 has not looked yet, and signs with the old one
			require.True(t, machines[0].tokens.Stale(all[0].token))
			for range 20 {
				hour()
			}
		}
		for id, n := range map[string]int{"v1": 1, "v2": 1, "v3": 1} {
			require.GreaterOrEqual(t, accepted[id], n, id)
		}
		require.Positive(t, refused["v1"])
		require.Positive(t, refused["v2"])
	})
}

// TestAskedForAVersion: a version that `--immediate` makes current at once is
// accepted at once, and at the latest ten seconds after another refresh.
func TestAskedForAVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		other := keyring.NewSealer(m.secret, "record")
		began := store.gets.Load()

		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		v2 := tokenOf(rawKey(2), "session cookie", "v2", 0, "ann")
		_, err := m.tokens.Verify(ctx, v2)
		require.NoError(t, err)
		require.Equal(t, began+1, store.gets.Load())
		fresh, err := m.tokens.Sign(nil, time.Time{})
		require.NoError(t, err)
		require.Contains(t, fresh, "s1.v2.", "and new work is done with it")

		texts.Set("$SECRET.auth.session-key", "current=v3;v2="+hexKey(2)+";v3="+hexKey(3))
		v3 := sealedOf(t, rawKey(3), "record", "v3", make([]byte, 24), nil, nil)
		time.Sleep(10*time.Second - 1)
		_, err = other.Open(ctx, v3, nil)
		require.ErrorIs(t, err, keyring.ErrOpen)
		require.ErrorIs(t, err, secret.ErrVersionNotFound)
		require.Equal(t, began+1, store.gets.Load(), "all of a secret's take turns")
		time.Sleep(time.Nanosecond)
		_, err = other.Open(ctx, v3, nil)
		require.NoError(t, err)
		require.Equal(t, began+2, store.gets.Load())
	})
}

// TestMadeUpIDs: made-up ids put no load on the store.
func TestMadeUpIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		began := store.gets.Load()
		var all sync.WaitGroup
		for i := range 10_000 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 999 * time.Microsecond) // 9.99 s
				_, err := m.tokens.Verify(ctx, tokenOf(rawKey(1), "session cookie", "v"+strconv.Itoa(i+2), 0, ""))
				if !errors.Is(err, keyring.ErrInvalidToken) || !errors.Is(err, secret.ErrVersionNotFound) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Equal(t, began+1, store.gets.Load())

		// A malformed text never causes a request to the store, however long ago the
		// last one was.
		time.Sleep(time.Minute)
		good := tokenOf(rawKey(1), "session cookie", "v9", 0, "")
		for _, token := range []string{"", "s1.v9", "s1.v9..", good + "\n", good[:len(good)-1], good[:len(good)-1] + "!",
			"s1.v.9" + good[5:]} {
			_, err := m.tokens.Verify(ctx, token)
			require.ErrorIs(t, err, keyring.ErrInvalidToken)
		}
		sealed := sealedOf(t, rawKey(1), "record", "v9", make([]byte, 24), nil, nil)
		for _, text := range []string{"", encode(sealed) + "=", encode(sealed[:len(sealed)-1])} {
			_, err := m.records.OpenText(ctx, text, nil)
			require.ErrorIs(t, err, keyring.ErrOpen)
		}
		require.False(t, m.tokens.Stale(good))
		require.Equal(t, began+1, store.gets.Load())
	})
}

// TestCallersWaitForTheirContextAtMost: those with an unknown version wait for
// a store that hangs no longer than their context and the ten seconds of the
// load; the others do not wait.
func TestCallersWaitForTheirContextAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		store.hangs.Store(true)
		unknown := tokenOf(rawKey(2), "session cookie", "v2", 0, "")
		known := tokenOf(rawKey(1), "session cookie", "v1", 0, "")
		began := store.gets.Load()
		waits := func(ctx context.Context, want time.Duration, reasons ...error) {
			t.Helper()
			start := time.Now()
			_, err := m.tokens.Verify(ctx, unknown)
			require.Equal(t, want, time.Since(start))
			for _, reason := range append(reasons, keyring.ErrInvalidToken, secret.ErrVersionNotFound) {
				require.ErrorIs(t, err, reason)
			}
		}
		gone, leave := context.WithCancel(ctx)
		leave()
		waits(gone, 0, context.Canceled)
		require.Equal(t, began, store.gets.Load(), "who has left does not take the turn")

		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		waits(soon, time.Second, context.DeadlineExceeded)
		waits(ctx, 9*time.Second, context.DeadlineExceeded)
		_, err := m.tokens.Verify(ctx, known)
		require.NoError(t, err)
		_, err = m.tokens.Sign(nil, time.Time{})
		require.NoError(t, err)
		require.Equal(t, began+1, store.gets.Load())

		time.Sleep(time.Millisecond) // the load that hung has ended
		waits(ctx, 10*time.Second, context.DeadlineExceeded)
		require.Equal(t, began+2, store.gets.Load())
		time.Sleep(time.Second)
	})
}

// TestTenSecondsAreEnough: an App whose loads may take longer does not make a
// caller wait longer.
func TestTenSecondsAreEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newStore("current=v1;v1=" + hexKey(1))
		s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})
		app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Timeout: time.Hour,
			Logger: slog.New(slog.DiscardHandler)}).Use(s)
		require.NoError(t, app.Start(ctx))
		defer app.Close()
		store.hangs.Store(true)
		start := time.Now()
		_, err := keyring.NewSigner(s, "p").Verify(ctx, tokenOf(rawKey(2), "p", "v2", 0, ""))
		require.ErrorIs(t, err, keyring.ErrInvalidToken)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// TestFailedLoadIsJoined: the refusal says why the store could not be asked,
// also to those who come within the ten seconds.
func TestFailedLoadIsJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		down := errors.New("the store is down")
		texts.Fail(down)
		unknown := tokenOf(rawKey(2), "session cookie", "v2", 0, "")
		began := store.gets.Load()
		for range 3 {
			_, err := m.tokens.Verify(ctx, unknown)
			require.ErrorIs(t, err, keyring.ErrInvalidToken)
			require.ErrorIs(t, err, secret.ErrVersionNotFound)
			require.ErrorIs(t, err, down)
		}
		require.Equal(t, began+1, store.gets.Load(), "failures count")
		texts.Fail(nil)
		texts.Set("$SECRET.auth.session-key", "current=v2;v2="+hexKey(2))
		time.Sleep(10 * time.Second)
		_, err := m.tokens.Verify(ctx, unknown)
		require.NoError(t, err)
	})
}

// TestWithoutAnApp: the store is asked with each call, and each call that takes
// no context gives it ten seconds.
func TestWithoutAnApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newStore("current=v1;v1=" + hexKey(1))
		s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"}).With(store)
		tokens, records := keyring.NewSigner(s, "p"), keyring.NewSealer(s, "p")
		token, err := tokens.Sign(nil, time.Time{})
		require.NoError(t, err)
		store.hangs.Store(true)
		for name, call := range map[string]func() error{
			"sign": func() error { _, err := tokens.Sign(nil, time.Time{}); return err },
			"seal": func() error { _, err := records.Seal(nil, nil); return err },
			"hmac": func() error { return keyring.VerifyHMAC(s, nil, nil) },
			"stale": func() error {
				require.False(t, tokens.Stale(token))
				return context.DeadlineExceeded
			},
		} {
			start := time.Now()
			require.ErrorIs(t, call(), context.DeadlineExceeded, name)
			require.Equal(t, 10*time.Second, time.Since(start), name)
		}
	})
}

// meanwhile is a store in which something happens between a read and its
// return.
type meanwhile struct {
	text string
	then func()
}

func (m *meanwhile) Get(context.Context, secret.Address) (string, error) {
	text, then := m.text, m.then
	m.then = nil
	if then != nil {
		then()
	}
	return text, nil
}

// TestAnswerOfSomebodyElse: a caller that misses a version looks again if
// another caller has refreshed since.
func TestAnswerOfSomebodyElse(t *testing.T) {
	store := &meanwhile{text: "current=v1;v1=" + hexKey(1)}
	s := secret.Random(secret.Options{Name: "k"}).With(store)
	tokens := keyring.NewSigner(s, "p")
	store.then = func() {
		_, err := tokens.Verify(ctx, tokenOf(rawKey(9), "p", "v9", 0, "")) // takes the turn
		require.ErrorIs(t, err, secret.ErrVersionNotFound)
		store.text = "current=v2;v1=" + hexKey(1) + ";v2=" + hexKey(2)
	}
	_, err := tokens.Verify(ctx, tokenOf(rawKey(2), "p", "v2", 0, ""))
	require.NoError(t, err)
	require.Nil(t, store.then)
}
