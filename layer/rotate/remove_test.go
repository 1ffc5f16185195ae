package rotate

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

func (s *scene) remove(key *secret.Secret) (Result, error) {
	return s.Remove(context.Background(), key.Address())
}

func TestRemoveTakesTheUndeclaredAlone(t *testing.T) {
	key, other := aRandom("key", retained(10)), aRandom("other", every(30))
	s := newScene(t, key, other)
	s.did(s.apply())
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	err := s.stopped(func() (Result, error) { return s.remove(key) })
	require.ErrorIs(t, err, Refused)
	require.ErrorContains(t, err, "is still declared")

	// No longer declared: ledger and store stay unchanged until remove.
	s.declare(other)
	s.pass(2 * day)
	require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.rotate() })))

	require.Equal(t, []string{"remove "}, s.did(s.remove(key)))
	_, ok := s.store.Text(key.Binding())
	require.False(t, ok)
	r := s.record(key)
	require.True(t, r.Removed)
	for _, v := range r.Versions {
		require.Empty(t, v.Value)
	}
	require.Equal(t, []string{"v1"}, s.ids(other))
	require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.remove(key) })), "twice is once")

	// Declared again: the ids and the generation continue.
	s.declare(key, other)
	require.Equal(t, StateUnpublished, s.status(key.Address()).State)
	gen := r.Gen
	require.Equal(t, []string{"create v3"}, s.did(s.apply()))
	require.Greater(t, s.record(key).Gen, gen)
	require.Equal(t, []string{"v3"}, s.ids(key))
	require.Zero(t, s.doc(key).Current().ActiveFrom)
	s.still()
}

func TestRemoveOfWhatTheLedgerDoesNotKnow(t *testing.T) {
	s := newScene(t, aRandom("key", nil))
	err := s.stopped(func() (Result, error) { return s.remove(aRandom("other", nil)) })
	require.ErrorContains(t, err, "$SECRET.auth.other")
}

// Another writer's value under the name is kept, and the report contains that.
func TestRemoveFailsWhereAnothersValueStays(t *testing.T) {
	key := aRandom("key", nil)
	s := newScene(t, key)
	s.did(s.apply())
	s.shop.late(driver.Item{Name: s.called(key), Text: driver.NewValue("somebody's value"), Note: "by hand"})
	s.declare()
	err := s.stopped(func() (Result, error) { return s.remove(key) })
	require.ErrorIs(t, err, Foreign)
	require.ErrorContains(t, err, "it stays there, and nothing was removed")
	text, _ := s.store.Text(key.Binding())
	require.Equal(t, "somebody's value", text)
	require.False(t, s.record(key).Removed)

	// Only its note was edited: the time of the last change proves that the value
	// is ours.
}

type removing struct {
	*shop
	err error
	did bool
}

func (r removing) Remove(ctx context.Context, names []string) []error {
	if r.did {
		_ = r.shop.Remove(ctx, names)
	}
	return each(names, func(string) error { return r.err })
}

func TestRemoveThatFails(t *testing.T) {
	for name, did := range map[string]bool{"lost request": false, "lost answer": true} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", nil)
			s := newScene(t, key)
			s.did(s.apply())
			s.declare()
			s.Publisher = removing{s.shop, errLost, did}
			_, err := s.seen(s.remove(key))
			require.ErrorIs(t, err, errLost)
			require.NotEmpty(t, s.record(key).version("v1").Value, "the ledger keeps a value that may still be in the store")
			s.Publisher = s.shop
			require.Equal(t, []string{"remove "}, s.did(s.remove(key)))
			_, ok := s.store.Text(key.Binding())
			require.False(t, ok)
		})
	}
	t.Run("answered, and it is still there", func(t *testing.T) {
		key := aRandom("key", nil)
		s := newScene(t, key)
		s.did(s.apply())
		s.declare()
		s.Publisher = removing{s.shop, nil, false}
		require.ErrorIs(t, s.stopped(func() (Result, error) { return s.remove(key) }), Unsettled)
	})
	t.Run("a target that cannot delete", func(t *testing.T) {
		key := secret.Random(secret.Options{Name: "key", SecretName: "key"})
		s := newScene(t, key)
		s.shop.bySecret = true
		s.did(s.apply())
		s.declare()
		s.Publisher = struct {
			driver.Publisher
			driver.Namer
		}{s.shop, s.shop}
		require.ErrorIs(t, s.stopped(func() (Result, error) { return s.remove(key) }), Refused)
	})
	t.Run("a store that cannot be asked", func(t *testing.T) {
		key := aRandom("key", nil)
		s := newScene(t, key)
		s.did(s.apply())
		s.declare()
		s.shop.inspect = func(map[string]driver.Published) error { return errors.New("no network") }
		require.ErrorContains(t, s.stopped(func() (Result, error) { return s.remove(key) }), "no network")
	})
}

func TestRemoveDryRun(t *testing.T) {
	key := aRandom("key", nil)
	s := newScene(t, key)
	s.did(s.apply())
	s.declare()
	s.DryRun = true
	require.Equal(t, []string{"remove "}, s.did(s.unchanged(func() (Result, error) { return s.remove(key) })))
}

// A request that arrives after the removal is not taken for a second ledger,
// and blocks no operation.
func TestAStrayAfterARemoval(t *testing.T) {
	key := aRandom("key", nil)
	s := newScene(t, key)
	s.did(s.apply())
	stray := s.shop.sent[0]
	s.declare()
	s.did(s.remove(key))
	s.shop.late(stray)
	s.declare(key)
	require.Equal(t, []string{"create v2"}, s.did(s.apply()))
	require.Equal(t, []string{"v2"}, s.ids(key))
	s.still()
}
