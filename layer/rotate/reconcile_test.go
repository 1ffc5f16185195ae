package rotate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// The state table of rotation.md, row by row.

// interrupt ends the next run after it has published, before it can inspect the
// store.
func (s *scene) interrupt(publish func(driver.Item) (bool, error), do func() (Result, error)) {
	s.t.Helper()
	sent := len(s.shop.sent)
	s.shop.publish, s.shop.inspect = publish, func(map[string]driver.Published) error {
		if len(s.shop.sent) > sent {
			return errLost
		}
		return nil
	}
	_, err := s.seen(do())
	require.ErrorIs(s.t, err, errLost)
	s.shop.publish, s.shop.inspect = nil, nil
}

func TestIntentAndTheStoreHasTheOlderGeneration(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	s.interrupt(swallowed, s.rotateNow)
	intent := *s.record(key).Intent
	s.pass(time.Hour)
	require.Equal(t, StateUnsettled, s.status(key.Address()).State)
	require.Equal(t, []string{"publish v1"}, s.did(s.rotate()))
	require.Equal(t, intent.Text, s.text(key), "the same bytes again")
	require.Equal(t, intent.Note, s.note(key), "under the same note")
	require.Equal(t, 2, s.drawn[key.Address()], "never generated again")
	require.Nil(t, s.record(key).Intent)
	s.still()
}

func TestIntentAndTheStoreHasItsGeneration(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	s.interrupt(lost, s.rotateNow)
	sent := len(s.shop.sent)
	s.pass(time.Hour)
	require.Equal(t, []string{"confirm v1"}, s.did(s.rotate()))
	require.Len(t, s.shop.sent, sent, "nothing is sent again")
	require.Equal(t, s.at.Add(day), s.status(key.Address()).Ready, "the window counts from the confirmation")
	s.still()
}

// The takeover of an intent is recorded, by compare-and-swap, before its bytes
// are sent again.
func TestTakingOverIsRecordedFirst(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	s.interrupt(swallowed, s.rotateNow)
	require.False(t, s.record(key).Intent.Taken)
	gen := s.record(key).Gen
	s.shop.publish = func(driver.Item) (bool, error) {
		require.True(t, s.record(key).Intent.Taken)
		require.Equal(t, gen, s.record(key).Gen)
		return true, nil
	}
	s.did(s.rotate())
	require.Equal(t, gen, s.record(key).Published.Gen, "published does not raise the generation")
}

func TestEveryChangeRaisesItsOwnGenerationByOne(t *testing.T) {
	key, other := aRandom("key", every(30)), aRandom("other", every(30))
	s := newScene(t, key, other)
	s.did(s.apply())
	only := RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}
	for want := uint64(1); want < 5; want++ {
		require.Equal(t, want, s.record(key).Gen)
		require.Equal(t, want, s.record(key).Published.Gen)
		require.Equal(t, uint64(1), s.record(other).Gen)
		s.did(s.rotate(only))
	}
}

// A late request: readers may have signed with the version that was current in
// it.
func TestPublishedAndTheStoreHasAnOlderGeneration(t *testing.T) {
	key := aRandom("key", retained(10))
	s := newScene(t, key)
	s.flip(key)
	s.pass(time.Hour)
	s.did(s.revoke(key, "v1"))
	require.Equal(t, []string{"add v3"}, s.did(s.rotateNow()))
	stray := s.shop.sent[len(s.shop.sent)-1]
	s.pass(day)
	require.Equal(t, []string{"flip v3"}, s.did(s.rotate()))
	s.pass(day)
	require.Equal(t, []string{"add v4"}, s.did(s.rotateNow()))
	gen := s.record(key).Gen
	s.pass(30*time.Minute + 200*time.Millisecond)
	s.shop.late(stray)
	require.Equal(t, "v2", s.current(key), "readers use the older one again")
	require.Equal(t, []string{"repair v3"}, s.did(s.rotate()))
	repaired := s.at

	require.Equal(t, gen+1, s.record(key).Published.Gen)
	require.Equal(t, []string{"v2", "v3", "v4"}, s.ids(key), "the revoked version stays revoked")
	require.Equal(t, "v3", s.current(key))
	require.Equal(t, ceilSecond(repaired).Add(12*day), s.version(key, "v2").ExpiresAt, "now + window + margin + retain")
	require.Zero(t, s.version(key, "v3").ExpiresAt)
	require.Equal(t, ceilSecond(repaired).Add(2*day), s.version(key, "v4").ActiveFrom, "planned anew")
	s.still()

	s.at = repaired.Add(2*day - time.Nanosecond)
	s.still()
	s.at = repaired.Add(2 * day)
	require.Equal(t, []string{"flip v4"}, s.did(s.rotate()), "the window began anew, and a margin more")
	s.still()
}

