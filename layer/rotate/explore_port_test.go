package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/layeron-hq/secret/driver"
)

// The operators' environment: ledger, store and generator of the world that the
// port has at the moment, and the outcome of each call.

func (p *port) Load(context.Context) (State, Revision, error) {
	p.did = callLoad
	if p.w.forgets {
		return forgetful(p.w.ledger), worldRevision(p.w.rev), nil
	}
	return p.w.ledger, worldRevision(p.w.rev), nil
}

func worldRevision(n int) Revision { return Revision(strconv.Itoa(n)) }

func (p *port) CompareAndSwap(_ context.Context, old Revision, next State) (Revision, error) {
	p.did = callSwap
	w := p.w
	if w.mutant != nil && w.mutant.first {
		p.sendFirst(next)
	}
	if old != worldRevision(w.rev) {
		return "", ErrConflict
	}
	switch p.goes {
	case vanishes:
		return "", ErrUnknown
	case late:
		w.flights = append(w.flights, flight{secret: -1, next: next, rev: w.rev, sudden: p.sudden(), until: w.at.Add(w.late)})
		return "", ErrUnknown
	}
	p.swap(next)
	switch p.goes {
	case unanswered:
		return "", ErrUnknown
	case superseded:
		p.swap(w.ledger.WithLog(LogEntry{At: w.at, Op: "note"}).stamped())
		return "", ErrSuperseded
	}
	return worldRevision(w.rev), nil
}

// sendFirst is a mutant: it sends a text before it is recorded.
func (p *port) sendFirst(next State) {
	for i, spec := range p.w.spec.Secrets {
		rec := next.state().find(spec.Address)
		if rec == nil || rec.Intent == nil || rec.Intent.Note == p.w.slots[i].note {
			continue
		}
		f := flight{secret: i, text: rec.Intent.Text, note: rec.Intent.Note}
		if err := p.w.mayLeave(f); err != nil && p.bad == nil {
			p.bad = err
		}
		p.arrive(f)
	}
}

func (p *port) swap(next State) {
	if p.w.unread&(1<<p.who) != 0 && p.bad == nil {
		for _, rec := range next.state().Secrets {
			if old := p.w.ledger.state().find(rec.Address); old != nil && rec.Published != nil &&
				old.Published != rec.Published {
				p.bad = fmt.Errorf("table: %s is confirmed, though readers cannot read it yet", rec.Address)
			}
		}
	}
	for _, t := range p.w.tokens {
		if t.broken && usesToken(next, t) && p.bad == nil {
			p.bad = errors.New("generator: a version has a value that does not work")
		}
	}
	if err := p.w.newLedger(next, p.sudden()); err != nil && p.bad == nil {
		p.bad = err
	}
	p.w.ledger = next
	p.w.rev++
}

func (p *port) Publish(_ context.Context, items []driver.Item) []error {
	p.did = callPublish
	w := p.w
	errs := make([]error, len(items))
	for i, item := range items {
		f := flight{secret: w.index(item.Name), text: item.Text.Reveal(), note: item.Note, until: w.at.Add(w.late)}
		if err := w.mayLeave(f); err != nil && p.bad == nil {
			p.bad = err
		}
		if w.edited && p.bad == nil {
			p.bad = errors.New("table: another writer's value is overwritten")
		}
		if p.goes != goesWell {
			errs[i] = errInjected
		}
		switch p.goes {
		case refused:
			errs[i] = fmt.Errorf("%w: %w", driver.ErrNotApplied, errInjected)
		case vanishes:
		case late, lateCrash:
			w.flights = append(w.flights, f)
		case twice, twiceCrash:
			w.flights = append(w.flights, f)
			p.arrive(f)
		default:
			p.arrive(f)
		}
	}
	return errs
}

// arrive applies a request.
func (p *port) arrive(f flight) {
	if err := p.w.arrive(f, p.who); err != nil && p.bad == nil {
		p.bad = err
	}
}

func (p *port) Inspect(_ context.Context, names []string) (map[string]driver.Published, error) {
	p.did = callInspect
	if p.goes == fails {
		return nil, errInjected
	}
	p.w.unread &^= 1 << p.who
	if p.goes == pending {
		p.w.unread |= 1 << p.who
	}
	found := map[string]driver.Published{}
	for _, name := range names {
		if s := p.w.slots[p.w.index(name)]; s.exists {
			found[name] = driver.Published{Note: s.note, Modified: strconv.Itoa(s.modified), Pending: p.goes == pending}
		}
	}
	return found, nil
}

