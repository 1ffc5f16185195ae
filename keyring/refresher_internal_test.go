package keyring

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestAskingsEndWithTheirSecrets: a program that makes a Signer for each tenant and request does not grow.
func TestAskingsEndWithTheirSecrets(t *testing.T) {
	count := func() int {
		refreshers.Lock()
		defer refreshers.Unlock()
		return len(refreshers.of)
	}
	before := count()
	kept := secret.Random(secret.Options{Name: "kept"})
	require.Same(t, refresherFor(kept), NewSigner(kept, "a").made().refresher)
	require.Same(t, refresherFor(kept), NewSealer(kept, "b").made().refresher)
	for range 1000 {
		NewSigner(kept.With(nil), "session")
	}
	require.Greater(t, count(), before+1)
	require.Eventually(t, func() bool {
		runtime.GC()
		return count() <= before+1
	}, 10*time.Second, time.Millisecond)
	require.Same(t, refresherFor(kept), NewSigner(kept, "c").made().refresher)
	runtime.KeepAlive(kept)
}
