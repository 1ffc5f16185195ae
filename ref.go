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
func (r Ref) Get(ctx context.Context) (Version, error) { return r.s.get(ctx, &r) }

// Text returns the text of the version, exactly as stored. If it has to ask the
// store, it waits up to 10 seconds. On js/wasm there is no limit, since a limit
// takes a timer; use Get to bound the read there.
func (r Ref) Text() (string, error) { return r.s.text(&r) }

// text is a separate function, like get, so that the compiler inlines Text in
// the caller, and the Ref never leaves the caller's frame. The most frequent
// reads are kept short: an answer from memory, of a document without an error.
func (s *Secret) text(r *Ref) (string, error) {
	if doc := s.memory(); doc != nil {
		if d := doc.p.Load(); d.text != "" {
			switch r.pick {
			case pickCurrent:
				return d.text, nil
			case pickVersion:
				if i := d.find(r.id); i >= 0 {
					return d.entries[i].text, nil
				}
			case pickAt:
				if i := d.at(r.t); i >= 0 {
					return d.entries[i].text, nil
				}
			}
			i, err := r.index(d)
			if err != nil {
				return "", err
			}
			return d.entries[i].text, nil
		}
	}
	v, err := r.getNow()
	return v.Text(), err
}

func (s *Secret) get(ctx context.Context, r *Ref) (Version, error) {
	doc := s.memory()
	if doc == nil || doc.p.Load().text == "" {
		var err error
		if doc, err = s.Load(ctx); err != nil {
			return Version{}, err
		}
	}
	d := doc.p.Load()
	i := int(d.current)
	if r.pick != pickCurrent {
		var err error
		if i, err = r.index(d); err != nil {
			return Version{}, err
		}
	}
	return d.entries[i].version(doc, i), nil
}

// getNow is get for reads without a context.
func (r *Ref) getNow() (Version, error) {
	ctx, cancel := r.s.limit()
	defer cancel()
	return r.s.get(ctx, r)
}

// index returns the index of the version that the read asks for.
func (r *Ref) index(d *document) (int, error) {
	switch r.pick {
	case pickVersion:
		return d.pickVersion(r.id)
	case pickAt:
		return d.pickAt(r.t)
	case pickActiveVersion:
		return d.pickActiveVersion(r.id, time.Now)
	}
	return int(d.current), nil
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
