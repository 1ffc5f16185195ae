package secrettest_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

// packageKey is like a declaration that another package holds.
var packageKey = secret.Static(secret.Options{Namespace: "billing", Name: "package-key",
	Store: secret.NewMemory(map[string]string{"$SECRET.billing.package-key": "own"})})

func text(t *testing.T, s *secret.Secret) string {
	t.Helper()
	text, err := s.Current().Text()
	require.NoError(t, err)
	return text
}

func TestSetLastsAsLongAsTheTest(t *testing.T) {
	t.Run("inside", func(t *testing.T) {
		store := secrettest.Set(t, packageKey, "one")
		require.True(t, text(t, packageKey) == "one")
		store.Set(packageKey.Binding(), "two")
		require.True(t, text(t, packageKey) == "two")
		t.Run("a subtest may swap again", func(t *testing.T) {
			secrettest.Set(t, packageKey, "three")
			require.True(t, text(t, packageKey) == "three")
		})
		require.True(t, text(t, packageKey) == "two")

		app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(packageKey)
		require.NoError(t, app.Start(context.Background()))
		require.True(t, text(t, packageKey) == "two", "an App reads the swapped store")
		require.NoError(t, app.Close())
	})
	require.True(t, text(t, packageKey) == "own")
}

// stranger is a test of another name that notes whether it was ended.
type stranger struct {
	testing.TB
	name     string
	fatal    bool
	cleanups []func()
}

func (s *stranger) Name() string          { return s.name }
func (s *stranger) Helper()               {}
func (s *stranger) Cleanup(f func())      { s.cleanups = append(s.cleanups, f) }
func (s *stranger) Fatalf(string, ...any) { s.fatal = true; runtime.Goexit() }

// run calls f as a test would be, and its cleanups after it.
func (s *stranger) run(f func(testing.TB)) {
	var done sync.WaitGroup
	done.Go(func() {
		defer func() {
			for i := len(s.cleanups) - 1; i >= 0; i-- {
				s.cleanups[i]()
			}
		}()
		f(s)
	})
	done.Wait()
}

func TestTwoTestsAtOnceAreTold(t *testing.T) {
	secrettest.Set(t, packageKey, "mine")
	other := &stranger{TB: t, name: "TestOther"}
	other.run(func(t testing.TB) { secrettest.Set(t, packageKey, "theirs") })
	require.True(t, other.fatal)
	require.True(t, text(t, packageKey) == "mine")
}

func TestRunningAppIsNotSwappedAway(t *testing.T) {
	s := packageKey.With(secret.NewMemory(map[string]string{packageKey.Binding(): "own"}))
	app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(s)
	require.NoError(t, app.Start(context.Background()))
	defer app.Close()
	late := &stranger{TB: t, name: "TestLate"}
	late.run(func(t testing.TB) { secrettest.Set(t, s, "theirs") })
	require.True(t, late.fatal)
	require.True(t, text(t, s) == "own")

	require.NoError(t, app.Close())
	again := &stranger{TB: t, name: "TestAgain"}
	again.run(func(t testing.TB) { secrettest.Set(t, s, "theirs") })
	require.False(t, again.fatal, "a closed App holds nothing, and a test that was ended left nothing behind")
}
