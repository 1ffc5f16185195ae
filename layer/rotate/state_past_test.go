package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// withPast returns a scene in which v1 to v5 are no longer in the ledger, v6 to
// v9 have left the document, and v10 is current.
func withPast(t *testing.T) (*scene, *secret.Secret) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.did(s.apply())
	for range 9 {
		s.did(s.rotate(RotateOptions{Immediate: true}))
		s.pass(3 * day)
		s.did(s.rotate())
	}
	r := s.record(key)
	require.Equal(t, 10, r.Highest)
	require.Equal(t, "v10", r.Current)
	require.Len(t, r.Versions, keepGone+1)
	require.Equal(t, "v6", r.Versions[0].ID)
	s.still()
	return s, key
}

// Commands, and texts in the target, may name a version that the ledger does not
// keep any more.
func TestACutPast(t *testing.T) {
	ctx := context.Background()
	t.Run("revoke of a cut version", func(t *testing.T) {
		s, key := withPast(t)
		for _, id := range []string{"v1", "v5", "v6", "v9"} { // cut, or only gone
			r, err := s.unchanged(func() (Result, error) { return s.Revoke(ctx, key.Address(), id) })
			require.Empty(t, s.did(r, err), id)
		}
		for _, id := range []string{"v11", "v0", "v", "latest", "v99999999999"} {
			require.ErrorIs(t, s.problem(key)(s.Revoke(ctx, key.Address(), id)), NoVersion, id)
		}
	})
	t.Run("rollback", func(t *testing.T) {
		s, key := withPast(t)
		require.ErrorIs(t, s.problem(key)(s.rollback(key, false)), NoPrevious)
	})
	t.Run("a late request with a cut version", func(t *testing.T) {
		s, key := withPast(t)
		s.shop.late(s.shop.sent[1])
		require.Contains(t, s.note(key), "cur=v2 ")
		require.Equal(t, []string{"repair v10"}, s.did(s.rotate()))
		s.still()
		s.pass(3 * day)
		require.Equal(t, []string{"flip v11"}, s.did(s.rotate(RotateOptions{Immediate: true}))[:1])
	})
	t.Run("a lost request is taken over", func(t *testing.T) {
		s, key := withPast(t)
		s.interrupt(swallowed, func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) })
		s.shop.late(s.shop.sent[2])
		s.pass(time.Minute)
		require.Equal(t, []string{"repair v11"}, s.did(s.rotate()))
		require.Equal(t, 11, s.record(key).Highest)
	})
	t.Run("adopt over another writer, and over a later copy of the ledger", func(t *testing.T) {
		s, key := withPast(t)
		s.overwrite(key, "")
		require.ErrorIs(t, s.problem(key)(s.rotate()), Drifted)
		require.Equal(t, []string{"adopt v10"}, s.did(s.rotate(RotateOptions{Adopt: true})))
		require.False(t, s.record(key).Hold.IsZero(), "earlier texts may be with readers: a repair")
		s.overwrite(key, s.state().newNote(s.called(key), s.record(key).Gen+4, "v14", foreignValue))
		require.ErrorIs(t, s.stopped(func() (Result, error) { return s.rotate() }), Ahead)
		s.did(s.rotate(RotateOptions{Adopt: true}))
		s.pass(3 * day)
		require.Equal(t, []string{"flip v15"}, s.did(s.rotate(RotateOptions{Immediate: true}))[:1])
	})
	t.Run("missing", func(t *testing.T) {
		s, key := withPast(t)
		require.NoError(t, errors.Join(s.store.Remove(ctx, []string{s.called(key)})...))
		require.Equal(t, []string{"publish v10"}, s.did(s.rotate()))
	})
	t.Run("status and timeline show the kept past, the log every change", func(t *testing.T) {
		s, key := withPast(t)
		st := s.status(key.Address())
		require.Equal(t, StateOK, st.State)
		require.Len(t, st.Versions, 1)
		var past []string
		for _, l := range st.Past {
			require.Equal(t, GonePruned, l.Gone)
			require.False(t, l.ActiveFrom.IsZero())
			require.True(t, l.ExpiresAt.After(l.ActiveFrom))
			past = append(past, l.ID)
		}
		require.Equal(t, []string{"v6", "v7", "v8", "v9"}, past)
		require.Equal(t, []string{"v1"}, wrapState(s.state()).Log()[0].IDs)
	})
	t.Run("rename", func(t *testing.T) {
		s, key := withPast(t)
		to := aRandom("renamed", every(300))
		s.declare(to)
		s.did(s.Rename(ctx, key.Address(), to.Address()))
		s.pass(3 * day)
		require.Equal(t, []string{"flip v11"}, s.did(s.rotate(RotateOptions{Immediate: true}))[:1])
	})
}

