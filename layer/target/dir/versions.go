package dir

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// Versions implements [driver.Lister].
func (d *Publisher) Versions(ctx context.Context, name string) ([]string, error) {
	if err := errors.Join(context.Cause(ctx), checkName(name)); err != nil {
		return nil, err
	}
	folder, err := d.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer folder.Root.Close()
	text, err := d.read(folder.Root, name, maxFile+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || text == nil {
		return nil, err
	}
	doc, err := secret.Parse(strings.TrimSuffix(*text, "\n"))
	if err != nil {
		// No document, so no versions. The error is dropped: it may show a part of the
		// text.
		return nil, nil
	}
	var ids []string
	for v := range doc.All() {
		ids = append(ids, v.ID)
	}
	return ids, nil
}

var _ driver.Lister = (*Publisher)(nil)
