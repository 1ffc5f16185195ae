package resend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// This file sends a change, and reads the ledger after a lost answer. A change is
// resent only while the revision that it was made from is unchanged, so it is
// never applied twice.

// Ledger is a [rotate.Ledger] on an Engine. It is safe for concurrent use, and so
// are several Ledgers on one engine.
type Ledger struct {
	engine Engine
	ids    ledger.Identities
	place  string
	most   int // the largest sealed state, in bytes

	mu   sync.Mutex
	seen mark // guarded by mu
}

// mark is the latest state that a Ledger has seen. An older one is a stale answer.
type mark struct {
	id  string
	gen uint64
}

// New returns a ledger on the engine. place names the ledger in errors.
func New(e Engine, place string, ids ledger.Identities) *Ledger {
	return &Ledger{engine: e, ids: ids, place: place, most: rotate.MaxSealed}
}

// Load implements [rotate.Ledger].
func (l *Ledger) Load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	f, err := l.load(ctx)
	if err != nil {
		return rotate.State{}, "", l.explain(err)
	}
	return f.state, f.Revision, nil
}

// staleTries bounds the reads that return a stale answer.
const staleTries = 4

var errStale = errors.New("the server returned an older state than one seen before: the ledger must be read from the " +
	"server that it is written to, never from a replica or a cache. If it was restored from a backup, start " +
	"again, once")

func (l *Ledger) load(ctx context.Context) (found, error) {
	for try := 0; ; try++ {
		// Before the request: another call may see a later state before this one is
		// answered.
		floor := l.latest()
		f, err := l.look(ctx, maxTries, 0)
		if err == nil {
			err = f.after(floor)
		}
		switch {
		case err == nil:
			l.note(f.state)
			return f, nil
		case !f.before(floor), try+1 == staleTries:
			return found{}, err
		}
		if err := pause(ctx, try); err != nil {
			return found{}, err
		}
	}
}

// tornTries bounds the reads of a damaged blob. The pauses between them take at
// most six seconds in all.
const tornTries = 10

// look reads the blob and opens it.
func (l *Ledger) look(ctx context.Context, tries, short int) (found, error) {
	tearer, tears := l.engine.(Tearer)
	for try := 0; ; try++ {
		b, err := l.fetch(ctx, tries, short)
		if err != nil {
			return found{}, err
		}
		f := found{Blob: b}
		if b.Revision != "" {
			f.state, f.err = rotate.Unseal(b.Sealed, l.ids.All()...)
		}
		switch {
		case f.err == nil || !tears || !torn(b.Sealed, l.ids.All()):
			return f, nil
		case try+1 == tornTries:
			f.err = fmt.Errorf("it was read %d times: %s. If that does not help, %w", tornTries, tearer.Torn(), f.err)
			return f, nil
		}
		if err := pause(ctx, try); err != nil {
			return found{}, err
		}
	}
}

// before reports whether an answer is older than the latest state that was seen.
func (f found) before(floor mark) bool {
	switch {
	case f.Revision == "":
		return floor.id != ""
	case f.err != nil:
		return false
	}
	return f.state.Origin() == floor.id && f.state.Generation() < floor.gen
}

// after returns the error that makes the answer unusable, or nil.
func (f found) after(floor mark) error {
	switch {
	case f.Revision == "" && floor.id != "":
		return fmt.Errorf("%w: it was here before. Restore it from a backup", rotate.ErrNotFound)
	case f.Revision == "":
		return &rotate.Problem{Kind: rotate.NoLedger, Err: fmt.Errorf("%w: if there should be one, check its name",
			rotate.ErrNotFound)}
	case f.err != nil:
		return f.err
	case f.before(floor):
		return errStale
	}
	return nil
}

// A state records only its last 64 writes. While an outcome is unknown, other
// writers may push this one out of the ring. So look is retried sooner and more
// often: looks times, with shortLooks short pauses first.
const (
	looks      = 12
	shortLooks = 4
)

// fetch reads the blob and retries while the outcome is Unknown.
func (l *Ledger) fetch(ctx context.Context, tries, short int) (b Blob, err error) {
	err = retry(ctx, tries, short, func(ctx context.Context) (err error) {
		b, err = l.engine.Fetch(ctx)
		return err
	})
	if err == nil && len(b.Sealed) > l.most {
		err = fmt.Errorf("it has more than %d bytes: another object is in its place. Restore it from a backup", l.most)
	}
	return b, err
}

// CompareAndSwap implements [rotate.Ledger].
func (l *Ledger) CompareAndSwap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error) {
	rev, err := l.swap(ctx, old, next)
	if err != nil {
		return "", l.explain(err)
	}
	l.note(next)
	return rev, nil
}

