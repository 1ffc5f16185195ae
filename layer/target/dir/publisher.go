// Package dir publishes into a directory, in the layout that [secret.Dir] reads.
package dir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/atomicfile"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// Publisher is a [driver.Publisher] for a directory. It has one file for each
// secret, named like its binding, with mode 0600, and the note in the file
// .BINDING.note. The zero Publisher has no directory, and its methods fail.
//
// Owner, group, permission bits and, on Linux, the access list of a file survive
// its replacement, and the note gets the same ones. Other attributes do not
// survive. If this user may not keep them, and the owner or the group would lose
// access, nothing is published and the error reports the reason. A file that root
// makes in another user's directory belongs to the owner of the directory.
//
// A file is replaced as a whole: a reader sees the old value or the new one, even
// if a run fails or crashes. Anything except a regular file, such as a link, is
// neither followed nor replaced. The value is written before the note, so
// Publisher is a [driver.Recognizer]. Modified is the SHA-256 of the value's file.
// Do not show it: the digest of a value that can be guessed reveals the value.
type Publisher struct {
	path string
	// step is called before each step, so that tests can fail or end the process
	// there; nil in production
	step func(what string) error
}

// New returns a Publisher for the directory at path. If the directory is missing,
// Publish makes it, readable only by this user. An existing directory keeps its
// mode.
func New(path string) *Publisher { return &Publisher{path: path} }

const (
	// maxFile is the largest file that secret.Dir reads, in bytes.
	maxFile = 1 << 20
	maxNote = 200 // bytes
	// notRegular is the value of Modified for anything except a regular file. No
	// digest is equal to it.
	notRegular = "no regular file"
)

