package rotate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

func TestRollbackBringsThePreviousValueUnderANewID(t *testing.T) {
	t.Run("static: at once", func(t *testing.T) {
		key := aStatic("stripe", retained(10))
		s := newScene(t, key)
		s.did(s.set(key, "sk_live_first_value"))
		s.pass(time.Hour)
		s.did(s.set(key, "sk_live_second_value"))
		set := s.at
		s.pass(time.Hour)
		require.Equal(t, []string{"flip v3"}, s.did(s.rollback(key, false)))
		require.Equal(t, "v3", s.current(key))
		require.Equal(t, map[string]string{"v1": "sk_live_first_value", "v2": "sk_live_second_value",
			"v3": "sk_live_first_value"}, s.reads(key))
		require.Equal(t, s.at.Add(12*day), s.version(key, "v2").ExpiresAt)
		// History only grows, so At stays true.
		for at, id := range map[time.Time]string{set.Add(-time.Second): "v1", set: "v2", s.at: "v3"} {
			v, err := s.doc(key).At(at)
			require.NoError(t, err)
			require.Equal(t, id, v.ID)
		}
	})
	t.Run("random: in two phases", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.flip(key)
		s.pass(time.Hour)
		require.Equal(t, []string{"add v3"}, s.did(s.rollback(key, false)))
		require.Equal(t, "v2", s.current(key))
		require.Equal(t, s.nth(key, 1), s.version(key, "v3").Text())
		require.Equal(t, s.at.Add(day), s.version(key, "v3").ActiveFrom)
		s.pass(day)
		require.Equal(t, []string{"flip v3"}, s.did(s.rotate()))
		require.Equal(t, s.nth(key, 1), s.doc(key).Current().Text())
	})
	t.Run("random: immediate", func(t *testing.T) {
		key := aRandom("key", kept())
		s := newScene(t, key)
		s.flip(key)
		require.Equal(t, []string{"flip v3"}, s.did(s.rollback(key, true)))
		require.Equal(t, s.nth(key, 1), s.doc(key).Current().Text())
	})
	t.Run("twice: back and forth", func(t *testing.T) {
		key := aStatic("stripe", kept())
		s := newScene(t, key)
		s.did(s.set(key, "sk_live_first_value"))
		s.did(s.set(key, "sk_live_second_value"))
		s.did(s.rollback(key, false))
		require.Equal(t, []string{"flip v4"}, s.did(s.rollback(key, false)))
		require.Equal(t, "sk_live_second_value", s.doc(key).Current().Text())
	})
}

func TestRollbackWithdrawsWhatIsAnnounced(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.announce(key)
		require.Equal(t, []string{"withdraw v2"}, s.did(s.rollback(key, immediate)))
		require.Equal(t, map[string]string{"v1": s.nth(key, 1)}, s.reads(key))
		require.Empty(t, s.record(key).version("v2").Value)
		require.Equal(t, GoneWithdrawn, s.record(key).version("v2").Gone)
		s.still()
		require.Equal(t, []string{"add v3"}, s.did(s.rotate(RotateOptions{Now: true})), "its id stays used")
		require.Equal(t, s.nth(key, 3), s.version(key, "v3").Text())
	}
}

func TestRollbackNeverBringsBackWhatIsGone(t *testing.T) {
	type world struct {
		*scene
		key *secret.Secret
	}
	for name, c := range map[string]struct {
		rotation *secret.Rotation
		make     func(w world)
		want     string // the value's index among the drawn ones, or ""
	}{
		"nothing there": {every(30), func(w world) {}, ""},
		"one version":   {every(30), func(w world) { w.did(w.apply()) }, ""},
		"pruned": {every(300), func(w world) {
			w.flip(w.key)
			w.pass(3 * day)
			w.did(w.rotate())
		}, ""},
		"revoked": {kept(), func(w world) {
			w.flip(w.key)
			w.did(w.revoke(w.key, "v1"))
		}, ""},
		"the current one was revoked: its successor is current": {kept(), func(w world) {
			w.did(w.apply())
			w.did(w.revoke(w.key, "v1"))
		}, ""},
		"withdrawn": {kept(), func(w world) {
			w.announce(w.key)
			w.did(w.rollback(w.key, false))
		}, ""},
		"revoked between: the one before": {kept(), func(w world) {
			w.flip(w.key)
			w.did(w.rotate(RotateOptions{Immediate: true}))
			w.did(w.revoke(w.key, "v2"))
		}, "v1"},
		"expired and not pruned yet": {every(300), func(w world) {
			w.flip(w.key)
			w.pass(3 * day)
		}, "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", c.rotation)
			w := world{newScene(t, key), key}
			c.make(w)
			if c.want != "" {
				value := w.version(key, c.want).Text()
				require.Len(t, w.did(w.rollback(key, true)), 1)
				require.Equal(t, value, w.doc(key).Current().Text())
				return
			}
			err := w.problem(key)(w.unchanged(func() (Result, error) { return w.rollback(key, false) }))
			require.ErrorIs(t, err, Refused)
		})
	}
}

// A flip with an unknown outcome is settled first. The rollback then starts
// from the new version.
func TestRollbackOfAFlipThatIsNotSettled(t *testing.T) {
	for name, publish := range map[string]func(driver.Item) (bool, error){"lost answer": lost, "lost request": swallowed} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", kept())
			s := newScene(t, key)
			s.announce(key)
			s.pass(day)
			s.shop.publish, s.shop.inspect = publish, func(map[string]driver.Published) error {
				if len(s.shop.sent) > 2 {
					return errLost
				}
				return nil
			}
			_, err := s.seen(s.rotate())
			require.ErrorIs(t, err, errLost)
			s.shop.publish, s.shop.inspect = nil, nil
			acts := s.did(s.rollback(key, false))
			require.Equal(t, "add v3", acts[len(acts)-1])
			require.Equal(t, "v2", s.current(key))
			require.Equal(t, s.nth(key, 1), s.version(key, "v3").Text())
		})
	}
}
