package keyring_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// slowly makes every load of the store take so long.
func slowly(store *counted, d time.Duration) { store.takes.Store(int64(d)) }

// TestOneLoadServesConcurrentLogins: after a rotation at once, two hundred
// users bring a version that this machine has not read.
func TestOneLoadServesConcurrentLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		slowly(store, time.Second)
		began := store.gets.Load()
		token := tokenOf(rawKey(2), "session cookie", "v2", 0, "ann")
		sealed := sealedOf(t, rawKey(2), "record", "v2", make([]byte, 24), nil, nil)
		start := time.Now()
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if i%2 == 0 {
					_, err := m.tokens.Verify(ctx, token)
					requireNil(t, err)
				} else {
					_, err := m.records.Open(ctx, sealed, nil)
					requireNil(t, err)
				}
			})
		}
		all.Wait()
		require.Equal(t, time.Second, time.Since(start), "all have waited for the same load")
		require.Equal(t, began+1, store.gets.Load())
	})
}

// requireNil is for goroutines, which must not end the test.
func requireNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestCallerThatLeavesEndsNoLoad: not the first one, which began it, nor one
// that joined; the others get its answer.
func TestCallerThatLeavesEndsNoLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		slowly(store, 5*time.Second)
		began := store.gets.Load()
		token := tokenOf(rawKey(2), "session cookie", "v2", 0, "ann")
		leaving := errors.New("the user has left")
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				bounded, cancel := context.WithTimeoutCause(ctx, 100*time.Millisecond, leaving)
				defer cancel()
				start := time.Now()
				_, err := m.tokens.Verify(bounded, token)
				if time.Since(start) != 100*time.Millisecond || !errors.Is(err, keyring.ErrInvalidToken) ||
					!errors.Is(err, leaving) || !errors.Is(err, context.DeadlineExceeded) {
					t.Error(time.Since(start), err)
				}
			})
			all.Go(func() {
				time.Sleep(time.Duration(i)*time.Second + time.Millisecond)
				_, err := m.tokens.Verify(ctx, token)
				requireNil(t, err)
			})
		}
		start := time.Now()
		all.Wait()
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Equal(t, began+1, store.gets.Load())
	})
}

// TestForgedIDsBlockNoOther: while made-up ids wait for a store that hangs,
// callers with a known version do not wait, and those with a new one wait for
// the same load. A second unknown id begins no load of its own.
func TestForgedIDsBlockNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		slowly(store, 4*time.Second)
		began := store.gets.Load()
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				_, err := m.tokens.Verify(ctx, tokenOf(rawKey(1), "session cookie", "v"+strconv.Itoa(i+9), 0, ""))
				if !errors.Is(err, keyring.ErrInvalidToken) || !errors.Is(err, secret.ErrVersionNotFound) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		_, err := m.tokens.Verify(ctx, tokenOf(rawKey(1), "session cookie", "v1", 0, ""))
		require.NoError(t, err)
		_, err = m.tokens.Sign(nil, time.Time{})
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		_, err = m.tokens.Verify(ctx, tokenOf(rawKey(2), "session cookie", "v2", 0, ""))
		require.NoError(t, err)
		require.Equal(t, 4*time.Second, time.Since(start))
		all.Wait()
		require.Equal(t, 4*time.Second, time.Since(start))

		_, err = m.tokens.Verify(ctx, tokenOf(rawKey(1), "session cookie", "v8", 0, ""))
		require.ErrorIs(t, err, secret.ErrVersionNotFound)
		require.Equal(t, 4*time.Second, time.Since(start), "refused at once until the ten seconds are over")
		require.Equal(t, began+1, store.gets.Load())
	})
}

// TestForgedIDsAskOnceInTenSeconds: for ten minutes, under stores that are
// quick, slow, hang, and ignore their context.
func TestForgedIDsAskOnceInTenSeconds(t *testing.T) {
	for name, takes := range map[string]time.Duration{"quick": 0, "slow": 7 * time.Second,
		"longer than a load may take": 25 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, _ := newStore("current=v1;v1=" + hexKey(1))
				m := newMachine(t, store, -1)
				defer m.app.Close()
				slowly(store, takes)
				began := store.gets.Load()
				var all sync.WaitGroup
				for i := range 1_200 {
					all.Go(func() {
						time.Sleep(time.Duration(i) * time.Second / 2)
						_, err := m.tokens.Verify(ctx, tokenOf(rawKey(1), "session cookie", "v"+strconv.Itoa(i+2), 0, ""))
						if !errors.Is(err, secret.ErrVersionNotFound) {
							t.Error(err)
						}
					})
				}
				all.Wait()
				require.LessOrEqual(t, store.gets.Load()-began, int64(60))
				require.GreaterOrEqual(t, store.gets.Load()-began, int64(20), "and it is asked again")
			})
		})
	}
}

// TestCopiesShareTheTenSeconds: a secret, its copies by With, and the Apps that
// hold them; also while the load of one is under way.
func TestCopiesShareTheTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, texts := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		texts.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		token := tokenOf(rawKey(2), "session cookie", "v2", 0, "ann")
		copied, copies := newStore("current=v1;v1=" + hexKey(1))
		other := m.secret.With(copied)
		app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(other)
		defer app.Close()
		require.NoError(t, app.Start(ctx))
		copies.Set("$SECRET.auth.session-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
		tokens := keyring.NewSigner(other, "session cookie")
		began, begun := store.gets.Load(), copied.gets.Load()

		slowly(store, time.Second)
		var refusals atomic.Int64
		var all sync.WaitGroup
		all.Go(func() {
			_, err := m.tokens.Verify(ctx, token)
			requireNil(t, err)
		})
		synctest.Wait()
		for range 10 {
			all.Go(func() {
				if _, err := tokens.Verify(ctx, token); errors.Is(err, secret.ErrVersionNotFound) {
					refusals.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 10, refusals.Load())
		require.Equal(t, began+1, store.gets.Load())
		require.Equal(t, begun, copied.gets.Load(), "the load of the original is the only one")

		time.Sleep(9 * time.Second)
		_, err := tokens.Verify(ctx, token)
		require.NoError(t, err)
		require.Equal(t, began+1, store.gets.Load())
		require.Equal(t, begun+1, copied.gets.Load())
	})
}

// TestPanickingStoreRefusesTheToken: the refusal says so, and the program goes
// on.
func TestPanickingStoreRefusesTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := newStore("current=v1;v1=" + hexKey(1))
		m := newMachine(t, store, -1)
		defer m.app.Close()
		store.panics.Store(true)
		_, err := m.tokens.Verify(ctx, tokenOf(rawKey(2), "session cookie", "v2", 0, ""))
		require.ErrorIs(t, err, keyring.ErrInvalidToken)
		require.ErrorContains(t, err, "the store panicked")
		require.NotContains(t, err.Error(), hexKey(1))
		_, err = m.tokens.Verify(ctx, tokenOf(rawKey(1), "session cookie", "v1", 0, ""))
		require.NoError(t, err)
	})
}
