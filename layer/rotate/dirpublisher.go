package rotate

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
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// DirPublisher is the [driver.Publisher] of a directory, in the layout that [secret.Dir] reads: a file a secret, named like its
// binding and of mode 0600, and beside it the note as .BINDING.note. [Dir] makes one; the zero DirPublisher has no directory
// and fails.
//
// A file is replaced whole: a reader sees the old value or the new one, whatever fails or crashes. What is no regular file, such
// as a link, is neither followed nor replaced. The value is written before the note, so it is a [driver.Recognizer]. Modified is the
// SHA-256 of the value's file: like the value itself, it is not to be shown.
type DirPublisher struct {
	path string
	// step stands before every change of the file system; tests fail or end the process there.
	step func(what string) error
}

// Dir publishes into the directory at path. Where it is missing, Publish makes it, for this user alone; one that exists stays
// as it is.
func Dir(path string) *DirPublisher { return &DirPublisher{path: path} }

const (
	// maxFile is what secret.Dir reads at most.
	maxFile = 1 << 20
	maxNote = 200
	// notRegular is Modified where no regular file stands: no digest looks like it.
	notRegular = "no regular file"
)

var dirName = lazyregexp.New(`^[A-Z0-9_]{1,200}$`)

func noteFile(name string) string { return "." + name + ".note" }

// stored is the content of the file from which secret.Dir reads text: it drops one newline. A text that ends in a carriage
// return comes back as it is.
func stored(text string) string {
	if strings.HasSuffix(text, "\n") {
		return text + "\n"
	}
	return text
}

// NameOf is [driver.Namer]'s: the binding.
func (d *DirPublisher) NameOf(names driver.Names) string { return names.Binding }

// ModifiedOf is [driver.Recognizer]'s.
func (d *DirPublisher) ModifiedOf(text driver.Value) string { return digest(stored(text.Reveal())) }

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// Publish is [driver.Publisher]'s. It goes on with the next item after one that fails, and does not begin one after ctx has ended.
func (d *DirPublisher) Publish(ctx context.Context, items []driver.Item) []error {
	root, err := d.openToWrite(ctx, len(items))
	if root != nil {
		defer root.Close()
	}
	return each(items, func(item driver.Item) error {
		if err != nil {
			return notApplied(err)
		}
		return d.publish(ctx, root, item)
	})
}

func (d *DirPublisher) publish(ctx context.Context, root *os.Root, item driver.Item) error {
	if err := d.ready(ctx, root, item.Name); err != nil {
		return notApplied(err)
	}
	if err := fits(item); err != nil {
		return notApplied(err)
	}
	if renamed, err := d.replace(root, item.Name, stored(item.Text.Reveal())); err != nil {
		err = d.failed(item.Name, "cannot be written", err)
		if renamed {
			return err
		}
		return notApplied(err)
	}
	// From here on the value is there, so ctx is not asked any more, and nothing is called not applied.
	if _, err := d.replace(root, noteFile(item.Name), stored(item.Note)); err != nil {
		return fmt.Errorf("the value was written, but %w", d.failed(noteFile(item.Name), "cannot be written", err))
	}
	return nil
}

func fits(item driver.Item) error {
	switch text := item.Text.Reveal(); {
	case text == "":
		return fmt.Errorf("%s: %w: there is no text to publish", item.Name, secret.ErrEmpty)
	case len(stored(text)) > maxFile:
		return fmt.Errorf("%s: %w: a file may have 1 MiB, newline included", item.Name, secret.ErrTooLarge)
	case len(item.Note) > maxNote:
		return fmt.Errorf("%s: %w: a note may have %d characters", item.Name, secret.ErrInvalid, maxNote)
	}
	return nil
}

// ready tells why a file of that name cannot be replaced or removed.
func (d *DirPublisher) ready(ctx context.Context, root *os.Root, name string) error {
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
			return fmt.Errorf("%s: %w: it is a link, a directory or another thing that is no regular file; move it away and run again",
				d.place(file), secret.ErrInvalid)
		}
	}
	return nil
}

func checkName(name string) error {
	if !dirName().MatchString(name) {
		return fmt.Errorf("%w: %.200q cannot name a file in the directory; a binding has 1 to 200 of A-Z, 0-9 and _", secret.ErrInvalid, name)
	}
	return nil
}

