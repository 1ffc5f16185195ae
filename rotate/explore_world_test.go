package rotate

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/layeron-hq/secret"
)

// The exploration drives the engine itself, step by step, through a world that can be forked between any two steps: what the
// ledger and the store hold, requests that are still under way, documents that readers may still go by, and the time.

// world is one state of everything. Whoever changes one has forked it: what its fields point to, runs too, is shared.
type world struct {
	*setting
	at      time.Time // the true time
	ledger  State
	rev     int
	slots   []slot // the store, by the index of the secret in the spec
	flights []flight
	tokens  []token
	runs    [2]*run
	views   []view
	minted  int // values made so far
	writes  int // changes of the store so far

	begins, ticks, faults int  // how many of these moves are left
	switches              int  // and how often the one who works may be held up: by the other, or while time passes
	actor                 int  // who made the last step
	used                  uint // commands that have been begun already, by bit
	disturbed             int  // runs, by bit, since whose begin others have changed the store
	edits                 int  // how often a person may still change the store by hand
	unread                uint // who, by bit, was last told that readers cannot read it yet
	edited                bool // a person has changed the store by hand

	last *trace
}

// setting is what all worlds of one exploration have in common.
type setting struct {
	spec           secret.Spec
	window, margin time.Duration
	lag            time.Duration    // how far readers are behind
	late           time.Duration    // a request arrives at most so long after it was sent: the margin covers clocks, too
	skew           [2]time.Duration // of the operators' clocks
	readerSkew     time.Duration    // readers' clocks are fast by up to that
	commands       []command
	mutant         *mutant
	instants       int // how many of the next interesting instants a clock may move to
}

// slot is one value in the store.
type slot struct {
	exists     bool
	text, note string
	modified   int
}

// flight is a request that was sent and may still be carried out.
type flight struct {
	secret     int // of what it publishes; -1: a change of the ledger
	text, note string
	next       State
	rev        int
	sudden     uint   // the secrets, by bit, in which the change may bring a version in at once, by command
	token      string // the name under which it makes one
	until      time.Time
}

// token is what the generator made.
type token struct {
	name, id string
}

// command is what an operator may begin.
type command struct {
	name   string
	op     string
	one    order
	always bool // more than once
}

func (w *world) fork() *world {
	n := *w
	n.slots = slices.Clone(w.slots)
	n.flights = slices.Clone(w.flights)
	n.tokens = slices.Clone(w.tokens)
	n.views = slices.Clone(w.views)
	return &n
}

func (w *world) index(name string) int {
	return slices.IndexFunc(w.spec.Secrets, func(s secret.SpecSecret) bool { return s.SecretName == name })
}

// outcome is how a call goes.
type outcome string

const (
	goesWell   outcome = ""
	fails      outcome = "fails"
	unanswered outcome = "carried out, the answer is lost"
	vanishes   outcome = "lost, nobody knows"
	late       outcome = "under way for long, given up"
	twice      outcome = "carried out, and once more later, given up"
	lateCrash  outcome = "under way for long, crash"
	twiceCrash outcome = "carried out, and once more later, crash"
	superseded outcome = "carried out, and somebody has built on it"
	refused    outcome = "refused"
	pending    outcome = "not readable yet"
)

// call is what a step asked for.
type call string

const (
	callNone    call = ""
	callLoad    call = "load"
	callSwap    call = "record"
	callInspect call = "inspect"
	callPublish call = "publish"
	callMake    call = "make"
	callClean   call = "clean"
)

var otherOutcomes = map[call][]outcome{
	callSwap:    {unanswered, vanishes, late, superseded},
	callInspect: {fails, pending},
	callPublish: {unanswered, vanishes, late, twice, lateCrash, twiceCrash},
	callMake:    {unanswered, vanishes, late, twice},
	callClean:   {fails},
}

var errInjected = errors.New("the network is down")

// port is what operators work on: the world that is its at the moment. Each worker has one.
type port struct {
	w    *world
	who  int
	goes outcome
	did  call
	bad  error // the rule that a call broke
	ops  [2]*Operator
}

func newPort(s *setting) *port {
	p := &port{}
	for i := range p.ops {
		p.ops[i] = &Operator{Ledger: p, Publisher: p, Spec: s.spec, Window: s.window, Margin: s.margin,
			Generators: map[string]Generator{"fake": p},
			clock:      func() time.Time { return p.w.at.Add(s.skew[i]) },
			mint:       func(secret.SpecSecret) string { return p.mint() },
			pause:      func(context.Context, time.Duration) error { return nil },
		}
		if m := s.mutant; m != nil {
			p.ops[i].judge, p.ops[i].amend = m.judge, m.amend
		}
	}
	return p
}

