package rotate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fault is the outcome of a call of a Move.
type fault int

const (
	noFault        fault = iota
	faultRefused         // an error; nothing is stored
	faultLost            // unknown outcome; nothing is stored
	faultAnswer          // unknown outcome; it is stored
	faultLate            // unknown outcome; it is stored when the test decides
	faultEnds            // the context ends before; nothing is stored
	faultEndsAfter       // the context ends after it was stored, with unknown outcome
	faultEndsDone        // the context ends after it was stored and answered
	faultCrash           // the program ends before
	faultCrashDone       // the program ends after it was stored
	faults
)

// errCrash ends a Move as a crash does: no later step is executed.
var errCrash = errors.New("the program has ended")

// journey is two ledgers in memory, and the Moves between them.
type journey struct {
	t    *testing.T
	a, b *MemoryLedger
	what string // the case, for failure messages
	made int    // acknowledged changes of others
	last string // the last write of a while it was in use

	calls, due int      // late requests arrive before call due; 0: at the end
	late       []func() // requests that have not arrived yet
	wasLate    bool
}

func newJourney(t *testing.T) *journey {
	j := &journey{t: t, a: new(MemoryLedger), b: new(MemoryLedger)}
	_, _, err := Commit(t.Context(), j.a, "", NewState(Settings{Target: "dir:out"}))
	require.NoError(t, err)
	j.change(j.a)
	j.oneAtMost()
	return j
}

// change is another operator. It makes a change if the ledger is in use, and
// otherwise looks at the other place.
func (j *journey) change(l *MemoryLedger) {
	s, rev, err := l.Load(context.Background())
	if errors.Is(err, ErrNotFound) || s.Moved() != "" {
		return
	}
	require.NoError(j.t, err)
	_, _, err = Commit(context.Background(), l, rev, s.WithLog(LogEntry{At: time.Now(), By: fmt.Sprint("change ", j.made),
		Op: "test"}))
	require.NoError(j.t, err)
	j.made++
	j.oneAtMost()
}

// trip is one Move, whose calls meet faults.
type trip struct {
	*journey
	n      int
	meets  func(n int) fault // the fault of call n, from 1; nil: none
	before func(n int)       // the actions of others before call n; nil: none
	end    context.CancelFunc
	log    []string
}

// stop is one of the two ledgers, as a Move of the journey sees it.
type stop struct {
	*trip
	name string
	l    *MemoryLedger
}

// begin counts a call.
func (s stop) begin(what string) fault {
	s.n++
	s.log = append(s.log, s.name+" "+what)
	if s.calls++; s.calls == s.due {
		s.arrive()
	}
	if s.before != nil {
		s.before(s.n)
	}
	if s.meets == nil {
		return noFault
	}
	return s.meets(s.n)
}

func (s stop) Load(ctx context.Context) (State, Revision, error) {
	switch s.begin("load") {
	case faultRefused, faultLost, faultAnswer, faultLate:
		return State{}, "", errLost
	case faultCrash, faultCrashDone:
		panic(errCrash)
	case faultEnds, faultEndsAfter:
		s.end()
	case faultEndsDone:
		defer s.end()
	}
	return s.l.Load(ctx)
}

func (s stop) CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error) {
	defer s.oneAtMost()
	store := func() (Revision, error) { return s.l.CompareAndSwap(context.WithoutCancel(ctx), old, next) }
	unknown := fmt.Errorf("%w (%w)", ErrUnknown, errLost)
	switch s.begin("swap") {
	case faultRefused:
		return "", errLost
	case faultLost:
		return "", unknown
	case faultAnswer:
		_, _ = store()
		return "", unknown
	case faultLate:
		s.late, s.wasLate = append(s.late, func() { _, _ = store() }), true
		return "", unknown
	case faultEnds:
		s.end()
		return "", context.Cause(ctx)
	case faultEndsAfter:
		_, _ = store()
		s.end()
		return "", fmt.Errorf("%w (%w)", ErrUnknown, context.Cause(ctx))
	case faultEndsDone:
		defer s.end()
	case faultCrash:
		panic(errCrash)
	case faultCrashDone:
		_, _ = store()
		panic(errCrash)
	}
	return store()
}