// openToWrite makes the directory where it is missing and clears away what a crash has left in it.
func (d *DirPublisher) openToWrite(ctx context.Context, items int) (*os.Root, error) {
	if items == 0 {
		return nil, nil
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := d.makeFolder(d.path); err != nil {
		return nil, d.failed("", "cannot be made", err)
	}
	root, err := d.open()
	if err != nil {
		return nil, err
	}
	if err := d.sweep(root); err != nil {
		_ = root.Close()
		return nil, err
	}
	return root, nil
}

func (d *DirPublisher) open() (*os.Root, error) {
	if d.path == "" {
		return nil, fmt.Errorf("%w: no directory is named to publish into", secret.ErrInvalid)
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		if info, statErr := os.Stat(d.path); statErr == nil && !info.IsDir() {
			err = syscall.ENOTDIR // os.Root has a word of its own for it
		}
		return nil, d.failed("", "cannot be opened", err)
	}
	return root, nil
}

// Inspect is [driver.Publisher]'s. A directory that is missing has no values.
func (d *DirPublisher) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	found := map[string]driver.Published{}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	root, err := d.open()
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, name := range names {
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
		// What is longer than a note and its newline stays longer than a note.
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

// read returns the first bytes of a file; nil where no regular file stands, which is not opened: a pipe would wait.
func (d *DirPublisher) read(root *os.Root, name string, most int64) (*string, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, d.failed(name, "cannot be looked at", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := root.Open(name)
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

// Remove is [driver.Remover]'s. It takes the value first: a note without a value tells nobody anything.
func (d *DirPublisher) Remove(ctx context.Context, names []string) []error {
	if err := context.Cause(ctx); err != nil {
		return each(names, func(string) error { return notApplied(err) })
	}
	root, err := d.open()
	if errors.Is(err, fs.ErrNotExist) {
		return each(names, checkName)
	}
	if err == nil {
		defer root.Close()
		err = d.sweep(root)
	}
	return each(names, func(name string) error {
		if err != nil {
			return notApplied(err)
		}
		if err := d.ready(ctx, root, name); err != nil {
			return notApplied(err)
		}
		for _, file := range []string{name, noteFile(name)} {
			err := d.do("remove", func() error { return root.Remove(file) })
			if err == nil {
				err = d.syncFolder(root)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return d.failed(file, "cannot be removed", err)
			}
		}
		return nil
	})
}

// Check is [driver.Checker]'s: it writes an empty file and removes it again, where the directory is or would be made.
func (d *DirPublisher) Check(ctx context.Context, create []string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, name := range create {
		if err := checkName(name); err != nil {
			return err
		}
	}
	at, failing := d.path, "cannot be written"
	root, err := d.open()
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(at) != at {
		at = filepath.Dir(at)
		failing = "is missing and cannot be made in " + at
		if root, err = os.OpenRoot(at); err != nil {
			err = d.failed("", failing, err)
		}
	}
	if err != nil {
		return err
	}
	defer root.Close()
	temp := tempFile()
	err = d.fill(root, temp, "")
	if removeErr := root.Remove(temp); err == nil {
		err = removeErr
	}
	if err != nil {
		return d.failed("", failing, err)
	}
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

// failed says which file of the directory, or with an empty name that directory itself, meets which error, and what to do.
func (d *DirPublisher) failed(name, what string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch { // both name a file without its directory
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	advice := ""
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		advice = "; let this user read and write the directory, or publish into another one"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EFBIG):
		advice = "; make room and run again"
	case errors.Is(err, fs.ErrNotExist) && name == "":
		advice = "; make it, or what it leads to if it is a link"
	case errors.Is(err, syscall.ENOTDIR):
		advice = "; name a directory, not a file"
	}
	return fmt.Errorf("%s %s: %w%s", d.place(name), what, err, advice)
}

func (d *DirPublisher) place(name string) string {
	if name == "" {
		return "directory " + d.path
	}
	return "file " + filepath.Join(d.path, name)
}

// notApplied marks an error by [driver.ErrNotApplied].
func notApplied(err error) error { return fmt.Errorf("%w: %w", driver.ErrNotApplied, err) }

// each gives every item to do and returns the errors at their item's index, or nil where there are none.
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
