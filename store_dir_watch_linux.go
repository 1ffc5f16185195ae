package secret

import (
	"errors"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// stampOf returns the metadata of the file at the path. It is called for each
// file again and again, so it makes one system call and one allocation.
func stampOf(path string) stamp {
	var st syscall.Stat_t
	for {
		switch err := syscall.Stat(path, &st); err {
		case nil:
			return stampFrom(&st)
		case syscall.EINTR:
		default:
			return stamp{valid: true, fault: err.Error()}
		}
	}
}

func stampFrom(st *syscall.Stat_t) stamp {
	return stamp{valid: true, device: uint64(st.Dev), inode: st.Ino, size: st.Size, changeTime: st.Ctim.Nano()}
}

// isLocalPath reports whether the path is on a file system that only this
// machine writes to, that has inodes and change times, and that reports every
// change to inotify. For a path without a file, its nearest folder counts.
func isLocalPath(path string) bool {
	var st syscall.Statfs_t
	err := syscall.Statfs(path, &st)
	for errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.EINTR) {
		if err == syscall.ENOENT {
			up := filepath.Dir(path)
			if up == path {
				return false
			}
			path = up
		}
		err = syscall.Statfs(path, &st)
	}
	if err != nil {
		return false
	}
	switch uint32(st.Type) {
	case 0xef53, // ext2, ext3, ext4
		0x58465342, // XFS
		0x9123683e, // Btrfs
		0xca451a4e, // bcachefs
		0x2fc12fc1, // ZFS
		0xf2f52010, // F2FS
		0x01021994, // tmpfs
		0x858458f6: // ramfs
		return true
	}
	return false
}

// isLink reports whether the path is a symbolic link.
func isLink(path string) bool {
	_, is := readLink(path)
	return is
}

func readLink(path string) (target string, is bool) {
	var buf [512]byte // a longer target is cut: its folder has no watch then
	n, err := syscall.Readlink(path, buf[:])
	if err != nil {
		return "", false
	}
	return string(buf[:n]), true
}

// contentOf returns the content of the file if the path is no link, the file has
// this stamp, and the content fits into buf.
func contentOf(path string, s stamp, buf []byte) (content []byte, ok bool) {
	if s.size > int64(len(buf)) {
		return nil, false
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if syscall.Fstat(fd, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG || stampFrom(&st) != s {
		return nil, false
	}
	for n := 0; n < int(s.size); {
		got, err := syscall.Read(fd, buf[n:])
		switch {
		case err == syscall.EINTR:
		case err != nil || got == 0:
			return buf[:n], false
		default:
			n += got
		}
	}
	return buf[:s.size], true
}

// mostTargets bounds the number of folders that a Watch watches because links
// lead into them. Files in further ones are found by the slow pass.
const mostTargets = 16

// readLinks finds the names that links of the folder lead through, and watches
// the folders that they lead into: of Kubernetes, ..data and the dated folder.
func (w *dirWatch) readLinks() {
	w.relink = false
	names, folders := map[string]bool{}, map[string]bool{}
	for i := range w.files {
		f := &w.files[i]
		name := f.name
		f.link = false
		for range 40 { // the limit of Linux
			target, is := readLink(w.store.path + "/" + name)
			if !is {
				break
			}
			f.link = true
			target = path.Clean(target)
			if target[0] == '/' || target == ".." || strings.HasPrefix(target, "../") {
				break // it leads out of the folder, so it is not read
			}
			if folder := path.Dir(target); folder != "." && len(folders) < mostTargets {
				folders[folder] = true
			}
			first, rest, _ := strings.Cut(target, "/")
			for part := range strings.SplitSeq(rest, "/") {
				names[part] = true
			}
			if names[first] {
				break
			}
			names[first] = true
			name = first
		}
	}
	paths := make([]string, 0, len(folders))
	for folder := range folders {
		paths = append(paths, w.store.path+"/"+folder)
	}
	// With the parent folder, a folder that is replaced is found at once.
	w.events.follow(names, filepath.Dir(w.store.path), paths)
}