// A repair shortens no life.
func TestARepairShortensNoLife(t *testing.T) {
	key := aRandom("key", retained(100))
	s := newScene(t, key)
	s.flip(key)
	end := s.version(key, "v1").ExpiresAt
	stray := s.shop.sent[0]
	s.declare(aRandom("key", retained(1)))
	s.shop.late(stray)
	require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
	require.Equal(t, end, s.version(key, "v1").ExpiresAt)
	require.Equal(t, "v2", s.current(key))
	s.still()
}

// After a repair nothing is pruned until a margin after the window.
func TestNoPruneSoonAfterARepair(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.flip(key)
	stray := s.shop.sent[1]
	s.at = s.version(key, "v1").ExpiresAt.Add(time.Hour)
	s.shop.late(stray)
	require.Equal(t, "v1", s.current(key))
	require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
	repaired := s.at
	require.Equal(t, repaired.Add(2*day), s.version(key, "v1").ExpiresAt, "readers sign with it again")
	s.at = repaired.Add(2*day - time.Second)
	s.still()
	s.at = repaired.Add(2 * day)
	require.Equal(t, []string{"prune v1"}, s.did(s.rotate()))
}

// The repair itself has fresh times too.
func TestARepairThatIsNotConfirmedInTime(t *testing.T) {
	for name, publish := range map[string]func(driver.Item) (bool, error){"lost answer": lost, "lost request": swallowed} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", every(300))
			s := newScene(t, key)
			s.flip(key)
			s.shop.late(s.shop.sent[1])
			s.pass(time.Hour)
			s.interrupt(publish, func() (Result, error) { return s.rotate() })
			gen := s.record(key).Gen
			s.pass(3*time.Hour + time.Second)
			acts := s.did(s.rotate())
			require.Len(t, acts, 1)
			require.Equal(t, gen+1, s.record(key).Gen)
			require.Equal(t, s.at.Add(2*day), s.version(key, "v1").ExpiresAt)
			require.Equal(t, s.at.Add(2*day), s.record(key).Hold)
			s.still()
		})
	}
}

// The note is ours, but the value's state is not the confirmed one.
func TestModifiedDiffers(t *testing.T) {
	touched := func(s *scene, key *secret.Secret) { s.shop.Set(s.called(key), s.text(key)) }
	t.Run("sent once, answered: a hand edit", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.did(s.apply())
		touched(s, key)
		err := s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() }))
		require.ErrorIs(t, err, Drifted)
		require.NotErrorIs(t, err, ValueKept)
		st := s.status(key.Address())
		require.Equal(t, StateDrifted, st.State)
		require.True(t, st.NeedsPerson)
	})
	for name, publish := range map[string]func(driver.Item) (bool, error){
		"sent twice": swallowed, "once without an answer": lost,
	} {
		t.Run(name+": a stray may have come and gone", func(t *testing.T) {
			key := aRandom("key", every(30))
			s := newScene(t, key)
			s.did(s.apply())
			s.interrupt(publish, s.rotateNow)
			s.did(s.rotate())
			gen := s.record(key).Gen
			touched(s, key)
			require.Equal(t, []string{"repair v1"}, s.did(s.rotate()))
			require.Equal(t, gen+1, s.record(key).Published.Gen)
			s.still()
		})
	}
	t.Run("answered by an error that promises nothing", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.did(s.apply())
		s.shop.publish = lost
		require.Equal(t, []string{"add v2"}, s.did(s.rotateNow()), "it is there, so all is well")
		s.shop.publish = nil
		touched(s, key)
		require.Equal(t, []string{"repair v1"}, s.did(s.rotate()))
	})
	t.Run("a lost request for an earlier generation", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.did(s.apply())
		s.interrupt(swallowed, s.rotateNow)
		s.did(s.rotate())
		require.Equal(t, []string{"withdraw v2"}, s.did(s.rollback(key, false)))
		touched(s, key)
		require.Equal(t, []string{"repair v1"}, s.did(s.rotate()), "it may have come and been overwritten within the margin")
	})
}

