package rotate

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// newIDs are the changes that need a new id.
var newIDs = map[string]func(s *scene, random, static *secret.Secret) (*secret.Secret, func() (Result, error)){
	"rotate now": func(s *scene, random, _ *secret.Secret) (*secret.Secret, func() (Result, error)) {
		return random, s.rotateNow
	},
	"rotate at once": func(s *scene, random, _ *secret.Secret) (*secret.Secret, func() (Result, error)) {
		return random, func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) }
	},
	"rotate when due": func(s *scene, random, static *secret.Secret) (*secret.Secret, func() (Result, error)) {
		s.pass(31 * day)
		s.declare(random)
		return random, func() (Result, error) { return s.rotate() }
	},
	"set": func(s *scene, _, static *secret.Secret) (*secret.Secret, func() (Result, error)) {
		return static, func() (Result, error) { return s.set(static, "sk_live_third_value") }
	},
	"set in two phases": func(s *scene, random, _ *secret.Secret) (*secret.Secret, func() (Result, error)) {
		return random, func() (Result, error) { return s.set(random, s.nth(random, 50)) }
	},
	"rollback": func(s *scene, random, _ *secret.Secret) (*secret.Secret, func() (Result, error)) {
		return random, func() (Result, error) { return s.rollback(random, true) }
	},
	"revoke": func(s *scene, random, _ *secret.Secret) (*secret.Secret, func() (Result, error)) {
		return random, func() (Result, error) { return s.revoke(random, "v2") }
	},
	"create again": func(s *scene, random, static *secret.Secret) (*secret.Secret, func() (Result, error)) {
		s.declare(static)
		s.actions(s.remove(random))
		s.declare(random, static)
		return random, s.apply
	},
	"keep": func(s *scene, random, static *secret.Secret) (*secret.Secret, func() (Result, error)) {
		s.declare(random)
		s.actions(s.remove(static))
		s.declare(random, static)
		s.overwrite(static, "")
		return static, func() (Result, error) { return s.set(static, "sk_live_third_value") }
	},
}

// If the last id is used, no operation begins that needs another one. The last
// id itself is written and read like any other.
func TestLastID(t *testing.T) {
	for op, change := range newIDs {
		for _, left := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, %d left", op, left), func(t *testing.T) {
				random, static := aRandom("key", retained(60)), aStatic("stripe", every(30))
				s := newScene(t, random, static)
				s.did(s.set(static, "sk_live_first_value"))
				s.did(s.apply())
				s.did(s.rotate(RotateOptions{Immediate: true}))
				s.pass(time.Hour)
				key, do := change(s, random, static)
				s.change(func(st *state) { st.find(key.Address()).Highest = maxID - left })
				if left == 0 {
					err := s.problem(key)(s.unchanged(do))
					require.ErrorIs(t, err, Refused)
					require.ErrorContains(t, err,
						"v2000000000 is the last id. Declare the secret under another name, give it a value there, "+
							"and remove this one")
					return
				}
				r, err := s.seen(do())
				require.NoError(t, err)
				require.NotEmpty(t, r.Actions)
				if op == "keep" {
					s.did(s.rotate(RotateOptions{Adopt: true}))
				}
				s.still()
				require.Contains(t, s.ids(key), "v2000000000")
				if s.current(key) != "v2000000000" {
					s.pass(2 * day)
					require.Equal(t, []string{"flip v2000000000"}, s.did(s.rotate()))
				}
				s.still()
				require.Equal(t, StateOK, s.status(key.Address()).State)
			})
		}
	}
}

// No generator makes a value without an id.
func TestLastIDOfAGeneratedSecret(t *testing.T) {
	s, key, made := withTokens(t, every(30))
	s.did(s.apply())
	require.Len(t, made.ids(), 1)
	s.change(func(st *state) { st.find(key.Address()).Highest = maxID })
	s.values = nil // their zeros look like those of the id
	for _, do := range []func() (Result, error){s.rotateNow, func() (Result, error) { return s.revoke(key, "v1") }} {
		require.ErrorContains(t, s.problem(key)(s.unchanged(do)), "v2000000000 is the last id")
	}
	require.Len(t, made.ids(), 1)
}

