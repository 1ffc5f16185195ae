package rotate

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// A change that the target does not confirm is reported as recorded, never as
// done.
func TestOnlyConfirmedActionsAreReportedAsDone(t *testing.T) {
	fixed := retained(30)
	for name, tc := range map[string]struct {
		key     *secret.Secret
		prepare func(s *scene, key *secret.Secret)
		do      func(s *scene, key *secret.Secret) (Result, error)
		want    []string
	}{
		"create": {aRandom("key", nil), func(*scene, *secret.Secret) {},
			func(s *scene, _ *secret.Secret) (Result, error) { return s.apply() }, []string{"create v1"}},
		"announce": {aRandom("key", every(30)), func(s *scene, _ *secret.Secret) { s.did(s.apply()) },
			func(s *scene, _ *secret.Secret) (Result, error) { return s.rotateNow() }, []string{"add v2"}},
		"flip": {aRandom("key", every(30)), func(s *scene, key *secret.Secret) { s.announce(key); s.pass(day) },
			func(s *scene, _ *secret.Secret) (Result, error) { return s.rotate() }, []string{"flip v2"}},
		"immediate": {aRandom("key", nil), func(s *scene, _ *secret.Secret) { s.did(s.apply()) },
			func(s *scene, _ *secret.Secret) (Result, error) { return s.rotate(RotateOptions{Immediate: true}) },
			[]string{"flip v2"}},
		"revoke": {aRandom("key", kept()), func(s *scene, key *secret.Secret) { s.flip(key) },
			func(s *scene, key *secret.Secret) (Result, error) { return s.revoke(key, "v1") }, []string{"revoke v1"}},
		"set": {aStatic("key", fixed), func(s *scene, key *secret.Secret) { s.did(s.set(key, "sk_live_first_value")) },
			func(s *scene, key *secret.Secret) (Result, error) { return s.set(key, "sk_live_second_value") },
			[]string{"set v2"}},
		"rollback": {aStatic("key", fixed), func(s *scene, key *secret.Secret) {
			s.did(s.set(key, "sk_live_first_value"))
			s.did(s.set(key, "sk_live_second_value"))
		}, func(s *scene, key *secret.Secret) (Result, error) { return s.rollback(key, false) }, []string{"flip v3"}},
	} {
		for failing, publish := range map[string]func(driver.Item) (bool, error){"refused": turnedDown, "lost": swallowed} {
			t.Run(name+", "+failing, func(t *testing.T) {
				s := newScene(t, tc.key)
				tc.prepare(s, tc.key)
				s.shop.publish = publish
				r, err := s.seen(tc.do(s, tc.key))
				require.NoError(t, err)
				require.Empty(t, s.actions(r, nil))
				require.Equal(t, tc.want, s.actions(Result{Actions: r.Unconfirmed}, nil))
				require.False(t, r.Settled())
				require.Equal(t, StateUnsettled, r.Secrets[0].State)
				require.ErrorIs(t, r.Secrets[0].Problem, Unsettled)
				require.ErrorIs(t, r.Secrets[0].Problem, errLost)

				s.shop.publish = nil
				r, err = s.rotate()
				require.NoError(t, err)
				require.True(t, r.OK() && r.Settled())
			})
		}
	}
}

// A run that is interrupted between publishing and confirming reports no action
// as done.
func TestInterruptedRunClaimsNothing(t *testing.T) {
	key := aRandom("key", nil)
	s := newScene(t, key)
	ctx, cancel := context.WithCancel(t.Context())
	s.shop.publish = func(driver.Item) (bool, error) { cancel(); return true, nil }
	r, err := s.Operator.Apply(ctx)
	require.ErrorIs(t, err, ErrInterrupted)
	require.Empty(t, r.Actions)
	require.Len(t, r.Unconfirmed, 1)
}

