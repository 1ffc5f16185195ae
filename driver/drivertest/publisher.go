package drivertest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// TestPublisher runs one subtest for each promise of a [driver.Publisher]:
//
//   - publish: Publish creates or replaces a value, text and note, leaves other
//     values unchanged, and returns nil if every item succeeded;
//   - inspect: Inspect returns only the names that were asked for, and no name
//     without a value; it changes nothing;
//   - modified: Modified stays the same until the next publish of the value,
//     and differs for another text;
//   - text: a text of any UTF-8 comes back unchanged, up to 65,536 bytes;
//   - note: a note comes back unchanged, up to 200 characters;
//   - many: 60 values in one Publish and one Inspect;
//   - the numbers that Publish reports with [driver.Progress] never fall, and
//     are at most the number of items; all checks that publish test this;
//   - errors: an item that is refused (a dangerous name, a text of 3 MiB) has
//     its error at its index, and the other items are published; an item whose
//     error wraps [driver.ErrNotApplied] had no effect;
//   - context: after the context has ended, every method returns its error;
//   - stop: after a stop ([driver.Stopped]) Publish may return before all items
//     are published. The error of each other item wraps [driver.ErrNotApplied] and
//     the reason;
//   - shown: no error shows a text, and neither does the Publisher under any
//     verb of fmt, in JSON or in a log;
//   - remove, recognize, check, name: the promises of the optional interfaces,
//     if the Publisher implements them.
//
// It calls open once in each subtest, with that subtest's t. open returns a
// Publisher on a new, empty place, and read. read returns the text that a
// reader of that place gets under a name, or false if there is none; it waits
// for a pending text. If the place cannot be read, read is nil, and
// TestPublisher skips the comparisons that need it. open registers its cleanup
// with t.Cleanup. Names are binding names, unless the Publisher is a
// [driver.Namer].
func TestPublisher(t *testing.T, open func(t *testing.T) (p driver.Publisher, read func(name string) (string, bool))) {
	t.Helper()
	for _, c := range publisherChecks {
		t.Run(c.name, func(t *testing.T) {
			p, read := open(t)
			on := &onPublisher{p: p, read: read, ctx: t.Context()}
			if c.needs != nil && !c.needs(p) {
				t.Skip("the publisher does not have this")
			}
			c.run(on)
			for _, problem := range on.problems {
				t.Error(problem)
			}
		})
	}
}

// publisherCheck tests one promise. It collects problems and fails no test, so
// that it can be tested itself, on publishers that break the promise.
type publisherCheck struct {
	name  string
	needs func(driver.Publisher) bool
	run   func(on *onPublisher)
}

var publisherChecks = []publisherCheck{
	{"publish", nil, checkPublish},
	{"inspect", nil, checkInspect},
	{"modified", nil, checkModified},
	{"text", nil, checkTexts},
	{"note", nil, checkNotes},
	{"many", nil, checkMany},
	{"errors", nil, checkErrors},
	{"context", nil, checkEnded},
	{"stop", nil, checkStopped},
	{"shown", nil, checkNothingShown},
	{"remove", is[driver.Remover], checkRemove},
	{"recognize", is[driver.Recognizer], checkRecognize},
	{"check", is[driver.Checker], checkCheck},
	{"name", is[driver.Namer], checkNames},
}

func is[T any](p driver.Publisher) bool { _, ok := p.(T); return ok }

// onPublisher is a Publisher under test, and its problems.
type onPublisher struct {
	p        driver.Publisher
	read     func(name string) (string, bool) // nil: the place cannot be read
	ctx      context.Context
	problems []error
}

func (on *onPublisher) problem(format string, args ...any) {
	on.problems = append(on.problems, fmt.Errorf(format, args...))
}

// The tests search all output for these texts, which no output contains by
// chance.
const (
	publisherText  = "Wn4qRz8vTk2mYx6bLc9pHd3s"
	publisherOther = "gJ7uKe5wXo1fVa4rNi8tBz2y"
)

// noteOf returns a note in the form of the engine's notes.
func noteOf(gen int) string {
	return fmt.Sprintf("sv1 gen=%d cur=v%d fp=%032x by=%016x", gen, gen, 0xfeed+gen, 0xbeef+gen)
}

// namesOf returns the names of a declaration.
func namesOf(name string) driver.Names {
	a := secret.Address{Namespace: "publisher", Name: name}
	return driver.Names{Address: a.String(), Binding: a.Binding(), SecretName: a.Binding()}
}

func (on *onPublisher) nameOf(name string) string {
	names := namesOf(name)
	if n, ok := on.p.(driver.Namer); ok {
		return n.NameOf(names)
	}
	return names.SecretName
}

func (on *onPublisher) item(name, text string, gen int) driver.Item {
	return driver.Item{Name: on.nameOf(name), Text: driver.NewValue(text), Note: noteOf(gen)}
}

// publish publishes items and expects no error.
func (on *onPublisher) publish(items ...driver.Item) {
	last := 0
	ctx := driver.WithProgress(on.ctx, func(done int) {
		if done < last || done > len(items) {
			on.problem("Publish of %d items reports %d done after %d", len(items), done, last)
		}
		last = done
	})
	errs := on.p.Publish(ctx, items)
	if errs != nil && !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		on.problem("Publish of %d items returns a slice where no error is in it: return nil", len(items))
	}
	for i, err := range errs {
		if err != nil {
			on.silent("an error of Publish", err)
			on.problem("Publish of %d items, item %d: %w", len(items), i, err)
		}
	}
}

// inspect inspects names and expects no error.
func (on *onPublisher) inspect(names ...string) map[string]driver.Published {
	found, err := on.p.Inspect(on.ctx, names)
	if err != nil {
		on.silent("an error of Inspect", err)
		on.problem("Inspect of %d names: %w", len(names), err)
	}
	return found
}

// stands expects these values in the target, each with its text and note.
func (on *onPublisher) stands(when string, items ...driver.Item) map[string]driver.Published {
	var names []string
	for _, item := range items {
		names = append(names, item.Name)
	}
	found := on.inspect(names...)
	for _, item := range items {
		p, ok := found[item.Name]
		switch {
		case !ok:
			on.problem("%s, Inspect does not have %s", when, item.Name)
			continue
		case p.Note != item.Note:
			on.problem("%s, %s has another note than its own: %q", when, item.Name, p.Note)
		case p.Modified == "":
			on.problem("%s, Modified of %s is empty", when, item.Name)
		}
		on.reads(when, item)
	}
	return found
}

// reads expects that a reader gets the item's text.
func (on *onPublisher) reads(when string, item driver.Item) {
	if on.read == nil {
		return
	}
	want := item.Text.Reveal()
	switch got, ok := on.read(item.Name); {
	case !ok:
		on.problem("%s, %s cannot be read", when, item.Name)
	case got != want:
		on.problem("%s, %s is read as another text: %d bytes instead of %d", when, item.Name, len(got), len(want))
	}
}

// absent expects no values under these names.
func (on *onPublisher) absent(when string, names ...string) {
	found := on.inspect(names...)
	for _, name := range names {
		if _, ok := found[name]; ok {
			on.problem("%s, Inspect has %s", when, name)
		}
		if on.read != nil {
			if _, ok := on.read(name); ok {
				on.problem("%s, %s can be read", when, name)
			}
		}
	}
}

// silent expects that v shows no text under any verb.
func (on *onPublisher) silent(what string, v any) {
	for _, shown := range redacttest.Check(v, publisherText, publisherOther) {
		on.problem("%s shows a text: %s", what, shown)
	}
}
