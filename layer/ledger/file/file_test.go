package file

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// newFile returns a ledger file in a folder of its own, with one identity.
func newFile(t testing.TB) (*Ledger, rotate.State) {
	t.Helper()
	identity, recipient, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	f, err := Open(filepath.Join(t.TempDir(), "layer.secrets.age"), Options{Identities: ids})
	require.NoError(t, err)
	return f, rotate.NewState(rotate.Settings{Recipients: []string{recipient}})
}

// stamped returns the state after n changes.
func stamped(t testing.TB, s rotate.State, n int) rotate.State {
	t.Helper()
	l, rev := new(rotate.MemoryLedger), rotate.Revision("")
	for range n {
		var err error
		s, rev, err = rotate.Commit(context.Background(), l, rev, s)
		require.NoError(t, err)
	}
	return s
}

// hundred returns a state of the size of a hundred secrets with two versions each.
func hundred(s rotate.State) rotate.State {
	for range 100 {
		s = s.WithLog(rotate.LogEntry{By: rand.Text() + rand.Text() + strings.Repeat("x", 400)})
	}
	return s
}

// change makes n changes, and returns the state.
func change(t testing.TB, l rotate.Ledger, n int) rotate.State {
	t.Helper()
	s, rev, err := l.Load(context.Background())
	require.NoError(t, err)
	for range n {
		s, rev, err = rotate.Commit(context.Background(), l, rev, s)
		require.NoError(t, err)
	}
	return s
}

func keyed(t testing.TB) (ledger.Identities, string) {
	t.Helper()
	identity, recipient, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	return ids, recipient
}

func TestRoundTrip(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	_, rev, err := f.Load(ctx)
	require.ErrorIs(t, err, rotate.ErrNotFound)
	require.Empty(t, rev)
	s = hundred(s)
	for range 3 {
		stored, next, err := rotate.Commit(ctx, f, rev, s)
		require.NoError(t, err)
		loaded, found, err := f.Load(ctx)
		require.NoError(t, err)
		require.True(t, loaded.Equal(stored))
		require.Equal(t, next, found)
		_, _, err = rotate.Commit(ctx, f, rev, s)
		require.ErrorIs(t, err, rotate.ErrConflict)
		s, rev = loaded, next
	}
}

// TestRecipientsComeAndGo adds a recipient and removes one.
func TestRecipientsComeAndGo(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	ids, to := keyed(t)
	other, err := Open(f.path, Options{Identities: ids})
	require.NoError(t, err)
	s, rev, err := rotate.Commit(ctx, f, "", s)
	require.NoError(t, err)
	mine := s.Settings().Recipients[0]
	_, _, err = other.Load(ctx)
	require.ErrorContains(t, err, "ledger "+f.path+": it is encrypted to others")

	s, rev, err = rotate.Commit(ctx, f, rev, s.WithSettings(rotate.Settings{Recipients: []string{mine, to}}))
	require.NoError(t, err)
	for _, l := range []*Ledger{f, other} {
		got, _, err := l.Load(ctx)
		require.NoError(t, err)
		require.True(t, got.Equal(s))
	}
	_, _, err = rotate.Commit(ctx, f, rev, s.WithSettings(rotate.Settings{Recipients: []string{to}}))
	require.ErrorContains(t, err, "after this change it could not be read: it is encrypted to others")
	_, now, err := f.Load(ctx)
	require.NoError(t, err)
	require.Equal(t, rev, now, "nobody locks himself out")

	_, _, err = rotate.Commit(ctx, other, rev, s.WithSettings(rotate.Settings{Recipients: []string{to}}))
	require.NoError(t, err)
	_, _, err = f.Load(ctx)
	require.ErrorContains(t, err, "it is encrypted to others")
	_, _, err = other.Load(ctx)
	require.NoError(t, err)
}

func TestWhatIsNoLedgerIsRefused(t *testing.T) {
	f, s := newFile(t)
	sealed, err := f.seal(stamped(t, s, 1))
	require.NoError(t, err)
	for _, tc := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"empty", func(path string) error { return os.WriteFile(path, nil, 0o600) }, "it is empty: restore"},
		{"cut off", func(path string) error { return os.WriteFile(path, sealed[:len(sealed)/2], 0o600) },
			"it is damaged or cut off: restore"},
		{"conflict", func(path string) error {
			return os.WriteFile(path,
				[]byte("<<<<<<< HEAD\n"+string(sealed)+"=======\n"+string(sealed)+">>>>>>> theirs\n"), 0o600)
		}, "git checkout --ours"},
		{"too large", func(path string) error {
			return errors.Join(os.WriteFile(path, sealed, 0o600), os.Truncate(path, rotate.MaxSealed+1))
		}, "it has more than 67108864 bytes"},
		{"pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "it is not a regular file"},
		{"folder since it was opened", func(path string) error { return os.Mkdir(path, 0o700) },
			"it is a folder: give the name of a file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "layer.secrets.age")
			l, err := Open(path, Options{Identities: f.ids})
			require.NoError(t, err)
			require.NoError(t, tc.make(path))
			_, _, err = l.Load(context.Background())
			require.ErrorContains(t, err, "ledger "+path+": ")
			require.ErrorContains(t, err, tc.want)
			require.NotErrorIs(t, err, rotate.ErrNotFound)
			_, _, err = rotate.Commit(context.Background(), l, "", s)
			require.Error(t, err, "it is not replaced")
			require.Empty(t, redacttest.Check(err, f.ids.Recipients()...))
		})
	}
}

