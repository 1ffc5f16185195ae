package rotate

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/layeron-hq/secret"
)

// view is the history of one secret: the documents that readers may have seen,
// and the recorded versions.
type view struct {
	now      *reading   // the document in the store; nil: none yet
	past     []standing // earlier documents, until no reader can use them
	recorded []string   // the value of version N+1, from the time it is in the ledger
	sudden   []int      // versions that became current at once, by command
	ended    []int      // revoked versions

	last   *reading // the text that was recorded last
	texts  []string // the value of version N+1 in the recorded texts
	former []string // earlier values of v1 in recorded
	bared  []string // the values of the recorded bare texts
	given  []int    // versions that an operator gave up for a bare text
}

// standing is a document that was in the store until then.
type standing struct {
	*reading
	until time.Time
}

// reading is a text as package secret parses it. It never changes.
type reading struct {
	text     string
	bare     bool
	current  int // index of the version
	versions []life
}

type life struct {
	number  int
	value   string
	from    time.Time
	expires time.Time
}

var readings sync.Map // by text

func read(text string) (*reading, error) {
	if r, ok := readings.Load(text); ok {
		return r.(*reading), nil
	}
	doc, err := secret.Parse(text)
	if err != nil {
		return nil, err
	}
	r := &reading{text: text, bare: doc.StoredAs() == secret.FormatPlain, current: -1}
	for v := range doc.All() {
		if v.ID == doc.Current().ID {
			r.current = len(r.versions)
		}
		r.versions = append(r.versions, life{number(v.ID), v.Text(), v.ActiveFrom, v.ExpiresAt})
	}
	readings.Store(text, r)
	return r, nil
}

func (r *reading) find(number int) *life {
	for i := range r.versions {
		if r.versions[i].number == number {
			return &r.versions[i]
		}
	}
	return nil
}

// newLedger checks a state that is being stored against the rules for ids and
// values, and records its versions.
func (w *world) newLedger(next State, sudden uint) error {
	for i, s := range w.spec.Secrets {
		rec := next.state().find(s.Address)
		if rec == nil {
			continue
		}
		v := &w.views[i]
		for _, ver := range rec.Versions {
			n := number(ver.ID)
			if ver.Gone == GoneRevoked && !slices.Contains(v.ended, n) {
				v.ended = append(slices.Clip(v.ended), n)
			}
			if ver.Gone != "" {
				continue
			}
			for len(v.recorded) < n {
				v.recorded = append(slices.Clip(v.recorded), "")
			}
			switch known := v.recorded[n-1]; known {
			case ver.Value:
			case "":
				v.recorded = slices.Clone(v.recorded)
				v.recorded[n-1] = ver.Value
			default:
				// A document calls the last bare value v1.
				if old := w.ledger.state().find(s.Address); n != 1 || old == nil || !old.Bare ||
					old.version(old.Current).Value != ver.Value {
					return fmt.Errorf("3: %s had another value before", ver.ID)
				}
				v.recorded = slices.Clone(v.recorded)
				v.recorded[0] = ver.Value
				v.former = append(slices.Clip(v.former), known)
			}
		}
		if rec.Intent == nil {
			continue
		}
		r, err := read(rec.Intent.Text)
		if err != nil {
			return fmt.Errorf("2: the text to be published cannot be read: %w", err)
		}
		if err := w.newText(v, r); err != nil {
			return err
		}
		for _, l := range r.versions {
			// A revoked v1 may have been another value than the bare one.
			if slices.Contains(v.ended, l.number) && (l.number != 1 || !slices.Contains(v.bared, l.value)) {
				return fmt.Errorf("5: v%d was revoked and is to be published again", l.number)
			}
		}
		if op := rec.Intent.Op; op == OpSet || op == OpRevoke || op == OpCreate || op == OpFlip && sudden&(1<<i) != 0 {
			if n := r.versions[r.current].number; !slices.Contains(v.sudden, n) {
				v.sudden = append(slices.Clip(v.sudden), n)
			}
		}
	}
	return nil
}

// newText checks a text against the texts that were recorded before. A bare text
// gives its value the id v1; in documents no id changes its value.
func (w *world) newText(v *view, r *reading) error {
	before := v.last
	if before == r {
		return nil
	}
	v.last = r
	v.texts = slices.Clone(v.texts)
	for _, l := range r.versions {
		for len(v.texts) < l.number {
			v.texts = append(v.texts, "")
		}
		if known := v.texts[l.number-1]; known != "" && known != l.value && !r.bare {
			return fmt.Errorf("3: v%d had another value in an earlier document", l.number)
		}
		v.texts[l.number-1] = l.value
	}
	switch {
	case r.bare:
		v.bared = append(slices.Clip(v.bared), r.versions[0].value)
		if before != nil && !before.bare {
			return w.newBare(v, before)
		}
	case before != nil && before.bare:
		if l := r.find(1); l == nil || l.value != before.versions[0].value {
			return fmt.Errorf("3: the bare value is not v1 in the document")
		}
	}
	return nil
}

