package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenPlainTakesNoOtherFileThanTheNamedOne(t *testing.T) {
	for name, tc := range map[string]struct {
		put  func(path, other string) error
		want error
	}{
		"a file":                    {func(path, _ string) error { return os.WriteFile(path, nil, 0o600) }, nil},
		"a link":                    {func(path, other string) error { return os.Symlink(other, path) }, ErrLink},
		"a link that leads nowhere": {func(path, _ string) error { return os.Symlink("nowhere", path) }, ErrLink},
		"a hard link":               {func(path, other string) error { return os.Link(other, path) }, ErrHardLink},
		"a pipe":                    {func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }, ErrIrregular},
		"a folder":                  {func(path, _ string) error { return os.Mkdir(path, 0o700) }, syscall.EISDIR},
		"nothing":                   {func(string, string) error { return nil }, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "a"), filepath.Join(dir, "other")
			require.NoError(t, os.WriteFile(other, []byte("precious"), 0o600))
			require.NoError(t, tc.put(path, other))
			file, err := OpenPlain(path, os.O_RDWR)
			require.ErrorIs(t, err, tc.want)
			if err == nil {
				require.NoError(t, file.Close())
			}
		})
	}
}
