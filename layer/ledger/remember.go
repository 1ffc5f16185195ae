package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
	"github.com/layeron-hq/secret/layer/internal/filelock"
	"github.com/layeron-hq/secret/layer/rotate"
)

// RememberOptions are the options of [Remember].
type RememberOptions struct {
	// Seen is the file that records the ledgers that this machine has seen. Put it
	// into .gitignore, and also its lock file, which has ".lock" after the same name.
	// Empty: layer.seen, in the folder of a ledger that is a file, otherwise in the
	// working folder.
	Seen string
	// Place names the ledger, in Seen and in errors. It must not contain a
	// credential. Empty: for a ledger that is a file, its path relative to the folder
	// of Seen. Any other ledger needs a Place.
	Place string
	// Adopt accepts a ledger that contradicts the memory in Seen, because the
	// operator confirmed it. The ledger is remembered from then on.
	Adopt bool
	// Peek makes Adopt accept the ledger without remembering it. A dry run sets
	// Peek; after it the ledger is refused as before.
	Peek bool
	// ID pins the ledger. A ledger with another [rotate.State.ID] is refused, even
	// under Adopt. The ledger with this id is accepted in place of the one that Seen
	// remembers. Empty: no pin.
	ID string
	// IDs are the ids that a machine trusts while it has not seen the ledger yet,
	// such as those of [Identities.Ledgers].
	IDs []string
	// Identities authenticate the memory in Seen. A ledger counts as seen only if one
	// of them has accepted it, so another file in the place of Seen makes no ledger
	// trusted. If an age plugin has all keys, no ledger counts as seen: ID, IDs or Ask
	// decides each time. The zero Identities believe Seen as it is.
	Identities Identities
	// Ask asks the operator whether to trust a ledger that Seen does not remember.
	// It is called if neither ID nor IDs are given. After true, the ledger is
	// remembered. Nil: such a ledger is refused.
	Ask func(context.Context, rotate.State) (bool, error)
}

// Pather is a [rotate.Ledger] that is a file on this machine, such as a
// file.Ledger. [Remember] keeps its memory in the same folder.
type Pather interface {
	// Path returns the absolute path of the file.
	Path() string
}

// Syncer is a [rotate.Ledger] whose Load may return a state that is not durable
// yet.
type Syncer interface {
	// Sync makes the state of the last Load durable.
	Sync() error
}

// Remember wraps l and rejects a ledger older than one seen before on this
// machine, and another ledger in its place: a restored backup or a forgery. On a
// machine that has not seen the ledger, the id decides whether it is genuine:
// without the id, Load returns a [rotate.Problem] of kind [rotate.Untrusted].
// Remember itself reads and writes nothing.
//
// Load remembers nothing unless the operator confirmed the ledger, by Ask or by
// Adopt. The result is a [rotate.Confirmer]: it remembers the states that the
// target has confirmed and the states that it stores itself. If Seen cannot be
// written, nothing is remembered and everything else works, with one exception:
// Load fails if it must remember the ledger because of Adopt. The result is a
// [rotate.Locker] if l is one. It is safe for concurrent use if l is.
func Remember(l rotate.Ledger, o RememberOptions) (rotate.Ledger, error) {
	r := &remembered{ledger: l, name: "ledger " + o.Place}
	folder := ""
	if file, ok := l.(Pather); ok {
		r.path, folder = file.Path(), filepath.Dir(file.Path())
		r.name = "ledger " + r.path
	}
	seen, err := filepath.Abs(cmp.Or(o.Seen, filepath.Join(folder, "layer.seen")))
	if err != nil {
		return nil, fmt.Errorf("memory of ledgers seen %s: %w", o.Seen, atomicfile.Cause(err))
	}
	if o.Place == "" && r.path != "" {
		o.Place = filepath.Base(r.path)
		if rel, err := filepath.Rel(filepath.Dir(seen), r.path); err == nil {
			o.Place = filepath.ToSlash(rel)
		}
	}
	if o.Place == "" {
		return nil, errors.New("a ledger that is remembered needs a place as its name")
	}
	r.memory = memory{seenPath: seen, place: o.Place, adopt: o.Adopt, peek: o.Peek, pin: o.ID, ids: slices.Clone(o.IDs),
		keys: o.Identities.markKeys(), believed: len(o.Identities.list()) == 0}
	r.ask = o.Ask
	if locker, ok := l.(rotate.Locker); ok {
		return &rememberedLocker{r, locker}, nil
	}
	return r, nil
}

