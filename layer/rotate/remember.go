package rotate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// RememberOptions are what [Remember] takes beside the ledger.
type RememberOptions struct {
	// Seen is the file that remembers which ledgers were seen on this machine, and should be in .gitignore, as a file of the same
	// name with ".lock" after it should. Empty: layer.seen in the working folder.
	Seen string
	// Place names the ledger, in Seen and in errors. It must be given, and hold no credential.
	Place string
	// Adopt is the person's word that the ledger is the right one, whatever Seen remembers. It is remembered from then on.
	Adopt bool
	// Peek: what Adopt lets pass is not remembered. For a dry run, after which the ledger is refused as before.
	Peek bool
}

// Remember returns a Ledger that is l, and is refused where this machine has seen a later state of it, or another ledger in its
// place: what was restored from a backup, or put there by somebody who forged it. A [File] remembers by itself. Nothing is read or
// written yet.
//
// Where Seen cannot be written, nothing is remembered, and nothing else is different. The Ledger may be used concurrently, as far as
// l may.
func Remember(l Ledger, o RememberOptions) (Ledger, error) {
	if o.Seen == "" {
		o.Seen = "layer.seen"
	}
	path, err := filepath.Abs(o.Seen)
	switch {
	case err != nil:
		return nil, fmt.Errorf("memory of ledgers seen %s: %w", o.Seen, cause(err))
	case o.Place == "":
		return nil, errors.New("a ledger that is remembered needs a place by which it is known")
	}
	return &remembered{l, memory{seenPath: path, place: o.Place, adopt: o.Adopt, peek: o.Peek}}, nil
}

type remembered struct {
	ledger Ledger
	memory
}

// Load is [Ledger]'s.
func (r *remembered) Load(ctx context.Context) (State, Revision, error) {
	// The memory first: it is written after the ledger, so a ledger that is read later is never behind it.
	known, err := r.known()
	if err != nil {
		return State{}, "", r.explain(err)
	}
	s, rev, err := r.ledger.Load(ctx)
	switch {
	case errors.Is(err, ErrNotFound) && known.Places[r.place] != "" && !r.adopt:
		return State{}, "", r.explain(r.gone(known))
	case err != nil:
		return State{}, "", err
	case known.knows(r.place, s), known.left(s) && !r.adopt && known.check(r.place, s) == nil:
		return s, rev, nil
	}
	if !r.adopt {
		if err := known.check(r.place, s); err != nil {
			return State{}, "", r.explain(err)
		}
	}
	if !r.adopt || !r.peek {
		r.remember(ctx, s)
	}
	return s, rev, nil
}

// CompareAndSwap is [Ledger]'s.
func (r *remembered) CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error) {
	known, err := r.known()
	if err != nil {
		return "", r.explain(err)
	}
	if err := r.follows(known, next); err != nil {
		// Where somebody was faster, the ledger itself tells so, and what has become of this change.
		if _, now, load := r.ledger.Load(ctx); now == old || load != nil && !errors.Is(load, ErrNotFound) {
			return "", r.explain(fmt.Errorf("the change is refused: %w", err))
		}
	}
	rev, err := r.ledger.CompareAndSwap(ctx, old, next)
	if err != nil {
		return "", err
	}
	r.remember(ctx, next)
	return rev, nil
}

// remember notes a state. A memory that lags behind refuses nothing, so whatever keeps it from being written is no failure.
func (r *remembered) remember(ctx context.Context, s State) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	lock, err := takeLock(ctx, r.seenPath+".lock")
	if err != nil {
		return
	}
	defer func() { _ = lock.Unlock() }()
	known, err := r.known()
	if err != nil || !r.adopt && known.Ledgers[s.ID()].Generation > s.Generation() {
		return // another run has seen a later one meanwhile
	}
	var d disk
	_ = d.sweep(r.seenPath) // what a run left that was killed here
	temp, err := d.prepare(r.seenPath, known.with(r.place, s).encode())
	if err == nil && d.commit(temp, r.seenPath) != nil {
		d.drop(temp)
	}
}

func (r *remembered) explain(err error) error { return fmt.Errorf("ledger %s: %w", r.place, err) }

// String names the ledger.
func (r *remembered) String() string { return "ledger " + r.place }

// Format writes what String returns, under every verb and flag.
func (r *remembered) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText returns what String does, for encoding/json and log/slog.
func (r *remembered) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