func TestTheStoreIsAhead(t *testing.T) {
	key, other := aRandom("key", every(30)), aRandom("other", every(30))
	s := newScene(t, key, other)
	s.did(s.apply())
	goBack := s.remember()
	s.pass(31 * day)
	only := RotateOptions{Now: true, Only: []secret.Address{key.Address()}}
	require.Equal(t, []string{"add v2"}, s.did(s.rotate(only)))
	s.pass(day)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate(only)))
	goBack() // an old copy

	err := s.stopped(func() (Result, error) { return s.rotate() })
	require.ErrorIs(t, err, Ahead)
	require.ErrorIs(t, err, Stopped)
	require.ErrorContains(t, err, "$SECRET.auth.key")
	for name, do := range map[string]func() (Result, error){
		"apply": s.apply, "set": func() (Result, error) { return s.set(key, s.draw(s.Spec.Secrets[0])) },
		"rollback": func() (Result, error) { return s.rollback(key, true) },
		"revoke":   func() (Result, error) { return s.revoke(key, "v1") },
	} {
		require.ErrorIs(t, s.stopped(do), Ahead, name)
	}
	require.Equal(t, StateDrifted, s.status(key.Address()).State)
	require.Equal(t, StateDue, s.status(other.Address()).State, "status reports the others")

	// Confirmed by the operator: the ledger's text, under a generation above the
	// one found.
	found := s.note(key)
	n, ok := s.state().readNote(s.called(key), found)
	require.True(t, ok)
	acts := s.did(s.rotate(RotateOptions{Adopt: true}))
	require.Contains(t, acts, "adopt v1")
	require.Greater(t, s.record(key).Published.Gen, n.gen)
	require.NotContains(t, s.ids(key), "v2", "that id was given to another value")
	require.Contains(t, s.ids(key), "v3")
}

// Both ledgers have announced v2 with different values: the adopted copy
// withdraws its own.
func TestAdoptionTakesBackAnAnnouncedIDThatAnotherLedgerUsed(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.did(s.apply())
	goBack := s.remember()
	s.did(s.rotateNow())
	s.pass(day)
	s.did(s.rotate())
	goBack()
	s.change(func(st *state) { // the second clone has announced its own v2
		r := st.find(key.Address())
		r.announce(s.draw(s.Spec.Secrets[0]), nil, policy{now: s.at, window: day, margin: day})
		r.Gen = 2
	})
	require.Equal(t, []string{"adopt v1"}, s.did(s.rotate(RotateOptions{Adopt: true})))
	require.Equal(t, []string{"v1"}, s.ids(key))
	require.Equal(t, []string{"add v3"}, s.did(s.rotateNow()))
}

func TestANoteThatIsNotOurs(t *testing.T) {
	foreign := NewState(Settings{}).state()
	for name, note := range map[string]func(name string) string{
		"none":             func(string) string { return "" },
		"somebody's words": func(string) string { return "rotated by hand, ask Jo" },
		"another ledger's": func(name string) string { return foreign.newNote(name, 9, "v4", "somebody's value") },
	} {
		t.Run(name, func(t *testing.T) {
			key, other := aRandom("key", every(30)), aStatic("other", nil)
			s := newScene(t, key, other)
			put := func(k *secret.Secret) {
				s.shop.late(driver.Item{Name: s.called(k), Text: driver.NewValue("somebody's value"), Note: note(s.called(k))})
			}
			put(key)
			put(other)
			s.values = append(s.values, "somebody's value")
			for _, do := range []func() (Result, error){s.apply, func() (Result, error) { return s.rotate() }, s.rotateNow} {
				r, err := s.unchanged(do)
				require.NoError(t, err)
				require.False(t, r.OK(), "a rotation is declared, so it needs a person")
				require.ErrorIs(t, r.Secrets[0].Problem, Bound)
				require.ErrorContains(t, r.Secrets[0].Problem, "the target holds a value that `layer` did not make")
				require.NoError(t, r.Secrets[1].Problem, "bound as it is")
			}
			require.Equal(t, StateBound, s.status(key.Address()).State)
			require.True(t, s.status(key.Address()).NeedsPerson)
			require.Equal(t, StateBound, s.status(other.Address()).State)
			require.False(t, s.status(other.Address()).NeedsPerson)
			for what, do := range map[string]func() (Result, error){
				"rollback": func() (Result, error) { return s.rollback(other, false) },
				"revoke":   func() (Result, error) { return s.revoke(other, "v1") },
			} {
				require.ErrorIs(t, s.problem(other)(s.unchanged(do)), Refused, what+" without a value in the ledger")
			}
			// Adoption alone has nothing to publish.
			r, err := s.unchanged(func() (Result, error) { return s.rotate(RotateOptions{Adopt: true}) })
			require.NoError(t, err)
			require.NoError(t, r.Secrets[1].Problem)
		})
	}
}

