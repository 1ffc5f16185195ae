package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// Operator carries out what a person or a cron job asks for: it settles what earlier runs left, changes the ledger, publishes,
// and confirms. Every method may be interrupted anywhere and run again, and several Operators may work on one ledger. The
// fields are not to be changed while a method runs.
type Operator struct {
	// Ledger and Publisher are required.
	Ledger    Ledger
	Publisher driver.Publisher
	// Spec is what the program declares.
	Spec secret.Spec
	// Generators make the values of generated secrets, by the name that the declarations give. A secret whose generator is
	// not here needs a person.
	Generators map[string]driver.Generator
	// Window and Margin, where not zero, take the place of the ledger's settings.
	Window, Margin time.Duration
	// Limit is the most bytes that a published text may have. Zero: DefaultLimit.
	Limit int
	// Overdue is how long the next run may be late, before a status calls the work that it
	// would do overdue. Zero: 24 h.
	Overdue time.Duration
	// By is who works here, for the ledger's log. It may be empty.
	By string
	// Former are the targets from which the ledger's values were moved, by the names
	// that State.FormerTargets returns. Status asks them too.
	Former map[string]driver.Publisher
	// DryRun: nothing is changed; the Result tells what would be done.
	DryRun bool
	// Progress, if not nil, is told of each stage.
	Progress func(Event)

	// For tests. Zero: the time, and what newDesk draws.
	clock func() time.Time
	mint  func(secret.SpecSecret) string
	pause func(context.Context, time.Duration) error
	// For tests that take a rule away and see what breaks.
	judge func(verdict, sighting, *record) verdict
	amend func(*desk, secret.SpecSecret, *record, *decision)
}

// RotateOptions are the choices of [Operator.Rotate].
type RotateOptions struct {
	// Only limits the rotation to these secrets. Empty: all that are declared.
	Only []secret.Address
	// Now begins a rotation of what can be made anew, whatever the schedule says. A rotation under way is only gone on with.
	Now bool
	// Immediate lets both phases happen at once, and implies Now: readers that have not seen the new version yet reject what
	// others make with it, for up to the window.
	Immediate bool
	// Adopt is the person's word to go on over what the store holds against the ledger.
	Adopt bool
}

// Apply creates the values that are missing, and finishes what an earlier run left. It rotates nothing.
func (o *Operator) Apply(ctx context.Context) (Result, error) {
	return o.run(ctx, o.all(order{op: orderApply}), "apply")
}

// Rotate begins the rotations that are due, goes on with those under way, creates what is missing and prunes what has expired.
func (o *Operator) Rotate(ctx context.Context, how RotateOptions) (Result, error) {
	orders := o.all(order{op: orderRotate, force: how.Now, immediate: how.Immediate, adopt: how.Adopt,
		named: len(how.Only) > 0})
	if len(how.Only) > 0 {
		for _, addr := range how.Only {
			if _, ok := orders[addr]; !ok {
				return Result{}, undeclared(addr)
			}
		}
		for addr := range orders {
			if !slices.Contains(how.Only, addr) {
				delete(orders, addr)
			}
		}
	}
	return o.run(ctx, orders, "rotate")
}

// Set brings in a value from outside. That of a static secret counts at once, and so does a first one; one of a random or
// generated secret takes both phases. A value that is current already changes nothing. The error wraps [secret.ErrEncoding]
// where the value does not fit the declaration.
func (o *Operator) Set(ctx context.Context, addr secret.Address, value driver.Value) (Result, error) {
	return o.change(ctx, addr, order{op: orderSet, value: value.Reveal()}, "set")
}

// Rollback takes an announced version back; where none is announced it brings the previous version's value again under a new
// id: at once for a static secret or with immediate, else in two phases.
func (o *Operator) Rollback(ctx context.Context, addr secret.Address, immediate bool) (Result, error) {
	return o.change(ctx, addr, order{op: orderRollback, immediate: immediate}, "rollback")
}

// Revoke ends a version at once, and every other one that holds the same value. The current one gets a successor first; of a
// secret whose values are made elsewhere it is refused.
func (o *Operator) Revoke(ctx context.Context, addr secret.Address, id string) (Result, error) {
	return o.change(ctx, addr, order{op: orderRevoke, version: id, immediate: true}, "revoke")
}

func (o *Operator) change(ctx context.Context, addr secret.Address, one order, op string) (Result, error) {
	if _, ok := o.find(addr); !ok {
		return Result{}, undeclared(addr)
	}
	return o.run(ctx, map[secret.Address]order{addr: one}, op)
}

