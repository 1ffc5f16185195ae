package program

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layeron-hq/secret/driver"
)

// This file is the conformance test of a program: it makes values as an engine
// does, with a rotation and a crash, and observes with the program's own step
// test that the right ones work.

// Finding is one result of [Conform].
type Finding struct {
	Step string // make, test, retire, sweep or steps
	OK   bool
	Text string // in plain words
}

// conformAddress is the address of the values that Conform makes.
const conformAddress = "$SECRET.layer.generator-test"

// Conform runs the program that params name for every step, and reports each
// finding. It makes three values and ends them. It reports whether the program
// conforms; the error is the cause of the end of ctx.
func Conform(ctx context.Context, o Options, params map[string]string, report func(Finding)) (bool, error) {
	c := &conformance{ctx: ctx, steps: &steps{&o, driver.Request{Address: conformAddress, Params: params}},
		report: report, ok: true, can: map[string]bool{}}
	c.values()
	c.listed()
	c.cleanUp()
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return c.ok, nil
}

type conformance struct {
	ctx    context.Context
	steps  *steps
	report func(Finding)
	ok     bool

	names, ids        []string // everything that was made
	noTest            bool     // the program cannot do the step
	noRetire, noSweep bool
	can               map[string]bool // whether it did a step, of those that were asked for
}

func (c *conformance) finds(step string, ok bool, format string, args ...any) bool {
	if c.ctx.Err() == nil {
		c.ok = c.ok && ok
		c.report(Finding{step, ok, fmt.Sprintf(format, args...)})
	}
	return ok
}

// do runs one step, and reports whether the program can do it.
func (c *conformance) do(q question) (supported bool, err error) {
	a, err := c.steps.ask(c.ctx, q)
	if err == nil {
		c.can[q.Step] = !a.unsupported
	}
	return !a.unsupported, err
}

// make makes a value, and reports whether it may be used.
func (c *conformance) make(what string) (driver.Made, string, bool) {
	name := "layer test " + strings.ToLower(rand.Text()[:12])
	c.names = append(c.names, name)
	m, err := c.steps.Make(c.ctx, name, nil)
	if err != nil {
		return m, name, c.finds("make", false, "%s: %v", what, err)
	}
	c.ids, c.can["make"] = append(c.ids, m.ID), true
	return m, name, c.finds("make", true, "%s", what)
}

// works requires that the program finds that a value works, or does not.
func (c *conformance) works(m driver.Made, want bool, what string) {
	if c.noTest {
		return
	}
	supported, err := c.do(question{Step: "test", ID: m.ID, Value: m.Value.Reveal()})
	switch {
	case !supported && err == nil:
		c.noTest = true
		c.finds("test", true, "the program cannot test (it answers unsupported): a value is published untested, and "+
			"rollback does not find out that an older one has ended")
	case want && err != nil:
		c.finds("test", false, "%s does not work: %v", what, err)
	case !want && err == nil:
		c.finds("test", false, "%s still works: a value that has ended must give an error", what)
	case want:
		c.finds("test", true, "%s works", what)
	default:
		c.finds("test", true, "%s does not work any more", what)
	}
}

func (c *conformance) values() {
	first, firstName, ok := c.make("a first value")
	if !ok {
		return
	}
	c.works(first, true, "the first value")
	c.steps.request.InUse = []string{first.ID}
	second, secondName, ok := c.make("a second value, with the id of the first as previous")
	if !ok {
		return
	}
	if first.Value.Reveal() == second.Value.Reveal() {
		c.finds("make", false, "both values are the same: each run of make must make a new one")
	}
	c.works(second, true, "the second value")
	c.works(first, true, "the first value, beside the second,")

	// A crash of layer after make: the value is in no ledger.
	c.steps.request.InUse = []string{second.ID, first.ID}
	third, thirdName, ok := c.make("a third value, as if layer had crashed then")
	if !ok {
		return
	}
	if c.sweep([]string{thirdName}, []string{first.ID, second.ID}, "the names of the crash") {
		c.works(third, false, "the third value")
		c.sweep([]string{firstName, secondName}, []string{first.ID, second.ID}, "names of values that are known")
		c.works(first, true, "the first value, which sweep had to leave,")
		c.works(second, true, "the second value, which sweep had to leave,")
		c.sweep([]string{thirdName}, []string{}, "the name of a value that has ended")
		c.works(first, true, "the first value, which has another name,")
	}
	if c.retire(first.ID, "the first value") {
		c.works(first, false, "the first value")
		c.works(second, true, "the second value, which was not retired,")
		c.retire(first.ID, "the first value again, which is no error")
	}
}

// listed compares the program's answer to steps with the steps that it did.
func (c *conformance) listed() {
	if !c.can["make"] {
		return // it has a fault that comes first
	}
	list, known, err := c.steps.list(c.ctx)
	switch {
	case errors.Is(err, errNoList):
		c.finds("steps", false, "the list of steps: %v", err)
		return
	case err != nil, !known:
		// A program may be older than the question, and end with an error.
		c.finds("steps", true, "the program does not list its steps: before a value is given up at once, "+
			"layer warns that it may not be ended")
		return
	}
	ok := true
	for _, step := range slices.Sorted(maps.Keys(c.can)) {
		switch listed := slices.Contains(list, step); {
		case listed && !c.can[step]:
			ok = c.finds("steps", false, "the list names %s, and the program answers unsupported to it", step)
		case !listed && c.can[step]:
			ok = c.finds("steps", false, "the list lacks %s, and the program can do it", step)
		}
	}
	if ok {
		c.finds("steps", true, "the list of steps is right")
	}
}

func (c *conformance) retire(id, what string) bool {
	if c.noRetire {
		return false
	}
	supported, err := c.do(question{Step: "retire", ID: id})
	switch {
	case err != nil:
		return c.finds("retire", false, "%s: %v", what, err)
	case !supported:
		c.noRetire = true
		c.finds("retire", true, "the program cannot retire (it answers unsupported): replaced values work until their "+
			"provider ends them")
		return false
	}
	return c.finds("retire", true, "%s", what)
}

func (c *conformance) sweep(names, known []string, what string) bool {
	if c.noSweep {
		return false
	}
	supported, err := c.do(question{Step: "sweep", Names: names, Known: &known})
	switch {
	case err != nil:
		return c.finds("sweep", false, "%s: %v", what, err)
	case !supported:
		c.noSweep = true
		c.finds("sweep", true, "the program cannot sweep (it answers unsupported): a crash of layer may leave a value "+
			"behind that works")
		return false
	}
	return c.finds("sweep", true, "%s", what)
}

// cleanUp ends all values, also after a failure or an interruption.
func (c *conformance) cleanUp() {
	ctx := context.WithoutCancel(c.ctx)
	left := c.noRetire && c.noSweep
	var errs []error
	if len(c.names) > 0 && !c.noSweep {
		errs = append(errs, c.steps.Sweep(ctx, c.names, nil))
	}
	for _, id := range c.ids {
		if !c.noRetire {
			errs = append(errs, c.steps.Retire(ctx, id))
		}
	}
	if err := errors.Join(errs...); (err != nil || left) && len(c.ids) > 0 {
		c.ok = c.ok && err == nil
		c.report(Finding{"retire", err == nil, "values may be left behind: end them at their provider, by these ids: " +
			strings.Join(c.ids, ", ")})
	}
}
