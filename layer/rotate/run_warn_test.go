package rotate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// limited is logins whose generator is asked whether it can end a value.
type limited struct {
	*logins
	can       bool
	err       error
	asks      int
	unchanged func() // called with each question
}

type limitedLogin struct {
	*login
	of *limited
}

func (g *limited) For(r driver.Request) driver.Generator { return limitedLogin{&login{g.logins, r}, g} }

func (l limitedLogin) CanRetire(context.Context) (bool, error) {
	require.Equal(l.of.s.t, "$SECRET.storage.r2", l.request.Address)
	l.of.asks++
	l.of.unchanged()
	return l.of.can, l.of.err
}

func withLimited(t *testing.T, rotation *secret.Rotation) (*scene, *secret.Secret, *limited) {
	s, key, g := withLogins(t, rotation)
	of := &limited{logins: g, unchanged: func() {}}
	of.most = 0
	s.Generators = map[string]driver.Generator{tokenMaker: of}
	return s, key, of
}

// warned requires that the warnings of a command come before it has changed
// anything, once each, and returns them as "KIND VERSION".
func (s *scene) warned(do func() (Result, error)) (list []string) {
	s.t.Helper()
	before, sent := s.picture(), len(s.shop.sent)
	var early []*Problem
	s.Progress = func(e Event) {
		s.watch(e)
		if len(e.Warnings) > 0 {
			require.Equal(s.t, StageAsk, e.Stage)
			require.Equal(s.t, before, s.picture(), "nothing has changed")
			require.Len(s.t, s.shop.sent, sent)
			early = append(early, e.Warnings...)
		}
	}
	r, err := s.seen(do())
	require.NoError(s.t, err)
	require.Equal(s.t, early, r.Warnings)
	for _, p := range r.Warnings {
		s.watch(p)
		s.wellPut(p)
		require.Contains(s.t, p.Error(), "version "+p.Version)
		list = append(list, string(p.Kind)+" "+p.Version)
	}
	return list
}

// Each command that gives up a value says before the change that its generator
// does not end the value.
func TestWhatAGeneratorCannotEndIsSaidBefore(t *testing.T) {
	for name, c := range map[string]struct {
		can  bool
		err  error
		kind Kind
	}{
		"it cannot":       {kind: NotEnded},
		"it is not known": {err: errors.New("the program does not say"), kind: EndUnknown},
		"it can":          {can: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, key, g := withLimited(t, every(30))
			g.can, g.err = c.can, c.err
			warns := func(what string, do func() (Result, error), ids ...string) {
				t.Helper()
				var want []string
				scheduled := what == "rotate" || what == "now" // a doubt is no warning then
				for _, id := range ids {
					if c.kind == NotEnded || c.kind == EndUnknown && !scheduled {
						want = append(want, string(c.kind)+" "+id)
					}
				}
				dry := *s.Operator
				if dry.DryRun = true; what == "rotate" {
					require.Equal(t, want, s.warned(func() (Result, error) {
						dry.Progress = s.Progress
						return dry.Rotate(t.Context(), RotateOptions{})
					}), "a dry run")
				}
				g.asks = 0
				require.Equal(t, want, s.warned(do), what)
				require.Equal(t, min(len(ids), 1), g.asks, "%s: it is asked once, and only if a value is given up", what)
			}
			rotate := func() (Result, error) { return s.rotate() }
			immediate := func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) }
			warns("apply", s.apply)
			warns("rotate", rotate)
			s.pass(31 * day)
			warns("rotate", rotate, "v1")
			s.pass(day)
			warns("rotate", rotate, "v1")
			s.pass(2 * day)
			warns("rotate", rotate, "v1") // pruned
			warns("rotate", rotate)
			warns("immediate", immediate, "v2")
			warns("rollback", func() (Result, error) { return s.rollback(key, false) }, "v3")
			require.Equal(t, "v4", s.record(key).Announced, "the value of v2")
			warns("rollback", func() (Result, error) { return s.rollback(key, false) }) // v2 has it too
			warns("now", s.rotateNow, "v3")
			warns("rollback", func() (Result, error) { return s.rollback(key, false) }, "v5")
			warns("set", func() (Result, error) { return s.set(key, "a value from outside") }, "v3")
			warns("revoke", func() (Result, error) { return s.revoke(key, "v6") })
			warns("revoke", func() (Result, error) { return s.revoke(key, "v2") }, "v2")
			warns("revoke", func() (Result, error) { return s.revoke(key, "v2") })
			warns("revoke", func() (Result, error) { return s.revoke(key, "v3") }, "v3")
			warns("revoke", func() (Result, error) { return s.revoke(key, s.current(key)) }, s.current(key))
			current := s.current(key)
			s.declare()
			warns("remove", func() (Result, error) { return s.remove(key) }, current)
			s.declare(key)
			warns("apply", s.apply)
		})
	}
}

