package rotate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

func (s *scene) rename(from, to *secret.Secret) (Result, error) {
	return s.Rename(context.Background(), from.Address(), to.Address())
}

func named(name, secretName string) *secret.Secret {
	return secret.Random(secret.Options{Namespace: "auth", Name: name, SecretName: secretName, Rotation: retained(10)})
}

func TestRenameKeepsEveryVersion(t *testing.T) {
	for _, order := range [][2]string{{"old", "zzz-new"}, {"old", "a-new"}} {
		from, to := aRandom(order[0], retained(10)), aRandom(order[1], retained(10))
		s := newScene(t, from)
		s.flip(from)
		versions, text, end := s.reads(from), s.text(from), s.version(from, "v1").ExpiresAt
		s.declare(to)
		s.pass(time.Hour)
		require.Equal(t, []string{"rename v2"}, s.did(s.rename(from, to)))
		require.Equal(t, versions, s.reads(to), "the versions under the new address and name")
		require.Equal(t, end, s.version(to, "v1").ExpiresAt)
		require.Equal(t, "v2", s.current(to))
		old, _ := s.store.Text(from.Binding())
		require.Equal(t, text, old, "the old value is left until removed")
		require.False(t, s.record(from).empty())
		s.still()
		require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.rename(from, to) })), "twice is once")

		require.Equal(t, []string{"remove "}, s.actions(s.Remove(context.Background(), from.Address())))
		_, ok := s.store.Text(from.Binding())
		require.False(t, ok)
		require.Equal(t, versions, s.reads(to))
		require.Equal(t, []string{"flip v3"}, s.did(s.rotate(RotateOptions{Immediate: true})), "ids go on")
	}
}

func TestRenameWhileAVersionIsAnnounced(t *testing.T) {
	from, to := aRandom("old", every(30)), aRandom("new", every(30))
	s := newScene(t, from)
	s.announce(from)
	s.pass(23 * time.Hour)
	s.declare(to)
	s.did(s.rename(from, to))
	require.Equal(t, "v2", s.status(to.Address()).Pending)
	s.pass(24*time.Hour - time.Second)
	s.still()
	s.pass(time.Second)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()), "readers of the new name see it from the rename on")
}

func TestRenameIsRefused(t *testing.T) {
	from, to := aRandom("old", every(30)), aRandom("new", every(30))
	t.Run("into a secret with a value", func(t *testing.T) {
		s := newScene(t, from, to)
		s.did(s.apply())
		err := s.stopped(func() (Result, error) { return s.rename(from, to) })
		require.ErrorIs(t, err, Refused)
	})
	t.Run("from nothing", func(t *testing.T) {
		s := newScene(t, to)
		require.ErrorIs(t, s.stopped(func() (Result, error) { return s.rename(from, to) }), Refused)
	})
	t.Run("to what is not declared", func(t *testing.T) {
		s := newScene(t, from)
		s.did(s.apply())
		require.ErrorIs(t, s.stopped(func() (Result, error) { return s.rename(from, to) }), Refused)
	})
	t.Run("over somebody's value", func(t *testing.T) {
		s := newScene(t, from)
		s.did(s.apply())
		s.declare(to)
		s.shop.Set(s.called(to), "somebody's value")
		err := s.problem(to)(s.unchanged(func() (Result, error) { return s.rename(from, to) }))
		require.ErrorIs(t, err, Refused)
	})
	t.Run("over somebody's value, without a rotation", func(t *testing.T) {
		to := aRandom("new", nil)
		s := newScene(t, from)
		s.did(s.apply())
		s.declare(to)
		s.shop.Set(s.called(to), "somebody's value")
		err := s.problem(to)(s.unchanged(func() (Result, error) { return s.rename(from, to) }))
		require.ErrorIs(t, err, Refused)
	})
	t.Run("to itself", func(t *testing.T) {
		s := newScene(t, from)
		s.did(s.apply())
		require.ErrorIs(t, s.stopped(func() (Result, error) { return s.rename(from, from) }), Refused)
	})
}

// A value gets a new address and keeps its name in the store: nothing is
// published, and each value has one record.
func TestRenameOfTheAddressAlone(t *testing.T) {
	for _, order := range [][2]string{{"old", "zzz-new"}, {"old", "a-new"}} {
		from, to := named(order[0], "kept-name"), named(order[1], "kept-name")
		other := named("middle", "other")
		s := newScene(t, from, other)
		s.shop.bySecret = true
		require.Equal(t, []string{"create v1", "create v1"}, s.did(s.apply()))
		sent, text := len(s.shop.sent), s.text(from)
		s.declare(to, other)
		require.Equal(t, []string{"rename v1"}, s.did(s.rename(from, to)))
		require.Len(t, s.shop.sent, sent)
		require.Equal(t, text, s.text(to))
		require.Len(t, s.state().Secrets, 3, "one record an address")
		require.True(t, s.record(from).Removed)
		require.True(t, s.record(from).empty())
		s.still()
		require.Equal(t, "v1", s.status(to.Address()).Current)
		require.Equal(t, StateOK, s.status(to.Address()).State)
		require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.rename(from, to) })), "twice is once")
	}
}

// A value gets a new name in the store and keeps its address.
func TestRenameOfTheNameAlone(t *testing.T) {
	before, after := named("key", "old-name"), named("key", "new-name")
	s := newScene(t, before)
	s.shop.bySecret = true
	s.flip(before)
	text := s.text(before)
	s.declare(after)
	err := s.problem(after)(s.unchanged(func() (Result, error) { return s.rotate() }))
	require.ErrorIs(t, err, Refused)
	require.ErrorIs(t, err, NewName)
	gen := s.record(after).Gen
	require.Equal(t, []string{"rename v2"}, s.did(s.rename(before, after)))
	now, _ := s.store.Text("new-name")
	require.JSONEq(t, text, now)
	old, _ := s.store.Text("old-name")
	require.Equal(t, text, old)
	require.Equal(t, gen+1, s.record(after).Gen)
	s.still()
}

// Any next run finishes a rename whose request was lost.
func TestAnInterruptedRename(t *testing.T) {
	for name, publish := range map[string]func(driver.Item) (bool, error){"lost answer": lost, "lost request": swallowed} {
		t.Run(name, func(t *testing.T) {
			from, to := aRandom("old", every(30)), aRandom("new", every(30))
			s := newScene(t, from)
			s.flip(from)
			versions := s.reads(from)
			s.declare(to)
			s.interrupt(publish, func() (Result, error) { return s.rename(from, to) })
			require.Len(t, s.did(s.rotate()), 1)
			require.Equal(t, versions, s.reads(to))
			s.still()
		})
	}
}

// An unconfirmed text under the old name is settled before its versions move.
// Otherwise their lives would count from long ago.
func TestRenameOfWhatIsNotSettled(t *testing.T) {
	from, to := aRandom("old", every(300)), aRandom("new", every(300))
	s := newScene(t, from)
	s.announce(from)
	s.pass(day)
	s.interrupt(swallowed, func() (Result, error) { return s.rotate() })
	require.Equal(t, "v1", s.current(from), "readers sign with v1")
	s.declare(to)
	s.pass(40 * time.Hour)
	r, err := s.seen(s.rename(from, to))
	require.NoError(t, err)
	require.NoError(t, r.Secrets[0].Problem)
	require.Equal(t, "v2", s.current(to))
	require.Equal(t, s.at.Add(2*day), s.version(to, "v1").ExpiresAt, "as if it had been replaced now")
	s.still()
}
