package rotate

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"
)

// print is the hash of a world: worlds with the same one have the same future.
type print [16]byte

// printer encodes everything that can affect the future, and nothing else.
// Times are relative to now; a time without further influence is encoded as
// past. Generations are relative to the ledger's. Values and states of the
// store are numbered in the order of their first appearance.
type printer struct {
	b        []byte
	now      time.Time
	past     time.Duration
	gen      uint64
	values   map[string]int
	modified map[string]int
}

func (p *printer) reset(w *world) {
	p.b, p.now = p.b[:0], w.at
	p.past = 3 * time.Minute
	if w.window < time.Hour {
		p.past = 3 * time.Second
	}
	if p.values == nil {
		p.values, p.modified = map[string]int{}, map[string]int{}
	}
	clear(p.values)
	clear(p.modified)
}

func (p *printer) sum() print {
	sum := sha256.Sum256(p.b)
	return print(sum[:16])
}

func (p *printer) int(n int)    { p.b = binary.AppendVarint(p.b, int64(n)) }
func (p *printer) str(s string) { p.int(len(s)); p.b = append(p.b, s...) }
func (p *printer) flag(list ...bool) {
	n := 0
	for _, b := range list {
		n *= 2
		if b {
			n++
		}
	}
	p.int(n)
}

func (p *printer) time(t time.Time) {
	if t.IsZero() {
		p.int(0)
		return
	}
	p.int(1 + int(max(t.Sub(p.now), -p.past)+p.past))
}

func index(m map[string]int, s string) int {
	n, ok := m[s]
	if !ok {
		n = len(m) + 1
		m[s] = n
	}
	return n
}

func (p *printer) reading(r *reading) {
	if r == nil {
		p.int(-1)
		return
	}
	p.int(r.current)
	p.int(len(r.versions))
	for _, l := range r.versions {
		p.int(l.number)
		p.int(index(p.values, l.value))
		p.time(l.from)
		p.time(l.expires)
	}
}

func (p *printer) text(text string) {
	r, err := read(text)
	if err != nil {
		r = nil
	}
	p.reading(r)
}

func (p *printer) note(text string) {
	rest, ok := strings.CutPrefix(text, "sv1 gen=")
	if !ok {
		p.str(text)
		return
	}
	digits, _, _ := strings.Cut(rest, " ")
	gen, _ := strconv.ParseUint(digits, 10, 64)
	p.int(int(int64(gen - p.gen)))
}

func (p *printer) state(w *world, s *state) {
	for _, spec := range w.spec.Secrets {
		p.record(s.find(spec.Address))
	}
	p.int(len(s.Retire))
	for _, r := range s.Retire {
		p.int(index(p.values, r.ID))
	}
	p.int(len(s.Sweep))
	for _, x := range s.Sweep {
		p.int(index(p.values, x.Name))
		p.time(x.Until)
	}
}

func (p *printer) record(r *record) {
	if r == nil {
		p.int(-1)
		return
	}
	p.int(int(int64(r.Gen - p.gen)))
	p.int(r.Highest)
	p.int(number(r.Current))
	p.int(number(r.Announced))
	p.flag(r.Bare)
	for i := range r.Versions {
		v := &r.Versions[i]
		p.str(string(v.Gone))
		if v.Gone != "" && v.Resource == nil {
			continue
		}
		p.int(number(v.ID))
		p.flag(v.Bare)
		p.int(index(p.values, v.Value))
		p.time(v.ActiveFrom)
		p.time(v.ExpiresAt)
		p.time(v.Base)
		if v.Resource != nil {
			p.int(index(p.values, v.Resource.ID))
		}
	}
	if in := r.Intent; in != nil {
		p.str(string(in.Op))
		p.text(in.Text)
		p.note(in.Note)
		p.int(int(max(in.At.Sub(p.now), -4*time.Hour)))
		p.flag(in.Timed, in.Unsent, in.Taken)
		p.int(number(in.Replaced))
	}
	if pub := r.Published; pub != nil {
		p.note(pub.Note)
		p.int(index(p.modified, pub.Modified))
		p.flag(pub.At.Before(r.Stray))
	}
	p.time(r.Created)
	p.time(r.Rotated)
	p.time(r.Ready)
	p.time(r.Hold)
	p.time(r.Stray)
	if m := r.Making; m != nil {
		p.int(index(p.values, m.Name))
		p.time(m.At)
	}
}

