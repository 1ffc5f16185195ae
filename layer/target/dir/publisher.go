// Package dir publishes into a directory, in the layout that [secret.Dir] reads.
package dir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
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

func checkName(name string) error {
	// A file system may not distinguish upper and lower case.
	lower := strings.ToLower(name)
	if !dirName().MatchString(name) || strings.HasPrefix(lower, "layer.") || strings.HasSuffix(lower, ".note") {
		return fmt.Errorf(`%w: %.200q cannot name a file in the directory; a binding has 1 to 200 letters, digits, _, `+
			`- and ., not - or . or "layer." first, nor ".note" last`, secret.ErrInvalid, name)
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