// A value that replaced a published one is never overwritten either.
func TestSomebodysValueInPlaceOfOurs(t *testing.T) {
	key, other := aRandom("key", every(30)), aRandom("other", every(30))
	s := newScene(t, key, other)
	s.did(s.apply())
	s.shop.late(driver.Item{Name: s.called(key), Text: driver.NewValue("somebody's value"), Note: "by hand"})
	s.pass(31 * day)
	r, err := s.seen(s.rotate())
	require.NoError(t, err)
	require.ErrorIs(t, r.Secrets[0].Problem, Drifted)
	require.Equal(t, "somebody's value", s.text(key))
	require.Equal(t, []string{"add v2"}, s.actions(r, nil), "the other one goes on")
	require.Equal(t, []string{"v1", "v2"}, s.ids(other))
}

func TestMissingInTheStore(t *testing.T) {
	t.Run("it is published", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.announce(key)
		text := s.text(key)
		require.Empty(t, s.shop.Remove(context.Background(), []string{s.called(key)}))
		st := s.status(key.Address())
		require.Equal(t, StateMissing, st.State)
		require.False(t, st.NeedsPerson)
		s.pass(25 * time.Hour)
		require.Equal(t, []string{"publish v1"}, s.did(s.rotate()))
		require.Equal(t, text, s.text(key))
		s.still()
		s.pass(day)
		require.Equal(t, []string{"flip v2"}, s.did(s.rotate()), "readers had lost it, so the window began anew")
	})
	t.Run("by apply too", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.did(s.apply())
		s.shop.Remove(context.Background(), []string{s.called(key)})
		require.Equal(t, []string{"publish v1"}, s.did(s.apply()))
		require.Equal(t, []string{"v1"}, s.ids(key))
	})
}

// The store has accepted the value, and readers cannot read it yet.
func TestRunWaitsForAPendingValue(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	looks := 0
	slow := func(most int) func(map[string]driver.Published) error {
		return func(found map[string]driver.Published) error {
			if len(s.shop.sent) < 2 {
				return nil
			}
			looks++
			for name, p := range found {
				p.Pending = looks < most
				found[name] = p
			}
			return nil
		}
	}
	s.shop.inspect = slow(4)
	require.Equal(t, []string{"add v2"}, s.did(s.rotateNow()), "the run waits for it")
	require.Equal(t, 4, looks)

	s.pass(day)
	s.shop.inspect, looks = slow(1000), 0
	err := s.problem(key)(s.rotate())
	require.ErrorIs(t, err, Unsettled)
	require.Less(t, looks, 12, "not for ever")
	require.NotNil(t, s.record(key).Intent)
	require.Equal(t, StateUnsettled, s.status(key.Address()).State)
	require.False(t, s.status(key.Address()).NeedsPerson)
	s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() }))
	s.shop.inspect = nil
	require.Equal(t, []string{"confirm v2"}, s.did(s.rotate()))
	s.still()
}

func TestErrorsOfThePublisher(t *testing.T) {
	for name, c := range map[string]struct {
		publish  func(driver.Item) (bool, error)
		next     string
		promised bool
	}{
		"unknown, and lost":         {swallowed, "publish v1", false},
		"certainly not carried out": {turnedDown, "publish v1", true},
		"no error, and not there":   {func(driver.Item) (bool, error) { return false, nil }, "publish v1", false},
		"unknown, and there":        {lost, "", false},
		"not carried out, and it was": {func(driver.Item) (bool, error) { return true, driver.NotApplied(errLost) }, "",
			true},
	} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", every(30))
			s := newScene(t, key)
			s.did(s.apply())
			s.shop.publish = c.publish
			sent := len(s.shop.sent)
			r, err := s.seen(s.rotateNow())
			require.NoError(t, err)
			require.Len(t, s.shop.sent, sent+1, "each item is sent once")
			s.shop.publish = nil
			if c.next == "" {
				require.NoError(t, r.Secrets[0].Problem)
				s.still()
				return
			}
			require.ErrorIs(t, r.Secrets[0].Problem, Unsettled)
			require.Equal(t, []string{c.next}, s.did(s.rotate()))
			require.Equal(t, []string{"v1", "v2"}, s.ids(key))
			s.still()
		})
	}
}