// Status tells how the declared secrets stand. It changes nothing.
func (o *Operator) Status(ctx context.Context) (Result, error) {
	look := *o
	look.DryRun = true
	result, err := look.run(ctx, o.all(order{op: orderSettle}), "status")
	result.Actions = nil
	return result, err
}

func (o *Operator) all(one order) map[secret.Address]order {
	orders := make(map[secret.Address]order, len(o.Spec.Secrets))
	for _, s := range o.Spec.Secrets {
		orders[s.Address] = one
	}
	return orders
}

func (o *Operator) find(addr secret.Address) (secret.SpecSecret, bool) {
	for _, s := range o.Spec.Secrets {
		if s.Address == addr {
			return s, true
		}
	}
	return secret.SpecSecret{}, false
}

func undeclared(addr secret.Address) error {
	return problemf(Undeclared, "%s is not declared", addr).of(addr)
}

// name is what a secret's value is called in the store.
func (o *Operator) name(s secret.SpecSecret) string {
	if n, ok := o.Publisher.(driver.Namer); ok {
		return n.NameOf(driver.Names{Address: s.Address.String(), Binding: s.Binding, SecretName: s.SecretName})
	}
	return s.SecretName
}

// checkSpec refuses wrong declarations, and what would let two secrets overwrite each other.
func (o *Operator) checkSpec() error {
	names, bindings := map[string]secret.Address{}, map[string]secret.Address{}
	for _, s := range o.Spec.Secrets {
		if err := checkDeclaration(s); err != nil {
			return problemf(Refused, "%w", err).of(s.Address)
		}
		if other, ok := bindings[s.Binding]; ok {
			return problemf(Refused, "%s and %s have the same binding name %s: rename one", other, s.Address, s.Binding).of(s.Address)
		}
		if other, ok := names[o.name(s)]; ok {
			return problemf(Refused, "%s and %s have the same name in the store, %s: give one another SecretName", other,
				s.Address, o.name(s)).of(s.Address)
		}
		bindings[s.Binding], names[o.name(s)] = s.Address, s.Address
	}
	return nil
}

func (o *Operator) now() time.Time {
	if o.clock != nil {
		return o.clock()
	}
	return time.Now()
}

func (o *Operator) sleep(ctx context.Context, d time.Duration) error {
	if o.pause != nil {
		return o.pause(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// ErrInterrupted: the run was stopped between two steps. What it left is finished by the next one.
var ErrInterrupted = errors.New("interrupted")

// run carries out orders, step by step.
func (o *Operator) run(ctx context.Context, orders map[secret.Address]order, op string) (result Result, err error) {
	if err := o.checkSpec(); err != nil {
		return Result{}, err
	}
	unlock, err := o.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	r := newRun(o, orders, op)
	stepping, stop := outlast(ctx, grace)
	defer stop()
	for r.stage != stageDone {
		if ctx.Err() != nil {
			return r.result(), r.interrupted()
		}
		if err := r.step(stepping); err != nil {
			if ctx.Err() != nil {
				return r.result(), r.interrupted()
			}
			return r.result(), err
		}
	}
	return r.result(), nil
}

// lock locks the ledger for a whole operation, if it can be locked and is to be
// changed.
func (o *Operator) lock(ctx context.Context) (unlock func() error, err error) {
	l, ok := o.Ledger.(Locker)
	if !ok || o.DryRun {
		return func() error { return nil }, nil
	}
	unlock, err = l.Lock(ctx)
	if ctx.Err() != nil && err != nil {
		return nil, fmt.Errorf("%w: nothing was changed", ErrInterrupted)
	}
	return unlock, err
}

// grace is how long the step in hand may take after the run was interrupted: an answer that is not waited for is an outcome
// that nobody knows.
const grace = 5 * time.Second

// outlast returns a context that ends some time after ctx.
func outlast(ctx context.Context, d time.Duration) (context.Context, func()) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(context.Cause(ctx))
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel(nil) }
}

// Rename publishes the versions of from as those of to, which must be declared and have no value yet. What stands under the old
// name stays, in ledger and store, until Remove. Where only the name in the store has changed, from and to are one address.
func (o *Operator) Rename(ctx context.Context, from, to secret.Address) (Result, error) {
	if _, ok := o.find(to); !ok {
		return Result{}, undeclared(to)
	}
	return o.run(ctx, map[secret.Address]order{to: {op: orderRename, source: from}}, "rename")
}
