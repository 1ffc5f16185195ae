package rotate

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// The exploration drives the engine itself, step by step, through a world that
// can be forked between any two steps. A world is the content of the ledger and
// the store, the requests under way, the documents that readers may still use,
// and the time.

// world is one complete state. A caller forks it before a change. The objects
// behind its fields, runs included, are shared.
type world struct {
	*setting
	at      time.Time // the true time
	ledger  State
	rev     int
	slots   []slot // the store, by the index of the secret in the spec
	flights []flight
	tokens  []token
	runs    [2]*run
	as      [2]int // the variant of each run
	views   []view
	minted  int // values made so far
	writes  int // changes of the store so far

	begins, ticks, faults int // remaining moves of these kinds
	// A delay is by the other operator, or while time passes.
	switches  int  // how often the working operator may still be delayed
	actor     int  // the operator of the last step
	used      uint // commands that have begun, by bit
	disturbed int  // runs, by bit, since whose start others have changed the store
	edits     int  // how often a person may still change the store by hand
	agreed    bool // an operator agreed that ids stop resolving
	unread    uint // operators, by bit, whose last Inspect was pending
	edited    bool // a person has changed the store by hand

	last *trace
}

// setting is the common part of all worlds of one exploration.
type setting struct {
	spec           secret.Spec
	window, margin time.Duration
	lag            time.Duration    // delay of the readers
	late           time.Duration    // longest delay of a request; the margin covers clocks, too
	skew           [2]time.Duration // of the operators' clocks
	readerSkew     time.Duration    // readers' clocks are fast by up to this
	commands       []command
	variants       []variant // other than spec without consent, from index 1
	mutant         *mutant
	instants       int  // how many of the next interesting instants a clock may move to
	forgets        bool // a run loads no version that has left
}

// slot is one value in the store.
type slot struct {
	exists     bool
	text, note string
	modified   int
}

// flight is a request that was sent and may still be applied.
type flight struct {
	secret     int // index of the published secret; -1: a change of the ledger
	text, note string
	next       State
	rev        int
	sudden     uint   // secrets, by bit, whose version may become current at once, by command
	token      string // the name under which it makes a token
	until      time.Time
}

// token is an object that the generator made.
type token struct {
	name, id string
	broken   bool // it never works
}

// command is a command that an operator may begin.
type command struct {
	name   string
	op     string
	one    order
	always bool // more than once
	as     int  // index of the variant; 0: the setting's spec
}

// variant is a declaration of the same secrets, and the operator's consent that
// ids stop resolving.
type variant struct {
	spec secret.Spec
	yes  bool
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

// outcome is the result of a call.
type outcome string

const (
	goesWell   outcome = ""
	fails      outcome = "fails"
	unanswered outcome = "carried out, the answer is lost"
	vanishes   outcome = "lost, the outcome is unknown"
	late       outcome = "late, the run goes on"
	twice      outcome = "carried out, and once more later, given up"
	lateCrash  outcome = "late, the run crashes"
	twiceCrash outcome = "carried out, and once more later, crash"
	superseded outcome = "carried out, and another run has built on it"
	refused    outcome = "refused"
	pending    outcome = "not readable yet"
	useless    outcome = "made, and it never works"
)

// call is the call that a step made.
type call string

const (
	callNone    call = ""
	callLoad    call = "load"
	callSwap    call = "record"
	callInspect call = "inspect"
	callPublish call = "publish"
	callMake    call = "make"
	callClean   call = "clean"
	callTest    call = "test"
	callLogin   call = "make, to be tested"
)

var otherOutcomes = map[call][]outcome{
	callSwap:    {unanswered, vanishes, late, superseded},
	callInspect: {fails, pending},
	callPublish: {unanswered, vanishes, late, twice, lateCrash, twiceCrash},
	callMake:    {unanswered, vanishes, late, twice},
	callClean:   {fails},
	callTest:    {fails},
	callLogin:   {unanswered, vanishes, late, twice, useless},
}

var errInjected = errors.New("the network is down")

// port is the operators' environment, with its current world. Each worker has
// one.
type port struct {
	w    *world
	who  int
	goes outcome
	did  call
	bad  error          // the rule that a call broke
	ops  [2][]*Operator // by variant
}

func newPort(s *setting) *port {
	p := &port{}
	for i := range p.ops {
		for _, as := range append([]variant{{spec: s.spec}}, s.variants...) {
			o := &Operator{Ledger: p, Publisher: p, Spec: as.spec, LosesIDs: as.yes, Window: s.window, Margin: s.margin,
				Generators: map[string]driver.Generator{"fake": p, "logins": loginPort{p, driver.Request{}}},
				clock:      func() time.Time { return p.w.at.Add(s.skew[i]) },
				mint:       func(secret.SpecSecret) string { return p.mint() },
				pause:      func(context.Context, time.Duration) error { return nil },
			}
			if m := s.mutant; m != nil {
				o.judge, o.amend = m.judge, m.amend
			}
			p.ops[i] = append(p.ops[i], o)
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
	r := newRun(p.ops[who][c.as], orders, c.op)
	w.runs[who], w.as[who] = r, c.as
	w.agreed = w.agreed || r.LosesIDs
	w.disturbed &^= 1 << who
	_, err := p.step(w, who, goesWell)
	return err
}

// step lets an operator continue until it has made one call. The error is a
// violated rule.
func (p *port) step(w *world, who int, goes outcome) (call, error) {
	r := w.runs[who].copy()
	w.runs[who], w.actor = r, who
	p.w, p.who, p.goes, p.did, p.bad = w, who, goes, callNone, nil
	r.Operator = p.ops[who][w.as[who]]
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

// falseStop reports a run that asks for a person although only operators have
// changed anything.
func falseStop(r *run, err error) error {
	for _, e := range r.report.problems {
		if errors.Is(e, Drifted) || errors.Is(e, Bound) || errors.Is(e, Ahead) {
			if r.stage == stageDone || r.stage == stageClean || err != nil {
				return fmt.Errorf("liveness: no other writer has changed anything: %w", e)
			}
		}
	}
	if errors.Is(err, Drifted) || errors.Is(err, Bound) || errors.Is(err, Ahead) || errors.Is(err, Stopped) {
		return fmt.Errorf("liveness: no other writer has changed anything: %w", err)
	}
	return nil
}

func (w *world) arrive(f flight, from int) error {
	w.disturbed |= 3 &^ (1 << max(from, 0))
	if from < 0 {
		w.disturbed = 3
	}
	switch {
	case f.token != "":
		w.tokens = append(w.tokens, token{f.token, fmt.Sprintf("late%d", len(w.tokens)), false})
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
