package secret

import "os"

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

// printOf returns the fingerprint of a small file that is no link. It is much
// faster than read.
func (w *dirWatch) printOf(f *dirFile) (print fingerprint, ok bool) {
	if w.buf == nil {
		w.buf = make([]byte, 16<<10)
	}
	content, ok := contentOf(f.path, f.stamp, w.buf)
	if ok {
		print = fingerprintOf(withoutNewline(string(content)))
	}
	clear(content)
	return print, ok
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

// isLocal reports whether the file is on a local file system that is known.
func (w *dirWatch) isLocal(f *dirFile) bool {
	if !f.stamp.valid || f.stamp.fault != "" || f.stamp.device == w.folder.device {
		return f.stamp.valid && w.local
	}
	local, known := w.devices[f.stamp.device]
	if !known {
		local = isLocalPath(f.path)
		w.devices[f.stamp.device] = local
	}
	return local
}

// sameFile reports whether two stamps are of one file.
func (s stamp) sameFile(o stamp) bool {
	return s.valid == o.valid && s.device == o.device && s.inode == o.inode && s.fault == o.fault
}
