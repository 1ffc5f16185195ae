package kubernetes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/layeron-hq/secret"
)

// This file decides which values an object has room for. A value without room
// must not prevent the others, and least of all those that make room.

// The limits of an object, in bytes.
const (
	// maxValues is the most that all values may have: MaxSecretSize of Kubernetes.
	maxValues = 1 << 20
	// maxAnnotations is the most that the keys and values of all annotations may
	// have: TotalAnnotationSizeLimitB of Kubernetes.
	maxAnnotations = 256 << 10
	// maxStored is the most that etcd takes in a request (1.5 MiB), without the
	// request's own parts. The API server drops managed fields that are too much.
	maxStored = 3<<19 - 8<<10
	// maxNote is the most that a note may have.
	maxNote = 200
	// usualNote is the size of a note that is not known yet, at most.
	usualNote = 100
)

// size has the sizes that the limits of an object count, in bytes.
type size struct{ values, annotations, stored int }

func (s size) plus(t size) size {
	return size{s.values + t.values, s.annotations + t.annotations, s.stored + t.stored}
}

// exceeded returns an error if s, which has grown by growth, is over a limit.
// A part that does not grow is no reason to refuse a change.
func (s size) exceeded(growth size) error {
	const several = "publish to several objects: give each group of secrets a ledger of its own, with another " +
		"NAME in its target"
	switch {
	case s.values > maxValues && growth.values > 0:
		return fmt.Errorf("%w: its values would have %d bytes, and a Secret may have 1 MiB (%d): %s", secret.ErrTooLarge,
			s.values, maxValues, several)
	case s.annotations > maxAnnotations && growth.annotations > 0:
		return fmt.Errorf("%w: its annotations would have %d bytes, and an object may have 256 KiB (%d): %s",
			secret.ErrTooLarge, s.annotations, maxAnnotations, several)
	case s.stored > maxStored && growth.stored > 0:
		return fmt.Errorf("%w: it would have %d bytes with its keys and annotations, and etcd takes at most "+
			"%d: %s", secret.ErrTooLarge, s.stored, maxStored, several)
	}
	return nil
}

// wanted are the sizes of a value and of its note, in bytes. A note of 0 is not
// known yet.
type wanted struct{ value, note int }

func (o object) size() size {
	s := size{stored: o.rest}
	for _, value := range o.Data {
		s.values += len(value)
	}
	for name, value := range o.Metadata.Annotations {
		s.annotations += len(name) + len(value)
	}
	s.stored += s.values
	return s
}

// growth returns how much the object grows with a value.
func (o object) growth(name string, w wanted) size {
	const entry = 10 // in etcd, without its name and its value
	value, there := o.Data[name]
	g := size{values: w.value - len(value)}
	if !there {
		g.stored += len(name) + entry
	}
	note, noted := o.Metadata.Annotations[annotation(name)]
	switch {
	case w.note > 0:
	case noted:
		w.note = len(note) + 4 // the numbers in a note grow slowly
	default:
		w.note = usualNote
	}
	g.annotations = w.note - len(note)
	if !noted {
		g.annotations += len(annotation(name))
		g.stored += entry
	}
	g.stored += g.values + g.annotations
	return g
}

// unfit returns the reason for each value that the object has no room for beside
// its other values. The rest fits together. Values that make room come first,
// then those that need the least, so that most values fit.
func (o object) unfit(want map[string]wanted) map[string]error {
	growth, used, sum := map[string]size{}, o.size(), size{}
	for name, w := range want {
		growth[name] = o.growth(name, w)
		sum = sum.plus(growth[name])
	}
	if used.plus(sum).exceeded(sum) == nil {
		return nil
	}
	names := slices.SortedFunc(maps.Keys(want), func(a, b string) int {
		return cmp.Or(cmp.Compare(growth[a].values, growth[b].values),
			cmp.Compare(growth[a].annotations, growth[b].annotations), cmp.Compare(a, b))
	})
	without := map[string]error{}
	for _, name := range names {
		next := used.plus(growth[name])
		if err := next.exceeded(growth[name]); err != nil {
			without[name] = err
			continue
		}
		used = next
	}
	return without
}
