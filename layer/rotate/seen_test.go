package rotate

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/leak"
)

// at copies a ledger's file elsewhere and back.
type at struct {
	t testing.TB
	f *File
}

func (a at) read() []byte {
	a.t.Helper()
	data, err := os.ReadFile(a.f.path)
	require.NoError(a.t, err)
	return data
}

func (a at) write(data []byte) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(a.f.path, data, 0o600))
}

// change makes n changes, and returns the state.
func (a at) change(n int) State {
	a.t.Helper()
	s, rev, err := a.f.Load(context.Background())
	require.NoError(a.t, err)
	for range n {
		s, rev, err = Commit(context.Background(), a.f, rev, s)
		require.NoError(a.t, err)
	}
	return s
}

func TestSeenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		// put puts something else in the place of a ledger that has reached generation 5, by generations 1 to 4.
		put  func(a at, history [][]byte, s State)
		want string
	}{
		{"older", func(a at, history [][]byte, _ State) { a.write(history[2]) },
			"it is an older copy: generation 3, and generation 5 was seen on this machine. Get the latest one (`git pull`, or a backup)"},
		{"another", func(a at, _ [][]byte, s State) {
			a.write(sealedAs(a.t, a.f, NewState(s.Settings()), 9))
		}, "it is another ledger: "},
		{"forged", func(a at, _ [][]byte, s State) {
			forged := *NewState(s.Settings()).state()
			forged.ID = s.ID()
			a.write(sealedAs(a.t, a.f, hold(&forged), 9))
		}, "other keys: somebody forged it"},
		{"a clone at the same generation", func(a at, history [][]byte, _ State) {
			a.write(clone(a.t, a.f, history[3], 1))
		}, "it was changed in two clones: generation 5 of it lacks a change"},
		{"a clone that is ahead", func(a at, history [][]byte, _ State) {
			a.write(clone(a.t, a.f, history[3], 3))
		}, "it was changed in two clones: generation 7 of it lacks a change"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := context.Background()
			f, s := newFile(t)
			a := at{t, f}
			s, rev, err := Commit(ctx, f, "", s)
			require.NoError(t, err)
			history := [][]byte{a.read()}
			for range 4 {
				s, rev, err = Commit(ctx, f, rev, s)
				require.NoError(t, err)
				history = append(history, a.read())
			}
			tc.put(a, history, s)
			there := a.read()
			memory, err := os.ReadFile(f.seenPath)
			require.NoError(t, err)
			for range 2 {
				_, _, err = reopen(t, f).Load(ctx)
				require.ErrorContains(t, err, "ledger "+f.path+": ")
				require.ErrorContains(t, err, tc.want)
				require.ErrorContains(t, err, "`layer secret rotate --adopt-ledger` goes on with it")
			}
			_, _, err = Commit(ctx, f, rev, s)
			require.ErrorIs(t, err, ErrConflict)
			require.Equal(t, there, a.read())
			now, err := os.ReadFile(f.seenPath)
			require.NoError(t, err)
			require.Equal(t, memory, now, "a refused ledger is not remembered")

			// On a fresh machine nothing speaks against it.
			fresh, err := OpenFile(f.path, FileOptions{Identities: f.ids, Seen: filepath.Join(t.TempDir(), "layer.seen")})
			require.NoError(t, err)
			_, _, err = fresh.Load(ctx)
			require.NoError(t, err)

			adopting, err := OpenFile(f.path, FileOptions{Identities: f.ids, Adopt: true})
			require.NoError(t, err)
			s, rev, err = adopting.Load(ctx)
			require.NoError(t, err)
			_, _, err = reopen(t, f).Load(ctx)
			require.NoError(t, err, "what was adopted is remembered")
			_, _, err = Commit(ctx, reopen(t, f), rev, s)
			require.NoError(t, err)
			a.write(history[4])
			_, _, err = reopen(t, f).Load(ctx)
			require.ErrorContains(t, err, "--adopt-ledger", "what it replaced is refused from then on")
		})
	}
}

// sealedAs is a state as a file, n changes later.
func sealedAs(t testing.TB, f *File, s State, n int) []byte {
	t.Helper()
	for range n {
		s = s.stamped()
	}
	data, err := f.seal(s)
	require.NoError(t, err)
	return data
}

func clone(t testing.TB, f *File, data []byte, n int) []byte {
	t.Helper()
	s, err := Open(data, f.ids)
	require.NoError(t, err)
	return sealedAs(t, f, s, n)
}

// TestSeenFollows goes on on another machine, and far: nothing of it is refused.
func TestSeenFollows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f, s := newFile(t)
	_, _, err := Commit(ctx, f, "", s)
	require.NoError(t, err)
	elsewhere, err := OpenFile(f.path, FileOptions{Identities: f.ids, Seen: filepath.Join(t.TempDir(), "layer.seen")})
	require.NoError(t, err)
	for _, n := range []int{1, keepWrites - 1, keepWrites, keepWrites + 1, 3 * keepWrites} {
		at{t, elsewhere}.change(n)
		s := at{t, f}.change(0)
		known, err := readSeen(f.seenPath)
		require.NoError(t, err)
		require.True(t, known.knows("layer.secrets.age", s), "what was loaded is remembered")
	}
}

