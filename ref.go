package secret

import (
	"context"
	"time"
)

// Ref describes one read that has not been made yet: get one from
// [Secret.Current], [Secret.Version], [Secret.At] or [Secret.ActiveVersion]. It
// holds no value, may be kept, and reads anew at each call. A read of the zero
// Ref fails with [ErrInvalid].
type Ref struct {
	s    *Secret
	pick pick
	id   string
	t    time.Time
}

type pick uint8

const (
	pickCurrent pick = iota
	pickVersion
	pickAt
	pickActiveVersion
)

// Get makes the read. If it has to ask the store, ctx bounds that. Errors are
// of type [*Error] and wrap one of the package's sentinels, an error of the
// store or the error of ctx.
func (r Ref) Get(ctx context.Context) (Version, error) {
	doc, err := r.s.Load(ctx)
	if err != nil {
		return Version{}, err
	}
	return r.of(doc)
}

// of makes the read from a document.
func (r Ref) of(doc *Document) (Version, error) { return doc.picked(r.index(doc.data())) }

// index returns the index of the version that the read asks for.
func (r Ref) index(d *document) (int, error) {
	switch r.pick {
	case pickVersion:
		return d.pickVersion(r.id)
	case pickAt:
		return d.pickAt(r.t)
	case pickActiveVersion:
		return d.pickActiveVersion(r.id, time.Now())
	}
	return d.current, nil
}

func (r Ref) getNow() (Version, error) {
	doc, err := r.s.loadNow()
	if err != nil {
		return Version{}, err
	}
	return r.of(doc)
}

// Text returns the text of the version, exactly as stored. If it has to ask the
// store, it waits up to 10 seconds. On js/wasm there is no limit, since a limit
// takes a timer; use Get to bound the read there.
func (r Ref) Text() (string, error) { return r.s.text(&r) }

// text is a separate function so that the compiler inlines Text in the caller,
// and the Ref never leaves the caller's frame.
func (s *Secret) text(r *Ref) (string, error) {
	// The most frequent read is kept short: an answer from memory.
	if s != nil {
		if doc := s.live.Load(); doc != nil {
			d := doc.p.Load()
			if r.pick == pickCurrent && d.text != "" {
				return d.text, nil
			}
			i := -1
			switch r.pick {
			case pickVersion:
				i = d.find(r.id)
			case pickAt:
				i = d.at(r.t)
			}
			if 0 <= i && i < len(d.entries) {
				return d.entries[i].text, nil
			}
		}
	}
	v, err := r.getNow()
	return v.Text(), err
}

// Bytes returns the result of [Version.Bytes], with the time limit of Text.
func (r Ref) Bytes() ([]byte, error) {
	v, err := r.getNow()
	if err != nil {
		return nil, err
	}
	return v.Bytes()
}

// JSON decodes the version's text into dst, as [Version.JSON] does, with the
// time limit of Text.
func (r Ref) JSON(dst any) error {
	v, err := r.getNow()
	if err != nil {
		return err
	}
	return v.JSON(dst)
}