// arrive applies the late requests.
func (j *journey) arrive() {
	for _, store := range j.late {
		store()
	}
	j.late = nil
	j.oneAtMost()
}

// everyArrival makes the Moves of a case, and one more without a fault that
// must finish it, for each time at which the late requests can arrive.
func everyArrival(t *testing.T, what string, moves func(j *journey)) {
	t.Helper()
	for due := 0; ; due++ {
		j := newJourney(t)
		j.due, j.what = due, fmt.Sprintf("%s, late %d", what, due)
		moves(j)
		_, s, err := j.move(nil, nil)
		require.NoError(t, err, j.what)
		j.arrive()
		j.arrived()
		require.True(t, s.Equal(j.b.state), j.what)
		if !j.wasLate || due > j.calls {
			return
		}
	}
}

// oneAtMost checks the rule that holds at all times: at most one ledger is in
// use.
func (j *journey) oneAtMost() {
	j.t.Helper()
	require.LessOrEqual(j.t, len(j.inUse()), 1, "two ledgers are in use: %s", j.what)
	if j.a.state.Moved() == "" {
		j.last = j.a.state.WriteID()
	}
}

// inUse names the ledgers that runs would change.
func (j *journey) inUse() (names string) {
	for name, l := range map[string]*MemoryLedger{"a": j.a, "b": j.b} {
		if l.n > 0 && l.state.Moved() == "" {
			names += name
		}
	}
	return names
}

// picture returns a digest of both ledgers: different states differ, and no
// content is shown.
func (j *journey) picture() string {
	return fmt.Sprint(j.a.n, j.a.state.WriteID(), j.a.state.Moved(), j.b.n, j.b.state.WriteID(), j.b.state.Moved())
}

// move moves from a to b, and returns the result.
func (j *journey) move(meets func(n int) fault, before func(n int)) (t *trip, s State, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t = &trip{journey: j, meets: meets, before: before, end: cancel}
	defer func() {
		if p := recover(); p != nil {
			if p != errCrash {
				panic(p)
			}
			err = errCrash
		}
	}()
	s, err = Move(ctx, stop{t, "a", j.a}, stop{t, "b", j.b}, MoveOptions{From: "a", To: "b", By: "mover"})
	return t, s, err
}

// atCall is a fault of one call.
func atCall(call int, f fault) func(int) fault {
	return func(n int) fault {
		if n == call {
			return f
		}
		return noFault
	}
}

// arrived checks the result of a successful Move: the ledger is in b, in use
// and complete, and a contains the new place.
func (j *journey) arrived() {
	j.t.Helper()
	require.Equal(j.t, "b", j.a.state.Moved(), "the old ledger contains the new place: %s", j.what)
	require.Equal(j.t, "b", j.inUse(), j.what)
	j.whole(j.b)
	require.True(j.t, j.b.state.Wrote(j.last), "it continues from the last write of the old ledger: %s", j.what)
}

// whole checks that a ledger contains every acknowledged change, once, in one
// sequence of generations.
func (j *journey) whole(l *MemoryLedger) {
	j.t.Helper()
	st := l.state.state()
	for i, w := range st.Writes {
		require.Equal(j.t, st.Gen-uint64(len(st.Writes)-1-i), w.Gen, "one line of generations: %s", j.what)
	}
	times := map[string]int{}
	last := uint64(0)
	for _, e := range st.Log {
		require.LessOrEqual(j.t, last, e.Gen)
		last = e.Gen
		if e.Op == "test" {
			times[e.By]++
		}
	}
	for i := range j.made {
		require.Equal(j.t, 1, times[fmt.Sprint("change ", i)], "change %d: %s", i, j.what)
	}
	require.Len(j.t, times, j.made)
}