// An announced version becomes current and an expired one is pruned, although
// no further version is possible.
func TestLastIDHoldsNothingElseUp(t *testing.T) {
	for name, days := range map[string]int{"due": 7, "forced": 300} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", every(days))
			s := newScene(t, key)
			s.announce(key)
			s.change(func(st *state) { st.find(key.Address()).Highest = maxID })
			s.pass(day)
			require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
			s.pass(20 * day)
			r, err := s.seen(s.rotate(RotateOptions{Now: days == 300}))
			require.NoError(t, err)
			require.Equal(t, []string{"prune v1"}, s.actions(r, nil))
			require.ErrorContains(t, r.Secrets[0].Problem, "no further version can be made")
			require.False(t, r.OK())

			// The remedy: declare another name, and remove this one.
			next := aRandom("next", every(days))
			s.declare(next)
			require.Equal(t, []string{"create v1"}, s.did(s.apply()))
			require.Equal(t, []string{"remove "}, s.did(s.remove(key)))
			s.still()
		})
	}
}

// If the last generation is used, nothing is published. The last generation
// itself is confirmed like any other.
func TestLastGeneration(t *testing.T) {
	refused := func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, Refused)
		require.ErrorContains(t, err,
			"generation 9223372036854775807 is the last one. Declare the secret under another name, give it a value "+
				"there, and remove this one")
	}
	for op, change := range newIDs {
		t.Run(op, func(t *testing.T) {
			random, static := aRandom("key", retained(60)), aStatic("stripe", nil)
			s := newScene(t, random, static)
			s.did(s.set(static, "sk_live_first_value"))
			s.did(s.apply())
			s.did(s.rotate(RotateOptions{Immediate: true}))
			s.pass(time.Hour)
			key, do := change(s, random, static)
			s.change(func(st *state) { st.find(key.Address()).Gen = maxGen })
			refused(t, s.problem(key)(s.unchanged(do)))
		})
	}
	t.Run("the last one", func(t *testing.T) {
		key := aRandom("key", retained(60))
		s := newScene(t, key)
		s.flip(key)
		s.change(func(st *state) { st.find(key.Address()).Gen = maxGen - 1 })
		require.Equal(t, []string{"add v3"}, s.did(s.rotateNow()))
		require.Equal(t, uint64(maxGen), s.record(key).Published.Gen)
		s.still()
		s.pass(day)
		refused(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() })))
		s.shop.late(s.shop.sent[1])
		refused(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() })))
		s.overwrite(key, "")
		refused(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate(RotateOptions{Adopt: true}) })))
	})
	t.Run("a move", func(t *testing.T) {
		key := aRandom("key", retained(60))
		s, second, move := moving(t, key)
		s.did(s.apply())
		s.change(func(st *state) { st.find(key.Address()).Gen = maxGen })
		before := s.ledger.state
		_, err := move()
		refused(t, err)
		require.True(t, before.Equal(s.ledger.state))
		require.Empty(t, second.Names())
	})
	t.Run("adoption of a signed note", func(t *testing.T) {
		for gen, ok := range map[uint64]bool{maxGen - 1: true, maxGen: false} {
			key := aRandom("key", every(300))
			s := newScene(t, key)
			s.did(s.apply())
			s.overwrite(key, s.state().newNote(s.called(key), gen, "v2000000000", foreignValue))
			require.ErrorIs(t, s.stopped(func() (Result, error) { return s.rotate() }), Ahead)
			adopt := func() (Result, error) { return s.rotate(RotateOptions{Adopt: true}) }
			s.DryRun = true
			r, err := s.seen(adopt())
			require.NoError(t, err)
			s.DryRun = false
			if !ok {
				refused(t, s.problem(key)(s.unchanged(adopt)))
				continue
			}
			require.Len(t, r.Adoptions, 1)
			require.LessOrEqual(t, len(r.Adoptions[0].Vanish), 101)
			require.Contains(t, r.Adoptions[0].Vanish, "v2000000000")
			require.Equal(t, []string{"adopt v1"}, s.did(adopt()))
			s.still()
			require.ErrorContains(t, s.problem(key)(s.unchanged(s.rotateNow)), "v2000000000 is the last id")
		}
	})
}

// In an earlier version of the engine a made-up note drove the ids past nine
// digits, and the secret never settled again.
func TestLedgerWithIDsOfTenDigitsSettles(t *testing.T) {
	key := aRandom("key", retained(2))
	s := newScene(t, key)
	s.did(s.apply())
	s.change(func(st *state) { st.find(key.Address()).Highest = 999_999_999 })
	s.interrupt(lost, func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) })
	require.Equal(t, "v1000000000", s.record(key).Current)
	require.Equal(t, []string{"confirm v1000000000"}, s.did(s.rotate()))
	s.still()
	s.pass(31 * day)
	require.Equal(t, []string{"prune v1", "add v1000000001"}, s.did(s.rotate()))
}