func (p *port) mint() string {
	p.w.minted++
	var b [16]byte
	binary.BigEndian.PutUint64(b[8:], uint64(p.w.minted))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// begin lets an operator begin a command, with its first step.
func (p *port) begin(w *world, who int, c command) error {
	orders := map[secret.Address]order{}
	for _, s := range w.spec.Secrets {
		orders[s.Address] = c.one
	}
	r := newRun(p.ops[who], orders, c.op)
	w.runs[who] = r
	w.disturbed &^= 1 << who
	_, err := p.step(w, who, goesWell)
	return err
}

// step lets an operator go on until it has made one call. The error is a rule that was broken.
func (p *port) step(w *world, who int, goes outcome) (call, error) {
	r := w.runs[who].copy()
	w.runs[who], w.actor = r, who
	p.w, p.who, p.goes, p.did, p.bad = w, who, goes, callNone, nil
	r.Operator = p.ops[who]
	var err error
	for err == nil && p.did == callNone && r.stage != stageDone {
		if w.mutant != nil && w.mutant.step != nil {
			w.mutant.step(r)
		}
		err = r.step(context.Background())
	}
	if p.bad != nil {
		return p.did, p.bad
	}
	if goes == lateCrash || goes == twiceCrash {
		w.runs[who] = nil
		return p.did, nil
	}
	if !w.edited {
		if wrong := falseStop(r, err); wrong != nil {
			return p.did, wrong
		}
	}
	if err != nil || r.stage == stageDone {
		w.runs[who] = nil
	}
	return p.did, nil
}

// falseStop tells whether a run asks for a person though nobody but operators has touched anything.
func falseStop(r *run, err error) error {
	for _, e := range r.problems {
		if errors.Is(e, errDrifted) || errors.Is(e, errAhead) {
			if r.stage == stageDone || r.stage == stageClean || err != nil {
				return fmt.Errorf("liveness: nobody has edited anything: %w", e)
			}
		}
	}
	if errors.Is(err, errDrifted) || errors.Is(err, errAhead) || errors.Is(err, errStop) {
		return fmt.Errorf("liveness: nobody has edited anything: %w", err)
	}
	return nil
}

func (p *port) Load(context.Context) (State, Revision, error) {
	p.did = callLoad
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

// sendFirst is a mutant: what is to be recorded is sent before.
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
			if old := p.w.ledger.state().find(rec.Address); old != nil && rec.Published != nil && old.Published != rec.Published {
				p.bad = fmt.Errorf("table: %s is confirmed, though readers cannot read it yet", rec.Address)
			}
		}
	}
	if err := p.w.newLedger(next, p.sudden()); err != nil && p.bad == nil {
		p.bad = err
	}
	p.w.ledger = next
	p.w.rev++
}

func (p *port) Publish(_ context.Context, items []Item) []error {
	p.did = callPublish
	w := p.w
	errs := make([]error, len(items))
	for i, item := range items {
		f := flight{secret: w.index(item.Name), text: item.Text.Reveal(), note: item.Note, until: w.at.Add(w.late)}
		if err := w.mayLeave(f); err != nil && p.bad == nil {
			p.bad = err
		}
		if w.edited && p.bad == nil {
			p.bad = errors.New("table: what a person has put there is overwritten")
		}
		if p.goes != goesWell {
			errs[i] = errInjected
		}
		switch p.goes {
		case refused:
			errs[i] = fmt.Errorf("%w: %w", ErrNotApplied, errInjected)
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

// arrive carries a request out.
func (p *port) arrive(f flight) {
	if err := p.w.arrive(f, p.who); err != nil && p.bad == nil {
		p.bad = err
	}
}

func (w *world) arrive(f flight, from int) error {
	w.disturbed |= 3 &^ (1 << max(from, 0))
	if from < 0 {
		w.disturbed = 3
	}
	switch {
	case f.token != "":
		w.tokens = append(w.tokens, token{f.token, fmt.Sprintf("late%d", len(w.tokens))})
		return nil
	case f.secret < 0:
		if f.rev != w.rev {
			return nil
		}
		err := w.newLedger(f.next, f.sudden)
		w.ledger = f.next
		w.rev++
		return err
	}
	w.writes++
	w.slots[f.secret] = slot{true, f.text, f.note, w.writes}
	return w.newDocument(f.secret)
}

func (p *port) Inspect(_ context.Context, names []string) (map[string]Published, error) {
	p.did = callInspect
	if p.goes == fails {
		return nil, errInjected
	}
	p.w.unread &^= 1 << p.who
	if p.goes == pending {
		p.w.unread |= 1 << p.who
	}
	found := map[string]Published{}
	for _, name := range names {
		if s := p.w.slots[p.w.index(name)]; s.exists {
			found[name] = Published{Note: s.note, Modified: strconv.Itoa(s.modified), Pending: p.goes == pending}
		}
	}
	return found, nil
}

func (p *port) Make(_ context.Context, name string, _ map[string]string) (Made, error) {
	p.did = callMake
	w := p.w
	f := flight{token: name, until: w.at.Add(w.late)}
	w.minted++
	made := token{name, strconv.Itoa(w.minted)}
	switch p.goes {
	case vanishes:
		return Made{}, errInjected
	case late:
		w.flights = append(w.flights, f)
		return Made{}, errInjected
	case twice:
		w.flights = append(w.flights, f)
	}
	w.tokens = append(w.tokens, made)
	if p.goes != goesWell {
		return Made{}, errInjected
	}
	return Made{Value: NewValue("token " + made.id), ID: made.id}, nil
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
		if which(t) && p.w.usesToken(t) && p.bad == nil {
			p.bad = fmt.Errorf("generator: a token that a version uses was deleted")
		}
	}
	p.w.tokens = slices.DeleteFunc(slices.Clone(p.w.tokens), which)
	return nil
}

// usesToken tells whether the ledger has a version that was made with it.
func (w *world) usesToken(t token) bool {
	for _, rec := range w.ledger.state().Secrets {
		for _, v := range rec.Versions {
			if v.Resource != nil && v.Resource.ID == t.id && v.Gone == "" {
				return true
			}
		}
	}
	return false
}
