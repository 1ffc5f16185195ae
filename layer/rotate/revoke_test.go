package rotate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

func TestRevokedVersionIsGoneEverywhere(t *testing.T) {
	t.Run("an old version is gone at once", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.flip(key)
		s.pass(time.Hour + 300*time.Millisecond)
		require.Equal(t, []string{"revoke v1"}, s.did(s.revoke(key, "v1")))
		require.Equal(t, map[string]string{"v2": s.nth(key, 2)}, s.reads(key))
		require.Equal(t, GoneRevoked, s.record(key).version("v1").Gone)
		require.Empty(t, s.record(key).version("v1").Value)
		require.Equal(t, []Life{{ID: "v1", ExpiresAt: ceilSecond(s.at), Gone: "revoked"}}, s.status(key.Address()).Past)
		s.still()
		require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.revoke(key, "v1") })), "again")
	})
	t.Run("the current one gets its successor first", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.did(s.apply())
		s.pass(time.Hour)
		require.Equal(t, []string{"flip v2", "revoke v1"}, s.did(s.revoke(key, "v1")))
		require.Equal(t, map[string]string{"v2": s.nth(key, 2)}, s.reads(key))
		require.Equal(t, "v2", s.current(key))
		require.Equal(t, s.at, s.version(key, "v2").ActiveFrom)
		require.Len(t, s.shop.sent, 2, "in one document: no publish leaves none")
		s.still()
	})
	t.Run("the current one while another is announced: flips to it", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.announce(key)
		require.Equal(t, []string{"flip v2", "revoke v1"}, s.did(s.revoke(key, "v1")))
		require.Equal(t, map[string]string{"v2": s.nth(key, 2)}, s.reads(key))
		require.Equal(t, s.at, s.version(key, "v2").ActiveFrom)
		require.Equal(t, StateOK, s.status(key.Address()).State)
		s.pass(day)
		s.still()
	})
	t.Run("the announced one itself: withdrawn", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.announce(key)
		require.Equal(t, []string{"revoke v2"}, s.did(s.revoke(key, "v2")))
		require.Equal(t, map[string]string{"v1": s.nth(key, 1)}, s.reads(key))
		require.Empty(t, s.status(key.Address()).Pending)
		s.pass(2 * day)
		s.still()
		require.Equal(t, []string{"add v3"}, s.did(s.rotate(RotateOptions{Now: true})))
	})
	t.Run("every version that holds the value", func(t *testing.T) {
		key := aStatic("stripe", kept())
		s := newScene(t, key)
		s.did(s.set(key, "sk_live_first_value"))
		s.did(s.set(key, "sk_live_second_value"))
		s.did(s.rollback(key, false))
		s.did(s.set(key, "sk_live_third_value"))
		require.Equal(t, []string{"v1", "v2", "v3", "v4"}, s.ids(key))
		require.Equal(t, []string{"revoke v1", "revoke v3"}, s.did(s.revoke(key, "v3")))
		require.Equal(t, map[string]string{"v2": "sk_live_second_value", "v4": "sk_live_third_value"}, s.reads(key))
	})
	t.Run("of a rollback under way: current, announced and old", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.flip(key)
		require.Equal(t, []string{"add v3"}, s.did(s.rollback(key, false)))
		require.Equal(t, []string{"revoke v1", "revoke v3"}, s.did(s.revoke(key, "v1")))
		require.Equal(t, map[string]string{"v2": s.nth(key, 2)}, s.reads(key))
		require.Empty(t, s.status(key.Address()).Pending)
		s.pass(2 * day)
		s.still()
	})
	t.Run("the value is current under another id", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.flip(key)
		s.did(s.rollback(key, true))
		require.Equal(t, []string{"flip v4", "revoke v1", "revoke v3"}, s.did(s.revoke(key, "v1")))
		require.Equal(t, map[string]string{"v2": s.nth(key, 2), "v4": s.nth(key, 3)}, s.reads(key))
	})
	t.Run("a static secret's current one is refused", func(t *testing.T) {
		key := aStatic("stripe", kept())
		s := newScene(t, key)
		s.did(s.set(key, "sk_live_first_value"))
		err := s.problem(key)(s.unchanged(func() (Result, error) { return s.revoke(key, "v1") }))
		require.ErrorIs(t, err, Refused)
		require.ErrorIs(t, err, CurrentVersion)
		s.did(s.set(key, "sk_live_second_value"))
		require.Equal(t, []string{"revoke v1"}, s.did(s.revoke(key, "v1")))
	})
	t.Run("a version that is not there", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.did(s.apply())
		for _, id := range []string{"v2", "v01", "", "v", "latest"} {
			err := s.problem(key)(s.unchanged(func() (Result, error) { return s.revoke(key, id) }))
			require.ErrorIs(t, err, Refused)
		}
	})
	t.Run("counts as a rotation where it makes one", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.did(s.apply())
		next := s.status(key.Address()).NextRotation
		s.at = next
		s.did(s.revoke(key, "v1"))
		require.Equal(t, next.Add(30*day), s.status(key.Address()).NextRotation)
	})
	t.Run("a successor that the store did not take is finished, not made again", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.did(s.apply())
		s.shop.publish = swallowed
		require.ErrorIs(t, s.problem(key)(s.revoke(key, "v1")), Unsettled)
		s.shop.publish = nil
		require.Equal(t, []string{"publish v2"}, s.did(s.revoke(key, "v1")))
		require.Equal(t, map[string]string{"v2": s.nth(key, 2)}, s.reads(key))
		require.Equal(t, 2, s.drawn[key.Address()])
	})
}

// A revoked version stays revoked after late requests, repairs, longer
// retention and adoption.
func TestARevokedVersionStaysGone(t *testing.T) {
	key := aRandom("key", kept())
	s := newScene(t, key)
	s.flip(key)
	stray := s.shop.sent[len(s.shop.sent)-1]
	s.did(s.revoke(key, "v1"))
	past := s.status(key.Address()).Past
	s.pass(time.Hour)
	s.shop.late(stray)
	require.Contains(t, s.reads(key), "v1")
	require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
	require.Equal(t, past, s.status(key.Address()).Past, "its life is history")
	require.Equal(t, []string{"v2"}, s.ids(key))
	s.shop.Set(s.called(key), "somebody's value")
	s.problem(key)(s.rotate())
	s.did(s.rotate(RotateOptions{Adopt: true}))
	require.Equal(t, []string{"v2"}, s.ids(key))
	s.still()
}

// A generated version is revoked only when its successor works.
func TestRevokeWithoutASuccessorRevokesNothing(t *testing.T) {
	for name, fault := range map[string]func(*logins){
		"it is not made":   func(g *logins) { g.make = func(string) (bool, error) { return false, errLost } },
		"it does not work": func(g *logins) { g.test = func(driver.Made) error { return errLost } },
		"the remains of a crash are not swept": func(g *logins) {
			g.s.change(func(st *state) {
				st.Sweep = append(st.Sweep, sweep{Generator: tokenMaker, Name: "n", Until: g.s.at.Add(day),
					request: request{Address: g.key.Address().String()}})
			})
			g.sweep = errLost
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, key, g := withLogins(t, nil)
			s.did(s.apply())
			text := s.text(key)
			fault(g)
			r, err := s.seen(s.revoke(key, "v1"))
			require.NoError(t, err)
			require.False(t, r.OK())
			require.ErrorContains(t, r.Failed[0], ", so nothing was revoked: ")
			require.Empty(t, r.Actions)
			require.Equal(t, text, s.text(key))
		})
	}
}
