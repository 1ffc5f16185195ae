package dir

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/slow"
)

var (
	authKey     = secret.Address{Namespace: "auth", Name: "session-key"}
	authBinding = authKey.Binding()
)

func publish(t *testing.T, p driver.Publisher, name, text, note string) {
	t.Helper()
	require.Nil(t, p.Publish(t.Context(), []driver.Item{{Name: name, Text: driver.NewValue(text), Note: note}}))
}

func inspect(t *testing.T, p driver.Publisher, name string) (driver.Published, bool) {
	t.Helper()
	found, err := p.Inspect(t.Context(), []string{name})
	require.NoError(t, err)
	published, ok := found[name]
	return published, ok
}

func dirContent(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

func dirFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestDirLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "secrets")
	publish(t, New(dir), authBinding, "first\n", "a note")
	require.Equal(t, []string{"." + authBinding + ".note", authBinding}, dirFiles(t, dir))
	require.Equal(t, "first\n\n", dirContent(t, dir, authBinding))
	require.Equal(t, "a note", dirContent(t, dir, "."+authBinding+".note"))
	for path, mode := range map[string]os.FileMode{
		dir: 0o700 | os.ModeDir, filepath.Dir(dir): 0o700 | os.ModeDir, filepath.Join(dir, authBinding): 0o600,
		filepath.Join(dir, "."+authBinding+".note"): 0o600,
	} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), path)
	}
}

// A published text is read through secret.Dir byte for byte, and is recognized.
func FuzzDirText(f *testing.F) {
	for _, text := range []string{"x", "x\n", "x\r", "x\r\n", "x\n\r", "\n", "\r", "\r\n", "\r\r\n\n", "\x00", "\xff",
		" ", strings.Repeat("x\n", 1<<15)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || len(text) >= 1<<20 {
			t.Skip()
		}
		dir := t.TempDir()
		p := New(dir)
		publish(t, p, authBinding, text, "note")
		got, err := secret.Dir(dir).Get(t.Context(), authKey)
		require.NoError(t, err)
		require.True(t, got == text, "another text")
		published, ok := inspect(t, p, authBinding)
		require.True(t, ok)
		require.Equal(t, driver.Published{Note: "note", Modified: p.ModifiedOf(driver.NewValue(text))}, published)
	})
}

// The operator has given the service's user access to the directory and the file:
// both permissions stay.
func TestDirModes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, authBinding), []byte("old"), 0o644))
	publish(t, New(dir), authBinding, "new", "note")
	publish(t, New(dir), authBinding+"_2", "new", "note")
	for file, mode := range map[string]os.FileMode{".": 0o755 | os.ModeDir, authBinding: 0o644,
		noteFile(authBinding): 0o644,
		authBinding + "_2":    0o600, noteFile(authBinding + "_2"): 0o600} {
		info, err := os.Stat(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), file)
	}
}

func TestDirNotes(t *testing.T) {
	long := strings.Repeat("n", 200)
	for name, tc := range map[string]struct{ file, want string }{
		"as written":                 {"sv1 gen=1", "sv1 gen=1"},
		"saved by an editor":         {"sv1 gen=1\n", "sv1 gen=1"},
		"empty":                      {"", ""},
		"the longest":                {long, long},
		"the longest, by an editor":  {long + "\n", long},
		"longer by one":              {long + "n", long + "n"},
		"longer after a newline":     {long + "\nn", long + "\nn"},
		"longer by another newline":  {long + "\n\n", long + "\n"},
		"a file that somebody moved": {strings.Repeat("n", 1<<20), long + "nn"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := New(dir)
			note := filepath.Join(dir, "."+authBinding+".note")
			require.NoError(t, os.WriteFile(note, []byte(tc.file), 0o600))
			_, ok := inspect(t, p, authBinding)
			require.False(t, ok, "there is no value")
			require.NoError(t, os.WriteFile(filepath.Join(dir, authBinding), []byte("by hand\n"), 0o600))
			found, ok := inspect(t, p, authBinding)
			require.True(t, ok)
			require.Equal(t, tc.want, found.Note)
			require.NoError(t, os.Remove(note))
			found, ok = inspect(t, p, authBinding)
			require.True(t, ok)
			require.Empty(t, found.Note)
		})
	}
}