// The problem contains the publisher's error. If the error repeats, the secret
// needs a person.
func TestAFailedPublishIsNotOK(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.shop.publish = turnedDown
	r, err := s.seen(s.apply())
	require.NoError(t, err)
	require.False(t, r.OK())
	require.ErrorIs(t, r.Secrets[0].Problem, errLost)
	require.Equal(t, StateUnsettled, r.Secrets[0].State)
}

func TestOneSecretsFailureNeverHoldsBackAnother(t *testing.T) {
	a, b, c := aRandom("a", every(30)), aRandom("b", every(30)), aRandom("c", every(30))
	s := newScene(t, a, b, c)
	s.did(s.apply())
	s.pass(31 * day)
	s.shop.publish = func(i driver.Item) (bool, error) {
		if i.Name == b.Binding() {
			return false, errLost
		}
		return true, nil
	}
	s.problem(b)(s.rotate())
	require.Equal(t, []string{"v1", "v2"}, s.ids(a))
	require.Equal(t, []string{"v1"}, s.ids(b))
	require.Equal(t, []string{"v1", "v2"}, s.ids(c))
	s.pass(day)
	r, err := s.seen(s.rotate())
	require.NoError(t, err)
	require.False(t, r.OK())
	require.Equal(t, "v2", s.current(a))
	require.Equal(t, "v2", s.current(c))
	s.shop.publish = nil
	require.Equal(t, []string{"publish v1"}, s.did(s.rotate()))
	require.Equal(t, "v1", s.current(b), "its window counts from now")
}

// A store that does not answer ends the run before anything changes.
func TestAStoreThatCannotBeAsked(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.shop.inspect = func(map[string]driver.Published) error { return errLost }
	require.ErrorIs(t, s.stopped(s.apply), errLost)
	require.ErrorIs(t, s.stopped(func() (Result, error) { return s.set(key, "whatever-it-is") }), errLost)
}

type checked struct {
	*shop
	asked [][]string
	err   error
}

func (c *checked) Check(_ context.Context, create []string) error {
	c.asked = append(c.asked, create)
	return c.err
}

func TestACheckerRefusesBeforeAnythingChanges(t *testing.T) {
	key, other := aRandom("key", every(30)), aRandom("other", every(30))
	s := newScene(t, key, other)
	full := errors.New("the store is full: delete a value there")
	c := &checked{shop: s.shop, err: full}
	s.Publisher = c
	err := s.stopped(s.apply)
	require.ErrorIs(t, err, full)
	require.ErrorIs(t, err, Stopped)
	require.Equal(t, [][]string{{key.Binding(), other.Binding()}}, c.asked)
	c.err, c.asked = nil, nil
	require.Equal(t, []string{"create v1", "create v1"}, s.did(s.apply()))
	require.Len(t, c.asked, 1, "asked once")
	s.did(s.rotateNow())
	require.Len(t, c.asked, 1, "only about created secrets")
}

// recognizing is a store that writes value and note separately.
type recognizing struct{ *shop }

func (r recognizing) ModifiedOf(text driver.Value) string { return digest(text.Reveal()) }

func (r recognizing) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	found, err := r.shop.Inspect(ctx, names)
	for name, p := range found {
		text, _ := r.Text(name)
		p.Modified = digest(text)
		found[name] = p
	}
	return found, err
}

