package secret_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// Each change is one Change, however many events and hints it causes.
func TestDirWatchReportsAChangeOnce(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			m := newMount(t, way.begin)
			synctest.Test(t, func(t *testing.T) {
				app := secret.NewApp(secret.AppOptions{Store: secret.Dir(m.path), Refresh: time.Hour, Logger: silence}).
					Use(sessionKey(nil))
				heard := &told{}
				app.OnChange(heard.hear)
				requireStart(t, app)
				for i, text := range []string{"other", "third", "forth"} {
					time.Sleep(2 * time.Second)
					way.set(m, text)
					time.Sleep(2 * time.Second)
					synctest.Wait()
					require.Len(t, heard.all(), i+1)
				}
				time.Sleep(2 * time.Minute)
				require.Len(t, heard.all(), 3)
			})
		})
	}
}

// A Dir is followed wherever a store may be given.
func TestDirWatchInOtherStores(t *testing.T) {
	for name, store := range map[string]func(*mount) secret.Store{
		"alone":             func(m *mount) secret.Store { return secret.Dir(m.path) },
		"a slash":           func(m *mount) secret.Store { return secret.Dir(m.path + "/") },
		"after Env":         func(m *mount) secret.Store { return secret.Chain(secret.Env(), secret.Dir(m.path)) },
		"after a Dir":       func(m *mount) secret.Store { return secret.Chain(secret.Dir(m.at("none")), secret.Dir(m.path)) },
		"before a Dir":      func(m *mount) secret.Store { return secret.Chain(secret.Dir(m.path), secret.Dir(m.at("none"))) },
		"twice":             func(m *mount) secret.Store { return secret.Chain(secret.Dir(m.path), secret.Dir(m.path)) },
		"in two Chains":     func(m *mount) secret.Store { return secret.Chain(secret.Chain(secret.Dir(m.path))) },
		"relative to a dot": func(m *mount) secret.Store { return secret.Dir(filepath.Dir(m.path) + "/./mount") },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMount(t, nil)
			synctest.Test(t, func(t *testing.T) {
				one, two := sessionKey(store(m)), sessionKey(nil).With(store(m))
				requireStart(t, secret.NewApp(secret.AppOptions{Refresh: time.Minute, MaxStale: 2 * time.Minute, Logger: silence}).Use(one))
				requireStart(t, secret.NewApp(secret.AppOptions{Refresh: time.Hour, Logger: silence}).Use(two))
				for _, text := range []string{"other", "third"} {
					m.replace(text)
					time.Sleep(soon(false))
					synctest.Wait()
					requireRead(t, text, one)
					requireRead(t, text, two)
					time.Sleep(3 * time.Minute)
				}
				requireRead(t, "third", one)
			})
		})
	}
}

// A file in the first folder hides that in the second one, as soon as it is
// there, and until it is gone.
func TestDirWatchOfAnOverride(t *testing.T) {
	m := newMount(t, nil)
	synctest.Test(t, func(t *testing.T) {
		first := m.at("overrides")
		s := sessionKey(nil)
		requireStart(t, secret.NewApp(secret.AppOptions{Store: secret.Chain(secret.Dir(first), secret.Dir(m.path)),
			Refresh: time.Hour, Logger: silence}).Use(s))
		follow := func(want string) {
			t.Helper()
			time.Sleep(soon(false))
			synctest.Wait()
			requireRead(t, want, s)
		}
		time.Sleep(time.Second)
		write(t, filepath.Join(first, authBinding), "override")
		follow("override")
		m.replace("other")
		follow("override")
		require.NoError(t, os.Remove(filepath.Join(first, authBinding)))
		follow("other")
		write(t, filepath.Join(first, authBinding), "again")
		follow("again")
		require.NoError(t, os.RemoveAll(first))
		follow("other")
	})
}

// What is followed is in the cache: a Start without the folder returns it.
func TestDirWatchFillsTheCache(t *testing.T) {
	m := newMount(t, nil)
	options := secret.AppOptions{Store: secret.Dir(m.path), Refresh: time.Hour, Logger: silence,
		Cache: secret.DirCache(filepath.Join(t.TempDir(), "cache"))}
	synctest.Test(t, func(t *testing.T) {
		app := secret.NewApp(options).Use(sessionKey(nil))
		requireStart(t, app)
		m.replace("other")
		time.Sleep(soon(false))
		synctest.Wait()
		require.NoError(t, app.Close())
		require.NoError(t, os.Chmod(m.path, 0))
		require.NoError(t, os.Rename(m.path, m.at("away")))
		write(t, m.path, "no folder")
		s := sessionKey(nil)
		requireStart(t, secret.NewApp(options).Use(s))
		requireRead(t, "other", s)
		require.NoError(t, os.Remove(m.path))
		require.NoError(t, os.Chmod(m.at("away"), 0o700))
		write(t, filepath.Join(m.at("away"), authBinding), "third")
		m.rename(m.at("away"), m.path)
		time.Sleep(soon(false))
		synctest.Wait()
		requireRead(t, "third", s)
	})
}

func TestDirIsNotWatchedWithANegativeRefresh(t *testing.T) {
	m := newMount(t, nil)
	synctest.Test(t, func(t *testing.T) {
		s := sessionKey(nil)
		app := secret.NewApp(secret.AppOptions{Store: secret.Dir(m.path), Refresh: -1, Logger: silence}).Use(s)
		requireStart(t, app)
		m.replace("other")
		time.Sleep(time.Hour)
		requireRead(t, "first", s)
		require.NoError(t, app.Refresh(t.Context()))
		requireRead(t, "other", s)
	})
}
