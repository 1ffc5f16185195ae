package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Access describes who may use a file: its owner, its group, its permission
// bits and, on Linux, its access list. A replacement gets the access of the
// file that it replaces, so that no program loses its secret. Other attributes
// are not kept.
//
// The zero Access is that of a new file: mode 0600, and it belongs to this
// user. A file that root makes in another user's folder belongs to the folder's
// owner, who could not replace or remove it otherwise.
type Access struct {
	kept     bool // taken from a file; else for a new file
	uid, gid int  // for a new file: gid -1 lets the system decide
	mode     fs.FileMode
	list     []byte
	private  bool // for a new file: owned by this user in any folder
}

// Access returns the access of a file in the folder, for its replacement. It is
// zero if there is no regular file of that name.
func (f Folder) Access(name string) (Access, error) {
	info, err := f.Root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return Access{}, nil
	}
	if err != nil {
		return Access{}, err
	}
	file, err := f.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Access{}, err
	}
	defer file.Close()
	info, err = file.Stat()
	if err != nil {
		return Access{}, err
	}
	list, err := accessList(file)
	if err != nil {
		return Access{}, err
	}
	return Access{kept: true, uid: owner(info), gid: group(info), mode: info.Mode().Perm(), list: list}, nil
}

// AccessOrReadable is Access, except that a new file is readable by every user.
func (f Folder) AccessOrReadable(name string) (Access, error) {
	access, err := f.Access(name)
	if err != nil || access.kept {
		return access, err
	}
	return Access{gid: -1, mode: 0o044}, nil
}

// AccessBeside is Access for a file that accompanies another one, such as
// layer.seen. A new file is shared with the group of the file at path model if
// that group may read and write the model. It is shared with no other user.
func (f Folder) AccessBeside(name, model string) (Access, error) {
	access, err := f.Access(name)
	if err != nil || access.kept {
		return access, err
	}
	return SharedWith(model), nil
}

// SharedWith returns the access of a new file that accompanies the one at path
// model.
func SharedWith(model string) Access {
	const both = 0o060
	info, err := os.Lstat(model)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&both != both {
		return Access{}
	}
	return Access{gid: group(info), mode: both}
}

// CreateWith creates an empty file of mode 0600 and sets its access. It does
// not change an existing file: the error wraps [io/fs.ErrExist].
func CreateWith(path string, access Access) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	return access.give(file, folderOf(path))
}

// MakeFolder makes a folder of mode 0700.
func MakeFolder(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	made, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil // the folder stays with this user
	}
	defer made.Close()
	// The owner of the parent folder may have replaced it meanwhile.
	info, err := made.Stat()
	if _, full := made.Readdirnames(1); err == nil && full == io.EOF && owner(info) == os.Geteuid() {
		giveTo(made, folderOf(filepath.Clean(path)))
	}
	return nil
}