// Sealed data can name an id of a removed secret, and a late request its
// generation. So neither is ever used again, and nothing else stays.
func TestARemovedSecretKeepsItsIDsAlone(t *testing.T) {
	ctx := context.Background()
	s, key := withPast(t)
	gen, old := s.record(key).Gen, s.shop.sent[len(s.shop.sent)-1]
	s.declare()
	s.did(s.Remove(ctx, key.Address()))
	r := s.record(key)
	require.Empty(t, r.Versions)
	require.Equal(t, 10, r.Highest)
	require.Equal(t, gen, r.Gen)
	require.True(t, r.Removed)
	s.declare(key)
	s.shop.late(old)
	require.Equal(t, []string{"create v11"}, s.did(s.apply()))
	require.Greater(t, s.record(key).Gen, gen)
	s.overwrite(key, "")
	s.did(s.rotate(RotateOptions{Adopt: true}))
	require.Equal(t, "v11", s.record(key).Current)
}

// A value that is set while another writer's is in the target is not the first
// one if the secret was removed before: readers may have its earlier text, so
// the adoption holds flips.
func TestAdoptionAfterARemovalHolds(t *testing.T) {
	ctx := context.Background()
	for _, removed := range []bool{false, true} {
		key := aRandom("key", every(300))
		s := newScene(t, key)
		if removed {
			s.did(s.apply())
			s.declare()
			s.did(s.Remove(ctx, key.Address()))
			s.declare(key)
		}
		s.overwrite(key, "")
		require.ErrorIs(t, s.problem(key)(s.set(key, strings.Repeat("Zq1", 14)+"A")), ValueKept)
		s.did(s.rotate(RotateOptions{Adopt: true}))
		require.Equal(t, removed, s.record(key).Hold.After(s.at), "removed %t", removed)
	}
}

// The ledger of an earlier layer shrinks at its next write, and the past makes no
// difference to it.
func TestAnOldLedgerShrinks(t *testing.T) {
	key, other, gone := aRandom("key", every(300)), aRandom("other", every(300)), aRandom("gone", nil)
	s := newScene(t, key, other, gone)
	s.did(s.apply())
	s.declare(key, other)
	s.did(s.Remove(context.Background(), gone.Address()))
	s.grown(500)
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	before := fileSize(t, wrapState(s.state()), id)
	st := s.status(key.Address())
	require.Equal(t, StateOK, st.State)
	require.Len(t, st.Past, 500, "reading changes nothing")
	s.still()
	s.pass(time.Hour)
	require.Equal(t, []string{"flip v502"}, s.did(s.rotate(RotateOptions{Immediate: true,
		Only: []secret.Address{key.Address()}}))[:1])
	after := fileSize(t, wrapState(s.state()), id)
	t.Logf("%d bytes, then %d", before, after)
	require.Less(t, after, before/3)
	for _, k := range []*secret.Secret{key, other} {
		require.LessOrEqual(t, len(s.record(k).Versions), keepGone+2, "also of a secret that did not change")
	}
	require.Empty(t, s.record(gone).Versions)
	require.Equal(t, 501, s.record(gone).Highest)
	s.still()
	s.pass(3 * day)
	require.Equal(t, []string{"prune v501"}, s.did(s.rotate()))
	s.did(s.rotate(RotateOptions{Immediate: true}))
	require.Equal(t, "v503", s.record(key).Current)
	require.Equal(t, "v502", s.record(other).Current)
}

// A full ledger refuses every change that needs room, and the advice of the error
// helps.
func TestTheWayOutOfAFullLedger(t *testing.T) {
	ctx := context.Background()
	key, other := aRandom("key", kept()), aRandom("other", kept())
	s := newScene(t, key, other)
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	s.did(s.apply())
	s.Ledger = &weighed{Ledger: s.ledger, t: t, every: 1, id: id, limit: 30_000}
	fill := func() (err error) {
		for range 100 {
			s.pass(time.Hour)
			if _, err = s.seen(s.rotate(RotateOptions{Immediate: true})); err != nil {
				return err
			}
		}
		return nil
	}
	require.ErrorContains(t, fill(), "30000 is the most: remove secrets, or retain versions for a shorter time")
	highest := s.record(key).Highest

	// A removal works, and makes room for everything else.
	s.declare(key)
	s.did(s.Remove(ctx, other.Address()))
	s.did(s.Revoke(ctx, key.Address(), "v1"))
	s.pass(time.Hour)
	s.did(s.rotate(RotateOptions{Immediate: true}))
	require.GreaterOrEqual(t, s.record(key).Highest, highest)

}

