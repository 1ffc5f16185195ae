package ledger

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentityOfOthers(t *testing.T) {
	for mode, tc := range map[fs.FileMode]struct{ readable, writable bool }{
		0o600: {}, 0o400: {}, 0o700: {},
		0o640: {readable: true}, 0o440: {readable: true}, 0o604: {readable: true}, 0o644: {readable: true},
		0o755: {readable: true},
		0o620: {writable: true}, 0o602: {writable: true}, 0o660: {readable: true, writable: true},
		0o666: {readable: true, writable: true},
	} {
		for _, linked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%04o, link %v", mode, linked), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "my.key")
				identity, _, err := NewIdentity()
				require.NoError(t, err)
				require.NoError(t, WriteIdentity(path, identity))
				require.NoError(t, os.Chmod(path, mode))
				if linked {
					link := filepath.Join(t.TempDir(), "link")
					require.NoError(t, os.Symlink(path, link))
					path = link
				}
				ids, err := ReadIdentities(path)
				if tc.writable {
					require.ErrorContains(t, err, "identity "+path+": mode "+fmt.Sprintf("%04o",
						mode)+" lets other users write it")
					require.ErrorContains(t, err, "`chmod 600 "+path+"`")
					require.Empty(t, ids.Recipients())
				} else {
					require.NoError(t, err)
					require.Len(t, ids.Recipients(), 1)
				}
				if tc.readable {
					require.Contains(t, IdentityReadable(path), fmt.Sprintf("mode %04o lets other users read it", mode))
					require.Contains(t, IdentityReadable(path), "`chmod 600 "+path+"`")
				} else {
					require.Empty(t, IdentityReadable(path))
				}
			})
		}
	}
	require.Empty(t, IdentityReadable(filepath.Join(t.TempDir(), "missing")))
}

// A credential of systemd and a secret volume of Kubernetes belong to root, and
// their users read them through an access list or a group.
func TestReadableByOthers(t *testing.T) {
	for _, tc := range []struct {
		mode        fs.FileMode
		owner, user int
		want        bool
	}{
		{0o600, 1000, 1000, false}, {0o640, 1000, 1000, true}, {0o604, 1000, 1000, true}, {0o440, 1000, 1000, true},
		{0o440, 0, 65532, false}, {0o640, 0, 65532, false}, {0o440, 1000, 65532, false}, {0o444, 0, 65532, true},
		{0o404, 0, 65532, true}, {0o440, 0, 0, true}, {0o440, 1000, 0, true}, {0o400, 1000, 0, false},
	} {
		require.Equal(t, tc.want, readableByOthers(tc.mode, tc.owner, tc.user), "%04o of %d, read by %d", tc.mode, tc.owner,
			tc.user)
	}
}

// An older version of layer, killed while it wrote the identity, left an empty
// file.
func TestEmptyIdentitySaysHowToGoOn(t *testing.T) {
	for _, text := range []string{"", "\n", " \n\t\n"} {
		path := filepath.Join(t.TempDir(), "layer.identity")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := ReadIdentities(path)
		require.ErrorContains(t, err, "it is empty")
		require.ErrorContains(t, err, "remove it and run again")
	}
}

// The next read removes the temporary file of a killed run, even if that run made
// no identity.
func TestReadIdentitiesSweeps(t *testing.T) {
	for _, made := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "layer.identity")
		if made {
			identity, _, err := NewIdentity()
			require.NoError(t, err)
			require.NoError(t, WriteIdentity(path, identity))
		}
		left, other := filepath.Join(dir, ".layer-layer.identity.0123456789abcdef.tmp"),
			filepath.Join(dir, ".layer-another.0123456789abcdef.tmp")
		for _, file := range []string{left, other} {
			require.NoError(t, os.WriteFile(file, []byte("half"), 0o600))
		}
		_, err := ReadIdentities(path)
		require.Equal(t, made, err == nil, "%v", err)
		require.NoFileExists(t, left)
		require.FileExists(t, other)
	}
}
