package rotate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// operation is an operation of a run, with the state before it.
type operation struct {
	before func(s *scene)
	orders func(s *scene) map[secret.Address]order
	op     string
	keys   []*secret.Secret
	// Declarations that replace keys when the operation begins; nil: the same.
	then []*secret.Secret
}

var (
	crashKey   = aRandom("key", retained(10))
	crashOther = aRandom("other", retained(10))
	crashNew   = aRandom("new", retained(10))
	crashFixed = aStatic("stripe", retained(10))
	crashBare  = aStatic("stripe", nil)
	crashMade  = secret.Generated(secret.Options{Namespace: "storage", Name: "r2", Generator: tokenMaker,
		Rotation: retained(10)})
)

func operations() map[string]operation {
	one := func(key *secret.Secret, o order) func(*scene) map[secret.Address]order {
		return func(*scene) map[secret.Address]order { return map[secret.Address]order{key.Address(): o} }
	}
	all := func(o order) func(*scene) map[secret.Address]order {
		return func(s *scene) map[secret.Address]order { return s.all(o) }
	}
	created := func(s *scene) { s.did(s.apply()); s.pass(time.Hour) }
	announced := func(s *scene) { created(s); s.did(s.rotateNow()); s.pass(day) }
	flipped := func(s *scene) { announced(s); s.did(s.rotate()) }
	two := []*secret.Secret{crashKey, crashOther}
	set := func(s *scene) {
		s.did(s.set(crashFixed, "sk_live_first_value"))
		s.did(s.set(crashFixed, "sk_live_second_value"))
	}
	fixed, bare := []*secret.Secret{crashFixed}, []*secret.Secret{crashBare}
	made := []*secret.Secret{crashMade}
	return map[string]operation{
		"apply":     {func(*scene) {}, all(order{op: orderApply}), "apply", two, nil},
		"add":       {created, all(order{op: orderRotate, force: true}), "rotate", two, nil},
		"flip":      {announced, all(order{op: orderRotate}), "rotate", two, nil},
		"prune":     {func(s *scene) { flipped(s); s.pass(12 * day) }, all(order{op: orderRotate}), "rotate", two, nil},
		"immediate": {created, all(order{op: orderRotate, force: true, immediate: true}), "rotate", two, nil},
		"set":       {set, one(crashFixed, order{op: orderSet, value: "sk_live_third_value"}), "set", fixed, nil},
		"first set": {func(*scene) {}, one(crashFixed, order{op: orderSet, value: "sk_live_third_value"}), "set", fixed,
			nil},
		"set all": {func(s *scene) { set(s); created(s) }, func(*scene) map[secret.Address]order {
			return map[secret.Address]order{
				crashFixed.Address(): {op: orderSet, value: "sk_live_third_value", whole: true},
				crashKey.Address():   {op: orderSet, value: strings.Repeat("Ab1_", 10) + "AAA", whole: true},
			}
		}, "set", []*secret.Secret{crashFixed, crashKey}, nil},
		"rollback":  {set, one(crashFixed, order{op: orderRollback}), "rollback", fixed, nil},
		"withdraw":  {announced, one(crashKey, order{op: orderRollback}), "rollback", two, nil},
		"revoke":    {flipped, one(crashKey, order{op: orderRevoke, version: "v1", immediate: true}), "revoke", two, nil},
		"revoke it": {flipped, one(crashKey, order{op: orderRevoke, version: "v2", immediate: true}), "revoke", two, nil},
		"rename": {flipped, one(crashNew, order{op: orderRename, source: crashKey.Address()}), "rename", two,
			[]*secret.Secret{crashNew, crashOther}},
		"document": {set, all(order{op: orderRotate}), "rotate", bare, fixed},
		"bare": {func(s *scene) { s.did(s.set(crashFixed, "sk_live_first_value")) }, all(order{op: orderRotate}), "rotate",
			fixed, bare},
		"bare, set":    {set, one(crashBare, order{op: orderSet, value: "sk_live_third_value"}), "set", bare, nil},
		"make":         {func(*scene) {}, all(order{op: orderApply}), "apply", made, nil},
		"make another": {created, all(order{op: orderRotate, force: true}), "rotate", made, nil},
		"made, revoke": {flipped, one(crashMade, order{op: orderRevoke, version: "v2", immediate: true}), "revoke", made,
			nil},
		"repair": {func(s *scene) { flipped(s); s.shop.late(s.shop.sent[0]) }, all(order{op: orderRotate}), "rotate", two,
			nil},
		"adopt": {func(s *scene) { flipped(s); s.shop.Set(s.called(crashKey), "by hand") },
			all(order{op: orderRotate, adopt: true}), "rotate", two, nil},
	}
}

