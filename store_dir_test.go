package secret_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/slow"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// link makes a symbolic link, or skips the test where the system has none for
// us.
func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		slow.Lacks(t, "no symbolic links here: %v", err)
	}
}

func requireFile(t *testing.T, want, dir string) {
	t.Helper()
	got, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.NoError(t, err)
	require.True(t, want == got, "another text: %d bytes instead of %d", len(got), len(want))
}

// Docker mounts each secret as a file, and systemd passes each credential as
// one that only its owner may read.
func TestDirReadsPlainFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, authBinding)
	require.NoError(t, os.WriteFile(path, []byte("docker"), 0o444))
	requireFile(t, "docker", dir)

	dir = t.TempDir()
	path = filepath.Join(dir, authBinding)
	require.NoError(t, os.WriteFile(path, []byte("systemd"), 0o400))
	requireFile(t, "systemd", dir)
	t.Chdir(dir)
	requireFile(t, "systemd", ".")
}

func TestDirDropsOneNewline(t *testing.T) {
	for stored, want := range map[string]string{
		"x": "x", "x\n": "x", "x\r\n": "x", "x\n\n": "x\n", "x\r\n\r\n": "x\r\n", "x\n\r\n": "x\n", "x\r\r\n": "x\r",
		"x\r": "x\r", "x\n\r": "x\n\r",
		"\n": "", "\r\n": "", "": "", "\nx": "\nx", " x \n": " x ", "x \t": "x \t", "x\u2028": "x\u2028", "x\v\n": "x\v",
		"-----BEGIN X-----\nAA\n-----END X-----\n":   "-----BEGIN X-----\nAA\n-----END X-----",
		"\ufeffbyte order mark\x00NUL\xffno UTF-8\n": "\ufeffbyte order mark\x00NUL\xffno UTF-8",
	} {
		t.Run(fmt.Sprintf("%q", stored), func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, authBinding), stored)
			requireFile(t, want, dir)
		})
	}
}

// kubelet mounts a secret as Kubernetes does: the files are in a dated
// directory, ..data is a link to it, and a program opens links through ..data.
// An update swaps that one link.
type kubelet struct {
	t     *testing.T
	mount string
	n     int
}

func (k *kubelet) publish(text string) {
	k.n++
	dated := fmt.Sprintf("..2026_11_23_%d", k.n)
	write(k.t, filepath.Join(k.mount, dated, authBinding), text)
	old, _ := os.Readlink(filepath.Join(k.mount, "..data"))
	link(k.t, dated, filepath.Join(k.mount, "..data_tmp"))
	require.NoError(k.t, os.Rename(filepath.Join(k.mount, "..data_tmp"), filepath.Join(k.mount, "..data")))
	if old == "" {
		link(k.t, filepath.Join("..data", authBinding), filepath.Join(k.mount, authBinding))
	} else {
		require.NoError(k.t, os.RemoveAll(filepath.Join(k.mount, old)))
	}
}

func TestDirOfKubernetes(t *testing.T) {
	k := &kubelet{t: t, mount: t.TempDir()}
	s := sessionKey(secret.Dir(k.mount))
	for _, text := range []string{"first", "second", "third"} {
		k.publish(text)
		requireText(t, text, s.Current())
	}
}

// Kubelet removes the old files right after the swap. A reader that has come as
// far as their directory must look again, not say that there is no such secret.
func TestDirDuringASwap(t *testing.T) {
	k := &kubelet{t: t, mount: t.TempDir()}
	store := secret.Dir(k.mount)
	k.publish("text 1")
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := store.Get(context.Background(), authKey)
				if err != nil {
					t.Errorf("a value that is there all the time is not found: %v", err)
					return
				}
				if !strings.HasPrefix(got, "text ") {
					t.Error("half a value")
					return
				}
			}
		})
	}
	for i := range 50 {
		k.publish(fmt.Sprintf("text %d", i))
	}
	close(done)
	wg.Wait()
}

