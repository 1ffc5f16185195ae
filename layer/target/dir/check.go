package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// probe is the name of the file that Check prepares and never creates.
const probe = "check"

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
		if err := d.ready(root, name); err != nil {
			return err
		}
	}
	return nil
}
