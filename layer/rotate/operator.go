package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file has the entry points of the engine: each method is one run, with an
// order for each of its secrets. Every run first finishes the steps that
// earlier runs left, then carries out its order. So each method may be
// interrupted anywhere and called again.

// Operator carries out the commands of an operator or a cron job. Every method
// first finishes the steps that earlier runs left, then changes the ledger,
// publishes and confirms. A method may be interrupted anywhere and called
// again, and several Operators may work on one ledger at the same time. The
// fields must not be changed while a method runs.
type Operator struct {
	// Ledger and Publisher are required.
	Ledger    Ledger
	Publisher driver.Publisher
	// Spec are the declarations of the program.
	Spec secret.Spec
	// Generators make the values of generated secrets, by the name that the
	// declarations give. A secret without its generator here needs an operator.
	Generators map[string]driver.Generator
	// Window and Margin replace the ledger's settings where they are not zero.
	Window, Margin time.Duration
	// Limit is the limit of a published text's length in bytes. Zero: DefaultLimit.
	Limit int
	// Overdue is how late the next run may be before a status reports its work as
	// overdue. Zero: 24 h.
	Overdue time.Duration
	// By is the name of the operator, for the ledger's log. It may be empty.
	By string
	// Former are the targets from which the ledger's values were moved, by the
	// names that State.FormerTargets returns. Status inspects them too.
	Former map[string]driver.Publisher
	// LosesIDs: the operator agrees that a document becomes a bare value although
	// ids stop resolving. Otherwise such a secret has a Problem of kind LosesIDs.
	LosesIDs bool
	// DryRun: nothing is changed; the Result has the actions that would be carried
	// out.
	DryRun bool
	// Reports: the caller reports published changes to a program outside. The
	// ledger then keeps which ones were reported, from the first such run on: see
	// Result.Unreported.
	Reports bool
	// Progress, if not nil, is called before each stage, and during it when more
	// secrets are done. It is called by one goroutine at a time.
	Progress func(Event)

	// For tests. nil: the time, random values of newDesk, and a timer.
	clock func() time.Time
	mint  func(secret.SpecSecret) string
	pause func(context.Context, time.Duration) error
	// For tests that remove one rule and observe the violation.
	judge func(verdict, sighting, *record) verdict
	amend func(*desk, secret.SpecSecret, *record, *decision)
}

// RotateOptions are the choices of [Operator.Rotate].
type RotateOptions struct {
	// Only limits the rotation to these secrets. Empty: all declared secrets.
	Only []secret.Address
	// Now begins a rotation of every secret with values that can be made without an
	// operator, independent of the schedule. A rotation in progress is only
	// continued.
	Now bool
	// Immediate announces and flips at once, and implies Now. For up to the window,
	// readers that do not have the new version reject signatures made with it.
	Immediate bool
	// Adopt continues although the target contradicts the ledger: it publishes the
	// ledger's versions over the values in the target.
	Adopt bool
}

// Apply creates missing values, and finishes the steps that earlier runs left.
// It rotates nothing.
func (o *Operator) Apply(ctx context.Context) (Result, error) {
	return o.run(ctx, o.all(order{op: orderApply}), "apply")
}

// Rotate begins the rotations that are due, continues those in progress,
// creates missing values and prunes expired versions.
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

// Set adds a value from outside. The value of a static secret becomes current
// at once, and so does a first value; a value of a random or generated secret
// goes through both phases. Setting the current or the announced value again
// changes nothing. If the value does not fit the declaration, the error wraps
// [secret.ErrEncoding].
func (o *Operator) Set(ctx context.Context, addr secret.Address, value driver.Value) (Result, error) {
	return o.change(ctx, addr, order{op: orderSet, value: value.Reveal()}, "set")
}

// Rollback withdraws an announced version. If none is announced, it adds the
// previous version's value again under a new id: at once for a static secret or
// with immediate, else in two phases.
func (o *Operator) Rollback(ctx context.Context, addr secret.Address, immediate bool) (Result, error) {
	return o.change(ctx, addr, order{op: orderRollback, immediate: immediate}, "rollback")
}

