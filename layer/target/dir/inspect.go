package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

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
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
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
