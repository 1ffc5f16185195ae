package drivertest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

// faulty is a publisher that keeps every promise, optional ones too, except
// those that its functions replace.
type faulty struct {
	*MemoryPublisher
	publish    func(ctx context.Context, items []driver.Item) []error
	inspect    func(ctx context.Context, names []string) (map[string]driver.Published, error)
	remove     func(ctx context.Context, names []string) []error
	check      func(ctx context.Context, names []string) error
	modifiedOf func(text driver.Value) string
	nameOf     func(names driver.Names) string
}

func newFaulty() *faulty {
	f := &faulty{MemoryPublisher: new(MemoryPublisher)}
	f.publish = f.MemoryPublisher.Publish
	f.inspect = func(ctx context.Context, names []string) (map[string]driver.Published, error) {
		found, err := f.MemoryPublisher.Inspect(ctx, names)
		for name, p := range found {
			text, _ := f.Text(name)
			p.Modified = f.modifiedOf(driver.NewValue(text))
			found[name] = p
		}
		return found, err
	}
	f.remove = f.MemoryPublisher.Remove
	f.check = func(ctx context.Context, _ []string) error { return ctx.Err() }
	f.modifiedOf = func(text driver.Value) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text.Reveal()))) }
	f.nameOf = func(n driver.Names) string { return n.Binding }
	return f
}

func (f *faulty) Publish(ctx context.Context, items []driver.Item) []error {
	return f.publish(ctx, items)
}
func (f *faulty) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	return f.inspect(ctx, names)
}
func (f *faulty) Remove(ctx context.Context, names []string) []error { return f.remove(ctx, names) }
func (f *faulty) Check(ctx context.Context, names []string) error    { return f.check(ctx, names) }
func (f *faulty) ModifiedOf(text driver.Value) string                { return f.modifiedOf(text) }
func (f *faulty) NameOf(names driver.Names) string                   { return f.nameOf(names) }
func (f *faulty) put(ctx context.Context, items []driver.Item) []error {
	return f.MemoryPublisher.Publish(ctx, items)
}
func (f *faulty) look(ctx context.Context, names []string) (map[string]driver.Published, error) {
	return f.MemoryPublisher.Inspect(ctx, names)
}

// change makes f change every item before it stores it.
func (f *faulty) change(change func(*driver.Item)) {
	f.publish = func(ctx context.Context, items []driver.Item) []error {
		items = slices.Clone(items)
		for i := range items {
			change(&items[i])
		}
		return f.put(ctx, items)
	}
}

// stopWith makes f return an error for each item after a stop.
func (f *faulty) stopWith(stopped func(ctx context.Context, items []driver.Item) error) {
	f.publish = func(ctx context.Context, items []driver.Item) []error {
		if driver.Stopped(ctx) == nil || ctx.Err() != nil {
			return f.put(ctx, items)
		}
		err := stopped(ctx, items)
		return slices.Repeat([]error{err}, len(items))
	}
}

func TestPublisherPasses(t *testing.T) {
	TestPublisher(t, func(*testing.T) (driver.Publisher, func(string) (string, bool)) {
		f := newFaulty()
		return f, f.Text
	})
}

// A target that returns no value is tested for every other promise.
func TestPublisherWithoutRead(t *testing.T) {
	TestPublisher(t, func(*testing.T) (driver.Publisher, func(string) (string, bool)) { return newFaulty(), nil })
}

// plain has none of the optional interfaces.
type plain struct{ driver.Publisher }

// A publisher that stops keeps the promise too.
func TestPublisherThatStops(t *testing.T) {
	TestPublisher(t, func(*testing.T) (driver.Publisher, func(string) (string, bool)) {
		f := newFaulty()
		f.stopWith(func(ctx context.Context, _ []driver.Item) error { return driver.NotApplied(driver.Stopped(ctx)) })
		return f, f.Text
	})
}

func TestPublisherSkipsWhatIsNotThere(t *testing.T) {
	TestPublisher(t, func(*testing.T) (driver.Publisher, func(string) (string, bool)) {
		m := new(MemoryPublisher)
		return plain{m}, m.Text
	})
}

