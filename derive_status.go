package secret

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"weak"
)

// WarnDerived: the function of a [Derived] value fails for the current document
// of the secret. The value for the last good documents stays in use, if there is
// one; else reads of the value fail.
const WarnDerived = "derived"

// derivedHome is the part of an App that a derivation uses: the App's secret. It
// is an interface for the reason of loadOwner.
type derivedHome interface {
	owningApp() any                         // for comparisons
	holding() (doc *Document, unset uint64) // see source
	adopt(derivedEntry)
	reportDerived(of, fault string, kept bool) // an empty fault: f works again
}

// derivedEntry is a derivation in the Status of one of its secrets.
type derivedEntry interface {
	gone() bool
	settle(context.Context)
	warning(loadOwner) (Warning, bool)
}

// weakEntry lets the garbage collector free a Derived that a program no longer
// uses, although an App lives on.
type weakEntry struct{ of weak.Pointer[derivation] }

// settleIn makes the Apps of the secrets know of c. The caller holds mu.
func (c *derivation) settleIn() {
	if c.known == nil {
		c.known = make([]loadOwner, len(c.secrets))
	}
	for i, s := range c.secrets {
		owner := s.declared().loader.Load().owner
		if owner == c.known[i] {
			continue
		}
		c.known[i] = owner
		if home, ok := owner.(derivedHome); ok {
			home.adopt(weakEntry{weak.Make(c)})
		}
	}
}

// report returns the calls that make each App log a fault that is new to it, and
// its end.
func (c *derivation) report(r *result) (calls []func()) {
	fault := ""
	if r.fault != nil {
		fault = shownFault(r.fault, r.docs)
	}
	var told []any
	for _, s := range c.secrets {
		home, ok := s.declared().loader.Load().owner.(derivedHome)
		if !ok || slices.Contains(told, home.owningApp()) {
			continue
		}
		told = append(told, home.owningApp())
		logged := ""
		if slices.Contains(c.toldOf, home.owningApp()) {
			logged = c.logged
		}
		if fault != logged {
			calls = append(calls, func() { home.reportDerived(addresses(c.secrets), fault, r.err == nil) })
		}
	}
	c.logged, c.toldOf = fault, told
	return calls
}

func (w weakEntry) gone() bool { return w.of.Value() == nil }

// settle calls f if documents have changed since the last Get: a Status is up to
// date without one.
func (w weakEntry) settle(ctx context.Context) {
	c := w.of.Value()
	if c == nil || c.warm() != nil {
		return
	}
	docs := make([]*Document, len(c.secrets))
	for i, s := range c.secrets {
		docs[i] = s.declared().live.Load()
		if docs[i] == nil || docs[i].data().err() != nil {
			return // only a Get loads documents
		}
	}
	_, _ = c.await(ctx, docs) // the fault is in the last result
}

// warning returns the warning for the secret of home.
func (w weakEntry) warning(home loadOwner) (Warning, bool) {
	c := w.of.Value()
	if c == nil {
		return Warning{}, false
	}
	r := c.last.Load()
	if r == nil || r.fault == nil {
		return Warning{}, false
	}
	var others []*Secret
	version, holds := "", false
	for i, s := range c.secrets {
		if s.declared().loader.Load().owner == home {
			version, holds = r.docs[i].Current().ID, true
			continue
		}
		others = append(others, s)
	}
	of, then := "a value derived from it", "; the last good value stays in use"
	if len(others) > 0 {
		of += " and " + addresses(others)
	}
	if r.err != nil {
		then = "; reads of the value fail"
	}
	return Warning{WarnDerived, version, of + " cannot be computed" + then}, holds
}

// shownFault returns the text of f's error for the log. The program cannot keep
// this text back, so one that repeats a part of a value is left out.
func shownFault(fault error, docs []*Document) string {
	text := fault.Error()
	if _, ours := fault.(*Error); ours {
		return text
	}
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	for _, doc := range docs {
		for v := range doc.All() {
			if repeats(text, v.Text()) {
				return fmt.Sprintf("an error of type %T, not shown since its text repeats a part of a value", fault)
			}
		}
	}
	return text
}

const (
	longest = 4096 // bytes of an error in the log
	telling = 8    // bytes of a value that no error contains by chance
)

// repeats reports whether text contains eight consecutive bytes of value, or a
// shorter value in quotes.
func repeats(text, value string) bool {
	if len(value) < telling {
		return strings.Contains(text, strconv.Quote(value))
	}
	for i := 0; i+telling <= len(text); i++ {
		if strings.Contains(value, text[i:i+telling]) {
			return true
		}
	}
	return false
}