func TestStatusSaysWhatIsOverdue(t *testing.T) {
	for name, tc := range map[string]struct {
		key   *secret.Secret
		make  func(s *scene, key *secret.Secret)
		late  time.Duration // the time after which it is overdue
		state SecretState
	}{
		"a rotation that is due": {aRandom("key", every(30)), func(s *scene, key *secret.Secret) {
			s.did(s.apply())
			s.at = s.status(key.Address()).NextRotation
		}, day, StateDue},
		"a version that is announced": {aRandom("key", every(300)), func(s *scene, key *secret.Secret) {
			s.announce(key)
			s.pass(day)
		}, day, StatePending},
		"a text that is not confirmed": {aRandom("key", every(300)), func(s *scene, key *secret.Secret) {
			s.did(s.apply())
			s.interrupt(swallowed, s.rotateNow)
		}, day, StateUnsettled},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, tc.key)
			tc.make(s, tc.key)
			s.pass(tc.late - time.Second)
			st := s.status(tc.key.Address())
			require.Equal(t, tc.state, st.State)
			require.False(t, st.Overdue)
			s.pass(2 * time.Second)
			st = s.status(tc.key.Address())
			require.Equal(t, tc.state, st.State)
			require.True(t, st.Overdue)
			r, err := s.Status(t.Context())
			require.NoError(t, err)
			require.False(t, r.OK())
			s.Operator.Overdue = 2 * day
			require.False(t, s.status(tc.key.Address()).Overdue)
			s.pass(420 * day)
			require.True(t, s.status(tc.key.Address()).Overdue)
			s.did(s.rotate())
			s.Operator.Overdue = 0
			require.False(t, s.status(tc.key.Address()).Overdue, "the next run has done it")
		})
	}
}

func TestUndeclaredSecretsAreListed(t *testing.T) {
	a, b := aRandom("a", nil), aRandom("b", every(30))
	s := newScene(t, a, b)
	s.did(s.apply())
	s.declare(a)
	for _, do := range []func() (Result, error){func() (Result, error) { return s.Status(t.Context()) }, s.apply,
		func() (Result, error) { return s.rotate() }} {
		r, err := s.seen(do())
		require.NoError(t, err)
		require.True(t, r.OK() && r.Settled())
		require.Len(t, r.Undeclared, 1)
		require.Equal(t, b.Address(), r.Undeclared[0].Address)
		require.Equal(t, StateUndeclared, r.Undeclared[0].State)
		require.Equal(t, "v1", r.Undeclared[0].Current)
	}
	r, err := s.rotate(RotateOptions{Only: nil})
	require.NoError(t, err)
	require.Len(t, r.Undeclared, 1)
	s.did(s.remove(b))
	r, err = s.Status(t.Context())
	require.NoError(t, err)
	require.Empty(t, r.Undeclared)
}

// placing is a store that can vanish, or be at another place.
type placing struct {
	*shop
	place string
	err   error
}

func (p *placing) Place(context.Context) (string, error) { return p.place, p.err }

func TestTargetThatIsNotWhereItWasStopsARun(t *testing.T) {
	key := aRandom("key", every(30))
	for name, place := range map[string]string{"gone": "", "another device": "device 2"} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			p := &placing{shop: s.shop, place: "device 1"}
			s.Publisher = p
			s.did(s.apply())
			require.Equal(t, "device 1", s.state().Place)
			require.Empty(t, s.shop.Remove(t.Context(), []string{s.called(key)}))
			p.place = place
			for _, do := range []func() (Result, error){s.apply, func() (Result, error) { return s.rotate() },
				func() (Result, error) { return s.revoke(key, "v1") }} {
				err := s.stopped(do)
				require.ErrorIs(t, err, Stopped)
				require.ErrorIs(t, err, WrongPlace)
			}
			r, err := s.seen(s.Status(t.Context()))
			require.NoError(t, err)
			require.Equal(t, StateMissing, r.Secrets[0].State)
			require.ErrorIs(t, r.Failed[0], WrongPlace)
			require.False(t, r.OK())

			p.place = "device 1"
			require.Equal(t, []string{"publish v1"}, s.did(s.rotate()), "the right place is repaired")

			require.Empty(t, s.shop.Remove(t.Context(), []string{s.called(key)}))
			p.place = place
			s.did(s.rotate(RotateOptions{Adopt: true}))
			p.place = "device 3" // the run made the new place
			s.pass(time.Hour)
			s.did(s.rotate(RotateOptions{Adopt: true, Now: true}))
			require.Equal(t, "device 3", s.state().Place)
			s.did(s.apply())
		})
	}
}

// A target that does not answer is an error, never a missing value.
func TestTargetThatCannotBeAskedIsAnError(t *testing.T) {
	key := aRandom("key", nil)
	s := newScene(t, key)
	p := &placing{shop: s.shop, place: "device 1"}
	s.Publisher = p
	s.did(s.apply())
	p.err = errLost
	_, err := s.Status(t.Context())
	require.ErrorIs(t, err, errLost)
	p.err = nil
	s.shop.inspect = func(map[string]driver.Published) error { return errLost }
	_, err = s.Status(t.Context())
	require.ErrorIs(t, err, errLost)
}

