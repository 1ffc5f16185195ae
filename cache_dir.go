package secret

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DirCache returns a Cache that has a file for each secret in the directory path.
// The values are on the disk as plain text, unless keyring.SealCache encrypts
// them.
//
// The first Put makes the directory, with the ones above it, with mode 0700, or
// sets that mode if the directory is there and empty. Files have mode 0600. A
// directory that another user owns, or one with content that other users may
// enter (a mode other than 0700 or less), is refused: each call returns an error
// that contains the next step, and the App works without the cache. The same
// holds for a path that is a link. Links in the directory are not followed. On Windows a mode
// protects nothing, and the directory has the access list of the one above:
// choose a place in the profile of the service's user.
//
// A Put writes a temporary file, syncs it, renames it and syncs the directory:
// after a crash at any moment a Get returns the old entry or the new one, whole.
// Several processes may use one directory if they are replicas of one App.
//
// With an empty path each call returns an error that wraps [ErrInvalid]. A
// relative path begins in the working directory of each call.
func DirCache(path string) Cache {
	if path != "" { // for Clean that is the working directory
		path = filepath.Clean(path) // with a slash at its end, a link would be followed
	}
	return &dirCache{path: path}
}

type dirCache struct {
	path  string
	step  func(string) error // tests fail or end the process before each step
	sweep sync.Once
}

var _ ownCache = (*dirCache)(nil)

// CacheKey implements an interface of the App.
func (*dirCache) CacheKey() *Secret { return nil }

// maxCacheFile is the size of the largest entry, sealed and as base64, with
// room.
const maxCacheFile = 2 * maxEntry

// Get implements [Cache].
func (c *dirCache) Get(ctx context.Context, addr Address) (string, error) {
	name, err := cacheName(ctx, addr)
	if err != nil {
		return "", err
	}
	root, err := c.open(false)
	if errors.Is(err, fs.ErrNotExist) {
		return "", because(ErrNotFound, "directory "+c.path+" does not exist")
	}
	if err != nil {
		return "", err
	}
	defer root.Close()
	text, err := c.read(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", because(ErrNotFound, "file "+filepath.Join(c.path, name)+" does not exist")
	}
	return text, err
}

// cacheName returns the name of a file for addr. It has only letters that every
// file system takes, and none in upper case; names such as con.txt are devices
// of Windows, so it has a prefix.
func cacheName(ctx context.Context, addr Address) (string, error) {
	if ctx.Err() != nil {
		return "", endOf(ctx)
	}
	addr = addr.withDefault()
	if !validName(addr.Namespace) || !validName(addr.Name) {
		return "", because(ErrInvalid, "namespace and name are each "+nameRule)
	}
	return "secret." + addr.Namespace + "." + addr.Name, nil
}