func TestDirLinks(t *testing.T) {
	const marker = "Qz7kWv2mXt9RbLp4nHc8"
	outside := t.TempDir()
	write(t, filepath.Join(outside, "file"), marker)
	write(t, filepath.Join(outside, "sub", authBinding), marker)
	for name, tc := range map[string]struct {
		target func(dir string) string
		at     string // of the link; empty: at the file's own place
		ok     bool
	}{
		"to a file beside it":    {target: func(string) string { return "beside" }, ok: true},
		"to a file further down": {target: func(string) string { return filepath.Join("down", "file") }, ok: true},
		"up and down again":      {target: func(string) string { return filepath.Join("down", "..", "beside") }, ok: true},
		"out of the directory": {target: func(dir string) string {
			return relative(t, dir, filepath.Join(outside, "file"))
		}},
		"out and back in": {target: func(dir string) string {
			return filepath.Join("..", filepath.Base(dir), "beside")
		}},
		"absolute, out of the directory":    {target: func(string) string { return filepath.Join(outside, "file") }},
		"absolute, in the directory":        {target: func(dir string) string { return filepath.Join(dir, "beside") }},
		"through a directory that is a way": {target: func(string) string { return filepath.Join("way", authBinding) }},
		"out, where there is nothing": {target: func(string) string {
			return filepath.Join("..", "..", "nothing-there")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "beside"), "inside")
			write(t, filepath.Join(dir, "down", "file"), "inside")
			link(t, filepath.Join(outside, "sub"), filepath.Join(dir, "way"))
			link(t, tc.target(dir), filepath.Join(dir, authBinding))
			got, err := secret.Dir(dir).Get(t.Context(), authKey)
			if tc.ok {
				require.NoError(t, err)
				require.Equal(t, "inside", got)
				return
			}
			require.Error(t, err)
			require.Empty(t, got)
			require.NotErrorIs(t, err, secret.ErrNotFound,
				"it is there, and an operator who is told otherwise looks in the wrong place")
			require.ErrorContains(t, err, filepath.Join(dir, authBinding))
			require.Empty(t, redacttest.Check(err, marker))
		})
	}
}

// A link may change between the check and the opening: the new target cannot
// lead out of the directory either.
func TestDirLinkTurnedMeanwhile(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	write(t, filepath.Join(dir, "beside"), "inside")
	write(t, outside, "outside")
	turn := func(target string) {
		link(t, target, filepath.Join(dir, "new"))
		require.NoError(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, authBinding)))
	}
	turn("beside")
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got, err := secret.Dir(dir).Get(context.Background(), authKey); err == nil && got != "inside" {
					t.Error("read outside of the directory")
					return
				}
			}
		})
	}
	for range 200 {
		turn(outside)
		turn("beside")
	}
	close(done)
	wg.Wait()
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	path, err := filepath.Rel(from, to)
	require.NoError(t, err)
	return path
}

// Every refusal wraps ErrInvalid, so that a program can distinguish a bad mount
// from a store that is down.
func TestDirRefusalsAreInvalid(t *testing.T) {
	dir := t.TempDir()
	link(t, filepath.Join("..", "elsewhere"), filepath.Join(dir, authBinding))
	_, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.ErrorIs(t, err, secret.ErrInvalid)
}

func TestDirDanglingAndCircularLinks(t *testing.T) {
	dir := t.TempDir()
	link(t, "gone", filepath.Join(dir, authBinding))
	_, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.ErrorIs(t, err, secret.ErrNotFound)

	dir = t.TempDir()
	link(t, authBinding, filepath.Join(dir, authBinding))
	_, err = secret.Dir(dir).Get(t.Context(), authKey)
	require.Error(t, err)
	require.NotErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, filepath.Join(dir, authBinding))
}

func TestDirMissing(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{"file": dir, "directory": filepath.Join(dir, "no", "such")} {
		t.Run(name, func(t *testing.T) {
			_, err := secret.Dir(path).Get(t.Context(), authKey)
			require.ErrorIs(t, err, secret.ErrNotFound)
			require.EqualError(t, err, "not found: file "+filepath.Join(path, authBinding)+" does not exist")
		})
	}
	// The name counts to the letter.
	write(t, filepath.Join(dir, authBinding+"_2"), "x")
	write(t, filepath.Join(dir, authBinding+".txt"), "x")
	write(t, filepath.Join(dir, "session-key"), "x")
	_, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.ErrorIs(t, err, secret.ErrNotFound)
}

func TestDirThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "Qz7kWv2mXt9RbLp4nHc8")
	_, err := secret.Dir(file).Get(t.Context(), authKey)
	require.Error(t, err)
	require.NotErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, file)
	require.Empty(t, redacttest.Check(err, "Qz7kWv2mXt9RbLp4nHc8"))
}

func TestDirInPlaceOfTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, authBinding, "file"), "x")
	_, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.ErrorIs(t, err, secret.ErrInvalid)
	require.NotErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, "file "+filepath.Join(dir, authBinding)+" is no regular file")
}

func TestDirUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, authBinding)
	write(t, path, "x")
	require.NoError(t, os.Chmod(path, 0))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	dropPrivileges(t)
	if f, err := os.Open(path); err == nil {
		_ = f.Close()
		slow.Lacks(t, "this user may read every file")
	}
	_, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NotErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, path)
}

func TestDirLimit(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		name   string
		stored string
		size   int // of the text; 0: too large
	}{
		{"1 MiB", strings.Repeat("x", mib), mib},
		{"newline within 1 MiB", strings.Repeat("x", mib-1) + "\n", mib - 1},
		{"a byte more", strings.Repeat("x", mib+1), 0},
		{"3 MiB", strings.Repeat("x", 3*mib), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, authBinding), tc.stored)
			got, err := secret.Dir(dir).Get(t.Context(), authKey)
			if tc.size > 0 {
				require.NoError(t, err)
				require.Len(t, []byte(got), tc.size)
				return
			}
			require.ErrorIs(t, err, secret.ErrTooLarge)
			require.ErrorContains(t, err, filepath.Join(dir, authBinding))
			require.Empty(t, got)
		})
	}
}

func TestDirAddressesCannotEscape(t *testing.T) {
	const marker = "Qz7kWv2mXt9RbLp4nHc8"
	parent := t.TempDir()
	dir := filepath.Join(parent, "mount")
	// Whatever a careless join of prefix and name could lead to.
	for _, path := range []string{"x", "LAYERON_SECRET_DEFAULT_X", "LAYERON_SECRET_X", "X"} {
		write(t, filepath.Join(parent, path), marker)
		write(t, filepath.Join(dir, "LAYERON_SECRET_AUTH_", path), marker)
	}
	write(t, filepath.Join(dir, "LAYERON_SECRET_DEFAULT_"), marker)
	for _, addr := range []secret.Address{
		{}, {Namespace: "auth"}, {Name: ".."}, {Name: "."}, {Name: "../x"}, {Name: "/../../x"}, {Namespace: "..", Name: "x"},
		{Namespace: "auth", Name: "/x"},
		{Namespace: "auth", Name: "/../../x"}, {Namespace: "auth/", Name: "x"}, {Namespace: "/", Name: "x"},
		{Namespace: "a", Name: `\..\..\x`},
		{Namespace: "auth", Name: "x\x00"}, {Namespace: "auth", Name: "X"}, {Namespace: "AUTH", Name: "session-key"},
		{Namespace: "auth", Name: "c:x"},
		{Namespace: "auth", Name: strings.Repeat("x", 64)},
	} {
		t.Run(fmt.Sprintf("%q", addr.String()), func(t *testing.T) {
			got, err := secret.Dir(dir).Get(t.Context(), addr)
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.Empty(t, got)
			require.Empty(t, redacttest.Check(err, marker))
		})
	}
}

// A file whose time and size are as before may hold something else all the
// same.
func TestDirReadsAnew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, authBinding)
	write(t, path, "first.")
	s := sessionKey(secret.Dir(dir))
	requireText(t, "first.", s.Current())
	info, err := os.Stat(path)
	require.NoError(t, err)
	write(t, path, "second")
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	requireText(t, "second", s.Current())
	require.NoError(t, os.Remove(path))
	_, err = s.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
}