// A value that this ledger never sent is drifted, after any failure. A text
// that the ledger did send, and that a late request brought back, is repaired.
func TestTargetWithADigestTellsHandEditsFromLateRequests(t *testing.T) {
	for name, failed := range map[string]func(driver.Item) (bool, error){"nothing failed": nil,
		"a write was lost": swallowed, "an answer was lost": lost} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", every(300))
			s := newScene(t, key)
			s.Publisher = recognizing{s.shop}
			s.did(s.apply())
			if failed != nil {
				s.interrupt(failed, s.rotateNow)
			}
			_, err := s.rotate()
			require.NoError(t, err)
			was := s.text(key)
			s.shop.Set(s.called(key), "hello")
			for range 3 {
				require.Equal(t, StateDrifted, s.status(key.Address()).State)
				require.ErrorIs(t, s.problem(key)(s.unchanged(s.apply)), Drifted)
				s.pass(20 * time.Hour)
			}
			s.shop.Set(s.called(key), was)
			r, err := s.rotate()
			require.NoError(t, err)
			require.True(t, r.OK(), "the text is back")
		})
	}
	t.Run("a late request", func(t *testing.T) {
		key := aRandom("key", every(300))
		s := newScene(t, key)
		s.Publisher = recognizing{s.shop}
		s.flip(key)
		old := s.shop.sent[1] // announces v2
		s.pass(time.Hour)
		s.shop.late(old)
		require.Equal(t, StateUnsettled, s.status(key.Address()).State)
		require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
		require.Equal(t, StateOK, s.status(key.Address()).State)
		// Long after the next confirmation only a hand edit can bring it back.
		s.pass(3 * day)
		s.did(s.rotate(RotateOptions{Immediate: true}))
		s.pass(3 * day)
		s.did(s.rotate(RotateOptions{Immediate: true}))
		s.shop.Set(s.called(key), old.Text.Reveal())
		require.ErrorIs(t, s.problem(key)(s.rotate()), Drifted)
	})
	t.Run("after the keys were renewed", func(t *testing.T) {
		key := aRandom("key", every(300))
		s := newScene(t, key)
		s.Publisher = recognizing{s.shop}
		s.flip(key)
		st, rev, err := s.ledger.Load(t.Context())
		require.NoError(t, err)
		_, _, err = Commit(t.Context(), s.ledger, rev, st.Rekeyed())
		require.NoError(t, err)
		s.shop.late(s.shop.sent[1])
		require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
	})
	t.Run("the intent's note beside a value by hand", func(t *testing.T) {
		key := aRandom("key", every(300))
		s := newScene(t, key)
		s.Publisher = recognizing{s.shop}
		s.did(s.apply())
		s.interrupt(lost, s.rotateNow)
		s.shop.Set(s.called(key), "hello")
		require.ErrorIs(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() })), Drifted)
	})
}

// If the target shows only a time, a suspected late request is not settled.
func TestSuspectedLateRequestIsUnsettled(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.flip(key)
	s.shop.late(s.shop.sent[1])
	r, err := s.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, StateUnsettled, r.Secrets[0].State)
	require.False(t, r.Settled())
	require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
}

// A clock that was once far ahead blocks nothing after it is correct again.
func TestClockThatWasAheadBlocksNothing(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ten days": 10 * day, "ten years": 3650 * day} {
		for what, before := range map[string]func(s *scene, key *secret.Secret){
			"immediate": func(s *scene, _ *secret.Secret) { s.did(s.rotate(RotateOptions{Immediate: true})) },
			"announced": func(s *scene, _ *secret.Secret) { s.did(s.rotateNow()) },
			"flipped": func(s *scene, _ *secret.Secret) {
				s.did(s.rotateNow())
				s.pass(day)
				s.did(s.rotate())
				s.pass(-day)
			},
			"created":     func(*scene, *secret.Secret) {},
			"not settled": func(s *scene, _ *secret.Secret) { s.interrupt(swallowed, s.rotateNow) },
			"flip not settled": func(s *scene, _ *secret.Secret) {
				s.interrupt(swallowed, func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) })
			},
			"repaired": func(s *scene, key *secret.Secret) {
				s.did(s.rotate(RotateOptions{Immediate: true}))
				s.shop.late(s.shop.sent[0])
				s.did(s.rotate())
			},
		} {
			t.Run(what+", "+name, func(t *testing.T) {
				key := aRandom("key", every(30))
				s := newScene(t, key)
				right := s.at
				s.pass(ahead)
				if what != "created" {
					s.at = right
					s.did(s.apply())
					s.pass(ahead)
				} else {
					s.did(s.apply())
				}
				before(s, key)
				s.at = right.Add(time.Hour)
				st := s.status(key.Address())
				require.False(t, st.Future.IsZero(), "status names the time in the future")
				require.True(t, st.Future.After(s.at))

				_, err := s.seen(s.rotate())
				require.NoError(t, err)
				r, err := s.seen(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
				require.NoError(t, err)
				require.True(t, r.OK() && r.Settled(), "%v", r.Secrets[0].Problem)
				now := s.doc(key).Current()
				at, err := s.doc(key).At(s.at)
				require.NoError(t, err)
				require.Equal(t, now.ID, at.ID)
				require.False(t, now.ActiveFrom.After(s.at))
				s.pass(31 * day)
				require.NotEmpty(t, s.did(s.rotate()), "the schedule goes on")
				s.pass(2 * day)
				require.NotEmpty(t, s.did(s.rotate()))
				require.Zero(t, s.status(key.Address()).Future)
			})
		}
	}
}