// Modified depends on every byte of the file, also on those that secret.Dir would
// drop or refuse.
func TestDirModified(t *testing.T) {
	dir, seen := t.TempDir(), map[string]bool{}
	p := New(dir)
	for _, text := range []string{"", "x", "x\n", "x\r\n", "x\n\n", strings.Repeat("x", 1<<20),
		strings.Repeat("x", 1<<20+1)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, authBinding), []byte(text), 0o600))
		found, ok := inspect(t, p, authBinding)
		require.True(t, ok)
		require.False(t, seen[found.Modified])
		seen[found.Modified] = true
	}
	require.Equal(t, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
		p.ModifiedOf(driver.NewValue("x")), "SHA-256 of x")
}

// Anything in a secret's place except a regular file belongs to someone else: it
// is neither followed nor replaced.
func TestDirKeepsWhatIsNoFile(t *testing.T) {
	const marker = "Qz7kWv2mXt9RbLp4nHc8"
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte(marker), 0o600))
	for name, make := range map[string]func(path string) error{
		"a link out":         func(path string) error { return os.Symlink(outside, path) },
		"a link beside it":   func(path string) error { return os.Symlink("beside", path) },
		"a link to nowhere":  func(path string) error { return os.Symlink("nothing-there", path) },
		"a directory":        func(path string) error { return os.Mkdir(path, 0o700) },
		"a filled directory": func(path string) error { return os.MkdirAll(filepath.Join(path, "sub"), 0o700) },
	} {
		for _, file := range []string{authBinding, "." + authBinding + ".note"} {
			t.Run(name+" at "+file, func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, os.WriteFile(filepath.Join(dir, "beside"), []byte(marker), 0o600))
				if file != authBinding {
					require.NoError(t, os.WriteFile(filepath.Join(dir, authBinding), []byte("value"), 0o600))
				}
				require.NoError(t, make(filepath.Join(dir, file)))
				info, err := os.Lstat(filepath.Join(dir, file))
				require.NoError(t, err)
				p, names := New(dir), []string{authBinding}

				found, ok := inspect(t, p, authBinding)
				require.True(t, ok, "something is there")
				require.Empty(t, found.Note)
				require.NotEmpty(t, found.Modified)
				require.NotEqual(t, p.ModifiedOf(driver.NewValue(marker)), found.Modified)
				other := driver.Item{Name: authBinding + "_2", Text: driver.NewValue("x"), Note: "x"}
				errs := p.Publish(t.Context(), []driver.Item{{Name: authBinding, Text: driver.NewValue("new value"),
					Note: "n"}, other})
				require.Len(t, errs, 2)
				require.NoError(t, errs[1])
				require.ErrorIs(t, errs[0], driver.ErrNotApplied)
				removed := p.Remove(t.Context(), names)
				require.Len(t, removed, 1)
				for _, err := range []error{errs[0], removed[0], p.Check(t.Context(), names)} {
					require.ErrorIs(t, err, secret.ErrInvalid)
					require.ErrorContains(t, err, filepath.Join(dir, file))
					require.Empty(t, redacttest.Check(err, "new value", marker))
				}
				after, err := os.Lstat(filepath.Join(dir, file))
				require.NoError(t, err)
				require.True(t, os.SameFile(info, after))
				require.Equal(t, marker, dirContent(t, outside))
				require.Equal(t, marker, dirContent(t, dir, "beside"))
				require.Len(t, dirFiles(t, dir), map[bool]int{true: 4, false: 5}[file == authBinding],
					"nothing is left behind")
			})
		}
	}
}

