package dir

import (
	"context"
	"errors"
	"io/fs"

	"github.com/layeron-hq/secret/driver"
)

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
		if err := driver.Stopped(ctx); err != nil {
			return driver.NotApplied(err)
		}
		if err := d.ready(folder.Root, name); err != nil {
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
