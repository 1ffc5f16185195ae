package secret_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// mount is a folder that a program writes secrets to, in its own way.
type mount struct {
	t    *testing.T
	path string // as given to Dir
	file string // of the secret
	held *os.File
}

func (m *mount) at(name string) string { return filepath.Join(filepath.Dir(m.path), name) }

func (m *mount) rename(from, to string) { require.NoError(m.t, os.Rename(from, to)) }

func (m *mount) replace(text string) {
	write(m.t, m.file+".new", text)
	m.rename(m.file+".new", m.file)
}

// ways are the ways to change a secret. The first text is "first", and each has
// the same length.
var ways = map[string]struct {
	begin func(*mount) // nil: a plain file
	set   func(m *mount, text string)
	slow  bool // nothing reports it
}{
	"rename":             {set: (*mount).replace},
	"truncate and write": {set: func(m *mount, text string) { write(m.t, m.file, text) }},
	"in place": {set: func(m *mount, text string) {
		f, err := os.OpenFile(m.file, os.O_WRONLY, 0)
		require.NoError(m.t, err)
		_, err = f.WriteAt([]byte(text), 0)
		require.NoError(m.t, err)
		require.NoError(m.t, f.Close())
	}},
	"in place, and the file stays open": {set: func(m *mount, text string) {
		if m.held == nil {
			f, err := os.OpenFile(m.file, os.O_WRONLY, 0)
			require.NoError(m.t, err)
			m.t.Cleanup(func() { _ = f.Close() })
			m.held = f
		}
		_, err := m.held.WriteAt([]byte(text), 0)
		require.NoError(m.t, err)
	}},
	"delete and create": {set: func(m *mount, text string) {
		require.NoError(m.t, os.Remove(m.file))
		write(m.t, m.file, text)
	}},
	"hard link": {set: func(m *mount, text string) {
		write(m.t, m.file+".new", text)
		require.NoError(m.t, os.Remove(m.file))
		require.NoError(m.t, os.Link(m.file+".new", m.file))
		require.NoError(m.t, os.Remove(m.file+".new"))
	}},
	"link instead of the file": {set: func(m *mount, text string) {
		write(m.t, filepath.Join(m.path, text), text)
		link(m.t, text, m.file+".new")
		m.rename(m.file+".new", m.file)
	}},
	"target of a link": {
		begin: func(m *mount) {
			write(m.t, filepath.Join(m.path, "target"), "first")
			link(m.t, "target", m.file)
		},
		set: func(m *mount, text string) {
			write(m.t, filepath.Join(m.path, "target.new"), text)
			m.rename(filepath.Join(m.path, "target.new"), filepath.Join(m.path, "target"))
		}},
	"target in a folder": {
		begin: func(m *mount) {
			write(m.t, filepath.Join(m.path, "down", "target"), "first")
			link(m.t, filepath.Join("down", "target"), m.file)
		},
		set: func(m *mount, text string) { write(m.t, filepath.Join(m.path, "down", "target"), text) }},
	"kubelet": {
		begin: func(m *mount) { (&kubelet{t: m.t, mount: m.path}).publish("first") },
		set: func(m *mount, text string) {
			(&kubelet{t: m.t, mount: m.path, n: int(time.Now().UnixNano())}).publish(text)
		}},
	"in place under kubelet": {
		begin: func(m *mount) { (&kubelet{t: m.t, mount: m.path}).publish("first") },
		set:   func(m *mount, text string) { write(m.t, filepath.Join(m.path, "..data", authBinding), text) }},
	"folder replaced": {set: func(m *mount, text string) {
		write(m.t, filepath.Join(m.at("new"), authBinding), text)
		m.rename(m.path, m.at("old-"+text))
		m.rename(m.at("new"), m.path)
	}},
	"folder deleted and made": {set: func(m *mount, text string) {
		require.NoError(m.t, os.RemoveAll(m.path))
		write(m.t, m.file, text)
	}},
	"link to the folder": {
		begin: func(m *mount) {
			write(m.t, filepath.Join(m.at("dir-first"), authBinding), "first")
			require.NoError(m.t, os.Remove(m.path))
			link(m.t, "dir-first", m.path)
		},
		set: func(m *mount, text string) {
			write(m.t, filepath.Join(m.at("dir-"+text), authBinding), text)
			link(m.t, "dir-"+text, m.at("new"))
			m.rename(m.at("new"), m.path)
		}},
	"a folder deeper down": {
		slow: true,
		begin: func(m *mount) {
			write(m.t, filepath.Join(m.path, "a", "b", "c", "target"), "first")
			link(m.t, filepath.Join("a", "way"), m.file)
			link(m.t, filepath.Join("b", "c", "target"), filepath.Join(m.path, "a", "way"))
		},
		set: func(m *mount, text string) { write(m.t, filepath.Join(m.path, "a", "b", "c", "target"), text) }},
}

// newMount returns a mount with the text "first".
func newMount(t *testing.T, begin func(*mount)) *mount {
	path := filepath.Join(localDir(t), "mount")
	require.NoError(t, os.Mkdir(path, 0o700))
	m := &mount{t: t, path: path, file: filepath.Join(path, authBinding)}
	if begin == nil {
		write(t, m.file, "first")
	} else {
		begin(m)
	}
	return m
}