func TestDirRefusesNames(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "secrets")
	p := New(dir)
	publish(t, p, authBinding, "value", "note")
	for _, name := range []string{
		"", ".", "..", "/", "../X", "X/Y", `X\Y`, "/etc/passwd", ".X.note", "X.note", "x.NOTE", "layer.seen",
		"Layer.identity", "-x", "X ", "X\n", "X\x00", "É",
		strings.Repeat("X", 201),
		".layer-0123456789abcdef0123456789abcdef.tmp", "X:Y",
	} {
		errs := p.Publish(t.Context(), []driver.Item{{Name: name, Text: driver.NewValue("x"), Note: "x"}})
		require.Len(t, errs, 1, "%q", name)
		require.ErrorIs(t, errs[0], driver.ErrNotApplied)
		_, inspectErr := p.Inspect(t.Context(), []string{name})
		removed := p.Remove(t.Context(), []string{name})
		require.Len(t, removed, 1, "%q", name)
		nowhere := New(filepath.Join(parent, "nowhere")).Remove(t.Context(), []string{name})
		require.Len(t, nowhere, 1, "%q", name)
		for _, err := range []error{errs[0], inspectErr, removed[0], nowhere[0],
			p.Check(t.Context(), []string{authBinding, name})} {
			require.ErrorIs(t, err, secret.ErrInvalid, "%q", name)
			require.ErrorContains(t, err, "1 to 200 letters, digits, _, - and .")
		}
	}
	require.Equal(t, []string{"." + authBinding + ".note", authBinding}, dirFiles(t, dir))
	require.Equal(t, []string{"secrets"}, dirFiles(t, parent))
	for _, name := range []string{strings.Repeat("X", 200), "DATABASE_URL", "db_password", "tls.crt", "0-9", "_", "layer",
		"check"} {
		publish(t, p, name, "x", "x")
	}
}

func TestDirRefusesItems(t *testing.T) {
	mib := strings.Repeat("x", 1<<20)
	for _, tc := range []struct {
		name, text, note string
		err              error // nil: it is taken
	}{
		{"1 MiB", mib, "n", nil},
		{"1 MiB with the newline that is dropped", mib[2:] + "\n", "n", nil},
		{"no text", "", "n", secret.ErrEmpty},
		{"a byte over 1 MiB", mib + "x", "n", secret.ErrTooLarge},
		{"a byte over 1 MiB with the newline that is dropped", mib[1:] + "\n", "n", secret.ErrTooLarge},
		{"a note of 200", "x", mib[:200], nil},
		{"a note of 201", "x", mib[:201], secret.ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			errs := New(dir).Publish(t.Context(),
				[]driver.Item{{Name: authBinding, Text: driver.NewValue(tc.text), Note: tc.note}})
			if tc.err == nil {
				require.Nil(t, errs)
				got, err := secret.Dir(dir).Get(t.Context(), authKey)
				require.NoError(t, err)
				require.True(t, got == tc.text)
				return
			}
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], tc.err)
			require.ErrorIs(t, errs[0], driver.ErrNotApplied)
			require.ErrorContains(t, errs[0], authBinding)
			require.Empty(t, dirFiles(t, dir))
		})
	}
}

// Temporary files contain values. The next publish removes those of a crash, for
// any secret. A file with a similar name stays.
func TestDirClearsUp(t *testing.T) {
	const own, ownNote = ".layer-A.0123456789abcdef.tmp", ".layer-.A.note.0123456789abcdef.tmp"
	others := []string{".layer-A.0123.tmp", own + ".bak", own[1:], ".other.tmp", ".layer-A.0123456789ABCDEF.tmp",
		".layer-layer.secrets.age.0123456789abcdef.tmp"}
	for name, do := range map[string]func(p *Publisher) []error{
		"publish": func(p *Publisher) []error {
			return p.Publish(t.Context(), []driver.Item{{Name: "A", Text: driver.NewValue("x"), Note: "n"}})
		},
		"remove": func(p *Publisher) []error { return p.Remove(t.Context(), []string{"A"}) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range append(others, own, ownNote) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("half a value"), 0o600))
			}
			folder := ".layer-A.0000000000000000.tmp"
			require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
			require.Nil(t, do(New(dir)))
			require.NotContains(t, dirFiles(t, dir), own)
			require.NotContains(t, dirFiles(t, dir), ownNote)
			require.Subset(t, dirFiles(t, dir), append(others, folder))
		})
	}
}