// Each fault is found, by the check of the promise that it breaks.
func TestPublisherFindsFaults(t *testing.T) {
	shown := errors.New("refused: " + publisherText)
	for name, tc := range map[string]struct {
		check string
		spoil func(f *faulty)
	}{
		"errors where there are none": {"publish", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				f.put(ctx, items)
				return make([]error, len(items))
			}
		}},
		"reports more than there is": {"publish", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				driver.Progress(ctx, len(items)+1)
				return f.put(ctx, items)
			}
		}},
		"counts down": {"publish", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				errs := f.put(ctx, items)
				driver.Progress(ctx, len(items)-1)
				return errs
			}
		}},
		"never replaces": {"publish", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				return f.put(ctx, slices.DeleteFunc(slices.Clone(items),
					func(i driver.Item) bool { _, ok := f.Text(i.Name); return ok }))
			}
		}},
		"overwrites from the start": {"publish", func(f *faulty) {
			f.change(func(i *driver.Item) {
				old, _ := f.Text(i.Name)
				text := i.Text.Reveal()
				i.Text = driver.NewValue(text + old[min(len(old), len(text)):])
			})
		}},
		"publishes the first alone": {"publish", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				return f.put(ctx, items[:min(1, len(items))])
			}
		}},
		"drops the others": {"publish", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				f.MemoryPublisher.Remove(ctx, []string{publisherBinding("second")})
				return f.put(ctx, items)
			}
		}},
		"keeps the old note": {"publish", func(f *faulty) {
			f.change(func(i *driver.Item) {
				if found, _ := f.look(context.Background(), []string{i.Name}); found[i.Name].Note != "" {
					i.Note = found[i.Name].Note
				}
			})
		}},
		"refuses an unchanged text": {"publish", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				for _, i := range items {
					if old, ok := f.Text(i.Name); ok && old == i.Text.Reveal() {
						return []error{errors.New("nothing to change")}
					}
				}
				return f.put(ctx, items)
			}
		}},
		"tells of absent values": {"inspect", func(f *faulty) {
			good := f.inspect
			f.inspect = func(ctx context.Context, names []string) (map[string]driver.Published, error) {
				found, err := good(ctx, names)
				for _, name := range names {
					p := found[name]
					found[name] = p
				}
				return found, err
			}
		}},
		"tells of values not asked for": {"inspect", func(f *faulty) {
			good := f.inspect
			f.inspect = func(ctx context.Context, names []string) (map[string]driver.Published, error) {
				return good(ctx, append(slices.Clone(names), publisherBinding("first")))
			}
		}},
		"finds names that begin alike": {"inspect", func(f *faulty) {
			good := f.inspect
			f.inspect = func(ctx context.Context, names []string) (map[string]driver.Published, error) {
				found, err := good(ctx, names)
				for _, name := range names {
					if strings.HasPrefix(publisherBinding("first"), name) {
						found[name] = driver.Published{Note: "x", Modified: "x"}
					}
				}
				return found, err
			}
		}},
		"Modified is a length": {"modified", func(f *faulty) {
			f.modifiedOf = func(text driver.Value) string { return fmt.Sprint(len(text.Reveal())) }
		}},
		"Modified is never the same": {"modified", func(f *faulty) {
			n := 0
			f.modifiedOf = func(driver.Value) string { n++; return fmt.Sprint(n) }
		}},
		"trims": {"text", func(f *faulty) { f.change(trimmed(strings.TrimSpace)) }},
		"drops a newline": {"text", func(f *faulty) {
			f.change(trimmed(func(s string) string { return strings.TrimSuffix(s, "\n") }))
		}},
		"makes CRLF LF": {"text", func(f *faulty) {
			f.change(trimmed(func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }))
		}},
		"ends at a NUL": {"text", func(f *faulty) {
			f.change(trimmed(func(s string) string { s, _, _ = strings.Cut(s, "\x00"); return s }))
		}},
		"cuts at 65,535": {"text", func(f *faulty) {
			f.change(trimmed(func(s string) string { return s[:min(len(s), 65535)] }))
		}},
		"drops a mark": {"text", func(f *faulty) {
			f.change(trimmed(func(s string) string { return strings.TrimPrefix(s, "\ufeff") }))
		}},
		"cuts the note": {"note", func(f *faulty) {
			f.change(func(i *driver.Item) { i.Note = i.Note[:min(len(i.Note), 199)] })
		}},
		"escapes the note": {"note", func(f *faulty) {
			f.change(func(i *driver.Item) { i.Note = strings.ReplaceAll(i.Note, "<", "&lt;") })
		}},
		"inspects a page": {"many", func(f *faulty) { page(f) }},
		"publishes a page": {"many", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				return f.put(ctx, items[:min(50, len(items))])
			}
		}},
		"stops at the error": {"errors", func(f *faulty) {
			refusing(f, func(i int, n int) []error { return at(i, n, driver.ErrNotApplied) }, false)
		}},
		"errors in a heap": {"errors", func(f *faulty) {
			refusing(f, func(int, int) []error { return []error{driver.ErrNotApplied} }, true)
		}},
		"errors shifted": {"errors", func(f *faulty) {
			refusing(f, func(_, n int) []error { return at(0, n, driver.ErrNotApplied) }, true)
		}},
		"all fail for one": {"errors", func(f *faulty) {
			refusing(f, func(_, n int) []error { return slices.Repeat([]error{driver.ErrNotApplied}, n) }, true)
		}},
		"refuses silently": {"errors", func(f *faulty) { refusing(f, func(int, int) []error { return nil }, true) }},
		"an error shows it": {"errors", func(f *faulty) {
			refusing(f, func(i, n int) []error { return at(i, n, shown) }, true)
		}},
		"applied after all": {"errors", func(f *faulty) { liar(f) }},
		"an inspection shows": {"shown", func(f *faulty) {
			f.inspect = func(context.Context, []string) (map[string]driver.Published, error) { return nil, shown }
		}},
		"Modified shows it": {"shown", func(f *faulty) {
			f.modifiedOf = func(text driver.Value) string { return text.Reveal() }
		}},
		"publishes after the end": {"context", func(f *faulty) {
			f.publish = func(_ context.Context, items []driver.Item) []error {
				return f.put(context.Background(), items)
			}
		}},
		"publishes and says the end": {"context", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				f.put(context.Background(), items)
				return f.put(ctx, items)
			}
		}},
		"another error at the end": {"context", func(f *faulty) {
			f.publish = func(ctx context.Context, items []driver.Item) []error {
				errs := f.put(ctx, items)
				for i := range errs {
					errs[i] = errors.New("failed")
				}
				return errs
			}
		}},
		"publishes after the stop": {"stop", func(f *faulty) {
			f.stopWith(func(ctx context.Context, items []driver.Item) error {
				f.put(ctx, items)
				return driver.NotApplied(driver.Stopped(ctx))
			})
		}},
		"another error at the stop": {"stop", func(f *faulty) {
			f.stopWith(func(context.Context, []driver.Item) error { return driver.NotApplied(errors.New("failed")) })
		}},
		"does not promise at the stop": {"stop", func(f *faulty) {
			f.stopWith(func(ctx context.Context, _ []driver.Item) error { return driver.Stopped(ctx) })
		}},
		"shows a text at the stop": {"stop", func(f *faulty) {
			f.stopWith(func(ctx context.Context, _ []driver.Item) error {
				return driver.NotApplied(errors.Join(driver.Stopped(ctx), shown))
			})
		}},
		"inspects after the end": {"context", func(f *faulty) {
			f.inspect = func(_ context.Context, names []string) (map[string]driver.Published, error) {
				return f.look(context.Background(), names)
			}
		}},
		"removes after the end": {"context", func(f *faulty) {
			f.remove = func(_ context.Context, names []string) []error {
				return f.MemoryPublisher.Remove(context.Background(), names)
			}
		}},
		"checks after the end": {"context", func(f *faulty) {
			f.check = func(context.Context, []string) error { return nil }
		}},
		"removes nothing": {"remove", func(f *faulty) {
			f.remove = func(context.Context, []string) []error { return nil }
		}},
		"removes the first": {"remove", func(f *faulty) {
			f.remove = func(ctx context.Context, names []string) []error {
				return f.MemoryPublisher.Remove(ctx, names[:min(1, len(names))])
			}
		}},
		"missing is an error": {"remove", func(f *faulty) {
			f.remove = func(ctx context.Context, names []string) []error {
				if found, _ := f.look(ctx, names); len(found) < len(names) {
					return at(0, len(names), errors.New("there is none"))
				}
				return f.MemoryPublisher.Remove(ctx, names)
			}
		}},
		"removes all": {"remove", func(f *faulty) {
			f.remove = func(ctx context.Context, names []string) []error {
				return f.MemoryPublisher.Remove(ctx, []string{
					publisherBinding("first"), publisherBinding("second"), publisherBinding("third")})
			}
		}},
		"recognises another text": {"recognize", func(f *faulty) {
			good := f.modifiedOf
			f.inspect = f.look
			f.modifiedOf = func(text driver.Value) string {
				return good(driver.NewValue(strings.TrimSpace(text.Reveal())))
			}
		}},
		"recognises all": {"recognize", func(f *faulty) { f.modifiedOf = func(driver.Value) string { return "same" } }},
		"finds fault": {"check", func(f *faulty) {
			f.check = func(context.Context, []string) error { return errors.New("no room") }
		}},
		"Check creates": {"check", func(f *faulty) {
			f.check = func(ctx context.Context, names []string) error {
				for _, name := range names {
					f.Set(name, "probe")
				}
				return nil
			}
		}},
		"one name for all": {"name", func(f *faulty) { f.nameOf = func(driver.Names) string { return "ONE" } }},
		"no name":          {"name", func(f *faulty) { f.nameOf = func(driver.Names) string { return "" } }},
		"another name a call": {"name", func(f *faulty) {
			n := 0
			f.nameOf = func(driver.Names) string { n++; return fmt.Sprint(n) }
		}},
		"a name that is refused": {"name", func(f *faulty) {
			f.nameOf = func(n driver.Names) string { return "x " + n.Binding }
			refusing(f, func(i, n int) []error { return at(i, n, driver.ErrNotApplied) }, true)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty()
			tc.spoil(f)
			i := slices.IndexFunc(publisherChecks, func(c publisherCheck) bool { return c.name == tc.check })
			require.GreaterOrEqual(t, i, 0)
			on := &onPublisher{p: f, read: f.Text, ctx: t.Context()}
			publisherChecks[i].run(on)
			require.NotEmpty(t, on.problems)
		})
	}
}