func (l *Ledger) swap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	if next.WriteID() == "" {
		return "", l.unprepared(ctx, old)
	}
	sealed, err := l.seal(next)
	if err != nil {
		return "", err
	}
	w := write{old: old, next: next, sealed: sealed}
	var last error
	for try := range maxTries {
		if try > 0 {
			if err := pause(ctx, try-1); err != nil {
				return "", w.interrupted(err, last)
			}
		}
		rev, err := l.engine.Send(ctx, old, sealed)
		switch {
		case err == nil:
			return rev, nil
		case outcome(err) == Unknown:
			w.unsure = true
		// after an unknown outcome, a refusal does not settle the earlier request
		case outcome(err) == Refused && !w.unsure:
			return "", err
		}
		last = err
		rev, done, err := l.settle(ctx, w, last)
		if done {
			return rev, err
		}
	}
	if !w.unsure {
		return "", fmt.Errorf("%w: the server reported it %d times, but returns the revision that the change was "+
			"made from: a proxy "+
			"or cache on the way alters revisions or answers from a copy", rotate.ErrConflict, maxTries)
	}
	return "", fmt.Errorf("%w after %d attempts (%w): run again to find out", rotate.ErrUnknown, maxTries, last)
}

// settle finds out whether a write was made whose request failed with reason. done
// is false if the write may be sent again.
func (l *Ledger) settle(ctx context.Context, w write, reason error) (rev rotate.Revision, done bool, err error) {
	for try := 0; ; try++ {
		f, err := l.look(ctx, looks, shortLooks)
		if err != nil {
			return "", true, fmt.Errorf("%w, and the ledger cannot be read (%w; %w): run again to find out",
				rotate.ErrUnknown, reason, err)
		}
		switch w.decide(f) {
		case stored:
			return f.Revision, true, nil
		case superseded:
			l.note(f.state)
			return "", true, rotate.ErrSuperseded
		case waiting:
			return "", false, nil
		case conflict:
			if f.Revision == "" {
				return "", true, fmt.Errorf("%w: it is gone. Restore it from a backup, then run again",
					rotate.ErrConflict)
			}
			return "", true, fmt.Errorf("%w: run again", rotate.ErrConflict)
		case unknown:
			return "", true, fmt.Errorf("%w (%w): %s", rotate.ErrUnknown, reason, f.why())
		case stale:
			if try+1 == staleTries {
				return "", true, fmt.Errorf("%w (%w): %w", rotate.ErrUnknown, reason, errStale)
			}
			if err := pause(ctx, try); err != nil {
				return "", true, w.interrupted(err, reason)
			}
		}
	}
}

// why returns the reason why the outcome of a write stays unknown.
func (f found) why() string {
	switch {
	case f.Revision == "":
		return "it is gone. Restore it from a backup, then run again"
	case f.err != nil:
		return "the stored ledger cannot be opened. Run again to see the reason"
	}
	return "too much has changed since, or it is another ledger now. Look at its log before you repeat the change"
}

// interrupted returns the error of a write whose context ended between two
// requests.
func (w write) interrupted(cause, last error) error {
	if w.unsure {
		return fmt.Errorf("%w (%w; %w): run again to find out", rotate.ErrUnknown, last, cause)
	}
	return cause
}

// unprepared returns the error for a state that [rotate.Commit] has not prepared.
// Such a state has no write id, so a later read could not show whether it was
// stored.
func (l *Ledger) unprepared(ctx context.Context, old rotate.Revision) error {
	b, err := l.fetch(ctx, maxTries, 0)
	switch {
	case err != nil:
		return err
	case b.Revision != old:
		return fmt.Errorf("%w: run again", rotate.ErrConflict)
	}
	return fmt.Errorf("the change is refused: %w", rotate.ErrNotPrepared)
}

// seal returns the bytes to send.
func (l *Ledger) seal(next rotate.State) ([]byte, error) {
	sealed, err := rotate.Seal(next, l.ids.All()...)
	if err != nil {
		return nil, err
	}
	return sealed, rotate.CheckSize(len(sealed), l.most)
}

func (l *Ledger) latest() mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

func (l *Ledger) note(s rotate.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Origin() != l.seen.id || s.Generation() > l.seen.gen {
		l.seen = mark{s.Origin(), s.Generation()}
	}
}

func (l *Ledger) explain(err error) error { return fmt.Errorf("ledger %s: %w", l.place, err) }

func outcome(err error) Outcome {
	var f *Failure
	if errors.As(err, &f) {
		return f.Outcome
	}
	return Refused
}

// String names the ledger.
func (l *Ledger) String() string { return "ledger " + l.place }

// Format writes the result of String under every verb and flag.
func (l *Ledger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (l *Ledger) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

var _ rotate.Ledger = (*Ledger)(nil)