func TestDirMissing(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "no", "such")
	p := New(dir)
	found, err := p.Inspect(t.Context(), []string{authBinding})
	require.NoError(t, err)
	require.NotNil(t, found)
	require.Empty(t, found)
	require.Nil(t, p.Remove(t.Context(), []string{authBinding}))
	require.NoError(t, p.Check(t.Context(), []string{authBinding}))
	require.Nil(t, p.Publish(t.Context(), nil))
	require.Empty(t, dirFiles(t, parent), "nothing was to be written, so nothing is")
	t.Chdir(parent)
	// Entries of the parent folder have no effect.
	require.NoError(t, os.Mkdir(authBinding, 0o700))
	require.NoError(t, New("here").Check(t.Context(), []string{authBinding}))
	require.NoError(t, os.Remove(authBinding))
	publish(t, New("here"), authBinding, "x", "n")
	require.Equal(t, []string{"here"}, dirFiles(t, parent))
}

func TestDirThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	for path, want := range map[string]string{
		file: "directory " + file + " cannot be opened: not a directory; name " +
			"a directory, not a file",
		filepath.Join(file, "below"): "not a directory; name a directory, not a file",
		"":                           "invalid: the directory to publish into is not given",
	} {
		p := New(path)
		_, inspectErr := p.Inspect(t.Context(), []string{authBinding})
		errs := p.Publish(t.Context(), []driver.Item{{Name: authBinding, Text: driver.NewValue("x"), Note: "n"}})
		removed := p.Remove(t.Context(), []string{authBinding})
		require.Len(t, errs, 1)
		require.Len(t, removed, 1)
		require.ErrorIs(t, errs[0], driver.ErrNotApplied)
		require.ErrorIs(t, removed[0], driver.ErrNotApplied)
		for _, err := range []error{inspectErr, errs[0], removed[0], p.Check(t.Context(), nil)} {
			require.ErrorContains(t, err, want)
		}
	}
	require.Error(t, new(Publisher).Check(t.Context(), nil))
}

func TestDirReadOnly(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "secrets")
	publish(t, New(dir), authBinding, "old", "n")
	require.NoError(t, os.Chmod(dir, 0o555))
	require.NoError(t, os.Chmod(filepath.Join(dir, authBinding), 0o644))
	require.NoError(t, os.Chmod(filepath.Join(dir, "."+authBinding+".note"), 0o644))
	require.NoError(t, os.Chmod(parent, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(parent), 0o755))
	dropPrivileges(t)
	if f, err := os.Create(filepath.Join(dir, "probe")); err == nil {
		_ = f.Close()
		slow.Lacks(t, "this user may write everywhere")
	}
	p := New(dir)
	errs := p.Publish(t.Context(), []driver.Item{{Name: authBinding, Text: driver.NewValue("new value"), Note: "n"}})
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], driver.ErrNotApplied)
	removed := p.Remove(t.Context(), []string{authBinding})
	require.Len(t, removed, 1)
	for _, err := range []error{errs[0], removed[0], p.Check(t.Context(), nil),
		New(filepath.Join(dir, "no", "such")).Check(t.Context(), nil)} {
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, dir)
		require.ErrorContains(t, err, "let this user read and write the directory")
	}
	require.ErrorContains(t, New(filepath.Join(dir, "no", "such")).Check(t.Context(), nil),
		"is missing and cannot be made in "+dir)
	got, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.NoError(t, err)
	require.Equal(t, "old", got)
}

// A concurrent reader gets the old text or the new one, never none and never a
// part.
func TestDirReadMeanwhile(t *testing.T) {
	dir := t.TempDir()
	p := New(dir)
	texts := []string{strings.Repeat("a", 70_000), strings.Repeat("b", 100)}
	publish(t, p, authBinding, texts[0], "n")
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := secret.Dir(dir).Get(context.Background(), authKey)
				if err != nil || got != texts[0] && got != texts[1] {
					t.Errorf("neither of the texts: %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for i := range 40 {
		publish(t, p, authBinding, texts[i%2], "n")
	}
	close(done)
	wg.Wait()
}