func (op operation) begin(t *testing.T) (*scene, *tokens) {
	s := newScene(t, op.keys...)
	g := &tokens{s: s, key: crashMade, names: map[string]string{}}
	s.Generators = map[string]driver.Generator{tokenMaker: g}
	op.before(s)
	if op.then != nil {
		s.declare(op.then...)
	}
	s.values = append(s.values, "sk_live_third_value")
	h := &history{t: t, values: map[string]string{}}
	for _, i := range s.shop.sent {
		h.add(i)
	}
	s.shop.publish = func(i driver.Item) (bool, error) { h.add(i); h.current(i, s.at); return true, nil }
	return s, g
}

// history is every text that was ever sent. A value never changes under its id,
// unless a bare value is another v1.
type history struct {
	t      *testing.T
	values map[string]string
}

func (h *history) add(i driver.Item) {
	doc, err := secret.Parse(i.Text.Reveal())
	require.NoError(h.t, err)
	for v := range doc.All() {
		old, ok := h.values[i.Name+v.ID]
		bare := doc.StoredAs() == secret.FormatPlain
		require.True(h.t, !ok || bare || v.Equal(old), "%s of %s has two values", v.ID, i.Name)
		h.values[i.Name+v.ID] = v.Text()
	}
}

// current checks that a document names an unexpired version of its own as
// current.
func (h *history) current(i driver.Item, now time.Time) {
	doc, err := secret.Parse(i.Text.Reveal())
	require.NoError(h.t, err)
	n, ok := (&state{}).readNote(i.Name, i.Note)
	require.True(h.t, ok)
	if doc.StoredAs() == secret.FormatPlain {
		return // one value, under whatever id the ledger has it
	}
	_, err = doc.ActiveVersion(n.cur, now)
	require.NoError(h.t, err)
	require.Equal(h.t, n.cur, doc.Current().ID)
}

// endOf returns the final state that readers see, and the objects that
// generators left.
func endOf(s *scene, g *tokens, times bool) string {
	text := ""
	for _, key := range s.Spec.Secrets {
		spec := key
		doc, err := secret.Parse(must(s.store.Text(s.name(spec))))
		require.NoError(s.t, err)
		text += spec.Address.String() + " current " + doc.Current().ID + "\n"
		for v := range doc.All() {
			text += "  " + v.ID + " "
			if spec.Kind != secret.KindGenerated { // a token may be made twice
				text += digest(v.Text())[:8]
			}
			if times {
				text += " " + v.ActiveFrom.String() + " " + v.ExpiresAt.String()
			}
			text += "\n"
		}
		r := s.state().find(spec.Address)
		require.Nil(s.t, r.Intent)
		require.Nil(s.t, r.Making)
		require.Equal(s.t, r.Published.Gen, r.Gen)
		text += fmt.Sprintln(" ", r.Announced, r.Current, r.Highest)
	}
	return text + fmt.Sprint(len(g.ids()))
}

func must(text string, _ bool) string { return text }

// A crash after any step and a second run give the final state of an
// uninterrupted run. A third run changes not a byte.
func TestACrashAfterAnyStep(t *testing.T) {
	ctx := context.Background()
	for name, op := range operations() {
		for wait, after := range map[string]time.Duration{"at once": 0, "after fresh times": 5 * time.Hour} {
			t.Run(name+", "+wait, func(t *testing.T) {
				s, g := op.begin(t)
				_, err := s.seen(s.run(ctx, op.orders(s), op.op))
				require.NoError(t, err)
				s.did(s.rotate())
				s.still()
				want := endOf(s, g, after == 0)
				for steps := 0; ; steps++ {
					s, g := op.begin(t)
					gen := s.state().Gen
					r := newRun(s.Operator, op.orders(s), op.op)
					for range steps {
						if r.stage != stageDone {
							require.NoError(t, r.step(ctx))
						}
					}
					s.pass(after)
					if s.state().Gen == gen || slices.ContainsFunc(s.state().Secrets,
						func(r *record) bool { return r.Making != nil }) {
						// The ledger has no version of the secret: order it again.
						_, err := s.seen(s.run(ctx, op.orders(s), op.op))
						require.NoError(t, err)
					}
					s.did(s.rotate())
					require.Equal(t, want, endOf(s, g, after == 0), "after step %d", steps)
					s.still()
					if r.stage == stageDone {
						require.Greater(t, steps, 2)
						break
					}
				}
			})
		}
	}
}
