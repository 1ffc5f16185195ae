package drivertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layeron-hq/secret/driver"
)

func checkPublish(on *onPublisher) {
	if errs := on.p.Publish(on.ctx, nil); errs != nil {
		on.problem("Publish of nothing returns errors")
	}
	a, b := on.item("first", "one", 1), on.item("second", "two", 1)
	on.absent("before anything is published", a.Name, b.Name)
	on.publish(a)
	on.stands("once created", a)
	on.absent("while only another was published", b.Name)
	on.publish(b)
	before := on.stands("once both are created", a, b)

	longer, shorter := on.item("first", strings.Repeat("longer ", 100), 2), on.item("first", "x", 3)
	on.publish(longer)
	after := on.stands("once replaced by a longer one", longer, b)
	if before[b.Name] != after[b.Name] {
		on.problem("replacing one value changes the result of Inspect for another")
	}
	on.publish(shorter)
	on.stands("once replaced by a shorter one", shorter, b)

	c := on.item("third", "three", 1)
	both := on.item("second", "new two", 2)
	on.publish(c, both)
	on.stands("once created and replaced in one call", shorter, both, c)
	on.publish(c, both)
	on.stands("once published again unchanged", shorter, both, c)
	back := on.item("first", "one", 4)
	on.publish(back)
	on.stands("once an old text is back under a new note", back)
}

func checkInspect(on *onPublisher) {
	a, b, missing := on.item("first", "one", 1), on.item("second", "two", 2), on.nameOf("missing")
	if found := on.inspect(a.Name, b.Name); len(found) != 0 {
		on.problem("Inspect has %d values where nothing was published", len(found))
	}
	on.publish(a, b)
	if found := on.inspect(); len(found) != 0 {
		on.problem("Inspect of no names has %d values", len(found))
	}
	if found := on.inspect(a.Name); len(found) != 1 {
		on.problem("Inspect of one name has %d values", len(found))
	}
	found := on.inspect(missing, b.Name, a.Name, on.nameOf("firs"), on.nameOf("first-1"), on.nameOf("second"))
	if names := slices.Sorted(maps.Keys(found)); !slices.Equal(names,
		slices.Sorted(slices.Values([]string{a.Name, b.Name}))) {
		on.problem("Inspect of two values and of names near theirs has %q", names)
	}
	on.stands("after it was inspected", a, b)
}

func checkModified(on *onPublisher) {
	seen := map[string]string{}
	for i, text := range []string{"one", "two", "one ", "One", "two\n"} {
		item := on.item("first", text, i+1)
		on.publish(item)
		now := on.inspect(item.Name)[item.Name].Modified
		if old, ok := seen[now]; ok {
			on.problem("Modified is the same for the texts %q and %q", old, text)
		}
		seen[now] = text
		on.publish(on.item("second", text, i+1))
		if again := on.inspect(item.Name)[item.Name].Modified; again != now {
			on.problem("Modified changes without a publish of this value")
		}
	}
}

// awkwardTexts returns texts that careless code would change, cut off or
// refuse.
func awkwardTexts() []string {
	var lines strings.Builder // no two alike, so that a lost or repeated part is found
	for i := 0; lines.Len() < 1<<16; i++ {
		fmt.Fprintf(&lines, "line %06d\n", i)
	}
	return []string{
		"x", "0", "null", "two words", " \t outer white space \t ",
		"newline\n", "newlines\n\n", "\nnewline first", "cr\r", "crlf\r\n", "\r\n", "lfcr\n\r",
		"crcrlf\r\r\n", "a\r\nb\nc\rd", "nul\x00inside", "nul last\x00", "control\x01\x1b[0m\x7f",
		"pässwörd ☃ \U0001f511 e\u0301", "\ufeffbyte order mark", "\u2028\u00a0",
		`"quoted" 'too' \n \" $HOME ${HOME} $(id) %s %PATH% <&>` + "`",
		"&amp;+%20=?#/..", "3q2+7wAAAP//+w==", "-----BEGIN X-----\nAA\n-----END X-----\n",
		`{"current":"v2","versions":{"v2":{"value":"second"},"v1":{"value":"first"}}}`,
		"current=v3;v2=old;v2_expires=2026-06-01T00:00:00.000Z;v3=new",
		lines.String()[:1<<16-1], lines.String()[:1<<16-1] + "\n", strings.Repeat("é", 1<<15),
	}
}

func checkTexts(on *onPublisher) {
	for i, text := range awkwardTexts() {
		item := on.item("text", text, i+1)
		on.publish(item)
		on.stands(fmt.Sprintf("with the text %.40q (%d bytes)", text, len(text)), item)
	}
}

