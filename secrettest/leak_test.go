package secrettest_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
	"github.com/layeron-hq/secret/secrettest"
)

// leakKey is like a declaration of the program under test.
var leakKey = secret.Static(secret.Options{Namespace: "leak", Name: "key",
	Store: secret.NewMemory(map[string]string{"$SECRET.leak.key": "own"})})

var quiet = secret.AppOptions{Refresh: -1, Logger: slog.New(slog.DiscardHandler)}

// TestNextTestReadsNothingOfAnApp: a test that swaps its secrets leaves no
// document behind, and its App may do anything.
func TestNextTestReadsNothingOfAnApp(t *testing.T) {
	started := func(t *testing.T) *secret.App {
		app := secret.NewApp(quiet).Use(leakKey)
		require.NoError(t, app.Start(t.Context()))
		return app
	}
	for name, run := range map[string]func(t *testing.T){
		"closed": func(t *testing.T) {
			secrettest.Set(t, leakKey, "of the test")
			defer started(t).Close()
		},
		"closed in a cleanup": func(t *testing.T) {
			secrettest.Set(t, leakKey, "of the test")
			app := started(t)
			t.Cleanup(func() { require.NoError(t, app.Close()) })
		},
		"closed after the swap has ended": func(t *testing.T) {
			var app *secret.App
			t.Cleanup(func() { require.NoError(t, app.Close()) })
			secrettest.Set(t, leakKey, "of the test")
			app = started(t)
		},
		"never closed": func(t *testing.T) {
			secrettest.Set(t, leakKey, "of the test")
			started(t)
		},
		"read before Start": func(t *testing.T) {
			secrettest.Set(t, leakKey, "of the test")
			secret.NewApp(quiet).Use(leakKey)
		},
		"swapped twice": func(t *testing.T) {
			secrettest.Set(t, leakKey, "first")
			require.NoError(t, started(t).Close())
			secrettest.Set(t, leakKey, "of the test")
			defer started(t).Close()
		},
		"in a subtest": func(t *testing.T) {
			secrettest.Set(t, leakKey, "of the test")
			require.NoError(t, started(t).Close())
			t.Run("sub", func(t *testing.T) {
				secrettest.Set(t, leakKey, "of the subtest")
				defer started(t).Close()
				require.Equal(t, "of the subtest", text(t, leakKey))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("a test", func(t *testing.T) {
				run(t)
				require.Equal(t, "of the test", text(t, leakKey))
			})
			t.Run("the next test", func(t *testing.T) {
				require.Equal(t, "own", text(t, leakKey))
				app := secret.NewApp(quiet).Use(leakKey)
				require.Equal(t, "own", text(t, leakKey))
				require.NoError(t, app.Close())
			})
			t.Run("a test that swaps", func(t *testing.T) {
				secrettest.Set(t, leakKey, "of this test")
				require.Equal(t, "of this test", text(t, leakKey))
			})
		})
	}
}

// TestSwapEndsWhatAnotherTestLeft: an App of a test that does not swap leaves
// its last document, as in a program that shuts down. The next swap ends that.
func TestSwapEndsWhatAnotherTestLeft(t *testing.T) {
	theirs := secret.NewMemory(map[string]string{"$SECRET.leak.other": "of an App"})
	key := secret.Static(secret.Options{Namespace: "leak", Name: "other"})
	t.Setenv(key.Binding(), "own")
	for name, start := range map[string]bool{"started": true, "never started": false} {
		t.Run(name, func(t *testing.T) {
			o := quiet
			o.Store = theirs
			app := secret.NewApp(o).Use(key)
			if start {
				require.NoError(t, app.Start(t.Context()))
			}
			require.Equal(t, "of an App", text(t, key))
			require.NoError(t, app.Close())
			require.Equal(t, "of an App", text(t, key))
			t.Run("swap", func(t *testing.T) {
				secrettest.Swap(t, nil, key)
				require.Equal(t, "own", text(t, key))
			})
			require.Equal(t, "own", text(t, key))
			t.Setenv(key.Binding(), "changed")
			require.Equal(t, "changed", text(t, key))
		})
	}
	t.Run("an App that is open keeps its secret", func(t *testing.T) {
		o := quiet
		o.Store = theirs
		app := secret.NewApp(o).Use(key)
		defer app.Close()
		t.Run("swap", func(t *testing.T) { secrettest.Set(t, key, "of the test") })
		require.Equal(t, "of an App", text(t, key))
	})
}

// leakSession and leakTokens are declared by the program under test.
var (
	leakSession = secret.Random(secret.Options{Namespace: "leak", Name: "session", Bytes: 32, Encoding: secret.EncodingRaw})
	leakTokens  = keyring.NewSigner(leakSession, "session")
)

// TestNextTestAsksTheStoreAnew: package keyring asks for an unknown version
// once in ten seconds. A swap begins that anew, also in another bubble, whose
// clock shows the same time.
func TestNextTestAsksTheStoreAnew(t *testing.T) {
	for _, name := range []string{"a test", "the next test"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := secrettest.Set(t, leakSession, "0123456789abcdef0123456789abcdef")
				app := secret.NewApp(quiet).Use(leakSession)
				require.NoError(t, app.Start(t.Context()))
				defer app.Close()
				secrettest.Announce(t, store, leakSession, "another-456789abcdef0123456789ab", time.Now())
				v, err := keyring.Find(t.Context(), leakSession, "v2")
				require.NoError(t, err)
				require.Equal(t, "v2", v.ID)
				_, err = leakTokens.Verify(t.Context(), "v1.no.token")
				require.ErrorIs(t, err, keyring.ErrInvalidToken)
			})
		})
	}
}

// leakCopied is read through copies only.
var leakCopied = secret.Static(secret.Options{Namespace: "leak", Name: "copied"})

// TestCopiesInTwoBubbles share the limit, and no channel of a bubble.
func TestCopiesInTwoBubbles(t *testing.T) {
	for _, name := range []string{"a test", "the next test"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := leakCopied.With(secret.NewMemory(map[string]string{"$SECRET.leak.copied": "one"}))
				_, err := keyring.Find(t.Context(), key, "v2")
				require.ErrorIs(t, err, keyring.ErrInvalidToken)
				time.Sleep(time.Second)
			})
		})
	}
}