// settled encodes the state that outlives the operators: ledger, store and
// requests under way.
func (p *printer) settled(w *world) {
	st := w.ledger.state()
	for _, r := range st.Secrets {
		p.gen = r.Gen
	}
	p.state(w, st)
	for _, s := range w.slots {
		p.flag(s.exists)
		p.text(s.text)
		p.note(s.note)
		p.int(index(p.modified, strconv.Itoa(s.modified)))
	}
	p.int(len(w.flights))
	for _, f := range w.flights {
		p.int(f.secret)
		p.time(f.until)
		switch {
		case f.token != "":
			p.int(index(p.values, f.token))
		case f.secret < 0:
			p.flag(f.rev == w.rev, f.sudden != 0)
			if f.rev == w.rev {
				p.state(w, f.next.state())
			}
		default:
			p.text(f.text)
			p.note(f.note)
		}
	}
	p.int(len(w.tokens))
	for _, t := range w.tokens {
		p.int(index(p.values, t.name))
		p.int(index(p.values, t.id))
		p.flag(t.broken)
	}
}

// world encodes everything.
func (p *printer) world(w *world) print {
	p.reset(w)
	p.settled(w)
	for i := range w.views {
		v := &w.views[i]
		p.reading(v.now)
		p.int(len(v.past))
		for _, s := range v.past {
			p.reading(s.reading)
			p.int(int(s.until.Sub(p.now)))
		}
		p.int(len(v.recorded))
		p.int(len(v.sudden))
		p.int(len(v.ended))
		p.int(len(v.given))
		p.int(len(v.bared))
		p.int(len(v.former))
		if len(v.bared) > 0 {
			p.reading(v.last)
			p.int(index(p.values, v.texts[0]))
		}
	}
	var parts [2][]byte
	for i, r := range w.runs {
		start := len(p.b)
		p.flag(r != nil, r != nil && w.disturbed&(1<<i) != 0, r != nil && w.actor == i, w.unread&(1<<i) != 0)
		if r != nil {
			p.int(w.as[i])
			p.run(w, r)
		}
		parts[i] = p.b[start:]
	}
	if w.skew[0] == w.skew[1] && bytes.Compare(parts[0], parts[1]) > 0 {
		// With one clock the operators are interchangeable.
		swapped := slices.Concat(parts[1], parts[0])
		copy(p.b[len(p.b)-len(swapped):], swapped)
	}
	p.int(w.begins)
	p.int(w.ticks)
	p.int(w.faults)
	p.int(w.switches)
	p.int(w.edits)
	p.flag(w.edited, w.agreed)
	p.int(int(w.used))
	return p.sum()
}

func (p *printer) run(w *world, r *run) {
	p.int(int(r.stage))
	same := r.loaded.rev == worldRevision(w.rev)
	p.flag(same, r.tries.cleaned, len(r.pass.items) > 0)
	if !same {
		p.state(w, r.loaded.state.state())
	}
	if len(r.pass.items)+len(r.pass.minting) > 0 {
		p.time(r.pass.recorded)
	}
	if r.stage == stageDecide {
		p.time(r.target.at)
	}
	p.int(r.tries.looks)
	p.int(r.tries.passes)
	p.int(r.tries.conflicts)
	p.str(r.op)
	for _, spec := range w.spec.Secrets {
		one := r.orders[spec.Address]
		p.str(one.op)
		p.flag(one.force, one.immediate, one.adopt, r.mine.done[spec.Address], r.report.problems[spec.Address] != nil,
			slices.Contains(r.pass.minting, spec.Address))
		if r.stage == stageDecide {
			f, ok := r.target.found[r.target.names[spec.Address]]
			p.flag(ok, f.Pending)
			p.note(f.Note)
			p.int(index(p.modified, f.Modified))
		}
		s, ok := r.mine.sent[spec.Address]
		p.flag(ok, s.err == nil)
		p.int(int(int64(s.gen - p.gen)))
		m := r.mine.made[spec.Address]
		p.int(index(p.values, m.Value))
		p.int(index(p.values, r.mine.failed[spec.Address].ID))
		t, ok := r.mine.tested[spec.Address]
		p.flag(ok, t.err == nil)
		p.int(index(p.values, t.id))
	}
	if t := r.pass.trial; t != nil {
		p.int(t.tries)
		p.int(index(p.values, t.value.Value))
	}
}
