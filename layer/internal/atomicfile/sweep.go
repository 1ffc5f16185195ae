package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SweepError reports a temporary file that could not be removed.
type SweepError struct {
	Name string
	Err  error
}

func (e *SweepError) Error() string { return e.Name + " cannot be removed: " + e.Err.Error() }
func (e *SweepError) Unwrap() error { return e.Err }

// Sweep removes the temporary files of the files that of accepts, which a crash
// left. It spares files that a writer has locked. On a file system without
// locks it cannot detect a writer; the writer detects the loss and writes
// again. If a file cannot be removed, the error is a [*SweepError].
func (f Folder) Sweep(of func(name string) bool) error { return f.sweepAll(of, false) }

// SweepDead is Sweep for a reader, which may run while others write. It removes
// only files that a lock proves to have no writer. It reports no error, because
// the next writer sweeps again.
func (f Folder) SweepDead(of func(name string) bool) { _ = f.sweepAll(of, true) }

// SweepDeadOf is SweepDead for one file, in any folder.
func SweepDeadOf(path string) {
	folder, err := Open(filepath.Dir(path), nil)
	if err != nil {
		return
	}
	defer folder.Root.Close()
	folder.SweepDead(Of(filepath.Base(path)))
}

// Of returns a filter for Sweep that accepts one file.
func Of(name string) func(string) bool {
	name = inTemp(name)
	return func(of string) bool { return of == name }
}

func (f Folder) sweepAll(of func(name string) bool, dead bool) error {
	entries, err := fs.ReadDir(f.Root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ours := replacedBy(e.Name())
		if !ours || !e.Type().IsRegular() || !of(name) {
			continue
		}
		if err := f.sweep(e.Name(), name, dead); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &SweepError{e.Name(), err}
		}
	}
	return nil
}

func (f Folder) sweep(temp, of string, dead bool) error {
	// Over NFS an exclusive lock needs a file that is open for writing.
	held, err := f.Root.OpenFile(temp, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		held, err = f.Root.OpenFile(temp, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	}
	got := false
	if err == nil { // else another user locked it
		defer held.Close()
		if got, err = TryLock(held); err == nil && !got {
			return nil
		}
	}
	if dead && !got {
		return nil
	}
	return f.Do("sweep "+of, func() error { return f.Root.Remove(temp) })
}