func checkNotes(on *onPublisher) {
	for _, note := range []string{"x", noteOf(1), strings.Repeat("sv1 gen=1 ", 19) + "0123456789",
		`"quoted" 'too' \n <&> %s =;,`} {
		item := driver.Item{Name: on.nameOf("note"), Text: driver.NewValue("text"), Note: note}
		on.publish(item)
		on.stands(fmt.Sprintf("with a note of %d characters", len(note)), item)
	}
}

func checkMany(on *onPublisher) {
	var items []driver.Item
	for i := range 60 {
		items = append(items, on.item(fmt.Sprintf("many-%d", i), strings.Repeat(fmt.Sprintf("text %d ", i), i+1), i+1))
	}
	on.publish(items...)
	on.stands("of 60 published at once", items...)
}

func checkErrors(on *onPublisher) {
	gen := 0
	bad := []driver.Item{{Name: on.nameOf("large"),
		Text: driver.NewValue(strings.Repeat(publisherText, 3<<20/len(publisherText)))}}
	for _, name := range []string{"", ".", "..", "../" + on.nameOf("x"), "/" + on.nameOf("x"), on.nameOf("x") + "/../y",
		"a\x00b", "a b\n", strings.Repeat("X", 5000)} {
		bad = append(bad, driver.Item{Name: name, Text: driver.NewValue(publisherText)})
	}
	for _, refused := range bad {
		gen++
		refused.Note = noteOf(gen)
		first, last := on.item("first", publisherOther, gen), on.item("last", publisherOther, gen)
		errs := on.p.Publish(on.ctx, []driver.Item{first, refused, last})
		when := fmt.Sprintf("beside an item with the name %.20q and a text of %d bytes",
			refused.Name, len(refused.Text.Reveal()))
		if errs == nil { // this place can hold it
			on.stands(when, first, refused, last)
			continue
		}
		if len(errs) != 3 {
			on.problem("Publish of 3 items returns %d errors %s", len(errs), when)
			continue
		}
		for i, err := range errs {
			if err != nil {
				on.silent(fmt.Sprintf("the error of item %d %s", i, when), err)
			}
		}
		if errs[0] != nil || errs[2] != nil {
			on.problem("an item fails %s", when)
		}
		if errs[1] == nil {
			on.problem("the error is not at its item's index, %s", when)
		}
		on.stands(when, first, last)
		// Inspect may refuse a name that cannot be published.
		found, err := on.p.Inspect(on.ctx, []string{refused.Name})
		if _, ok := found[refused.Name]; ok && err == nil && errors.Is(errs[1], driver.ErrNotApplied) {
			on.problem("a request that was not applied had an effect, %s", when)
		}
		on.silent("the error of Inspect", err)
	}
}

func checkEnded(on *onPublisher) {
	a := on.item("first", publisherText, 1)
	on.publish(a)
	ended, end := context.WithCancel(on.ctx)
	end()
	is := func(what string, err error) {
		if !errors.Is(err, context.Canceled) {
			on.problem("%s with a context that has ended gives %v instead of the context's error", what, err)
		}
		on.silent("the error of "+what+" with a context that has ended", err)
	}
	all := func(what string, want int, errs []error) {
		if len(errs) != want {
			on.problem("%s of %d with a context that has ended returns %d errors", what, want, len(errs))
		}
		for _, err := range errs {
			is(what, err)
		}
	}
	next := []driver.Item{on.item("first", publisherOther, 2), on.item("second", publisherOther, 2)}
	errs := on.p.Publish(ended, next)
	all("Publish", 2, errs)
	_, err := on.p.Inspect(ended, []string{a.Name})
	is("Inspect", err)
	if r, ok := on.p.(driver.Remover); ok {
		all("Remove", 1, r.Remove(ended, []string{a.Name}))
	}
	if c, ok := on.p.(driver.Checker); ok {
		is("Check", c.Check(ended, []string{a.Name}))
	}
	on.stands("after calls with a context that had ended", a)
	on.absent("after calls with a context that had ended", next[1].Name)
}

