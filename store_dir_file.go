package secret

import (
	"os"
	"time"
)

// dirFile is a file that a Watch follows, and its state at the last comparison.
type dirFile struct {
	addr  Address
	name  string
	path  string
	stamp stamp
	at    int64 // when the file was compared, in Unix nanoseconds
	told  int64 // when changed was called for it
	state fileState
	known bool // state is set
	link  bool
}

// stamp is the metadata of a file, through links. Where the system has none that
// changes with each change of the content, no stamp is valid.
type stamp struct {
	valid            bool
	device, inode    uint64
	size, changeTime int64  // in Unix nanoseconds
	fault            string // why there is no file
}

// fileState is the fingerprint of a file's content, or the error of reading the
// file.
type fileState struct {
	print fingerprint
	err   string
}

// doubtful reports whether the file may have changed after the last comparison
// without another change time.
func (f *dirFile) doubtful() bool {
	return !f.stamp.valid || f.stamp.fault == "" && (f.known && f.state.err != "" ||
		f.stamp.changeTime > f.at-int64(coarseClock))
}

// unchanged reads a small file that is no link, and reports whether its metadata
// and content are those of the last comparison. It is much faster than the other
// way, which then has to find out what has changed.
func (w *dirWatch) unchanged(f *dirFile) bool {
	if !f.stamp.valid || f.stamp.fault != "" || f.link || f.state.err != "" {
		return false
	}
	if w.buf == nil {
		w.buf = make([]byte, 16<<10)
	}
	at := time.Now().UnixNano()
	content, ok := contentOf(f.path, f.stamp, w.buf)
	var print fingerprint
	if ok {
		print = fingerprintOf(withoutNewline(string(content)))
	}
	clear(content)
	if !ok || f.known && print != f.state.print {
		return false
	}
	f.at, f.state.print, f.known = at, print, true
	return true
}

func (w *dirWatch) read(f *dirFile) fileState {
	if w.root == nil && w.rootErr == nil {
		w.root, w.rootErr = os.OpenRoot(w.store.path)
	}
	if w.rootErr != nil {
		return fileState{err: w.rootErr.Error()}
	}
	text, err := w.store.read(w.root, f.name)
	if err != nil {
		return fileState{err: err.Error()}
	}
	return fileState{print: fingerprintOf(text)}
}

func (w *dirWatch) closeRoot() {
	if w.root != nil {
		_ = w.root.Close()
	}
	w.root, w.rootErr = nil, nil
}

// isLocal reports whether the file is on a local file system that is known. It
// sets remote if not.
func (w *dirWatch) isLocal(f *dirFile) bool {
	local := f.stamp.valid && w.local
	if f.stamp.valid && f.stamp.fault == "" && f.stamp.device != w.folder.device {
		var known bool
		if local, known = w.devices[f.stamp.device]; !known {
			local = isLocalPath(f.path)
			w.devices[f.stamp.device] = local
		}
	}
	w.remote = w.remote || !local
	return local
}

// forgetDevices makes isLocal find out again where each file is.
func (w *dirWatch) forgetDevices() {
	clear(w.devices)
	w.remote = true
}

// sameFile reports whether two stamps are of one file.
func (s stamp) sameFile(o stamp) bool {
	return s.valid == o.valid && s.device == o.device && s.inode == o.inode && s.fault == o.fault
}