type remembered struct {
	ledger rotate.Ledger
	path   string // of a ledger that is a file; otherwise empty
	name   string // for errors
	memory
	ask func(context.Context, rotate.State) (bool, error)
	// step is called before each step, so that tests can fail or end the process
	// there; nil in production
	step func(what string) error

	writing sync.Mutex // one write of the memory at a time, in this process
	asking  sync.Mutex // one question at a time
	// trusted is the id of the ledger that the operator has accepted, or that this
	// value has stored. Guarded by asking.
	trusted string
	mu      sync.Mutex
	locked  bool // guarded by mu: a caller holds the ledger's own lock through this value
}

// rememberedLocker adds the lock of the wrapped ledger to remembered. The lock
// also guards the memory.
type rememberedLocker struct {
	*remembered
	locker rotate.Locker
}

// Lock implements [rotate.Locker].
func (r *rememberedLocker) Lock(ctx context.Context) (unlock func() error, err error) {
	release, err := r.locker.Lock(ctx)
	if err != nil {
		return nil, err
	}
	r.setLocked(true)
	var once sync.Once
	return func() error {
		once.Do(func() { r.setLocked(false) })
		return release()
	}, nil
}

func (r *remembered) setLocked(locked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.locked = locked
}

func (r *remembered) isLocked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.locked
}

// Path implements [Pather]. It is empty if the ledger is not a file.
func (r *remembered) Path() string { return r.path }

// Load implements [rotate.Ledger].
func (r *remembered) Load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	atomicfile.SweepDeadOf(r.seenPath)
	// Read the memory first. It is written after the ledger, so a ledger that is read
	// later is never behind the memory.
	known, err := r.known()
	if err != nil {
		return rotate.State{}, "", r.explain(err)
	}
	s, rev, err := r.ledger.Load(ctx)
	switch {
	case errors.Is(err, rotate.ErrNotFound) && known.Places[r.place] != "" && !r.adopt:
		return rotate.State{}, "", r.explain(r.gone(known))
	case err != nil:
		return rotate.State{}, "", err
	}
	switch recognized, err := known.accept(r.memory, s); {
	case err != nil:
		return rotate.State{}, "", r.explain(err)
	case !recognized:
		if err := r.askFor(ctx, s); err != nil {
			return rotate.State{}, "", err
		}
	}
	if r.adopt && !r.peek && !known.knows(r.memory, s) {
		if err := r.remember(ctx, s, true); err != nil {
			return rotate.State{}, "", r.explain(fmt.Errorf("%s cannot be written: %w", r.seenPath,
				atomicfile.Cause(err)))
		}
	}
	return s, rev, nil
}

// askFor asks the operator whether a ledger that this machine has not seen is the
// right one.
func (r *remembered) askFor(ctx context.Context, s rotate.State) error {
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.trusted == s.ID() {
		return nil
	}
	refused := r.explain(untrusted("this machine has not seen this ledger before and was not given its id. A " +
		"recipient's public key is enough to forge a ledger, so nothing was done with it"))
	if r.unmarked() {
		refused = r.explain(untrusted("it was not given its id, and an age plugin's key cannot sign the memory of ledgers " +
			"seen. Give the id in --ledger-id, in LAYER_LEDGER_ID, or in a line \"# ledger ID\" of the identity file"))
	}
	if r.ask == nil {
		return refused
	}
	switch yes, err := r.ask(ctx, s); {
	case err != nil:
		return err
	case !yes:
		return refused
	}
	r.trusted = s.ID()
	if !r.peek {
		_ = r.remember(ctx, s, true) // after a failure, the next Load asks again
	}
	return nil
}

