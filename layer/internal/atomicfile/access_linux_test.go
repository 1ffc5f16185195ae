package atomicfile

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/layeron-hq/secret/internal/slow"
)

// entry is an entry of an access list, see acl(5).
type entry struct {
	tag, rights uint16
	id          uint32
}

func encode(entries ...entry) []byte {
	const version, noID = 2, 0xffffffff
	list := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range entries {
		if e.id == 0 {
			e.id = noID
		}
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.rights)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return list
}

const userObj, userTag, groupObj, maskTag, otherTag = 0x01, 0x02, 0x04, 0x10, 0x20

func setList(t *testing.T, path, name string, list []byte) {
	t.Helper()
	err := unix.Setxattr(path, name, list, 0)
	if errors.Is(err, unix.ENOTSUP) {
		slow.Lacks(t, "the file system has no access lists")
	}
	require.NoError(t, err)
}

func listOf(t *testing.T, f Folder, name string) []byte {
	t.Helper()
	file, err := f.Root.Open(name)
	require.NoError(t, err)
	defer file.Close()
	list, err := accessList(file)
	require.NoError(t, err)
	return list
}

// A program that reads its secret by an entry of the access list can still read
// it.
func TestAccessListSurvives(t *testing.T) {
	f := folder(t)
	require.NoError(t, f.Root.WriteFile("a", []byte("old"), 0o600))
	list := encode(entry{userObj, 6, 0}, entry{userTag, 4, alice}, entry{groupObj, 0, 0}, entry{maskTag, 4, 0},
		entry{otherTag, 0, 0})
	setList(t, f.Root.Name()+"/a", listName, list)
	_, err := replace(f, "a")
	require.NoError(t, err)
	require.Equal(t, "new", content(t, f, "a"))
	require.Equal(t, list, listOf(t, f, "a"))
	info, err := f.Root.Stat("a")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
}

// A list longer than the first buffer is read again.
func TestLongAccessListSurvives(t *testing.T) {
	f := folder(t)
	require.NoError(t, f.Root.WriteFile("a", []byte("old"), 0o600))
	entries := []entry{{userObj, 6, 0}}
	for i := range uint32(100) {
		entries = append(entries, entry{userTag, 4, alice + i})
	}
	list := encode(append(entries, entry{groupObj, 0, 0}, entry{maskTag, 4, 0}, entry{otherTag, 0, 0})...)
	setList(t, f.Root.Name()+"/a", listName, list)
	_, err := replace(f, "a")
	require.NoError(t, err)
	require.Equal(t, list, listOf(t, f, "a"))
}

// A folder passes its default access list on to new files. The old file had
// none, so the new one must not get the permissions of the folder's list.
func TestInheritedAccessListIsTakenAway(t *testing.T) {
	f := folder(t)
	require.NoError(t, f.Root.WriteFile("a", []byte("old"), 0o600))
	require.NoError(t, f.Root.Chmod("a", 0o640))
	setList(t, f.Root.Name(), "system.posix_acl_default",
		encode(entry{userObj, 7, 0}, entry{userTag, 6, alice}, entry{groupObj, 0, 0}, entry{maskTag, 7, 0},
			entry{otherTag, 0, 0}))
	_, err := replace(f, "a")
	require.NoError(t, err)
	require.Empty(t, listOf(t, f, "a"))
	info, err := f.Root.Stat("a")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
}
