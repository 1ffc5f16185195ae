package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// Users and groups of the tests, which the system does not know.
const (
	alice, bob, other = 61001, 61002, 61003
	team, foreign     = 61100, 61200
)

// put makes a file with an owner, a group and a mode.
func put(t *testing.T, f Folder, name string, uid, gid int, mode fs.FileMode) {
	t.Helper()
	path := filepath.Join(f.Root.Name(), name)
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	require.NoError(t, os.Chown(path, uid, gid))
	require.NoError(t, os.Chmod(path, mode))
}

// state returns owner, group and mode of a file.
func state(t *testing.T, f Folder, name string) string {
	t.Helper()
	info, err := f.Root.Lstat(name)
	require.NoError(t, err)
	return fmt.Sprintf("%d:%d %v", owner(info), group(info), info.Mode())
}

// replace replaces a file as a publisher does.
func replace(f Folder, name string) (renamed bool, err error) {
	access, err := f.Access(name)
	if err != nil {
		return false, err
	}
	return f.Replace(name, []byte("new"), access)
}

const dirVariable = "ATOMICFILE_TEST_DIR"

// isUser reports whether asUser started this process. It then switches to the
// user, without privileges, in the folder.
func isUser(t *testing.T, uid, gid int, groups ...int) bool {
	t.Helper()
	dir := os.Getenv(dirVariable)
	if dir == "" {
		return false
	}
	t.Chdir(dir)
	require.NoError(t, syscall.Setgroups(groups))
	require.NoError(t, syscall.Setgid(gid))
	require.NoError(t, syscall.Setuid(uid))
	return true
}

// asUser runs this test in a process of its own, in which isUser returns true.
func asUser(t *testing.T, f Folder) {
	t.Helper()
	var pattern []string
	for part := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+part+"$")
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+strings.Join(pattern, "/"))
	child.Env = append(os.Environ(), dirVariable+"="+f.Root.Name())
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestRootKeepsAccess(t *testing.T) {
	slow.Root(t)
	for _, tc := range []struct {
		uid, gid int
		mode     fs.FileMode
		want     string
	}{
		{0, team, 0o640, "0:61100 -rw-r-----"},
		{alice, team, 0o440, "61001:61100 -r--r-----"},
		{alice, team, 0o600, "61001:61100 -rw-------"},
		{0, 0, 0o644, "0:0 -rw-r--r--"},
		{alice, team, 0, "61001:61100 ----------"},
		{alice, team, 0o755 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky, "61001:61100 -rwxr-xr-x"},
	} {
		f := folder(t)
		put(t, f, "a", tc.uid, tc.gid, tc.mode)
		for range 2 {
			_, err := replace(f, "a")
			require.NoError(t, err)
			require.Equal(t, tc.want, state(t, f, "a"))
			require.Equal(t, "new", content(t, f, "a"))
		}
	}
}

// A program that has the temporary file open can read the content that is
// written later. So the access must be right while the file is still empty, and
// never wider before.
func TestRootAccessComesBeforeContent(t *testing.T) {
	slow.Root(t)
	f := folder(t)
	put(t, f, "a", alice, team, 0o640)
	looked := false
	f.Step = func(what string) error {
		if what == "write a" {
			temps, err := filepath.Glob(filepath.Join(f.Root.Name(), ".layer-*.tmp"))
			require.NoError(t, err)
			require.Len(t, temps, 1)
			name := filepath.Base(temps[0])
			require.Equal(t, "61001:61100 -rw-r-----", state(t, f, name))
			require.Empty(t, content(t, f, name))
			looked = true
		}
		return nil
	}
	_, err := replace(f, "a")
	require.NoError(t, err)
	require.True(t, looked)
}

func TestRootGivesNewFilesToOwnerOfFolder(t *testing.T) {
	slow.Root(t)
	f := folder(t)
	require.NoError(t, os.Chown(f.Root.Name(), alice, team))
	_, err := replace(f, "a")
	require.NoError(t, err)
	require.Equal(t, "61001:61100 -rw-------", state(t, f, "a"))

	require.NoError(t, MakeFolder(filepath.Join(f.Root.Name(), "sub")+"/"))
	require.Equal(t, "61001:61100 drwx------", state(t, f, "sub"))
	require.ErrorIs(t, MakeFolder(filepath.Join(f.Root.Name(), "sub")), fs.ErrExist)

	require.NoError(t, CreateWith(filepath.Join(f.Root.Name(), "lock"), Access{}))
	require.Equal(t, "61001:61100 -rw-------", state(t, f, "lock"))
	put(t, f, "there", 0, 0, 0o600)
	require.ErrorIs(t, CreateWith(filepath.Join(f.Root.Name(), "there"), Access{}), fs.ErrExist)
	require.Equal(t, "0:0 -rw-------", state(t, f, "there"), "it may be a link to another file")

	// The identity opens the ledger, so no other user may own it.
	_, err = Create(filepath.Join(f.Root.Name(), "identity"), []byte("key"))
	require.NoError(t, err)
	require.Equal(t, "0:0 -rw-------", state(t, f, "identity"))
}