// Former keys leave when nothing can need them.
func TestFormerKeysAreReleased(t *testing.T) {
	ctx := context.Background()
	key, idle, gone := aRandom("key", every(300)), aStatic("idle", nil), aRandom("gone", nil)
	s := newScene(t, key, idle, gone)
	s.did(s.set(idle, "never shown"))
	s.did(s.apply())
	s.declare(key, idle)
	s.did(s.Remove(ctx, gone.Address()))
	left := s.rekey()
	prints := []string{wrapState(left).Fingerprint()}
	names := func(i int) (list []string) {
		for name := range s.state().Reach[i] {
			list = append(list, name)
		}
		return list
	}
	k, i, g := s.called(key), s.called(idle), s.called(gone)
	require.ElementsMatch(t, []string{k, i, g}, names(0))

	s.pass(time.Hour)
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	require.ElementsMatch(t, []string{k, i, g}, names(0), "a late request may arrive")
	s.shop.late(s.shop.sent[slices.IndexFunc(s.shop.sent, func(i driver.Item) bool { return i.Name == k })])
	require.Equal(t, []string{"repair v2"}, s.did(s.rotate()), "and is recognized")
	s.pass(day - time.Minute)
	s.change(func(*state) {})
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	require.ElementsMatch(t, []string{k, i, g}, names(0), "a margin has not passed")
	s.pass(2*day + time.Minute)
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	require.Equal(t, []string{i}, names(0), "a margin after the confirmation")
	s.still()
	require.Equal(t, StateOK, s.status(idle.Address()).State, "its note is still of the former key")
	n, ours := s.state().ownNote(k, left.newNote(k, 1, "v1", "any"))
	require.False(t, ours, "a note without a reach does not count")
	require.Zero(t, n)

	// Removals do not add to the reaches of a secret that does not change.
	for range 3 {
		prints = append(prints, s.state().print())
		s.rekey()
	}
	total := 0
	for _, e := range s.state().Reach {
		if _, ok := e[i]; ok {
			total++
		}
	}
	require.Equal(t, 1, total, "one note, one reach")
	s.pass(time.Hour)
	s.did(s.set(idle, "not shown either"))
	s.pass(3 * day)
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	s.pass(3 * day)
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	for n := range s.state().Reach {
		require.Empty(t, names(n), "all secrets are confirmed under the present key")
	}
	for _, print := range prints {
		require.True(t, wrapState(s.state()).Succeeds(print), "machines that saw the ledger then still know it")
	}

	// The keys themselves are bounded too.
	first := prints[0]
	for range keepFormer + 10 {
		s.rekey()
		s.pass(3 * day)
		s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	}
	require.LessOrEqual(t, len(s.state().Former), keepFormer+1)
	require.Len(t, s.state().Reach, len(s.state().Former))
	require.False(t, wrapState(s.state()).Succeeds(first))
}

func (s *state) print() string { return fingerprint(s.ByKey) }

// An intent that was recorded before a removal of a recipient keeps its key until
// the target has confirmed a later text, and so does a value under a former name.
func TestFormerKeysStayForWhatMayBeInTheTarget(t *testing.T) {
	ctx := context.Background()
	t.Run("an intent", func(t *testing.T) {
		key, other := aRandom("key", every(300)), aRandom("other", every(300))
		s := newScene(t, key, other)
		s.did(s.apply())
		s.interrupt(swallowed, func() (Result, error) { return s.rotate(RotateOptions{Now: true}) })
		s.rekey()
		for range 5 {
			s.pass(3 * day)
			s.shop.publish = func(i driver.Item) (bool, error) { return i.Name == s.called(other), nil }
			_, _ = s.seen(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{other.Address()}}))
			require.Contains(t, s.state().Reach[0], s.called(key))
		}
		s.shop.publish = nil
		require.Equal(t, []string{"publish v1"}, s.did(s.rotate(RotateOptions{Only: []secret.Address{key.Address()}})))
	})
	t.Run("a value under a former name", func(t *testing.T) {
		from, to, other := aRandom("from", every(300)), aRandom("to", every(300)), aRandom("other", every(300))
		s := newScene(t, from, other)
		s.did(s.apply())
		name := s.called(from)
		s.rekey()
		s.declare(to, other)
		s.did(s.Rename(ctx, from.Address(), to.Address()))
		for range 3 {
			s.pass(3 * day)
			s.did(s.rotate(RotateOptions{Immediate: true}))
			require.Contains(t, s.state().Reach[0], name)
		}
		s.did(s.Remove(ctx, from.Address()))
		s.pass(3 * day)
		s.did(s.rotate(RotateOptions{Immediate: true}))
		require.NotContains(t, s.state().Reach[0], name)
	})
}

// An earlier layer of this format may read a cut ledger and write it: it uses no
// id again. It takes ids from Highest alone, and keeps reaches by their index.
func TestAnEarlierLayerReadsACutLedger(t *testing.T) {
	s, key := withPast(t)
	s.rekey()
	st := s.state()
	plain, err := wrapState(st).encode()
	require.NoError(t, err)
	require.Contains(t, string(plain), `"format":4,`, "the form has not changed")
	back, err := decodeState(plain)
	require.NoError(t, err)
	require.True(t, back.Equal(wrapState(st)))
	r := back.state().find(key.Address()).clone()
	require.Equal(t, "v11", r.append("value", nil).ID)
	require.Equal(t, fmt.Sprint(r.Gen), fmt.Sprint(s.record(key).Gen))
}
