package rotate

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/layeron-hq/secret"
)

// The rules that need separate runs: a run after an interruption has the same
// result as an uninterrupted one, a second run changes nothing, and without
// further faults every rotation finishes.

// finishes checks that from this world, with enough runs and time and without
// further faults, all work finishes. Requests under way arrive as late as they
// can, or never if dropped is set.
func (k *walker) finishes(w *world, dropped bool) error {
	w = w.fork()
	w.runs = [2]*run{}
	w.faults = 0
	if dropped {
		w.flights = nil
	}
	var seen []print
	for range 16 {
		k.printer.reset(w)
		k.printer.settled(w)
		at := k.printer.sum()
		if _, ok := k.live[at]; ok {
			break
		}
		seen = append(seen, at)
		if err := k.once(w); err != nil {
			return k.within(w, err)
		}
		if err := w.arriveDue(); err != nil {
			return k.within(w, err)
		}
		if w.finished() {
			break
		}
		if len(seen) == 16 {
			return k.within(w, fmt.Errorf("liveness: not finished after %d runs", len(seen)))
		}
		if err := k.passTime(w); err != nil {
			return k.within(w, err)
		}
	}
	for _, at := range seen {
		k.live[at] = struct{}{}
	}
	return nil
}

// within keeps the first violated rule on the way to the end.
func (k *walker) within(w *world, err error) error {
	k.holds(w, err)
	return err
}

// once runs a rotation twice, and checks that the second changes nothing.
func (k *walker) once(w *world) error {
	if err := k.complete(w, 0, rotateCommand); err != nil {
		return err
	}
	for i, spec := range w.spec.Secrets {
		if rec := w.ledger.state().find(spec.Address); !rec.empty() && !w.slots[i].exists {
			return fmt.Errorf("liveness: a run leaves a value missing in the target")
		}
	}
	rev, writes := w.rev, w.writes
	w.note(func() string { return "A rotates, to the end, twice" })
	if err := k.complete(w, 0, rotateCommand); err != nil {
		return err
	}
	if rev != w.rev || writes != w.writes {
		return fmt.Errorf("4: a second run at once changes something")
	}
	return nil
}

// passTime moves to the next instant at which something happens.
func (k *walker) passTime(w *world) error {
	ahead := w.instantsAhead()
	next := w.at.Add(w.window)
	if len(ahead) > 0 {
		next = ahead[0]
	}
	w.at = next
	w.note(func() string { return "it is " + shown(next) })
	if err := w.tick(); err != nil {
		return err
	}
	return w.arriveDue()
}

// arriveDue applies the requests that cannot be later.
func (w *world) arriveDue() error {
	for i := 0; i < len(w.flights); {
		f := w.flights[i]
		if f.until.After(w.at) {
			i++
			continue
		}
		w.flights = slices.Delete(slices.Clone(w.flights), i, i+1)
		w.note(func() string { return fmt.Sprintf("the late request arrives (%s)", f) })
		if err := w.arrive(f, -1); err != nil {
			return err
		}
	}
	return nil
}

// finished reports whether the store has the ledger's text for every secret,
// with no rotation under way.
func (w *world) finished() bool {
	if len(w.flights) > 0 {
		return false
	}
	st := w.ledger.state()
	for i, spec := range w.spec.Secrets {
		rec := st.find(spec.Address)
		if rec.empty() && spec.Kind == secret.KindStatic {
			continue // only a person has its value
		}
		if rec.empty() || rec.Intent != nil || rec.Announced != "" || rec.Published == nil ||
			rec.Published.Note != w.slots[i].note {
			return false
		}
		for _, v := range rec.Versions {
			if v.Gone == "" && v.ID != rec.Current && !v.ExpiresAt.IsZero() && v.ExpiresAt.Before(w.at.Add(-w.margin)) {
				return false
			}
		}
	}
	for _, t := range w.tokens {
		if !usesToken(w.ledger, t) {
			return false
		}
	}
	return len(st.Retire)+len(st.Sweep) == 0
}

// sameAfterCrash checks that a crashed run that is started again at once leaves
// the same result as a run without a crash.
func (k *walker) sameAfterCrash(w *world, who int) error {
	if w.as[who] != 0 || w.runs[1-who] != nil || w.disturbed&(1<<who) != 0 {
		return nil
	}
	r := w.runs[who]
	if r.loaded.rev != worldRevision(w.rev) {
		return nil // others have continued without it
	}
	for _, spec := range w.spec.Secrets {
		if one := r.orders[spec.Address]; one != rotateCommand.one && !r.mine.done[spec.Address] {
			return nil // the ledger has nothing from it yet
		}
	}
	whole, again := w.fork(), w.fork()
	if err := k.goToEnd(whole, who); err != nil {
		return err
	}
	// The fault may be in either run: the next one repairs it.
	if err := k.complete(whole, who, rotateCommand); err != nil {
		return err
	}
	again.runs[who] = nil
	again.note(func() string { return fmt.Sprintf("%c crashes, and rotates again", 'A'+who) })
	if err := k.complete(again, who, rotateCommand); err != nil {
		return err
	}
	if a, b := k.texts(whole), k.texts(again); !bytes.Equal(a, b) {
		w.note(func() string {
			return fmt.Sprintf("%c crashes, and rotates again: %s, not %s", 'A'+who, again.slots[0].text, whole.slots[0].text)
		})
		return fmt.Errorf("4: interrupted and run again gives another text")
	}
	return nil
}

func (k *walker) texts(w *world) []byte {
	k.printer.reset(w)
	for _, s := range w.slots {
		r, err := read(s.text)
		if err == nil && r.current >= 0 {
			// The flip of an announced version may wait for requests that no run knows.
			plain := *r
			plain.versions = slices.Clone(r.versions)
			for i := range plain.versions {
				if i > plain.current {
					plain.versions[i].from = noTime
				}
			}
			r = &plain
		}
		k.printer.reading(r)
	}
	return bytes.Clone(k.printer.b)
}

func (p *port) goToEnd(w *world, who int) error {
	for w.runs[who] != nil {
		if _, err := p.step(w, who, goesWell); err != nil {
			return err
		}
	}
	return nil
}
