package rotate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
)

// moving returns a scene whose values move from the first shop to a second one.
func moving(t *testing.T, secrets ...*secret.Secret) (s *scene, second *shop, move func() (Result, error)) {
	s = newScene(t, secrets...)
	st, rev, err := s.ledger.Load(t.Context())
	require.NoError(t, err)
	set := st.Settings()
	set.Target = "first"
	_, _, err = Commit(t.Context(), s.ledger, rev, st.WithSettings(set))
	require.NoError(t, err)
	first := s.shop
	second = &shop{MemoryPublisher: new(drivertest.MemoryPublisher)}
	return s, second, func() (Result, error) {
		s.Publisher, s.shop, s.store = second, second, second.MemoryPublisher
		s.Former = map[string]driver.Publisher{"first": first}
		return s.seen(s.MoveTarget(t.Context(), "second"))
	}
}

func TestMoveTargetPublishesEverythingAndLeavesTheOldPlace(t *testing.T) {
	a, b, gone := aRandom("a", every(30)), aStatic("b", retained(10)), aRandom("gone", nil)
	s, second, move := moving(t, a, b, gone)
	first := s.shop
	s.did(s.set(b, "sk_live_first_value"))
	s.did(s.apply())
	s.declare(a, b)
	before, _ := first.Text(a.Binding())
	r, err := move()
	require.NoError(t, err)
	require.True(t, r.OK() && r.Settled())
	st := s.state()
	require.Equal(t, "second", st.Config.Target)
	for _, key := range []*secret.Secret{a, b, gone} {
		old, _ := first.Text(key.Binding())
		text, ok := second.Text(key.Binding())
		require.True(t, ok)
		was, err := secret.Parse(old)
		require.NoError(t, err)
		now, err := secret.Parse(text)
		require.NoError(t, err)
		require.True(t, now.Current().Equal(was.Current().Text()))
	}
	require.Equal(t, secret.KindRandom, s.record(gone).Kind)
	now, _ := first.Text(a.Binding())
	require.Equal(t, before, now, "the old place stays as it was")

	// No flip and no prune until a window and a margin have passed.
	s.did(s.rotateNow())
	s.pass(2*day - time.Minute)
	require.Empty(t, s.did(s.rotate()))
	s.pass(2 * time.Minute)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))

	// Status checks both targets.
	r, err = s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	require.Empty(t, r.Failed)
	first.Set(b.Binding(), "by hand")
	r, err = s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	require.Len(t, r.Failed, 1)
	require.ErrorContains(t, r.Failed[0], "$SECRET.billing.b was changed in the former target first")
	require.False(t, r.OK())

	require.ErrorIs(t, s.RemoveFormer(t.Context(), "first"), Foreign)
	require.Len(t, first.Names(), 3, "nothing was removed")
	require.Empty(t, first.Remove(t.Context(), []string{b.Binding()}))
	r, err = s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	require.ErrorContains(t, r.Failed[0], "$SECRET.billing.b is gone from the former target first")
	require.NoError(t, s.RemoveFormer(t.Context(), "first"))
	require.Empty(t, first.Names())
	require.Empty(t, s.ledger.state.FormerTargets())
	require.ErrorIs(t, s.RemoveFormer(t.Context(), "first"), Refused)
	r, err = s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	require.Empty(t, r.Failed)
}

func TestMoveTargetResumesAfterAnyInterruption(t *testing.T) {
	for name, publish := range map[string]func(driver.Item) (bool, error){"lost": lost, "swallowed": swallowed,
		"refused": turnedDown} {
		t.Run(name, func(t *testing.T) {
			a, b := aRandom("a", every(30)), aRandom("b", nil)
			s, second, move := moving(t, a, b)
			s.did(s.apply())
			second.publish = publish
			r, err := move()
			require.NoError(t, err)
			if name != "lost" { // the target returns its content
				require.False(t, r.Settled())
				require.NotEmpty(t, r.Unconfirmed)
			}
			second.publish = nil
			s.pass(time.Hour)
			r, err = move()
			require.NoError(t, err)
			require.True(t, r.OK() && r.Settled())
			require.Len(t, second.Names(), 2)
			require.Len(t, s.state().Targets, 1)
			r, err = s.unchanged(func() (Result, error) { return s.MoveTarget(t.Context(), "second") })
			require.NoError(t, err)
			require.Empty(t, r.Actions, "twice is once")
		})
	}
}

func TestMoveTargetRefuses(t *testing.T) {
	a := aRandom("a", every(30))
	t.Run("another's value at the new place", func(t *testing.T) {
		s, second, move := moving(t, a)
		s.did(s.apply())
		second.Set(a.Binding(), "another's")
		before := s.ledger.state
		_, err := move()
		require.ErrorIs(t, err, Foreign)
		text, _ := second.Text(a.Binding())
		require.Equal(t, "another's", text)
		require.True(t, before.Equal(s.ledger.state))
	})
	t.Run("what is not confirmed", func(t *testing.T) {
		s, _, move := moving(t, a)
		s.did(s.apply())
		s.interrupt(swallowed, s.rotateNow)
		_, err := move()
		require.ErrorIs(t, err, Unsettled)
		require.Equal(t, "first", s.state().Config.Target)
	})
}

// A move back over the values that were left, and a removal of the former
// target when both names are one place, lose nothing.
func TestMoveTargetBack(t *testing.T) {
	a := aRandom("a", every(30))
	s, second, move := moving(t, a)
	first := s.shop
	s.did(s.apply())
	_, err := move()
	require.NoError(t, err)
	s.did(s.rotate(RotateOptions{Immediate: true}))
	s.Publisher, s.shop, s.store = first, first, first.MemoryPublisher
	s.Former = map[string]driver.Publisher{"second": second}
	r, err := s.seen(s.MoveTarget(t.Context(), "first"))
	require.NoError(t, err)
	require.True(t, r.Settled())
	require.Equal(t, []string{"second"}, s.ledger.state.FormerTargets())
	require.Equal(t, "v2", s.current(a))

	s.Former = map[string]driver.Publisher{"first": first, "second": second}
	r, err = s.seen(s.MoveTarget(t.Context(), "another name of it"))
	require.NoError(t, err)
	require.True(t, r.Settled())
	require.NoError(t, s.RemoveFormer(t.Context(), "first"))
	require.Len(t, first.Names(), 1, "it is in use")
	r, err = s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	require.Empty(t, r.Failed)
	require.Equal(t, StateOK, r.Secrets[0].State)
}