func checkStopped(on *onPublisher) {
	stop, end := context.WithCancel(on.ctx)
	ctx := driver.WithStop(on.ctx, stop)
	first := []driver.Item{on.item("first", publisherText, 1), on.item("second", publisherText, 1)}
	next := []driver.Item{on.item("first", publisherOther, 2), on.item("second", publisherOther, 2)}
	if errs := on.p.Publish(ctx, first); errs != nil {
		on.problem("Publish before a stop returns errors")
	}
	on.stands("before a stop", first...)
	end()
	errs := on.p.Publish(ctx, next)
	if errs == nil { // it needs one request for all, or does not stop
		on.stands("after a stop", next...)
		return
	}
	if len(errs) != len(next) {
		on.problem("Publish of 2 after a stop returns %d errors", len(errs))
		return
	}
	for i, err := range errs {
		on.silent("the error of an item after a stop", err)
		switch {
		case err == nil:
			on.stands("after a stop, without an error", next[i])
		case !errors.Is(err, driver.ErrNotApplied) || !errors.Is(err, context.Canceled):
			on.problem("the error of an item after a stop is %v instead of the reason, as not applied", err)
		default:
			on.stands("after a stop, not published", first[i])
		}
	}
}

func checkNothingShown(on *onPublisher) {
	a := on.item("first", publisherText, 1)
	on.publish(a, on.item("second", publisherOther, 1))
	found := on.inspect(a.Name)
	on.silent("Inspect", found)
	on.silent("Modified", found[a.Name].Modified) // a Published does not print it
	on.silent("the publisher", on.p)
	on.silent("the publisher in an exported field", struct{ P driver.Publisher }{on.p})
	// fmt calls no methods on the value of an unexported field.
	on.silent("the publisher in an unexported field", struct{ p driver.Publisher }{on.p})
}

func checkRemove(on *onPublisher) {
	r := on.p.(driver.Remover)
	remove := func(when string, names ...string) {
		for i, err := range r.Remove(on.ctx, names) {
			if err != nil {
				on.problem("Remove of %d names %s, name %d: %w", len(names), when, i, err)
			}
		}
	}
	a, b, c := on.item("first", "one", 1), on.item("second", "two", 1), on.item("third", "three", 1)
	remove("where nothing was published yet", a.Name)
	on.publish(a, b, c)
	remove("of none")
	remove("that are there and missing", a.Name, on.nameOf("missing"), c.Name)
	on.absent("once removed", a.Name, c.Name)
	on.stands("once others are removed", b)
	remove("that are removed already", c.Name, a.Name)
	on.stands("once others are removed again", b)
	again := on.item("first", "another one", 2)
	on.publish(again)
	on.stands("once removed and created again", again, b)
}

func checkRecognize(on *onPublisher) {
	r := on.p.(driver.Recognizer)
	seen := map[string]bool{}
	for i, text := range awkwardTexts() {
		item := on.item("text", text, i+1)
		on.publish(item)
		of := r.ModifiedOf(item.Text)
		if got := on.inspect(item.Name)[item.Name].Modified; got != of {
			on.problem("ModifiedOf(%.40q) differs from the Modified of Inspect", text)
		}
		if seen[of] {
			on.problem("ModifiedOf(%.40q) is the same as for another text", text)
		}
		seen[of] = true
	}
}

func checkCheck(on *onPublisher) {
	c := on.p.(driver.Checker)
	check := func(when string, names ...string) {
		if err := c.Check(on.ctx, names); err != nil {
			on.problem("Check %s finds fault with a place that is ready: %w", when, err)
		}
	}
	a, b := on.item("first", "one", 1), on.item("second", "two", 1)
	check("of no names")
	check("before anything is published", a.Name, b.Name)
	on.absent("after Check", a.Name, b.Name)
	on.publish(a)
	before := on.stands("once created", a)
	check("beside another value", b.Name)
	if after := on.stands("after Check", a); !maps.Equal(before, after) {
		on.problem("Check changes the result of Inspect")
	}
	on.absent("after Check", b.Name)
}

func checkNames(on *onPublisher) {
	n := on.p.(driver.Namer)
	seen := map[string]string{}
	for _, of := range []string{"key", "key-2", "key2", "k", "0", strings.Repeat("n", 63)} {
		names := namesOf(of)
		names.SecretName = fmt.Sprintf("lo_%024x", len(seen))
		if of == "k" {
			names.Binding = "db_password" // a declared one
		}
		name := n.NameOf(names)
		if other, ok := seen[name]; ok || name == "" {
			on.problem("NameOf gives %q for %q, as for %q", name, of, other)
		}
		if again := n.NameOf(names); again != name {
			on.problem("NameOf gives %q and then %q for one secret", name, again)
		}
		seen[name] = of
		item := driver.Item{Name: name, Text: driver.NewValue(of), Note: noteOf(1)}
		on.publish(item)
		on.stands("under the name of "+of, item)
	}
}