// give sets the access of a new file of mode 0600. At no moment may a user read
// it who could not read the file that the access was taken from.
func (a Access) give(file *os.File, folder fs.FileInfo) error {
	if a.private {
		return nil
	}
	if !a.kept {
		a.giveNew(file, folder)
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if a.gid != group(info) {
		if err := file.Chown(-1, a.gid); err != nil && (a.list != nil || a.mode>>3&7 != a.mode&7) {
			return &LostAccessError{group: true, id: a.gid, mode: a.mode}
		}
	}
	if err := setAccessList(file, a.list); err != nil {
		return err
	}
	if info, err = file.Stat(); err != nil {
		return err
	}
	if a.mode != info.Mode().Perm() {
		if err := file.Chmod(a.mode); err != nil {
			return err
		}
	}
	if a.uid != owner(info) {
		if err := file.Chown(a.uid, -1); err != nil && a.ownerNeedsFile(group(info)) {
			return &LostAccessError{id: a.uid, mode: a.mode}
		}
	}
	return nil
}

// giveNew sets as much of the access as this user may set. Errors are ignored:
// a new file takes access from no user.
func (a Access) giveNew(file *os.File, folder fs.FileInfo) {
	if a.mode != 0 && file.Chown(-1, a.gid) == nil {
		_ = file.Chmod(0o600 | a.mode)
	}
	giveTo(file, folder)
}

// GiveToFolder makes the owner of the folder the owner of a file that root has
// just created; the folder's owner could not change it otherwise. The file must
// not have existed before: it could be a link to a file of another user.
func GiveToFolder(file *os.File) { giveTo(file, folderOf(file.Name())) }

// folderOf returns nil if the folder cannot be inspected.
func folderOf(path string) fs.FileInfo {
	info, _ := os.Stat(filepath.Dir(path))
	return info
}

func giveTo(file *os.File, folder fs.FileInfo) {
	if os.Geteuid() != 0 || folder == nil || owner(folder) == 0 {
		return
	}
	made, err := file.Stat()
	if err != nil {
		return
	}
	gid := group(folder)
	if !made.IsDir() && made.Mode().Perm()&0o020 != 0 {
		gid = -1 // it already has the folder's group
	}
	_ = file.Chown(owner(folder), gid)
}

// ownerNeedsFile reports whether the owner of the old file could not read the
// new file if it belonged to another user. gid is the group of the file.
func (a Access) ownerNeedsFile(gid int) bool {
	const owner, group, others = 0o400, 0o040, 0o004
	switch {
	case a.uid == 0 || a.mode&owner == 0 || a.mode&(group|others) == group|others:
		return false
	case a.mode&group == 0:
		return true
	}
	if is, known := isMember(a.uid, gid); known {
		return !is
	}
	// The system does not know the user, so the user's groups are unknown. If the
	// group may read and write as much as the owner, assume that the owner is a
	// member.
	return a.mode>>3&6 != a.mode>>6&6
}

// isMember reports whether a user is in a group. known is false if the system
// does not know the user. Tests replace it.
var isMember = func(uid, gid int) (is, known bool) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return false, false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, strconv.Itoa(gid)), err == nil
}

// LostAccessError reports a replacement that this user cannot make without
// taking access from the group or the owner of the file. No file was changed.
type LostAccessError struct {
	group bool
	id    int
	mode  fs.FileMode
}

func (e *LostAccessError) Error() string {
	if e.group {
		return fmt.Sprintf("its group %s would lose access (mode %04o), because this user may not give a file to that "+
			"group: nothing was changed. "+
			"Run as a member of the group or as root, or give the file to a group of yours with `chgrp`", groupName(e.id),
			e.mode)
	}
	return fmt.Sprintf("its owner %s would lose access (mode %04o), because this user may not give a file away: "+
		"nothing was changed. "+
		"Run as that user or as root, or let the file's group read it and make the owner a member", userName(e.id), e.mode)
}

// userName returns the name of a user, or the number if the system does not
// know the user.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

func owner(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }
func group(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Gid) }

// Denied returns advice on how to get access to a file that this user may not
// open. It is empty if the file cannot be inspected.
func Denied(path string) string {
	if advice := DeniedByRoot(path); advice != "" {
		return advice
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return ""
	case owner(info) == os.Geteuid():
		return fmt.Sprintf("it belongs to you and has mode %04o: run `chmod u+rw %s`", info.Mode().Perm(), path)
	}
	return fmt.Sprintf("it belongs to user %s (mode %04o): that user can share it with a group, with `chgrp GROUP %s` "+
		"and `chmod g+rw %s`",
		userName(owner(info)), info.Mode().Perm(), path, path)
}

// DeniedByRoot is Denied for a file of root, and empty for any other file.
func DeniedByRoot(path string) string {
	info, err := os.Lstat(path)
	if err != nil || owner(info) != 0 {
		return ""
	}
	return fmt.Sprintf("it belongs to root (mode %04o), perhaps after a run with sudo: take it back with `sudo "+
		"chown %s %s`", info.Mode().Perm(),
		userName(os.Geteuid()), path)
}
