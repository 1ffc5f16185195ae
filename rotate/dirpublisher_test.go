package rotate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/rotate"
)

var (
	authKey     = secret.Address{Namespace: "auth", Name: "session-key"}
	authBinding = authKey.Binding()
)

func publish(t *testing.T, p rotate.Publisher, name, text, note string) {
	t.Helper()
	require.Nil(t, p.Publish(t.Context(), []rotate.Item{{Name: name, Text: rotate.NewValue(text), Note: note}}))
}

func inspect(t *testing.T, p rotate.Publisher, name string) (rotate.Published, bool) {
	t.Helper()
	found, err := p.Inspect(t.Context(), []string{name})
	require.NoError(t, err)
	published, ok := found[name]
	return published, ok
}

func content(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

func files(t *testing.T, dir string) []string {
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
	publish(t, rotate.Dir(dir), authBinding, "first\n", "a note")
	require.Equal(t, []string{"." + authBinding + ".note", authBinding}, files(t, dir))
	require.Equal(t, "first\n\n", content(t, dir, authBinding))
	require.Equal(t, "a note", content(t, dir, "."+authBinding+".note"))
	for path, mode := range map[string]os.FileMode{
		dir: 0o700 | os.ModeDir, filepath.Dir(dir): 0o700 | os.ModeDir, filepath.Join(dir, authBinding): 0o600,
		filepath.Join(dir, "."+authBinding+".note"): 0o600,
	} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), path)
	}
}

// What is written comes back through secret.Dir byte for byte, and is recognised.
func FuzzDirText(f *testing.F) {
	for _, text := range []string{"x", "x\n", "x\r", "x\r\n", "x\n\r", "\n", "\r", "\r\n", "\r\r\n\n", "\x00", "\xff", " ", strings.Repeat("x\n", 1<<15)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || len(text) >= 1<<20 {
			t.Skip()
		}
		dir := t.TempDir()
		p := rotate.Dir(dir)
		publish(t, p, authBinding, text, "note")
		got, err := secret.Dir(dir).Get(t.Context(), authKey)
		require.NoError(t, err)
		require.True(t, got == text, "another text")
		published, ok := inspect(t, p, authBinding)
		require.True(t, ok)
		require.Equal(t, rotate.Published{Note: "note", Modified: p.ModifiedOf(rotate.NewValue(text))}, published)
	})
}