func (r *remembered) trusts(s rotate.State) {
	r.asking.Lock()
	defer r.asking.Unlock()
	r.trusted = s.ID()
}

// Confirmed implements [rotate.Confirmer].
func (r *remembered) Confirmed(ctx context.Context, s rotate.State) {
	known, err := r.known()
	if err != nil || r.peek || known.left(s) || known.knows(r.memory, s) && !known.fades(r.place) {
		return
	}
	_ = r.remember(ctx, s, true) // a memory that is behind the ledger refuses nothing
}

// CompareAndSwap implements [rotate.Ledger].
func (r *remembered) CompareAndSwap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision,
	error) {
	known, err := r.known()
	if err != nil {
		return "", r.explain(err)
	}
	if err := r.follows(known, next); err != nil {
		// If another run was faster, the ledger's own error reports that, and whether this
		// change was made.
		if _, now, load := r.ledger.Load(ctx); now == old || load != nil && !errors.Is(load, rotate.ErrNotFound) {
			return "", r.explain(fmt.Errorf("the change is refused: %w", err))
		}
	}
	rev, err := r.ledger.CompareAndSwap(ctx, old, next)
	if err != nil {
		return "", err
	}
	r.trusts(next)
	_ = r.remember(ctx, next, false) // the change is stored, also if the memory cannot be written
	return rev, nil
}

// How long remember waits for the lock of the memory. A run that changes a ledger
// file holds the file's lock until it ends, and it remembers the ledger itself. So
// a reader waits for the ledger's own lock only for lockerPatience.
const (
	patience       = time.Second
	lockerPatience = 20 * time.Millisecond
)

// remember writes a state into the memory. loaded reports whether the state was
// loaded; otherwise it was stored by this value and is durable.
func (r *remembered) remember(ctx context.Context, s rotate.State, loaded bool) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	unlock, err := r.lockMemory(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }()
	known, err := r.known()
	if err != nil {
		return err
	}
	if !r.adopt && known.Ledgers[s.Origin()].Generation > s.Generation() {
		return nil // another run has remembered a later state
	}
	folder, err := atomicfile.Open(filepath.Dir(r.seenPath), r.step)
	if err != nil {
		return err
	}
	defer folder.Root.Close()
	name := filepath.Base(r.seenPath)
	_ = folder.Sweep(atomicfile.Of(name)) // temporary files of a killed run
	access, err := folder.AccessBeside(name, r.path)
	if err != nil {
		return err
	}
	temp, err := folder.Prepare(name, known.with(r.memory, s).encode(), access)
	if err != nil {
		return err
	}
	// Make the state durable before the memory. If a crash lost the state and kept the
	// memory, the ledger would be refused as an older copy.
	if file, ok := r.ledger.(Syncer); ok && loaded {
		if err := file.Sync(); err != nil {
			folder.Discard(temp)
			return err
		}
	}
	_, err = folder.Commit(temp)
	return err
}

// lockMemory locks the memory against other processes. It uses the ledger's own
// lock if there is one, otherwise a lock file in the folder of the memory.
func (r *remembered) lockMemory(ctx context.Context) (unlock func() error, err error) {
	locker, ok := r.ledger.(rotate.Locker)
	switch {
	case ok && r.isLocked():
		return func() error { return nil }, nil
	case ok && r.adopt:
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return locker.Lock(ctx)
	case ok:
		ctx, cancel := context.WithTimeout(ctx, lockerPatience)
		defer cancel()
		return locker.Lock(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lock, err := filelock.Take(ctx, r.seenPath+".lock", r.seenPath)
	if err != nil {
		return nil, err
	}
	return lock.Unlock, nil
}

func (r *remembered) explain(err error) error { return fmt.Errorf("%s: %w", r.name, err) }

// String names the ledger.
func (r *remembered) String() string { return r.name }

// Format writes the result of String under every verb and flag.
func (r *remembered) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (r *remembered) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

var (
	_ rotate.Ledger = (*remembered)(nil)
	_ rotate.Locker = (*rememberedLocker)(nil)
	_ Pather        = (*remembered)(nil)

	_ rotate.Confirmer = (*remembered)(nil)
)
