package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// This file publishes in batches. A disk confirms one write after another in
// milliseconds, and many at once in the same time, so each step is done for a
// whole batch before the next one:
//
//  1. write a temporary file for each value and each note
//  2. sync these files, several at a time, the values first
//  3. rename the values
//  4. sync the directory
//  5. rename the notes
//  6. sync the directory
//
// The order for each secret is that of a single one. A file has its content on
// the disk before it gets its name, and a value has its name on the disk before
// its note gets one. So a crash at any moment, also one that loses every write
// that was not synced, leaves a value with its own note, with the note before,
// or with none.

const (
	// batchSize is the number of secrets in a batch. A larger batch is hardly
	// faster, and a stop waits for it. Each secret needs four descriptors.
	batchSize = 32
	// syncs is the number of files that are synced at a time. More are not faster.
	syncs = 16
)

// Publish implements [driver.Publisher]. After an item that fails, it continues
// with the others. After a stop ([driver.Stopped]) it begins no other item.
func (d *Publisher) Publish(ctx context.Context, items []driver.Item) []error {
	folder, err := d.openToWrite(ctx, len(items))
	if folder.Root != nil {
		defer folder.Root.Close()
	}
	if err != nil {
		return each(items, func(driver.Item) error { return driver.NotApplied(err) })
	}
	errs, failed := make([]error, len(items)), false
	for at := 0; at < len(items); at += batchSize {
		end := min(at+batchSize, len(items))
		b := batch{d: d, folder: folder}
		for _, item := range items[at:end] {
			b.write(ctx, item)
		}
		b.publish()
		for i, f := range b.files {
			errs[at+i], failed = f.err, failed || f.err != nil
		}
		driver.Progress(ctx, end)
	}
	if !failed {
		return nil
	}
	return errs
}

// batch is the publication of several items.
type batch struct {
	d      *Publisher
	folder atomicfile.Folder
	files  []*files // of each item, at its index
}

// files are the files of one item.
type files struct {
	item        driver.Item
	access      atomicfile.Access
	value, note *atomicfile.Temp // nil: not written, or no longer there
	err         error            // why the item fails; nothing more is done for it then
}

// write writes the temporary files of an item.
func (b *batch) write(ctx context.Context, item driver.Item) {
	f := &files{item: item}
	b.files = append(b.files, f)
	err := driver.Stopped(ctx)
	if err == nil {
		err = b.d.ready(b.folder.Root, item.Name)
	}
	if err == nil {
		err = fits(item)
	}
	if err != nil {
		f.err = driver.NotApplied(err)
		return
	}
	if f.access, err = b.folder.Access(item.Name); err != nil {
		f.err = driver.NotApplied(b.d.failed(item.Name, "cannot be looked at", err))
		return
	}
	name := item.Name
	f.value, err = b.folder.Write(name, []byte(stored(item.Text.Reveal())), f.access)
	if err == nil {
		name = noteFile(item.Name)
		f.note, err = b.folder.Write(name, []byte(stored(item.Note)), f.access)
	}
	if err != nil {
		b.drop(f, driver.NotApplied(b.d.failed(name, "cannot be written", err)))
	}
}

// drop gives up an item, and removes its temporary files.
func (b *batch) drop(f *files, err error) {
	f.err = err
	for _, temp := range []*atomicfile.Temp{f.value, f.note} {
		if temp != nil {
			b.folder.Discard(temp)
		}
	}
	f.value, f.note = nil, nil
}

// publish finishes the items that were written. It does not stop half-way, so
// that no value is left without its note.
func (b *batch) publish() {
	b.sync()
	renamed := false
	for f := range b.going {
		temp := f.value
		f.value = nil
		applied, err := b.rename(temp, f.item.Name, stored(f.item.Text.Reveal()), f.access)
		renamed = renamed || applied
		if err == nil {
			continue
		}
		if err = b.d.failed(f.item.Name, "cannot be written", err); !applied {
			err = driver.NotApplied(err)
		}
		b.drop(f, err)
	}
	if !renamed {
		return
	}
	if err := b.folder.Sync(); err != nil {
		for f := range b.going {
			b.drop(f, b.d.failed(f.item.Name, "cannot be written", err))
		}
		return
	}
	// From here on every value is written, so no error is reported as not applied.
	for f := range b.going {
		temp := f.note
		f.note = nil
		if _, err := b.rename(temp, noteFile(f.item.Name), stored(f.item.Note), f.access); err != nil {
			f.err = b.noNote(f, err)
		}
	}
	if err := b.folder.Sync(); err != nil {
		for f := range b.going {
			f.err = b.noNote(f, err)
		}
	}
}

// going yields the items that have not failed.
func (b *batch) going(yield func(*files) bool) {
	for _, f := range b.files {
		if f.err == nil && !yield(f) {
			return
		}
	}
}

func (b *batch) noNote(f *files, err error) error {
	return fmt.Errorf("the value was written, but %w", b.d.failed(noteFile(f.item.Name), "cannot be written", err))
}

// sync syncs the temporary files, several at a time. Until all are synced, no
// name changes. The values go first: a file system that places the files of a
// batch side by side can then free them together when they are replaced.
func (b *batch) sync() {
	b.flush(func(f *files) (string, *atomicfile.Temp) { return f.item.Name, f.value })
	b.flush(func(f *files) (string, *atomicfile.Temp) { return noteFile(f.item.Name), f.note })
}

// flush syncs one file of each item.
func (b *batch) flush(of func(*files) (name string, temp *atomicfile.Temp)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, b.d.width())
	for f := range b.going {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			name, temp := of(f)
			if err := b.folder.Flush(temp); err != nil {
				b.drop(f, driver.NotApplied(b.d.failed(name, "cannot be written", err)))
			}
		})
	}
	running.Wait()
}

// rename gives a temporary file its name, and writes it again if it was swept.
func (b *batch) rename(temp *atomicfile.Temp, name, content string, access atomicfile.Access) (bool, error) {
	applied, err := b.folder.Commit(temp)
	if errors.Is(err, atomicfile.ErrSwept) {
		return b.folder.Put(name, []byte(content), access)
	}
	return applied, err
}

// width is the number of files that are synced at a time. A test that counts
// steps needs them in order.
func (d *Publisher) width() int {
	if d.step != nil {
		return 1
	}
	return syncs
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
func (d *Publisher) ready(root *os.Root, name string) error {
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
