package rotate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// foreign is a struct of a caller. fmt prints its unexported fields without
// calling their methods.
type foreign[T any] struct {
	name  string
	held  T
	many  []T
	named map[string]T
	any   any
}

func within[T any](v T) foreign[T] {
	return foreign[T]{"somebody's", v, []T{v}, map[string]T{"k": v}, v}
}

func noLeak[T any](t *testing.T, what string, v T, values ...string) {
	t.Helper()
	for how, one := range map[string]any{"itself": v, "its address": &v, "in a slice": []T{v},
		"in somebody's struct":  within(v),
		"in the address of one": &foreign[T]{held: v}} {
		require.Empty(t, redacttest.Check(one, values...), "%s, %s", what, how)
	}
}

func TestNothingShowsAValue(t *testing.T) {
	const bad = "sk_live_QkFzZTY0dGV4dA"
	key, stripe := aRandom("key", retained(10)), aStatic("stripe", retained(10))
	s := newScene(t, key, stripe)
	s.set(stripe, bad)
	s.interrupt(lost, s.rotateNow) // leaves an intent
	st, _, err := s.ledger.Load(t.Context())
	require.NoError(t, err)
	require.NotNil(t, st.state().find(key.Address()).Intent)
	values := []string{bad, s.nth(key, 1), string(st.state().FpKey), string(st.state().ByKey)}
	r, err := s.Status(t.Context())
	require.NoError(t, err)
	var e Event
	s.Progress = func(one Event) {
		if len(one.Actions) > 0 {
			e = one
		}
	}
	s.did(s.rotate())
	s.Progress = nil

	noLeak(t, "State", st, values...)
	noLeak(t, "Result", r, values...)
	noLeak(t, "Event", e, values...)
	noLeak(t, "Operator", s.Operator, values...)
	noLeak(t, "MemoryLedger", s.ledger, values...)
	text, err := st.Text(s.Spec.Secrets[0])
	require.NoError(t, err)
	noLeak(t, "State.Text", text, values...)
	value, err := st.Value(stripe.Address())
	require.NoError(t, err)
	noLeak(t, "State.Value", value, values...)
	require.Equal(t, bad, value.Reveal())
	noLeak(t, "Plan", Plan(st, s.Spec.Secrets, s.at.Add(400*day)), values...)
	noLeak(t, "Log", st.Log(), values...)
	noLeak(t, "Settings", st.Settings(), values...)
}

// TestAPanicShowsNoValue checks the output of a panic for its argument.
func TestAPanicShowsNoValue(t *testing.T) {
	const bad = "sk_live_QkFzZTY0dGV4dA"
	for _, v := range []any{wrapState(&state{Secrets: []*record{{Versions: []version{{Value: bad}}}}})} {
		func() {
			defer func() {
				p := recover()
				require.Empty(t, redacttest.Find(fmt.Sprintf("%v %+v %#v", p, p, p), bad))
			}()
			panic(v)
		}()
	}
}

// Errors for every kind of wrong value, whole and under every way of printing.
func TestErrorsShowNoValue(t *testing.T) {
	long := strings.Repeat("very-private-", 9000)
	for name, c := range map[string]struct {
		key   *secret.Secret
		value string
	}{
		"key":       {aRandom("key", nil), "wJalrXUtnFEMI-K7MDENG-bPxRfiCY"},
		"hex":       {aRandom("key", nil), strings.Repeat("c0ffee", 9)},
		"not UTF-8": {aStatic("stripe", nil), "private\xffprivate-private"},
		"compact":   {secret.Static(secret.Options{Name: "k", Format: secret.FormatCompact}), "private;v1=private-private"},
		"large":     {aStatic("stripe", nil), long},
		"json":      {secret.Static(secret.Options{Name: "k", Format: secret.FormatJSON}), "private\xc0\xafprivate"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.key)
			err := s.problem(c.key)(s.set(c.key, c.value))
			for at := err; at != nil; at = errors.Unwrap(at) {
				require.Empty(t, redacttest.Check(at, c.value[:min(len(c.value), 40)]))
			}
			require.Less(t, len(err.Error()), 600)
		})
	}
}

// The log records operator, operation and id, and no value.
func TestTheLedgersLogHoldsNoValue(t *testing.T) {
	key := aStatic("stripe", retained(10))
	s := newScene(t, key)
	s.did(s.set(key, "sk_live_first_value"))
	s.pass(time.Hour)
	s.did(s.set(key, "sk_live_second_value"))
	s.did(s.rollback(key, false))
	s.did(s.revoke(key, "v2"))
	st, _, err := s.ledger.Load(t.Context())
	require.NoError(t, err)
	var ops []string
	for _, e := range st.Log() {
		require.Equal(t, "tester", e.By)
		require.Equal(t, "$SECRET.billing.stripe", e.Address)
		ops = append(ops, fmt.Sprint(e.Op, " ", e.IDs))
	}
	require.Equal(t, []string{"create [v1]", "set [v2]", "flip [v3]", "revoke [v2]"}, ops)
	s.watch(st.Log())
}
