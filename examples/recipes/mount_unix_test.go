//go:build unix

package recipes

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// mount publishes a value as the kubelet does: it writes a new folder, then
// replaces the link ..data that the files lead through.
func mount(t *testing.T, folder, generation, text string) {
	t.Helper()
	name := stripeKey.Binding()
	require.NoError(t, os.Mkdir(filepath.Join(folder, generation), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, generation, name), []byte(text), 0o600))
	require.NoError(t, os.Symlink(generation, filepath.Join(folder, "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
	if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(folder, name)))
	}
}

// serve starts the App of the recipe and returns a read of its secret.
func serve(t *testing.T, folder string) func() string {
	t.Helper()
	app, err := startMounted(t.Context(), folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	return func() string {
		text, err := stripeKey.Current().Text()
		require.NoError(t, err)
		return text
	}
}

func TestMountedFolderIsFollowed(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		mount(t, folder, "..1", "current=v1;v1=old")
		read := serve(t, folder)
		require.Equal(t, "old", read())
		mount(t, folder, "..2", "current=v2;v1=old;v2=new")
		time.Sleep(3 * time.Second)
		require.Equal(t, "new", read())
	})
}

// A bind mount of one file shows the file that had the name at that time, as a
// hard link does.
func TestMountedFileNeverChanges(t *testing.T) {
	source, folder := t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		name := stripeKey.Binding()
		file := filepath.Join(source, name)
		require.NoError(t, os.WriteFile(file, []byte("current=v1;v1=old"), 0o600))
		require.NoError(t, os.Link(file, filepath.Join(folder, name)))
		read := serve(t, folder)
		require.NoError(t, os.WriteFile(file+".tmp", []byte("current=v2;v1=old;v2=new"), 0o600))
		require.NoError(t, os.Rename(file+".tmp", file))
		time.Sleep(time.Hour)
		require.Equal(t, "old", read())
		published, err := stripeKey.With(secret.Dir(source)).Current().Text()
		require.NoError(t, err)
		require.Equal(t, "new", published)
	})
}
