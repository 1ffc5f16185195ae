package rotate

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// withBinding declares a secret with a binding name of its own. The target of a scene
// names values by their bindings.
func withBinding(name, binding string) *secret.Secret {
	return secret.Random(secret.Options{Namespace: "auth", Name: name, Binding: binding, Rotation: retained(10)})
}

// A changed Options.Binding is a changed name in the target: nothing is
// published under it without an order, the value stays readable under the old
// name, and the ledger knows that name until the value is removed there.
func TestAChangedBindingLosesNoValue(t *testing.T) {
	before, after := withBinding("key", ""), withBinding("key", "api_key")
	s := newScene(t, before)
	s.flip(before)
	text := s.text(before)
	s.declare(after)
	require.ErrorIs(t, s.problem(after)(s.unchanged(func() (Result, error) { return s.rotate() })), NewName)
	require.Equal(t, StateUnpublished, s.status(after.Address()).State)

	require.Equal(t, []string{"rename v2"}, s.did(s.rename(before, after)))
	for _, name := range []string{before.Binding(), "api_key"} {
		stored, ok := s.store.Text(name)
		require.True(t, ok, name)
		require.JSONEq(t, text, stored)
	}
	require.Equal(t, []string{before.Binding()}, s.status(after.Address()).FormerNames)
	require.Equal(t, []string{before.Binding(), "api_key"}, wrapState(s.state()).Names())
	require.Equal(t, "api_key", s.record(after).Binding)
	s.still()

	// A revoked version is not gone from there, and the report says so.
	r, err := s.seen(s.revoke(after, "v1"))
	require.NoError(t, err)
	require.False(t, r.OK())
	require.ErrorIs(t, r.Failed[0], FormerName)
	require.ErrorContains(t, r.Failed[0], before.Binding())

	// Another secret cannot take the name.
	taker := withBinding("taker", before.Binding())
	s.declare(after, taker)
	problem := s.problem(taker)(s.apply())
	require.ErrorIs(t, problem, FormerName)
	require.ErrorIs(t, problem, Bound)

	require.NoError(t, s.RemoveFormerNames(context.Background(), after.Address()))
	_, ok := s.store.Text(before.Binding())
	require.False(t, ok)
	_, ok = s.store.Text("api_key")
	require.True(t, ok)
	require.Empty(t, s.status(after.Address()).FormerNames)
	log := wrapState(s.state()).Log()
	require.Equal(t, OpRemove, log[len(log)-1].Op)
	require.Equal(t, []string{before.Binding()}, log[len(log)-1].IDs, "the secret itself was not removed")
	require.NoError(t, s.RemoveFormerNames(context.Background(), after.Address()), "twice is once")
	require.Equal(t, []string{"create v1"}, s.did(s.apply()))
	s.still()
}

// A name may come back: its text is one of this ledger, and is replaced.
func TestABindingThatComesBack(t *testing.T) {
	before, after := withBinding("key", ""), withBinding("key", "api_key")
	s := newScene(t, before)
	s.flip(before)
	s.declare(after)
	s.did(s.rename(before, after))
	s.did(s.rotate(RotateOptions{Immediate: true}))
	s.declare(before)
	require.Equal(t, []string{"rename v3"}, s.did(s.rename(after, before)))
	require.Equal(t, "v3", s.current(before))
	require.Equal(t, []string{"api_key"}, s.status(before.Address()).FormerNames)
	s.still()
}

// A value that another writer changed under a former name is not deleted, and
// not overwritten.
func TestAnEditedValueUnderAFormerNameStays(t *testing.T) {
	before, after := withBinding("key", ""), withBinding("key", "api_key")
	s := newScene(t, before)
	s.did(s.apply())
	s.declare(after)
	s.did(s.rename(before, after))
	s.store.Set(before.Binding(), foreignValue)
	require.ErrorIs(t, s.RemoveFormerNames(context.Background(), after.Address()), Foreign)
	stored, _ := s.store.Text(before.Binding())
	require.Equal(t, foreignValue, stored)

	s.declare(before)
	require.ErrorIs(t, s.problem(before)(s.unchanged(func() (Result, error) { return s.rename(after, before) })), Refused)
	stored, _ = s.store.Text(before.Binding())
	require.Equal(t, foreignValue, stored)
}