// TestSeenCannotBeWritten reads where nothing can be written: what was not remembered is missing later, and no more.
func TestSeenCannotBeWritten(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	_, _, err := Commit(ctx, f, "", s)
	require.NoError(t, err)
	before, err := readSeen(f.seenPath)
	require.NoError(t, err)
	elsewhere, err := OpenFile(f.path, FileOptions{Identities: f.ids, Seen: filepath.Join(t.TempDir(), "layer.seen")})
	require.NoError(t, err)
	latest := at{t, elsewhere}.change(1)
	f.disk.at = func(string) error { return syscall.EROFS }
	s, _, err = f.Load(ctx)
	require.NoError(t, err)
	require.True(t, s.Equal(latest))
	after, err := readSeen(f.seenPath)
	require.NoError(t, err)
	require.Equal(t, before, after)

	f.adopt = true
	_, _, err = f.Load(ctx)
	require.ErrorContains(t, err, "layer.seen cannot be written: read-only file system", "what a person asked for is not left out in silence")
}

func TestSeenElsewhere(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	s, rev, err := Commit(ctx, f, "", s)
	require.NoError(t, err)
	old := at{t, f}.read()
	s, _, err = Commit(ctx, f, rev, s)
	require.NoError(t, err)
	dir := filepath.Dir(f.path)
	t.Run("an older copy under another name", func(t *testing.T) {
		path := filepath.Join(dir, "backup.age")
		require.NoError(t, os.WriteFile(path, old, 0o600))
		copied, err := OpenFile(path, FileOptions{Identities: f.ids})
		require.NoError(t, err)
		_, _, err = copied.Load(ctx)
		require.ErrorContains(t, err, "it is an older copy: generation 1, and generation 2 was seen")
	})
	t.Run("a second ledger beside it", func(t *testing.T) {
		second, err := OpenFile(filepath.Join(dir, "staging.age"), FileOptions{Identities: f.ids})
		require.NoError(t, err)
		_, _, err = Commit(ctx, second, "", NewState(s.Settings()))
		require.NoError(t, err)
		for _, l := range []*File{f, second} {
			_, _, err = reopen(t, l).Load(ctx)
			require.NoError(t, err)
		}
	})
	t.Run("the ledger is gone", func(t *testing.T) {
		require.NoError(t, os.Remove(f.path))
		_, rev, err := f.Load(ctx)
		require.ErrorIs(t, err, ErrNotFound)
		require.Empty(t, rev)
		require.ErrorContains(t, err, s.ID()+" was here before: restore it from git or a backup")
		_, _, err = Commit(ctx, f, "", NewState(s.Settings()))
		require.ErrorContains(t, err, "it is another ledger")
		require.NotErrorIs(t, err, ErrConflict)
		require.NoFileExists(t, f.path)
		_, _, err = Commit(ctx, f, "somewhen", s)
		require.ErrorIs(t, err, ErrConflict)
		require.ErrorContains(t, err, "the file is gone")
	})
}

func TestSeenDamaged(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	s, rev, err := Commit(ctx, f, "", s)
	require.NoError(t, err)
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "it is damaged. Make sure that the ledger is the latest (`git log`), then delete this file"},
		{"not JSON", "<<<<<<< HEAD", "it is damaged"},
		{"no format", "{}", "it is damaged"},
		{"from the future", `{"format":2,"places":7}`, "it is damaged"},
		{"from the future, as far as one can tell", `{"format":2}`, "a newer version of layer (format 2): update layer"},
		{"huge", `{"format":1}` + string(bytes.Repeat([]byte(" "), maxSeen)), "more than 1048576 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(f.seenPath, []byte(tc.text), 0o600))
			_, _, err := f.Load(ctx)
			require.ErrorContains(t, err, f.seenPath)
			require.ErrorContains(t, err, tc.want)
			_, _, err = Commit(ctx, f, rev, s)
			require.ErrorContains(t, err, tc.want)
		})
	}
	require.NoError(t, os.WriteFile(f.seenPath, nil, 0o600))
	adopting, err := OpenFile(f.path, FileOptions{Identities: f.ids, Adopt: true})
	require.NoError(t, err)
	_, _, err = adopting.Load(ctx)
	require.NoError(t, err)
	_, _, err = f.Load(ctx)
	require.NoError(t, err)
}

// TestSeenShowsNothing looks into the file.
func TestSeenShowsNothing(t *testing.T) {
	f, s := newFile(t)
	s = holding(hidden, s.Settings().Recipients...)
	_, _, err := Commit(context.Background(), f, "", s)
	require.NoError(t, err)
	text, err := os.ReadFile(f.seenPath)
	require.NoError(t, err)
	require.Empty(t, leak.Find(string(text), hidden))
	require.Empty(t, leak.Find(string(text), string(s.state().ByKey)))
	require.Empty(t, leak.Find(string(text), string(s.state().FpKey)))
	var known seen
	require.NoError(t, json.Unmarshal(text, &known))
	require.Equal(t, s.Fingerprint(), known.Ledgers[s.ID()].Fingerprint)
	info, err := os.Stat(f.seenPath)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func FuzzSeen(f *testing.F) {
	for _, in := range []string{"", "{}", `{"format":1,"places":{"a":"b"},"ledgers":{"b":{"generation":3,"fingerprint":"c","write":"d"}}}`, `{"format":1,"ledgers":null}`} {
		f.Add([]byte(in))
	}
	s := NewState(Settings{}).stamped()
	f.Fuzz(func(t *testing.T, in []byte) {
		known, err := parseSeen("layer.seen", in)
		if err != nil {
			return
		}
		next, err := parseSeen("layer.seen", known.with("a", s).encode())
		if err != nil || !next.knows("a", s) || next.check("a", s) != nil {
			t.Fatal("what was just remembered is not known")
		}
	})
}