func (p *port) Make(_ context.Context, name string, _ map[string]string) (driver.Made, error) {
	p.did = callMake
	w := p.w
	if !namedInLedger(w.ledger, name) && p.bad == nil {
		p.bad = errors.New("generator: a value is made under a name that the ledger does not have")
	}
	f := flight{token: name, until: w.at.Add(w.late)}
	w.minted++
	made := token{name, strconv.Itoa(w.minted), p.goes == useless}
	switch p.goes {
	case vanishes:
		return driver.Made{}, errInjected
	case late:
		w.flights = append(w.flights, f)
		return driver.Made{}, errInjected
	case twice:
		w.flights = append(w.flights, f)
	}
	w.tokens = append(w.tokens, made)
	if p.goes != goesWell && p.goes != useless {
		return driver.Made{}, errInjected
	}
	return driver.Made{Value: driver.NewValue("token " + made.id), ID: made.id}, nil
}

func (p *port) Retire(_ context.Context, id string) error {
	p.did = callClean
	if p.goes == fails {
		return errInjected
	}
	return p.delete(func(t token) bool { return t.id == id })
}

func (p *port) Sweep(_ context.Context, names, known []string) error {
	p.did = callClean
	if p.goes == fails {
		return errInjected
	}
	return p.delete(func(t token) bool { return slices.Contains(names, t.name) && !slices.Contains(known, t.id) })
}

func (p *port) delete(which func(token) bool) error {
	for _, t := range p.w.tokens {
		if which(t) && usesToken(p.w.ledger, t) && p.bad == nil {
			p.bad = fmt.Errorf("generator: a token that a version uses was deleted")
		}
		if which(t) && p.w.confirmedWith(t) && p.bad == nil {
			p.bad = fmt.Errorf("generator: a token was deleted, and no text without it is confirmed")
		}
	}
	p.w.tokens = slices.DeleteFunc(slices.Clone(p.w.tokens), which)
	return nil
}

// namedInLedger reports whether the ledger has the name of a request, so that it
// is swept.
func namedInLedger(s State, name string) bool {
	return slices.ContainsFunc(s.state().Secrets, func(r *record) bool { return r.Making != nil && r.Making.Name == name }) ||
		slices.Contains(namesOf(s.state().Sweep), name)
}

// confirmedWith reports whether the text that the target confirmed last has the
// token's value, and is still there.
func (w *world) confirmedWith(t token) bool {
	for i, spec := range w.spec.Secrets {
		rec := w.ledger.state().find(spec.Address)
		if rec == nil || rec.Published == nil || rec.Published.Note != w.slots[i].note {
			continue
		}
		r, err := read(w.slots[i].text)
		if err == nil && slices.ContainsFunc(r.versions, func(l life) bool { return l.value == "token "+t.id }) {
			return true
		}
	}
	return false
}

// usesToken reports whether the ledger has a version that was made with the
// token.
func usesToken(s State, t token) bool {
	for _, rec := range s.state().Secrets {
		for _, v := range rec.Versions {
			if v.Resource != nil && v.Resource.ID == t.id && v.Gone == "" {
				return true
			}
		}
	}
	return false
}

// loginPort is a generator that depends on the declaration, tests its values,
// and has two of them at a time.
type loginPort struct {
	*port
	asked driver.Request
}

func (l loginPort) For(r driver.Request) driver.Generator { return loginPort{l.port, r} }

func (l loginPort) MostInUse() int { return 2 }

func (l loginPort) check() {
	if l.bad == nil && (l.asked.Address != "$SECRET.r2.token" || l.asked.Params["bucket"] != "media") {
		l.port.bad = errors.New("generator: a call without the declaration")
	}
}

func (l loginPort) Make(ctx context.Context, name string, params map[string]string) (driver.Made, error) {
	l.check()
	if l.bad == nil && len(l.asked.InUse) >= l.MostInUse() {
		l.port.bad = errors.New("generator: a value is made while all places are taken")
	}
	// The remains of an interrupted run would take up a place that the value needs.
	st := l.w.runs[l.who].loaded.state.state()
	for _, t := range l.w.tokens {
		if slices.Contains(namesOf(st.Sweep), t.name) && !slices.Contains(st.known("logins", l.asked.Address), t.id) &&
			l.bad == nil {
			l.port.bad = errors.New("generator: a value is made before the remains of an interrupted run are swept")
		}
	}
	made, err := l.port.Make(ctx, name, params)
	l.did = callLogin
	return made, err
}

func (l loginPort) Test(_ context.Context, made driver.Made) error {
	l.check()
	l.did = callTest
	works := slices.ContainsFunc(l.w.tokens, func(t token) bool { return t.id == made.ID && !t.broken })
	if l.goes == fails || !works {
		return errInjected
	}
	return nil
}

func (l loginPort) Retire(ctx context.Context, id string) error {
	l.check()
	return l.port.Retire(ctx, id)
}

func (l loginPort) Sweep(ctx context.Context, names, known []string) error {
	l.check()
	return l.port.Sweep(ctx, names, known)
}