// The removal of a secret takes the values under all of its names, and leaves a
// name to the secret that has it now.
func TestRemovalTakesFormerNames(t *testing.T) {
	before, after, taker := withBinding("key", ""), withBinding("key", "api_key"), withBinding("taker",
		withBinding("key", "").Binding())
	s := newScene(t, before)
	s.did(s.apply())
	s.declare(after)
	s.did(s.rename(before, after))
	s.declare()
	s.actions(s.remove(after))
	require.Empty(t, s.store.Names())

	s = newScene(t, before)
	s.did(s.apply())
	s.declare(after)
	s.did(s.rename(before, after))
	require.Empty(t, s.store.Remove(context.Background(), []string{before.Binding()})) // by hand
	s.declare(after, taker)
	s.did(s.apply())
	require.Empty(t, s.status(after.Address()).FormerNames)
	require.NoError(t, s.RemoveFormerNames(context.Background(), after.Address()))
	require.Equal(t, []string{before.Binding(), "api_key"}, s.store.Names())
}

// If a removal must leave the value under a former name, it deletes nothing at
// all, as it reports.
func TestARemovalThatIsRefusedDeletesNothing(t *testing.T) {
	before, after := withBinding("key", ""), withBinding("key", "api_key")
	s := newScene(t, before)
	s.did(s.apply())
	s.declare(after)
	s.did(s.rename(before, after))
	s.store.Set(before.Binding(), foreignValue)
	s.declare()
	err := s.stopped(func() (Result, error) { return s.remove(after) })
	require.ErrorIs(t, err, Foreign)
	require.ErrorContains(t, err, "nothing was removed")
	require.Equal(t, []string{before.Binding(), "api_key"}, s.store.Names())
}

// Changes of the ledger outside a run end too, if other runs are always first.
func TestAChangeThatAlwaysConflictsEnds(t *testing.T) {
	before, after := withBinding("key", ""), withBinding("key", "api_key")
	s, _, move := moving(t, before)
	s.did(s.apply())
	_, err := move()
	require.NoError(t, err)
	s.declare(after)
	s.did(s.rename(before, after))
	s.did(s.rotate(RotateOptions{Immediate: true}))
	require.Empty(t, s.reports())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	list := s.reports()
	s.Ledger = &swapping{s.ledger, 1000, func(Revision, State) (Revision, error) { return "", ErrConflict }}
	for name, do := range map[string]func() error{
		"former names": func() error { return s.RemoveFormerNames(t.Context(), after.Address()) },
		"former":       func() error { return s.RemoveFormer(t.Context(), "first") },
		"reports":      func() error { return s.MarkReported(t.Context(), list) },
	} {
		require.ErrorIs(t, do(), ErrConflict, name)
	}
}

// A move to another target leaves the values under former names in the old one,
// where its removal finds them. An undeclared secret keeps its binding name.
func TestAMoveOfTheTargetKeepsNames(t *testing.T) {
	before, after, gone := withBinding("key", ""), withBinding("key", "api_key"), withBinding("gone", "gone_key")
	s, second, move := moving(t, before, gone)
	first := s.store
	s.did(s.apply())
	s.declare(after)
	s.did(s.rename(before, after))
	_, err := move()
	require.NoError(t, err)
	require.Empty(t, s.record(after).Left)
	require.Equal(t, []string{"api_key", "gone_key"}, second.Names())
	require.Equal(t, []string{before.Binding(), "api_key", "gone_key"}, first.Names())
	require.NoError(t, s.RemoveFormer(context.Background(), "first"))
	require.Empty(t, first.Names())
}

// A former name that another secret has by the time of the move is in the old
// target once, as that secret's.
func TestAMoveOfTheTargetAfterANameWasTaken(t *testing.T) {
	before, after := withBinding("key", ""), withBinding("key", "api_key")
	taker := withBinding("taker", before.Binding())
	s, _, move := moving(t, before)
	first := s.store
	s.did(s.apply())
	s.declare(after)
	s.did(s.rename(before, after))
	require.Empty(t, first.Remove(context.Background(), []string{before.Binding()})) // by hand
	s.declare(after, taker)
	s.did(s.apply())
	_, err := move()
	require.NoError(t, err)
	r, err := s.seen(s.Status(context.Background()))
	require.NoError(t, err)
	require.Empty(t, r.Failed)
	require.NoError(t, s.RemoveFormer(context.Background(), "first"))
	require.Empty(t, first.Names())
}