// dirName is the form of a binding name. A derived one is longer than a declared
// one may be.
var dirName = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$`)

func noteFile(name string) string { return "." + name + ".note" }

// stored returns the file content for a text. secret.Dir drops one newline at the
// end, so a text that ends with a newline gets one more. A text that ends with a
// carriage return needs no addition.
func stored(text string) string {
	if strings.HasSuffix(text, "\n") {
		return text + "\n"
	}
	return text
}

// NameOf implements [driver.Namer]: it returns the binding.
func (d *Publisher) NameOf(names driver.Names) string { return names.Binding }

// ModifiedOf implements [driver.Recognizer].
func (d *Publisher) ModifiedOf(text driver.Value) string { return digest(stored(text.Reveal())) }

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// Publish implements [driver.Publisher]. After an item that fails, it continues
// with the next one. After ctx has ended, it begins no other item.
func (d *Publisher) Publish(ctx context.Context, items []driver.Item) []error {
	folder, err := d.openToWrite(ctx, len(items))
	if folder.Root != nil {
		defer folder.Root.Close()
	}
	done := 0
	return each(items, func(item driver.Item) error {
		done++
		defer driver.Progress(ctx, done)
		if err != nil {
			return driver.NotApplied(err)
		}
		return d.publish(ctx, folder, item)
	})
}

func (d *Publisher) publish(ctx context.Context, folder atomicfile.Folder, item driver.Item) error {
	if err := d.ready(ctx, folder.Root, item.Name); err != nil {
		return driver.NotApplied(err)
	}
	if err := fits(item); err != nil {
		return driver.NotApplied(err)
	}
	access, err := folder.Access(item.Name)
	if err != nil {
		return driver.NotApplied(d.failed(item.Name, "cannot be looked at", err))
	}
	if renamed, err := folder.Replace(item.Name, []byte(stored(item.Text.Reveal())), access); err != nil {
		err = d.failed(item.Name, "cannot be written", err)
		if renamed {
			return err
		}
		return driver.NotApplied(err)
	}
	// From here on the value is written: the end of ctx does not stop the note, and no
	// error is reported as not applied.
	if _, err := folder.Replace(noteFile(item.Name), []byte(stored(item.Note)), access); err != nil {
		return fmt.Errorf("the value was written, but %w", d.failed(noteFile(item.Name), "cannot be written", err))
	}
	return nil
}

func fits(item driver.Item) error {
	switch text := item.Text.Reveal(); {
	case text == "":
		return fmt.Errorf("%s: %w: there is no text to publish", item.Name, secret.ErrEmpty)
	case len(stored(text)) > maxFile:
		return fmt.Errorf("%s: %w: a file may have at most 1 MiB, including the newline", item.Name, secret.ErrTooLarge)
	case len(item.Note) > maxNote:
		return fmt.Errorf("%s: %w: a note may have at most %d characters", item.Name, secret.ErrInvalid, maxNote)
	}
	return nil
}

// ready returns an error if the files for a name cannot be replaced or removed.
func (d *Publisher) ready(ctx context.Context, root *os.Root, name string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	for _, file := range []string{name, noteFile(name)} {
		info, err := root.Lstat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return d.failed(file, "cannot be looked at", err)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s: %w: it is a link, a directory or another kind of file that is not regular; "+
				"move it away and run again",
				d.place(file), secret.ErrInvalid)
		}
	}
	return nil
}

func checkName(name string) error {
	// A file system may not distinguish upper and lower case.
	lower := strings.ToLower(name)
	if !dirName().MatchString(name) || strings.HasPrefix(lower, "layer.") || strings.HasSuffix(lower, ".note") {
		return fmt.Errorf(`%w: %.200q cannot name a file in the directory; a binding has 1 to 200 letters, digits, _, `+
			`- and ., not - or . or "layer." first, nor ".note" last`, secret.ErrInvalid, name)
	}
	return nil
}

// openToWrite makes the directory if it is missing, and removes the temporary
// files of a crash.
func (d *Publisher) openToWrite(ctx context.Context, items int) (atomicfile.Folder, error) {
	none := atomicfile.Folder{}
	if items == 0 {
		return none, nil
	}
	if err := d.Make(ctx); err != nil {
		return none, err
	}
	folder, err := d.open()
	if err != nil {
		return none, err
	}
	if err := d.sweep(folder); err != nil {
		_ = folder.Root.Close()
		return none, err
	}
	return folder, nil
}

// Make makes the directory if it is missing, as Publish does.
func (d *Publisher) Make(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := d.makeFolder(d.path); err != nil {
		return d.failed("", "cannot be made", err)
	}
	return nil
}

func (d *Publisher) open() (atomicfile.Folder, error) {
	if d.path == "" {
		return atomicfile.Folder{}, fmt.Errorf("%w: the directory to publish into is not given", secret.ErrInvalid)
	}
	folder, err := atomicfile.Open(d.path, d.step)
	if err != nil {
		if info, statErr := os.Stat(d.path); statErr == nil && !info.IsDir() {
			err = syscall.ENOTDIR // os.Root returns its own error for it
		}
		return atomicfile.Folder{}, d.failed("", "cannot be opened", err)
	}
	return folder, nil
}

// makeFolder makes a directory and its missing parents. Each one is synced to disk
// before anything is created in it.
func (d *Publisher) makeFolder(path string) error {
	if path == "" {
		return nil // open reports the problem
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // it exists, or open reports the problem
	}
	above := filepath.Dir(path)
	if above != path {
		if err := d.makeFolder(above); err != nil {
			return err
		}
	}
	folder, err := atomicfile.Open(above, d.step)
	if err != nil {
		return err
	}
	defer folder.Root.Close()
	if err := folder.Do("make folder", func() error { return atomicfile.MakeFolder(path) }); err != nil &&
		!errors.Is(err, fs.ErrExist) {
		return err
	}
	return folder.Sync()
}

// sweep removes the temporary files of values and notes: they contain values, and
// nothing else removes them.
func (d *Publisher) sweep(folder atomicfile.Folder) error {
	err := folder.Sweep(ours)
	if left := (*atomicfile.SweepError)(nil); errors.As(err, &left) {
		return d.failed(left.Name, "was left by a crash, may contain a value and cannot be removed", left.Err)
	}
	if err != nil {
		return d.failed("", "cannot be listed", err)
	}
	return nil
}

// probe is the name of the file that Check prepares and never creates.
const probe = "check"

// ours reports whether a file name is that of a value, a note, the probe, or the
// .gitignore that excludes them from git.
func ours(name string) bool {
	return name == probe || name == ".gitignore" || checkName(name) == nil ||
		checkName(strings.TrimSuffix(strings.TrimPrefix(name, "."), ".note")) == nil
}

// sweepAbove removes the probes that a killed Check left in the nearest existing
// parent of the directory.
func (d *Publisher) sweepAbove() {
	at := filepath.Dir(d.path)
	for _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) && filepath.Dir(at) != at; _, err = os.Stat(at) {
		at = filepath.Dir(at)
	}
	atomicfile.SweepDeadOf(filepath.Join(at, probe))
}

// Inspect implements [driver.Publisher]. A missing directory has no values.
// Inspect removes the temporary files of killed runs.
func (d *Publisher) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	found := map[string]driver.Published{}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	folder, err := d.open()
	if errors.Is(err, fs.ErrNotExist) {
		d.sweepAbove()
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	root := folder.Root
	defer root.Close()
	folder.SweepDead(ours)
	for i, name := range names {
		driver.Progress(ctx, i)
		if err := checkName(name); err != nil {
			return nil, err
		}
		value, err := d.read(root, name, maxFile+1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p := driver.Published{Modified: notRegular}
		if value != nil {
			p.Modified = digest(*value)
		}
		// Read two bytes more than the longest note: a longer file then still gives a text
		// that is no valid note.
		note, err := d.read(root, noteFile(name), maxNote+2)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if note != nil {
			p.Note = strings.TrimSuffix(*note, "\n")
		}
		found[name] = p
	}
	return found, nil
}

// read returns the first bytes of a file, at most most. It returns nil if the file
// is not regular, without opening it: opening a pipe could wait for ever.
func (d *Publisher) read(root *os.Root, name string, most int64) (*string, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, d.failed(name, "cannot be looked at", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		if advice := atomicfile.Denied(filepath.Join(d.path, name)); advice != "" {
			return nil, fmt.Errorf("%s cannot be read: %w: %s", d.place(name), atomicfile.Cause(err), advice)
		}
	}
	if err != nil {
		return nil, d.failed(name, "cannot be read", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, d.failed(name, "cannot be read", err)
	}
	text := string(content)
	return &text, nil
}

// Remove implements [driver.Remover]. It removes the value before the note: a note
// without a value has no effect.
func (d *Publisher) Remove(ctx context.Context, names []string) []error {
	if err := context.Cause(ctx); err != nil {
		return each(names, func(string) error { return driver.NotApplied(err) })
	}
	folder, err := d.open()
	if errors.Is(err, fs.ErrNotExist) {
		return each(names, checkName)
	}
	if err == nil {
		defer folder.Root.Close()
		err = d.sweep(folder)
	}
	return each(names, func(name string) error {
		if err != nil {
			return driver.NotApplied(err)
		}
		if err := d.ready(ctx, folder.Root, name); err != nil {
			return driver.NotApplied(err)
		}
		for _, file := range []string{name, noteFile(name)} {
			err := folder.Do("remove "+file, func() error { return folder.Root.Remove(file) })
			if err == nil {
				err = folder.Sync()
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return d.failed(file, "cannot be removed", err)
			}
		}
		return nil
	})
}

// Check implements [driver.Checker]. It writes an empty file and removes it again,
// in the directory or, if that is missing, in the folder where it would be made.
func (d *Publisher) Check(ctx context.Context, create []string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, name := range create {
		if err := checkName(name); err != nil {
			return err
		}
	}
	at, failing := d.path, "cannot be written"
	folder, err := d.open()
	if _, link := os.Lstat(d.path); link == nil && errors.Is(err, fs.ErrNotExist) {
		return err // a link whose target is missing
	}
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(at) != at {
		at = filepath.Dir(at)
		failing = "is missing and cannot be made in " + at
		if folder, err = atomicfile.Open(at, d.step); err != nil {
			err = d.failed("", failing, err)
		}
	}
	if err != nil {
		return err
	}
	root := folder.Root
	defer root.Close()
	temp, err := folder.Prepare(probe, nil, atomicfile.Access{})
	if err != nil {
		return d.failed("", failing, err)
	}
	folder.Discard(temp)
	if at != d.path {
		return nil
	}
	for _, name := range create {
		if err := d.ready(ctx, root, name); err != nil {
			return err
		}
	}
	return nil
}

// failed returns the error for a file, with advice. An empty name means the
// directory itself. The argument what is the problem, such as "cannot be read".
func (d *Publisher) failed(name, what string, err error) error {
	err = atomicfile.Cause(err) // without the file name, which lacks the directory
	advice := ""
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		advice = "; let this user read and write the directory, or publish into another one"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EFBIG):
		advice = "; free some space and run again"
	case errors.Is(err, fs.ErrNotExist) && name == "":
		advice = "; create it; if it is a symbolic link, create the directory that it points to"
	case errors.Is(err, syscall.ENOTDIR):
		advice = "; name a directory, not a file"
	}
	return fmt.Errorf("%s %s: %w%s", d.place(name), what, err, advice)
}

func (d *Publisher) place(name string) string {
	if name == "" {
		return "directory " + d.path
	}
	return "file " + filepath.Join(d.path, name)
}

// each calls do for every item and returns the errors by the item's index. It
// returns nil if there are none.
func each[T any](items []T, do func(T) error) []error {
	var errs []error
	for i, item := range items {
		if err := do(item); err != nil {
			if errs == nil {
				errs = make([]error, len(items))
			}
			errs[i] = err
		}
	}
	return errs
}

var (
	_ driver.Publisher  = (*Publisher)(nil)
	_ driver.Namer      = (*Publisher)(nil)
	_ driver.Recognizer = (*Publisher)(nil)
	_ driver.Remover    = (*Publisher)(nil)
	_ driver.Checker    = (*Publisher)(nil)
)