// A crash between value and note: the value is the intent's own, so it is ours.
func TestAValueWithoutItsNote(t *testing.T) {
	for name, c := range map[string]struct {
		text string // "": the intent's own
		want error
	}{"our value": {"", nil}, "somebody's value": {"somebody's value", Drifted}} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", every(30))
			s := newScene(t, key)
			s.Publisher = recognizing{s.shop}
			half := func(i driver.Item) (bool, error) {
				i.Note = ""
				if c.text != "" {
					i.Text = driver.NewValue(c.text)
				}
				s.shop.late(i)
				return false, errLost
			}
			s.interrupt(half, s.apply)
			if c.want != nil {
				require.ErrorIs(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() })), c.want)
				return
			}
			require.Equal(t, []string{"publish v1"}, s.did(s.rotate()))
			require.Equal(t, s.record(key).Published.Note, s.note(key))
			s.still()
		})
	}
}

// An earlier run's unsettled work does not satisfy this run's order: both are
// done.
func TestAnOrderAfterWhatWasLeft(t *testing.T) {
	key := aStatic("stripe", kept())
	s := newScene(t, key)
	s.did(s.set(key, "sk_live_first_value"))
	s.interrupt(lost, func() (Result, error) { return s.set(key, "sk_live_second_value") })
	require.Equal(t, []string{"confirm v2", "revoke v1"}, s.did(s.revoke(key, "v1")))
	require.Equal(t, []string{"v2"}, s.ids(key))
}

// A version that is announced after a repair waits for the repair's lives. The
// planned flip accounts for that.
func TestAnAnnouncementSoonAfterARepair(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.flip(key)
	s.shop.late(s.shop.sent[1])
	require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
	repaired := s.at
	s.pass(time.Hour)
	require.Equal(t, []string{"add v3"}, s.did(s.rotateNow()))
	require.Equal(t, repaired.Add(2*day), s.version(key, "v3").ActiveFrom)
	s.at = repaired.Add(2*day - time.Second)
	s.still()
	s.at = repaired.Add(2 * day)
	require.Contains(t, s.did(s.rotate()), "flip v3")
}

// A repair that is confirmed later delays flips and prunes, counted from the
// confirmation.
func TestARepairHoldsFromItsConfirmation(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.flip(key)
	s.shop.late(s.shop.sent[1])
	repaired := s.at
	s.interrupt(lost, func() (Result, error) { return s.rotate() })
	s.pass(2 * time.Hour)
	require.Equal(t, []string{"confirm v2"}, s.did(s.rotate()))
	require.Equal(t, repaired.Add(2*day), s.version(key, "v1").ExpiresAt, "in time, so as it was sent")
	s.at = repaired.Add(2*day + 2*time.Hour - time.Second)
	s.still()
	s.pass(time.Second)
	require.Equal(t, []string{"prune v1"}, s.did(s.rotate()))
}

// The same generation has another text: two ledgers with one key have both
// continued.
func TestTheSameGenerationWithAnotherText(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	twin := driver.Item{Name: s.called(key), Text: driver.NewValue("a text of the other one"),
		Note: s.state().newNote(s.called(key), s.record(key).Gen, "v1", "a text of the other one")}
	s.shop.late(twin)
	require.ErrorIs(t, s.stopped(func() (Result, error) { return s.rotate() }), Ahead)

	// The same holds while an intent is open.
	s = newScene(t, key)
	s.did(s.apply())
	s.interrupt(swallowed, s.rotateNow)
	twin.Note = s.state().newNote(s.called(key), s.record(key).Gen, "v1", "a text of the other one")
	s.shop.late(twin)
	require.ErrorIs(t, s.stopped(func() (Result, error) { return s.rotate() }), Ahead)
}

// An earlier run's order that the store already has is not repeated.
func TestAnImmediateRotationIsFinishedNotRepeated(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.did(s.apply())
	now := func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) }
	s.interrupt(lost, now)
	err := s.problem(key)(now())
	require.ErrorIs(t, err, NotMade)
	require.ErrorContains(t, err,
		"this run has finished v2, which tester had recorded before, and made no version of its own")
	require.Equal(t, []string{"v1", "v2"}, s.ids(key))
}

// A late request from before the confirmed generation arrives while an intent
// is open: lives begin anew in the intent.
func TestAStrayUnderAnIntent(t *testing.T) {
	key := aRandom("key", every(300))
	s := newScene(t, key)
	s.flip(key)
	s.interrupt(swallowed, s.rotateNow)
	s.shop.late(s.shop.sent[0])
	s.pass(time.Hour)
	require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
	require.Equal(t, s.at.Add(2*day), s.version(key, "v1").ExpiresAt)
	require.Equal(t, "v3", s.status(key.Address()).Pending)
}