// A value fits after expired versions are pruned, in every command.
func TestExpiredVersionsMakeRoom(t *testing.T) {
	key := aStatic("key", retained(1))
	for name, do := range map[string]func(s *scene) (Result, error){
		"set":      func(s *scene) (Result, error) { return s.set(key, strings.Repeat("c", 400)) },
		"rollback": func(s *scene) (Result, error) { return s.rollback(key, false) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			s.Limit = 1100
			s.did(s.set(key, strings.Repeat("a", 400)))
			s.did(s.set(key, strings.Repeat("b", 400)))
			require.ErrorIs(t, s.problem(key)(s.set(key, strings.Repeat("c", 400))), secret.ErrTooLarge)
			s.pass(10 * day)
			s.Limit = 1060
			actions := s.did(do(s))
			require.Contains(t, actions, "prune v1")
		})
	}
}

// remove recognises a value by its digest or its time if its note is missing or
// edited.
func TestRemoveKnowsItsValueWithoutItsNote(t *testing.T) {
	for name, publisher := range map[string]func(s *scene) driver.Publisher{
		"digest": func(s *scene) driver.Publisher { return recognizing{s.shop} },
	} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", nil)
			s := newScene(t, key)
			s.Publisher = publisher(s)
			s.did(s.apply())
			s.shop.late(driver.Item{Name: s.called(key), Text: driver.NewValue(s.text(key)), Note: "edited"})
			s.declare()
			require.Equal(t, []string{"remove "}, s.did(s.remove(key)))
			_, there := s.store.Text(key.Binding())
			require.False(t, there)
		})
	}
	t.Run("time", func(t *testing.T) {
		key := aRandom("key", nil)
		s := newScene(t, key)
		s.did(s.apply())
		s.shop.inspect = func(found map[string]driver.Published) error {
			for name, p := range found {
				p.Note = "edited"
				found[name] = p
			}
			return nil
		}
		s.declare()
		require.Equal(t, []string{"remove "}, s.did(s.remove(key)))
		_, there := s.store.Text(key.Binding())
		require.False(t, there)
	})
}

// A run with an order to make a version does not report another run's version
// as its own.
func TestForcedRotationSaysWhoseVersionItFinished(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.did(s.apply())
	immediate := func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) }
	s.By = "ann@host"
	s.interrupt(lost, immediate)
	s.By = "bob@host"
	r, err := s.seen(immediate())
	require.NoError(t, err)
	require.Equal(t, []string{"confirm v2"}, s.actions(r, nil))
	require.Equal(t, "ann@host", r.Actions[0].By)
	require.ErrorIs(t, r.Secrets[0].Problem, NotMade)
	require.ErrorContains(t, r.Secrets[0].Problem, "this run has finished v2, which ann@host had recorded before")
	require.False(t, r.OK())

	// The version of a run that began later than this one counts as its own.
	mine := newRun(s.Operator, s.all(order{op: orderRotate, immediate: true}), "rotate")
	require.NoError(t, mine.step(t.Context()))
	s.By = "carl@host"
	s.interrupt(lost, immediate)
	for mine.stage != stageDone {
		require.NoError(t, mine.step(t.Context()))
	}
	r = mine.result()
	require.True(t, r.OK() && r.Settled(), "%v", r.Secrets[0].Problem)
	require.Equal(t, "v3", r.Secrets[0].Current)
}
