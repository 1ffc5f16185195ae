package keyring

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestCopiesShareTheRefresher: so a program that makes a copy and a Signer for
// each request asks no store more often.
func TestCopiesShareTheRefresher(t *testing.T) {
	s := secret.Random(secret.Options{Name: "kept"})
	want := refresherFor(s)
	require.Same(t, want, NewSigner(s, "a").made().refresher)
	require.Same(t, want, NewSealer(s, "b").made().refresher)
	require.Same(t, want, NewSigner(s.With(nil), "a").made().refresher)
	require.Same(t, want, NewSealer(s.With(nil).With(secret.NewMemory(nil)), "a").made().refresher)
	require.NotSame(t, want, NewSigner(secret.Random(secret.Options{Name: "kept"}), "a").made().refresher)
	require.NotSame(t, refresherFor(nil), refresherFor(new(secret.Secret)))
}

// TestRefresherEndsWithItsSecret: a program that declares a secret for each
// tenant and request does not grow.
func TestRefresherEndsWithItsSecret(t *testing.T) {
	gone := func() weak.Pointer[refresher] {
		return weak.Make(NewSigner(secret.Random(secret.Options{Name: "gone"}), "a").made().refresher)
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		return gone.Value() == nil
	}, 10*time.Second, time.Millisecond)
}