// A file that accompanies a group's file is shared with that group.
func TestRootNewFileBesideSharedOne(t *testing.T) {
	slow.Root(t)
	for _, tc := range []struct {
		mode fs.FileMode
		want string
	}{
		{0o660, "0:61100 -rw-rw----"},
		{0o666, "0:61100 -rw-rw----"},
		{0o640, "0:0 -rw-------"},
		{0o600, "0:0 -rw-------"},
		{0o620, "0:0 -rw-------"},
	} {
		f := folder(t)
		put(t, f, "model", alice, team, tc.mode)
		access, err := f.AccessBeside("a", filepath.Join(f.Root.Name(), "model"))
		require.NoError(t, err)
		_, err = f.Replace("a", []byte("new"), access)
		require.NoError(t, err)
		require.Equal(t, tc.want, state(t, f, "a"))

		put(t, f, "own", bob, foreign, 0o400)
		access, err = f.AccessBeside("own", filepath.Join(f.Root.Name(), "model"))
		require.NoError(t, err)
		_, err = f.Replace("own", []byte("new"), access)
		require.NoError(t, err)
		require.Equal(t, "61002:61200 -r--------", state(t, f, "own"), "an existing one is never widened")
	}
	require.Zero(t, SharedWith(filepath.Join(t.TempDir(), "nothing")))
	require.Zero(t, SharedWith(t.TempDir()))
}

// A user without privileges keeps the access, or gets an error before any
// change.
func TestRootAsUserKeepsAccessOrRefuses(t *testing.T) {
	slow.Root(t)
	for name, tc := range map[string]struct {
		uid, gid int // of the file
		mode     fs.FileMode
		groups   []int
		want     string // of the file afterwards
		refused  string
	}{
		"own file":                      {bob, bob, 0o600, nil, "61002:61002 -rw-------", ""},
		"group of own":                  {bob, team, 0o640, []int{team}, "61002:61100 -rw-r-----", ""},
		"group of root that user is in": {0, team, 0o640, []int{team}, "61002:61100 -rw-r-----", ""},
		"group that user is not in": {bob, foreign, 0o640, []int{team}, "",
			"its group 61200 would lose access (mode 0640)"},
		"group without rights":             {bob, foreign, 0o600, nil, "61002:61002 -rw-------", ""},
		"group with the rights of all":     {bob, foreign, 0o644, nil, "61002:61002 -rw-r--r--", ""},
		"group with fewer rights than all": {bob, foreign, 0o604, nil, "", "its group 61200 would lose access (mode 0604)"},
		"file of an equal":                 {alice, team, 0o660, []int{team}, "61002:61100 -rw-rw----", ""},
		"file of a program": {alice, team, 0o640, []int{team}, "",
			"its owner 61001 would lose access (mode 0640)"},
		"file that all may read":            {alice, team, 0o644, []int{team}, "61002:61100 -rw-r--r--", ""},
		"file of a program in a known team": {other, team, 0o640, []int{team}, "61002:61100 -rw-r-----", ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer func(was func(int, int) (bool, bool)) { isMember = was }(isMember)
			isMember = func(uid, gid int) (is, known bool) { return uid == other && gid == team, uid == other }
			if isUser(t, bob, bob, tc.groups...) {
				f, err := Open(".", nil)
				require.NoError(t, err)
				renamed, err := replace(f, "a")
				if tc.refused == "" {
					require.NoError(t, err)
					return
				}
				lost := (*LostAccessError)(nil)
				require.ErrorAs(t, err, &lost)
				require.ErrorContains(t, err, tc.refused)
				require.ErrorContains(t, err, "nothing was changed")
				require.False(t, renamed)
				return
			}
			f := folder(t)
			require.NoError(t, os.Chmod(f.Root.Name(), 0o777))
			put(t, f, "a", tc.uid, tc.gid, tc.mode)
			before := state(t, f, "a")
			asUser(t, f)
			require.Equal(t, []string{"a"}, names(t, f))
			if tc.refused != "" {
				require.Equal(t, before, state(t, f, "a"))
				require.Equal(t, "old", content(t, f, "a"))
				return
			}
			require.Equal(t, tc.want, state(t, f, "a"))
			require.Equal(t, "new", content(t, f, "a"))
		})
	}
}

func TestRootAsUserIsToldHowToGetAccess(t *testing.T) {
	slow.Root(t)
	if !isUser(t, bob, bob, team) {
		f := folder(t)
		put(t, f, "roots", 0, 0, 0o600)
		put(t, f, "alices", alice, team, 0o600)
		put(t, f, "own", bob, bob, 0o200)
		asUser(t, f)
		return
	}
	for name, says := range map[string]string{
		"roots": "permission denied: it belongs to root (mode 0600), perhaps after a run with sudo: take it back with " +
			"`sudo chown 61002 roots`",
		"alices": "it belongs to user 61001 (mode 0600): that user can share it with a group, with `chgrp GROUP alices` " +
			"and `chmod g+rw alices`",
		"own": "it belongs to you and has mode 0200: run `chmod u+rw own`",
	} {
		_, err := Read(name, 10)
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, says)
	}
	_, err := Read("nothing", 10)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Empty(t, Denied("nothing"))
}
