package rotate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// trace is the path to a world: the last move, and the earlier ones.
type trace struct {
	before *trace
	what   func() string
}

func (t *trace) String() string {
	var lines []string
	for ; t != nil; t = t.before {
		lines = append(lines, t.what())
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

func (w *world) note(what func() string) { w.last = &trace{w.last, what} }

// broken is a rule that a move violated.
type broken struct {
	w   *world
	err error
}

// walker makes moves. Each goroutine has one.
type walker struct {
	*port
	printer printer
	next    []*world
	bad     *broken
	live    map[print]struct{} // worlds from which all work is known to finish
}

func newWalker(s *setting) *walker { return &walker{port: newPort(s), live: map[print]struct{}{}} }

func (k *walker) reached(w *world, err error, what func() string) {
	w.note(what)
	if err != nil && k.bad == nil {
		k.bad = &broken{w, err}
	}
	if err == nil {
		k.next = append(k.next, w)
	}
}

// holds keeps the first violation of a rule outside a move.
func (k *walker) holds(w *world, err error) {
	if err != nil && k.bad == nil {
		k.bad = &broken{w, err}
	}
}

// moves appends all successors of a world.
func (k *walker) moves(w *world) {
	if !w.edited {
		k.holds(w, k.finishes(w, false))
	}
	if len(w.flights) > 0 {
		k.holds(w, k.finishes(w, true))
	}
	if w.edits > 0 && w.runs == [2]*run{} && len(w.flights) == 0 {
		k.edit(w)
	}
	busy := w.runs[w.actor] != nil
	for who := range w.runs {
		from := w
		if busy && who != w.actor {
			if w.switches == 0 {
				continue
			}
			from = w.fork()
			from.switches--
		}
		if w.runs[who] != nil {
			k.goOn(from, who)
			continue
		}
		if w.begins == 0 {
			continue
		}
		for i, c := range w.commands {
			if w.used&(1<<i) != 0 {
				continue
			}
			n := from.fork()
			n.begins--
			if !c.always {
				n.used |= 1 << i
			}
			err := k.begin(n, who, c)
			k.reached(n, err, func() string { return fmt.Sprintf("%c begins %s", 'A'+who, c.name) })
		}
	}
	for i, f := range w.flights {
		n := w.fork()
		n.flights = slices.Delete(n.flights, i, i+1)
		err := n.arrive(f, -1)
		k.reached(n, err, func() string { return fmt.Sprintf("the late request arrives (%s)", f) })
	}
	if w.ticks > 0 && (!busy || w.switches > 0) {
		for _, at := range w.instantsAhead() {
			n := w.fork()
			n.ticks--
			n.at = at
			if busy {
				n.switches--
			}
			err := n.tick()
			k.reached(n, err, func() string { return "it is " + shown(at) })
		}
	}
}

// edit lets a person change the store by hand.
func (k *walker) edit(w *world) {
	st := w.ledger.state()
	rec := st.Secrets[0]
	for _, edit := range []struct {
		how string
		slot
	}{
		{"puts a value of its own there", slot{true, "by hand", "", -1}},
		{"changes the value, not its note", slot{true, "by hand", w.slots[0].note, -1}},
		{"publishes from a later ledger", slot{true, "by hand", st.newNote(rec.Name, rec.Gen+1, rec.Current, "by hand"), -1}},
		{"publishes from a ledger beside it", slot{true, "by hand", st.newNote(rec.Name, rec.Gen, rec.Current, "by hand"),
			-1}},
		{"deletes it", slot{}},
	} {
		n, s := w.fork(), edit.slot
		n.edits--
		n.edited = s.exists
		n.slots[0] = s
		if v := &n.views[0]; v.now != nil && !s.exists {
			v.past = append(slices.Clip(v.past), standing{v.now, n.at})
			v.now = nil
		}
		k.reached(n, nil, func() string { return "another writer " + edit.how })
	}
}

func (f flight) String() string {
	switch {
	case f.token != "":
		return "make " + f.token
	case f.secret < 0:
		return "ledger"
	}
	return f.note[:strings.Index(f.note, " fp=")]
}

func (k *walker) goOn(w *world, who int) {
	n := w.fork()
	stage := n.runs[who].stage
	did, err := k.step(n, who, goesWell)
	k.reached(n, err, func() string { return fmt.Sprintf("%c: %s%s", 'A'+who, did, did.detail(n, stage)) })
	if w.faults == 0 {
		return
	}
	k.holds(w, k.sameAfterCrash(w, who))
	crashed := w.fork()
	crashed.faults--
	crashed.runs[who] = nil
	k.reached(crashed, nil, func() string { return fmt.Sprintf("%c crashes", 'A'+who) })
	for _, o := range otherOutcomes[did] {
		if did == callSwap && n.rev == w.rev {
			break // a conflict
		}
		f := w.fork()
		f.faults--
		_, err := k.step(f, who, o)
		k.reached(f, err, func() string { return fmt.Sprintf("%c: %s%s: %s", 'A'+who, did, did.detail(f, stage), o) })
	}
}

func (c call) detail(w *world, stage stage) string {
	if c == callSwap {
		var list []string
		for _, rec := range w.ledger.state().Secrets {
			s := fmt.Sprintf(" gen=%d cur=%s", rec.Gen, rec.Current)
			if rec.Intent != nil {
				s += " to " + string(rec.Intent.Op)
			}
			list = append(list, s)
		}
		return strings.Join(list, ",")
	}
	if c == callNone {
		return fmt.Sprintf("ends (stage %d)", stage)
	}
	return ""
}

func (w *world) tick() error {
	for i := range w.views {
		if err := w.check(i); err != nil {
			return err
		}
	}
	return nil
}

// instantsAhead returns the next instants at which anything may change, for any
// of the clocks.
func (w *world) instantsAhead() []time.Time {
	var list []time.Time
	add := func(t time.Time) {
		if !t.IsZero() {
			list = append(list, t.Add(-w.skew[0]), t.Add(-w.skew[1]))
		}
	}
	st := w.ledger.state()
	fresh := policy{window: w.window}.fresh()
	for _, spec := range w.spec.Secrets {
		rec := st.find(spec.Address)
		if rec.empty() {
			continue
		}
		add(rec.Ready)
		add(rec.Hold)
		add(rec.Stray)
		if rec.Intent != nil {
			add(rec.Intent.At.Add(fresh + time.Nanosecond))
		}
		for i := range rec.Versions {
			if v := &rec.Versions[i]; v.Gone == "" {
				add(v.ExpiresAt)
			}
		}
		add(nextRotation(spec.Rotation, spec.Address, rec.Created, rec.Rotated))
	}
	for _, s := range st.Sweep {
		add(s.Until)
	}
	for _, r := range w.runs {
		if r != nil && len(r.pass.items)+len(r.pass.minting) > 0 {
			add(r.pass.recorded.Add(policy{margin: w.margin}.prompt()))
		}
		if r != nil && r.stage == stageDecide {
			add(r.target.at.Add(policy{margin: w.margin}.prompt()))
		}
	}
	var last time.Time
	for _, f := range w.flights {
		if last.IsZero() || f.until.Before(last) {
			last = f.until
		}
	}
	if !last.IsZero() {
		list = append(list, last)
	}
	slices.SortFunc(list, time.Time.Compare)
	list = slices.CompactFunc(list, time.Time.Equal)
	list = slices.DeleteFunc(list, func(t time.Time) bool { return !t.After(w.at) || !last.IsZero() && t.After(last) })
	return list[:min(len(list), w.instants)]
}

// tail returns the last moves.
func (t *trace) tail(n int) string {
	lines := strings.Split(t.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