func publisherBinding(name string) string { return namesOf(name).Binding }

func trimmed(change func(string) string) func(*driver.Item) {
	return func(i *driver.Item) { i.Text = driver.NewValue(change(i.Text.Reveal())) }
}

func at(i, n int, err error) []error {
	errs := make([]error, n)
	errs[i] = err
	return errs
}

// refusing makes f refuse the items that a Publisher may refuse. answer returns
// the result; goesOn reports whether the items after a refused one are
// published.
func refusing(f *faulty, answer func(i, n int) []error, goesOn bool) {
	f.publish = func(ctx context.Context, items []driver.Item) []error {
		for i, item := range items {
			if len(item.Text.Reveal()) <= 1<<20 && !strings.ContainsAny(item.Name, "./\x00 ") &&
				len(item.Name) > 0 && len(item.Name) < 200 {
				f.put(ctx, []driver.Item{item})
				continue
			}
			if goesOn {
				f.put(ctx, items[i+1:])
			}
			return answer(i, len(items))
		}
		return nil
	}
}

// liar makes f publish an item that it reports as not applied.
func liar(f *faulty) {
	f.publish = func(ctx context.Context, items []driver.Item) []error {
		f.put(ctx, items)
		if len(items) == 3 {
			return at(1, 3, driver.ErrNotApplied)
		}
		return nil
	}
}

// page makes f inspect only the first fifty names.
func page(f *faulty) {
	good := f.inspect
	f.inspect = func(ctx context.Context, names []string) (map[string]driver.Published, error) {
		return good(ctx, names[:min(50, len(names))])
	}
}