// open opens the directory and checks who may enter it. To write, it closes an
// empty directory to other users.
func (c *dirCache) open(toWrite bool) (*os.Root, error) {
	if c.path == "" {
		return nil, because(ErrInvalid, "the path of a DirCache is empty")
	}
	named, err := os.Lstat(c.path)
	if err != nil {
		return nil, err
	}
	if named.Mode()&fs.ModeSymlink != 0 {
		return nil, because(ErrInvalid, "directory "+c.path+" is a link, which a DirCache does not follow")
	}
	root, err := os.OpenRoot(c.path)
	if err != nil {
		return nil, err
	}
	if err := c.check(root, named, toWrite); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

func (c *dirCache) check(root *os.Root, named fs.FileInfo, toWrite bool) error {
	info, err := root.Stat(".")
	switch {
	case err != nil:
		return err
	case !os.SameFile(info, named):
		return because(ErrInvalid, "directory "+c.path+" was replaced while it was opened")
	case runtime.GOOS == "windows":
		return nil
	case !ownedByThisUser(info):
		return because(ErrInvalid, "directory "+c.path+" belongs to another user")
	case info.Mode().Perm()&0o077 == 0:
		return nil
	case !isEmpty(root):
		return because(ErrInvalid, "directory "+c.path+" has mode "+strconv.FormatInt(int64(info.Mode().Perm()), 8)+
			", so other users may enter it: set mode 0700, or name a directory in it that does not exist yet")
	case toWrite:
		return c.do("close to others", func() error { return root.Chmod(".", 0o700) })
	}
	return nil
}

func isEmpty(root *os.Root) bool {
	dir, err := root.Open(".")
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.ReadDir(1)
	return err == io.EOF
}

func (c *dirCache) read(root *os.Root, name string) (string, error) {
	f, err := c.openFile(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxCacheFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxCacheFile {
		return "", because(ErrTooLarge, "file "+filepath.Join(c.path, name)+" is too large for an entry")
	}
	return string(content), nil
}

// openFile opens a regular file. Opening a named pipe would wait for its writer,
// so the file is checked before. It must be the same file after; another Put may
// have replaced it meanwhile.
func (c *dirCache) openFile(root *os.Root, name string) (*os.File, error) {
	for range 100 {
		before, err := root.Lstat(name)
		if err != nil {
			return nil, err
		}
		if !before.Mode().IsRegular() {
			break
		}
		f, err := root.Open(name)
		if err != nil {
			return nil, err
		}
		if after, err := f.Stat(); err == nil && os.SameFile(before, after) {
			return f, nil
		}
		f.Close()
	}
	return nil, because(ErrInvalid, "file "+filepath.Join(c.path, name)+" is no regular file")
}

// Put implements [Cache].
func (c *dirCache) Put(ctx context.Context, addr Address, text string) error {
	name, err := cacheName(ctx, addr)
	if err != nil {
		return err
	}
	if len(text) > maxCacheFile {
		return because(ErrTooLarge, "the entry is too large")
	}
	root, err := c.open(true)
	if errors.Is(err, fs.ErrNotExist) {
		if err = c.do("make", func() error { return os.MkdirAll(c.path, 0o700) }); err == nil {
			root, err = c.open(true)
		}
	}
	if err != nil {
		return err
	}
	defer root.Close()
	c.sweep.Do(func() { sweepCache(root) })
	return c.replace(root, name, text)
}

// replace writes the file name, whole.
func (c *dirCache) replace(root *os.Root, name, text string) (err error) {
	temp := cacheTempPrefix + name + "." + strconv.FormatUint(rand.Uint64(), 16) + cacheTempSuffix
	defer func() {
		if err != nil {
			_ = root.Remove(temp)
		}
	}()
	if err := c.write(root, temp, text); err != nil {
		return err
	}
	if err := c.do("rename", func() error { return root.Rename(temp, name) }); err != nil {
		return err
	}
	return c.do("sync directory", func() error { return syncDirectory(root) })
}

func (c *dirCache) write(root *os.Root, name, text string) error {
	var f *os.File
	err := c.do("create", func() (err error) {
		f, err = root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.do("write", func() error { _, err := f.WriteString(text); return err }); err != nil {
		return err
	}
	if err := c.do("sync", f.Sync); err != nil {
		return err
	}
	return c.do("close", f.Close)
}

func (c *dirCache) do(what string, change func() error) error {
	if c.step != nil {
		if err := c.step(what); err != nil {
			return err
		}
	}
	return change()
}

// syncDirectory makes a rename durable, where the system can do that.
func syncDirectory(root *os.Root) error {
	if runtime.GOOS == "windows" || runtime.GOOS == "js" {
		return nil
	}
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// The names of temporary files.
const (
	cacheTempPrefix = ".tmp-"
	cacheTempSuffix = ".tmp"
)

// leftAfter is the age from which a temporary file has no writer any more.
const leftAfter = 10 * time.Minute

// sweepCache removes temporary files that a crash left.
func sweepCache(root *os.Root) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), cacheTempPrefix+"secret.") || !strings.HasSuffix(e.Name(), cacheTempSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftAfter {
			_ = root.Remove(e.Name())
		}
	}
}
