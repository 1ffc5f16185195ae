package rotate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file calls the generators as their optional interfaces ask: with the
// declaration, and with a test of every value before it is announced. A value
// that does not work must never be published, so the test comes before the
// version is recorded.

// generator returns the generator for one secret, and nil if none is registered
// under the name.
func (r *run) generator(name string, asked driver.Request) driver.Generator {
	g := r.Generators[name]
	if of, ok := g.(driver.RequestGenerator); ok {
		asked.Params = maps.Clone(asked.Params)
		return of.For(asked)
	}
	return g
}

// request returns the request for a value that the ledger knows: with the
// declared parameters, and with the recorded ones if the secret is no longer
// declared with this generator.
func (r *run) request(generator string, recorded request) driver.Request {
	for _, s := range r.Spec.Secrets {
		if s.Generator == generator && s.Address.String() == recorded.Address {
			return driver.Request{Address: recorded.Address, Params: s.Params}
		}
	}
	return driver.Request{Address: recorded.Address, Params: recorded.Params}
}

// declared returns the generator of a declaration.
func (r *run) declared(spec secret.SpecSecret) driver.Generator {
	return r.generator(spec.Generator, driver.Request{Address: spec.Address.String(), Params: spec.Params})
}

// sweeper returns a key that names with the same generator and request share.
func (r *run) sweeper(s sweep) string {
	if s.Address == "" {
		return s.Generator
	}
	asked := r.request(s.Generator, s.request)
	params, _ := json.Marshal(asked.Params) // strings: no error, and sorted
	return s.Generator + "\n" + asked.Address + "\n" + string(params)
}

// mostInUse returns driver.Bounded.MostInUse, and 0 for a generator without a
// bound.
func (r *run) mostInUse(spec secret.SpecSecret) int {
	if b, ok := r.declared(spec).(driver.Bounded); ok {
		return b.MostInUse()
	}
	if b, ok := r.Generators[spec.Generator].(driver.Bounded); ok {
		return b.MostInUse()
	}
	return 0
}

func (r *run) tests(spec secret.SpecSecret) bool {
	_, ok := r.declared(spec).(driver.Tester)
	return ok
}

// trial is a value that is being tested.
type trial struct {
	addr  secret.Address
	value version // with its resource
	older bool    // a rollback may publish it again
	since time.Time
	tries int
}

// tested is the result of a test of an older value.
type tested struct {
	id       string // of the resource
	version  string
	untested bool // the generator cannot test
	err      error
}

const (
	testTime = time.Minute // how long a new value may take until it works
	maxTests = 12          // also if the clock does not move
)

// testOne tests the value of the trial. A new value is tested again, ever more
// slowly, until it works or a minute has passed: then it is ended. An older one
// is tested once.
func (r *run) testOne(ctx context.Context) error {
	t := *r.pass.trial
	spec, _ := r.Operator.find(t.addr)
	r.tell(Event{Stage: StageTest, Secrets: r.pass.toMake, Done: max(0, r.pass.toMake-len(r.pass.minting)-1)})
	if t.tries == 0 {
		t.since = r.now()
	} else if err := r.sleep(ctx, min(time.Second<<t.tries/4, 10*time.Second)); err != nil {
		return err
	}
	t.tries++
	bounded, cancel := context.WithTimeout(ctx, max(testTime-r.now().Sub(t.since), time.Second))
	defer cancel()
	err := r.declared(spec).(driver.Tester).Test(bounded,
		driver.Made{Value: driver.NewValue(t.value.Value), ID: t.value.Resource.ID})
	untested := errors.Is(err, errors.ErrUnsupported)
	if untested {
		err = nil
	}
	switch {
	case t.older:
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.mine.tested[t.addr] = tested{t.value.Resource.ID, t.value.ID, untested, err}
		r.pass.trial, r.stage = nil, stageDecide
	case err == nil:
		r.mine.made[t.addr] = t.value
		r.pass.trial, r.stage = nil, stageMake
	case t.tries < maxTests && r.now().Before(t.since.Add(testTime)):
		r.pass.trial = &t
	default:
		r.mine.failed[t.addr] = *t.value.Resource
		r.unmade(t.addr, fmt.Errorf("%s: %s made a value that does not work, and it was not published%s: %w",
			t.addr, t.value.Resource.Generator, r.notRevoked(t.addr), err))
		r.pass.trial, r.stage = nil, stageMake
	}
	return nil
}

// tryOlder begins the test that a decision needs, if there is one. Nothing is
// recorded before its result is known.
func (r *run) tryOlder() bool {
	for _, spec := range r.targets() {
		if dec := r.pass.decisions[spec.Address]; dec.test != nil {
			r.pass.trial, r.stage = &trial{addr: spec.Address, value: *dec.test, older: true}, stageTest
			return true
		}
	}
	return false
}

// sendFirst leaves the new values to the next pass if this one has texts to
// send: a recorded text must be sent soon, and a generator may take long.
func (r *run) sendFirst() {
	if !slices.ContainsFunc(slices.Collect(maps.Values(r.pass.decisions)), func(d decision) bool { return d.send }) {
		return
	}
	for addr, dec := range r.pass.decisions {
		if dec.make {
			r.pass.decisions[addr] = decision{verdict: dec.verdict}
		}
	}
}