// newBare checks a bare text that follows a document.
func (w *world) newBare(v *view, document *reading) error {
	for i, l := range document.versions {
		if l.number == 1 && i == document.current {
			continue
		}
		if !w.agreed && (i == document.current || l.expires.IsZero() || l.expires.After(w.at.Add(time.Minute))) {
			return fmt.Errorf("5: v%d stops resolving, and no operator has agreed", l.number)
		}
		v.given = append(slices.Clip(v.given), l.number)
	}
	return nil
}

// sudden returns the secrets, by bit, for which the current run has an order to
// make a version current at once.
func (p *port) sudden() (which uint) {
	r := p.w.runs[p.who]
	for i, spec := range p.w.spec.Secrets {
		if r.orders[spec.Address].immediate || r.op == "rollback" && spec.Kind == secret.KindStatic {
			which |= 1 << i
		}
	}
	return which
}

// mayLeave checks a request against the state that the ledger had before it.
func (w *world) mayLeave(f flight) error {
	r, err := read(f.text)
	if err != nil {
		return fmt.Errorf("2: a text that cannot be read leaves: %w", err)
	}
	for _, l := range r.versions {
		known := w.views[f.secret].recorded
		if r.bare && slices.Contains(known, l.value) || l.number == 1 && slices.Contains(w.views[f.secret].former, l.value) {
			continue
		}
		if l.number > len(known) || known[l.number-1] != l.value {
			return fmt.Errorf("3: v%d leaves and was not in the ledger first", l.number)
		}
	}
	return nil
}

// retained returns how much longer data made with a version must be accepted.
func (w *world) retained(i int) time.Duration {
	more, forever := retention(w.spec.Secrets[i].Rotation)
	if forever {
		return 100 * 365 * day
	}
	return more
}

// newDocument is called when the store has a new document: the previous one
// ends now.
func (w *world) newDocument(i int) error {
	v := &w.views[i]
	r, err := read(w.slots[i].text)
	if err != nil {
		return fmt.Errorf("2: the stored text cannot be read: %w", err)
	}
	if v.now == r {
		return w.check(i)
	}
	kept := make([]standing, 0, len(v.past)+1)
	for _, s := range v.past {
		if s.reading != v.now && s.reading != r && !s.until.Add(w.lag+w.retained(i)).Before(w.at) {
			kept = append(kept, s)
		}
	}
	if v.now != nil {
		kept = append(kept, standing{v.now, w.at})
	}
	v.now, v.past = r, kept
	for _, s := range kept {
		// Readers with an older document must accept signatures by the new version.
		until := s.until.Add(w.lag)
		if until.Before(w.at) {
			continue
		}
		if err := w.accepts(i, s.reading, r, until); err != nil {
			return err
		}
	}
	return w.check(i)
}

// check compares the document in the store with everything that readers may
// have signed. It is called after every change of the time or the store.
func (w *world) check(i int) error {
	v := &w.views[i]
	if v.now == nil || w.edited {
		return nil
	}
	if v.now.current < 0 {
		return fmt.Errorf("2: current names no version")
	}
	until := w.at.Add(w.lag)
	if err := w.accepts(i, v.now, v.now, until); err != nil {
		return err
	}
	retain := w.retained(i)
	for _, s := range v.past {
		last := s.until.Add(w.lag + retain)
		if last.After(until) {
			last = until
		}
		if last.Before(w.at) {
			continue
		}
		if err := w.accepts(i, v.now, s.reading, last); err != nil {
			return err
		}
	}
	return nil
}

// accepts checks that readers with one document accept, until then, signatures
// made with another.
func (w *world) accepts(i int, reader, signer *reading, until time.Time) error {
	v := &w.views[i]
	c := signer.versions[signer.current]
	l := reader.find(c.number)
	switch {
	case slices.Contains(v.ended, c.number), slices.Contains(v.given, c.number):
		return nil
	case c.number == 1 && l == nil && len(v.given) > 0:
		return nil // the operator agreed to a bare text, and the reader has the document before it
	case c.number == 1 && l != nil && l.value != c.value &&
		(slices.Contains(v.bared, l.value) || slices.Contains(v.bared, c.value)):
		return nil // a new bare value is v1 at once
	case l == nil && slices.Contains(v.sudden, c.number) && reader.versions[reader.current].number < c.number:
		return nil // it became current at once, and the reader has not seen it yet
	case l == nil:
		return fmt.Errorf("1: v%d is signed with, and readers use a document without it (current v%d)", c.number,
			reader.versions[reader.current].number)
	case l.value != c.value:
		return fmt.Errorf("3: v%d has two values", c.number)
	case !l.expires.IsZero() && until.Add(w.readerSkew).After(l.expires):
		return fmt.Errorf("1: v%d is signed with until %s, and for readers it ends at %s", c.number, shown(until),
			shown(l.expires))
	}
	return nil
}

func shown(t time.Time) string { return t.Format("01-02 15:04:05") }