// soon is how long an App takes to follow a change: a look at the events, or
// one that finds a change that does not end and one after the pause. Elsewhere
// than on Linux, and for changes without an event, it is the slow pass.
func soon(slow bool) time.Duration {
	if slow || runtime.GOOS != "linux" {
		return time.Second + 100*time.Millisecond
	}
	return 100 * time.Millisecond
}

func TestDirWatchFindsEveryChange(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			m := newMount(t, way.begin)
			synctest.Test(t, func(t *testing.T) {
				s := sessionKey(nil)
				requireStart(t, secret.NewApp(secret.AppOptions{Store: secret.Dir(m.path), Refresh: time.Hour, Logger: silence}).Use(s))
				for _, text := range []string{"other", "third", "forth", "fifth"} {
					way.set(m, text)
					time.Sleep(soon(way.slow))
					synctest.Wait()
					requireRead(t, text, s)
					time.Sleep(time.Second)
				}
			})
		})
	}
}

// A folder may be mounted after the program has started.
func TestDirWatchOfAMissingFolder(t *testing.T) {
	m := newMount(t, func(m *mount) { require.NoError(t, os.Remove(m.path)) })
	synctest.Test(t, func(t *testing.T) {
		s := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Optional: true})
		requireStart(t, secret.NewApp(secret.AppOptions{Store: secret.Dir(m.path), Refresh: time.Hour, Logger: silence}).Use(s))
		time.Sleep(5 * time.Second)
		write(t, m.file, "first")
		time.Sleep(soon(false))
		synctest.Wait()
		requireRead(t, "first", s)
		require.NoError(t, os.RemoveAll(m.path))
		time.Sleep(5 * time.Second)
		write(t, m.file, "other")
		time.Sleep(soon(false))
		synctest.Wait()
		requireRead(t, "other", s)
	})
}

// A change that a program completes is followed at once. One that it has only
// begun is left alone for a while.
func TestDirWatchLeavesAFileThatIsBeingWritten(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no events here")
	}
	m := newMount(t, nil)
	synctest.Test(t, func(t *testing.T) {
		s := sessionKey(nil)
		requireStart(t, secret.NewApp(secret.AppOptions{Store: secret.Dir(m.path), Refresh: time.Hour, Logger: silence}).Use(s))
		time.Sleep(990 * time.Millisecond) // the slow pass is due meanwhile
		f, err := os.Create(m.file)
		require.NoError(t, err)
		_, err = f.WriteString("ha")
		require.NoError(t, err)
		time.Sleep(45 * time.Millisecond)
		synctest.Wait()
		requireRead(t, "first", s)
		_, err = f.WriteString("lf")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		time.Sleep(21 * time.Millisecond)
		synctest.Wait()
		requireRead(t, "half", s)
	})
}

// A secret that is deleted is kept, and one that comes back is followed at
// once, although the failed load is repeated only after a pause.
func TestDirWatchOfASecretThatComesBack(t *testing.T) {
	m := newMount(t, nil)
	synctest.Test(t, func(t *testing.T) {
		s := sessionKey(nil)
		requireStart(t, secret.NewApp(secret.AppOptions{Store: secret.Dir(m.path), Refresh: time.Hour, Logger: silence}).Use(s))
		time.Sleep(time.Second)
		require.NoError(t, os.Remove(m.file))
		time.Sleep(soon(false))
		synctest.Wait()
		_, err := s.Current().Get(context.Background())
		require.NoError(t, err, "the last text is kept")
		m.replace("other")
		time.Sleep(soon(false))
		synctest.Wait()
		requireRead(t, "other", s)
	})
}

// Options.Binding names the file, and one name may be of two addresses.
func TestDirWatchOfDeclaredNames(t *testing.T) {
	m := newMount(t, func(m *mount) { write(m.t, filepath.Join(m.path, "tls.crt"), "first") })
	synctest.Test(t, func(t *testing.T) {
		store := secret.Dir(m.path)
		s := secret.Static(secret.Options{Namespace: "tls", Name: "certificate", Binding: "tls.crt", Store: store})
		requireStart(t, secret.NewApp(secret.AppOptions{Refresh: time.Hour, Logger: silence}).Use(s))
		time.Sleep(time.Second)
		write(t, filepath.Join(m.path, "tls.new"), "other")
		require.NoError(t, os.Rename(filepath.Join(m.path, "tls.new"), filepath.Join(m.path, "tls.crt")))
		time.Sleep(soon(false))
		synctest.Wait()
		requireRead(t, "other", s)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hints := make(chan secret.Address, 10)
	a, b := secret.Address{Namespace: "auth-x", Name: "y"}, secret.Address{Namespace: "auth", Name: "x-y"}
	go func() {
		_ = secret.Dir(m.path).(secret.Watcher).Watch(ctx, []secret.Address{a, b}, func(addr secret.Address) { hints <- addr })
	}()
	require.Equal(t, []secret.Address{a, b}, []secret.Address{<-hints, <-hints})
	write(t, filepath.Join(m.path, a.Binding()), "text")
	require.Equal(t, []secret.Address{a, b}, []secret.Address{<-hints, <-hints})
}