func TestWithoutIdentity(t *testing.T) {
	f, s := newFile(t)
	blind, err := Open(f.path, Options{})
	require.NoError(t, err)
	_, _, err = rotate.Commit(context.Background(), blind, "", s)
	require.ErrorContains(t, err, "no identity to open it with")
	require.NoFileExists(t, f.path)
	_, _, err = rotate.Commit(context.Background(), f, "", s)
	require.NoError(t, err)
	_, _, err = blind.Load(context.Background())
	require.ErrorContains(t, err, "no identity to open it with")
}

func TestFileIsFoundThroughLinks(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	_, _, err := rotate.Commit(ctx, f, "", s)
	require.NoError(t, err)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	open := func(path string) (*Ledger, error) { return Open(path, Options{Identities: f.ids}) }

	require.NoError(t, os.Symlink(f.path, in("link.age")))
	require.NoError(t, os.Symlink(filepath.Dir(f.path), in("folder")))
	for _, path := range []string{in("link.age"), filepath.Join(in("folder"), "layer.secrets.age")} {
		linked, err := open(path)
		require.NoError(t, err)
		require.Equal(t, f.path, linked.path)
		change(t, linked, 1)
		change(t, f, 1)
		info, err := os.Lstat(in("link.age"))
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&os.ModeSymlink, "the link stays one")
	}
	require.Equal(t, []string{"folder", "link.age"}, files(t, dir))

	require.NoError(t, os.Symlink(in("nowhere"), in("dangling.age")))
	_, err = open(in("dangling.age"))
	require.ErrorContains(t, err, "it is a link that leads nowhere")
	_, err = open(dir)
	require.ErrorContains(t, err, "it is a folder: name the file in it")
	_, err = open(filepath.Join(in("no"), "layer.secrets.age"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "its folder: no such file or directory: make it, or name another file")

	t.Chdir(filepath.Dir(f.path))
	here, err := open("layer.secrets.age")
	require.NoError(t, err)
	t.Chdir(dir)
	change(t, here, 1)
	info, err := os.Stat(f.path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

// TestLockRemoved removes the lock's file while it is held, as `git clean -x`
// does.
func TestLockRemoved(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	s, rev, err := rotate.Commit(ctx, f, "", s)
	require.NoError(t, err)
	unlock, err := f.Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, os.Remove(f.lockPath))
	second := reopen(t, f)
	_, rev2, err := rotate.Commit(ctx, second, rev, s)
	require.NoError(t, err)
	_, _, err = rotate.Commit(ctx, f, rev, s)
	require.ErrorContains(t, err, "was removed or replaced while it locked the ledger")
	require.NoError(t, unlock())
	_, _, err = rotate.Commit(ctx, f, rev2, s)
	require.NoError(t, err)

	// A link in its place must not be followed: its target would be overwritten.
	target := filepath.Join(t.TempDir(), "target")
	require.NoError(t, os.WriteFile(target, []byte("precious"), 0o600))
	require.NoError(t, os.Remove(f.lockPath))
	require.NoError(t, os.Symlink(target, f.lockPath))
	_, err = f.Lock(ctx)
	require.ErrorContains(t, err, "is a link, or another process keeps removing it")
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

// TestLockOnce: a second call of unlock returns an error.
func TestLockOnce(t *testing.T) {
	f, _ := newFile(t)
	unlock, err := f.Lock(context.Background())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.ErrorIs(t, unlock(), errNoLock)
	over, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	_, err = f.Lock(over)
	require.ErrorContains(t, err, "enough")
	unlock, err = f.Lock(context.Background())
	require.NoError(t, err, "who gave up holds nothing")
	require.NoError(t, unlock())
}

func TestNotPrepared(t *testing.T) {
	f, s := newFile(t)
	_, err := f.CompareAndSwap(context.Background(), "", s)
	require.ErrorContains(t, err, "a state is stored with Commit, which prepares it")
	require.NoFileExists(t, f.path)
}

// TestTooLarge: a state that is too large is refused before anything is written.
func TestTooLarge(t *testing.T) {
	slow.Test(t)
	f, s := newFile(t)
	_, _, err := rotate.Commit(context.Background(), f, "",
		s.WithLog(rotate.LogEntry{By: strings.Repeat("x", rotate.MaxSealed*3/4)}))
	require.ErrorContains(t, err, "67108864 is the most: remove secrets, or retain versions for a shorter time")
	require.NoFileExists(t, f.path)
}

func TestShowsNothing(t *testing.T) {
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	f, err := Open(filepath.Join(t.TempDir(), "layer.secrets.age"), Options{Identities: ids})
	require.NoError(t, err)
	_, _, missing := f.Load(context.Background())
	require.Empty(t, redacttest.Check(f, identity.Reveal()[16:]))
	require.Empty(t, redacttest.Check(struct{ f *Ledger }{f}, identity.Reveal()[16:]))
	require.Empty(t, redacttest.Check(missing, identity.Reveal()[16:]))
}

func BenchmarkFile(b *testing.B) {
	ctx := context.Background()
	f, s := newFile(b)
	_, _, err := rotate.Commit(ctx, f, "", hundred(s))
	require.NoError(b, err)
	for b.Loop() {
		s, rev, err := f.Load(ctx)
		require.NoError(b, err)
		_, _, err = rotate.Commit(ctx, f, rev, s)
		require.NoError(b, err)
	}
}