// Revoke ends a version immediately, and every other version with the same
// value. If the current version is among these, its successor becomes current
// first. Revoke returns a [Problem] of kind [CurrentVersion] if no successor is
// announced and none can be made here.
func (o *Operator) Revoke(ctx context.Context, addr secret.Address, id string) (Result, error) {
	return o.change(ctx, addr, order{op: orderRevoke, version: id, immediate: true}, "revoke")
}

func (o *Operator) change(ctx context.Context, addr secret.Address, one order, op string) (Result, error) {
	if _, ok := o.find(addr); !ok {
		return Result{}, undeclared(addr)
	}
	return o.run(ctx, map[secret.Address]order{addr: one}, op)
}

// Status returns the states of the declared secrets. It changes nothing.
func (o *Operator) Status(ctx context.Context) (Result, error) {
	look := *o
	look.DryRun = true
	result, err := look.run(ctx, o.all(order{op: orderLook}), "status")
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

// name returns the name of a secret's value in the target, by its declaration.
func (o *Operator) name(s secret.SpecSecret) string {
	if n, ok := o.Publisher.(driver.Namer); ok {
		return n.NameOf(driver.Names{Address: s.Address.String(), Binding: s.Binding, SecretName: s.SecretName})
	}
	return s.SecretName
}

// checkSpec returns a problem if a declaration is wrong, or if two declarations
// have the same binding or the same name in the target, and would overwrite
// each other. Bindings that differ only in case are one file on some systems.
func (o *Operator) checkSpec() error {
	names, bindings := map[string]secret.Address{}, map[string]secret.SpecSecret{}
	for _, s := range o.Spec.Secrets {
		if err := checkDeclaration(s); err != nil {
			return problemf(Refused, "%w", err).of(s.Address)
		}
		if other, ok := bindings[strings.ToLower(s.Binding)]; ok && other.Binding == s.Binding {
			return problemf(Refused, "%s and %s have the same binding name %s: rename one",
				other.Address, s.Address, s.Binding).of(s.Address)
		} else if ok {
			return problemf(Refused, "%s and %s have binding names that differ only in case, %s and %s: rename one",
				other.Address, s.Address, other.Binding, s.Binding).of(s.Address)
		}
		if other, ok := names[o.name(s)]; ok {
			return problemf(Refused, "%s and %s have the same name in the target, %s: give one another SecretName",
				other, s.Address, o.name(s)).of(s.Address)
		}
		bindings[strings.ToLower(s.Binding)], names[o.name(s)] = s, s.Address
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

// ErrInterrupted: the run was stopped between two steps. The next run finishes
// the rest.
var ErrInterrupted = errors.New("interrupted")

// run carries out orders, step by step, until the run is done, fails or is
// interrupted.
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
		during := driver.WithStop(stepping, ctx)
		if r.stage.reads() {
			during = ctx
		}
		if err := r.step(during); err != nil {
			if ctx.Err() != nil {
				return r.result(), r.interrupted()
			}
			return r.result(), err
		}
	}
	return r.result(), nil
}

// lock locks the ledger for a whole operation, if it is a Locker and the
// operation may change it.
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

// grace is how long a request that has begun may take after the run was
// interrupted. If the run did not wait for the answer, the outcome would be
// unknown. A step that only reads ends at once, and no other request begins.
const grace = 5 * time.Second

// outlast returns a context that ends d after ctx ends.
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

// Rename publishes the versions of from as the versions of to, which must be
// declared and have no value yet. The old value stays in the ledger and the
// target until Remove. If only the name in the target has changed, from and to
// are the same address.
func (o *Operator) Rename(ctx context.Context, from, to secret.Address) (Result, error) {
	if _, ok := o.find(to); !ok {
		return Result{}, undeclared(to)
	}
	return o.run(ctx, map[secret.Address]order{to: {op: orderRename, source: from}}, "rename")
}