// After a rename, two secrets have the value. It is given up by the last one, and
// a revocation of the other one warns that it works on.
func TestAValueThatAnotherSecretHasTooIsNotGivenUp(t *testing.T) {
	renamed := func(t *testing.T) (s *scene, from, to *secret.Secret, g *limited) {
		s, from, g = withLimited(t, every(30))
		s.did(s.apply())
		to = secret.Generated(secret.Options{Namespace: "storage", Name: "media", Generator: tokenMaker,
			Params: map[string]string{"bucket": "media"}, Rotation: every(30)})
		s.declare(to)
		s.did(s.rename(from, to))
		g.key = to
		return s, from, to, g
	}
	for name, can := range map[string]bool{"it can": true, "it cannot": false} {
		t.Run(name, func(t *testing.T) {
			s, from, to, g := renamed(t)
			g.can = can
			require.Empty(t, s.warned(func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) }))
			require.Equal(t, []string{"not ended v1"}, s.warned(func() (Result, error) { return s.revoke(to, "v1") }))
			require.Zero(t, g.asks)
			require.Contains(t, g.ids(), "token-1")
			var want []string
			if !can {
				want = []string{"not ended v1"}
			}
			require.Equal(t, want, s.warned(func() (Result, error) { return s.remove(from) }))
			require.Equal(t, 1, g.asks)
		})
	}
	s, from, _, g := renamed(t)
	require.Empty(t, s.warned(func() (Result, error) { return s.remove(from) }), "the new address has it")
	require.Zero(t, g.asks)
	require.Equal(t, []string{"token-1"}, g.ids())
}

// Without its generator here, a value is ended by a later run.
func TestAValueWhoseGeneratorIsNotHereWorksOn(t *testing.T) {
	s, key, _ := withTokens(t, kept())
	s.flip(key)
	generators := s.Generators
	s.Generators = nil
	require.Equal(t, []string{"not ended v1"}, s.warned(func() (Result, error) { return s.revoke(key, "v1") }))
	s.Generators = generators
	require.Empty(t, s.warned(func() (Result, error) { return s.rotate() }))
	require.Zero(t, len(s.state().Retire))
}

// An older value that its generator cannot test is published again, and the
// command says so before.
func TestRollbackSaysThatAValueIsUntested(t *testing.T) {
	for name, works := range map[string]error{
		"it cannot test": fmt.Errorf("the program: %w", errors.ErrUnsupported), "it works": nil} {
		t.Run(name, func(t *testing.T) {
			s, key, g := withLimited(t, every(30))
			g.can = true
			g.test = func(driver.Made) error { return works }
			require.Empty(t, s.warned(s.apply), "a new value may be untested")
			s.pass(31 * day)
			require.Empty(t, s.warned(func() (Result, error) { return s.rotate() }))
			s.pass(day)
			require.Empty(t, s.warned(func() (Result, error) { return s.rotate() }))
			var want []string
			if works != nil {
				want = []string{"untested v1"}
			}
			require.Equal(t, want, s.warned(func() (Result, error) { return s.rollback(key, true) }))
			require.Equal(t, "v3", s.current(key))
		})
	}
}

// A question that takes long does not let the run decide by an old inspection,
// and an interruption ends it with nothing changed.
func TestAQuestionThatTakesLong(t *testing.T) {
	s, _, g := withLimited(t, every(30))
	s.did(s.apply())
	s.pass(31 * day)
	inspects := s.shop.inspects
	g.unchanged = func() { s.pass(time.Hour * 5) }
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	require.Equal(t, 1, g.asks)
	require.Greater(t, s.shop.inspects, inspects+2)

	s.pass(31 * day)
	s.did(s.rotate())
	ctx, cancel := context.WithCancel(t.Context())
	g.unchanged, g.asks = func() { cancel() }, 0
	s.pass(31 * day)
	_, err := s.unchanged(func() (Result, error) { return s.Rotate(ctx, RotateOptions{}) })
	require.ErrorIs(t, err, ErrInterrupted)
	require.Equal(t, 1, g.asks)
}

// A removal that is interrupted during the question removes nothing.
func TestInterruptedQuestionOfARemoval(t *testing.T) {
	s, key, g := withLimited(t, every(30))
	s.did(s.apply())
	s.declare()
	ctx, cancel := context.WithCancel(t.Context())
	g.unchanged, g.err = func() { cancel() }, context.Canceled
	s.Progress = func(e Event) { require.Empty(t, e.Warnings) }
	_, err := s.unchanged(func() (Result, error) { return s.Remove(ctx, key.Address()) })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"token-1"}, g.ids())
}

// A removal reports that a value could not be ended, and so does a later one.
func TestRemovalReportsAValueThatIsNotEnded(t *testing.T) {
	s, key, g := withLimited(t, every(30))
	g.can = true
	s.did(s.apply())
	s.declare()
	g.retire = errors.New("the provider is down")
	for range 2 {
		r, err := s.remove(key)
		require.NoError(t, err)
		require.False(t, r.OK())
		require.ErrorContains(t, errors.Join(r.Failed...), "an unused resource could not be ended, the next run tries "+
			"again (its id is token-1): the provider is down")
	}
	g.retire = nil
	s.did(s.remove(key))
	require.Empty(t, g.ids())
}
