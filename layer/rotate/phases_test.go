package rotate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// The content of the document after each phase, to the second.
func TestLivesAfterEachPhase(t *testing.T) {
	for name, c := range map[string]struct {
		rotation       *secret.Rotation
		window, margin time.Duration
		late           time.Duration // after the planned flip
		beyond         time.Duration // extra life after flip + window + margin; negative: no end
	}{
		"none":          {rotation: every(30)},
		"no rotation":   {},
		"for 30 days":   {rotation: retained(30), beyond: 30 * day},
		"forever":       {rotation: kept(), beyond: -1},
		"short window":  {rotation: retained(2), window: time.Hour, margin: 10 * time.Minute, beyond: 2 * day},
		"a late flip":   {rotation: retained(1), late: 77*time.Hour + 13*time.Minute, beyond: day},
		"window alone":  {rotation: every(7), window: 48 * time.Hour},
		"margin alone":  {rotation: every(7), margin: 48 * time.Hour},
		"a window of 1": {rotation: every(7), window: time.Second, margin: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", c.rotation)
			s := newScene(t, key)
			s.Window, s.Margin = c.window, c.margin
			window, margin := c.window, c.margin
			if window == 0 {
				window = 24 * time.Hour
			}
			if margin == 0 {
				margin = 24 * time.Hour
			}
			s.at = s.at.Add(300 * time.Millisecond)
			s.did(s.apply())
			require.Zero(t, s.version(key, "v1").ActiveFrom, "a first value has no activeFrom")
			require.Zero(t, s.version(key, "v1").ExpiresAt)

			s.pass(time.Hour)
			add := s.at
			require.Equal(t, []string{"add v2"}, s.did(s.rotate(RotateOptions{Now: true})))
			require.Equal(t, "v1", s.current(key))
			require.Zero(t, s.version(key, "v1").ExpiresAt)
			planned := add.Add(window).Truncate(time.Second).Add(time.Second)
			require.Equal(t, planned, s.version(key, "v2").ActiveFrom, "the planned flip")
			require.Equal(t, add.Add(window), s.status(key.Address()).Ready)
			s.still()

			s.at = add.Add(window - time.Nanosecond)
			s.still()
			s.at = add.Add(window + c.late)
			require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
			require.Equal(t, "v2", s.current(key))
			require.Equal(t, s.at.Truncate(time.Second), s.version(key, "v2").ActiveFrom, "rounded down")
			require.Zero(t, s.version(key, "v1").ActiveFrom)
			end := s.at.Truncate(time.Second).Add(time.Second + window + margin + c.beyond) // rounded up
			if c.beyond < 0 {
				require.Zero(t, s.version(key, "v1").ExpiresAt)
				s.pass(20 * day)
				s.still()
				require.Equal(t, []string{"v1", "v2"}, s.ids(key))
				return
			}
			require.Equal(t, end, s.version(key, "v1").ExpiresAt)
			s.still()
			if c.rotation != nil && end.After(s.status(key.Address()).NextRotation) {
				s.declare(aRandom("key", &secret.Rotation{EveryDays: 9000, Retain: c.rotation.Retain}))
			}

			s.at = end.Add(-time.Nanosecond)
			s.still()
			require.Equal(t, []string{"v1", "v2"}, s.ids(key))
			s.at = end
			require.Equal(t, []string{"prune v1"}, s.did(s.rotate()))
			require.Equal(t, []string{"v2"}, s.ids(key))
			gone := s.record(key).version("v1")
			require.Empty(t, gone.Value, "the ledger forgets the value")
			require.Equal(t, end, gone.ExpiresAt, "and keeps id and life")
			require.Equal(t, []Life{{ID: "v1", ExpiresAt: end, Gone: "pruned"}}, s.status(key.Address()).Past)
			s.still()
		})
	}
}

// Whole seconds are not rounded.
func TestWholeSecondsStay(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.flip(key)
	require.Equal(t, s.at, s.version(key, "v2").ActiveFrom)
	require.Equal(t, s.at.Add(48*time.Hour), s.version(key, "v1").ExpiresAt)
}

// The window counts from the confirmed publish of the announcement, not from
// the decision.
func TestTheWindowCountsFromTheConfirmation(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	s.shop.publish = swallowed
	require.ErrorIs(t, s.problem(key)(s.rotate(RotateOptions{Now: true})), Unsettled)
	require.Equal(t, []string{"v1"}, s.ids(key))
	s.shop.publish = nil
	s.pass(23 * time.Hour)
	confirmed := s.at
	require.Equal(t, []string{"publish v1"}, s.did(s.rotate()))
	s.at = confirmed.Add(24*time.Hour - time.Second)
	s.still()
	s.at = confirmed.Add(24 * time.Hour)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
	require.Equal(t, s.at, s.version(key, "v2").ActiveFrom, "the planned one has passed long ago")
}

func TestSettingsOfTheLedgerAndOfOneCommand(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	st, rev, err := s.ledger.Load(context.Background())
	require.NoError(t, err)
	_, _, err = Commit(context.Background(), s.ledger, rev,
		st.WithSettings(Settings{Window: 2 * time.Hour, Margin: 3 * time.Hour}))
	require.NoError(t, err)
	s.announce(key)
	s.pass(2*time.Hour - time.Second)
	s.still()
	s.pass(time.Second)
	s.Margin = 30 * time.Minute
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
	require.Equal(t, s.at.Add(2*time.Hour+30*time.Minute), s.version(key, "v1").ExpiresAt)
}

func TestRetainChanges(t *testing.T) {
	begin := func(t *testing.T, r *secret.Rotation) (*scene, *secret.Secret, time.Time) {
		key := aRandom("key", r)
		s := newScene(t, key)
		s.flip(key)
		return s, key, s.at
	}
	t.Run("longer extends at the next run", func(t *testing.T) {
		s, key, flip := begin(t, retained(5))
		s.pass(time.Hour)
		s.declare(aRandom("key", retained(20)))
		require.Equal(t, []string{"extend v1"}, s.did(s.rotate()))
		require.Equal(t, flip.Add(22*day), s.version(key, "v1").ExpiresAt)
		s.still()
	})
	t.Run("longer extends what has expired and is not pruned", func(t *testing.T) {
		s, key, flip := begin(t, retained(5))
		s.pass(8 * day)
		s.declare(aRandom("key", retained(20)))
		require.Equal(t, []string{"extend v1"}, s.did(s.rotate()))
		require.Equal(t, flip.Add(22*day), s.version(key, "v1").ExpiresAt)
	})
	t.Run("longer brings nothing pruned back", func(t *testing.T) {
		s, key, _ := begin(t, every(300))
		s.pass(3 * day)
		require.Equal(t, []string{"prune v1"}, s.did(s.rotate()))
		s.declare(aRandom("key", &secret.Rotation{EveryDays: 300, Retain: secret.Retention{Mode: secret.RetainForever}}))
		s.still()
		require.Equal(t, []string{"v2"}, s.ids(key))
	})
	t.Run("shorter counts from the next flip", func(t *testing.T) {
		s, key, flip := begin(t, retained(20))
		s.declare(aRandom("key", retained(1)))
		s.still()
		require.Equal(t, flip.Add(22*day), s.version(key, "v1").ExpiresAt)
		require.Equal(t, []string{"flip v3"}, s.did(s.rotate(RotateOptions{Immediate: true})))
		require.Equal(t, flip.Add(22*day), s.version(key, "v1").ExpiresAt)
		require.Equal(t, s.at.Add(3*day), s.version(key, "v2").ExpiresAt)
	})
	t.Run("forever takes the end away", func(t *testing.T) {
		s, key, _ := begin(t, every(30))
		s.declare(aRandom("key", kept()))
		require.Equal(t, []string{"extend v1"}, s.did(s.rotate()))
		require.Zero(t, s.version(key, "v1").ExpiresAt)
		s.still()
	})
	t.Run("forever no more counts from the next flip", func(t *testing.T) {
		s, key, _ := begin(t, kept())
		s.declare(aRandom("key", retained(1)))
		s.still()
		require.Equal(t, []string{"flip v3"}, s.did(s.rotate(RotateOptions{Immediate: true})))
		require.Zero(t, s.version(key, "v1").ExpiresAt, "a version that is retained forever stays")
		require.Equal(t, s.at.Add(3*day), s.version(key, "v2").ExpiresAt)
	})
	t.Run("longer and a flip in one run", func(t *testing.T) {
		s, key, flip := begin(t, retained(5))
		s.did(s.rotate(RotateOptions{Now: true}))
		s.pass(day)
		s.declare(aRandom("key", retained(20)))
		require.Equal(t, []string{"extend v1", "flip v3"}, s.did(s.rotate()))
		require.Equal(t, flip.Add(22*day), s.version(key, "v1").ExpiresAt)
		require.Equal(t, s.at.Add(22*day), s.version(key, "v2").ExpiresAt)
	})
	t.Run("a revoked version is not extended", func(t *testing.T) {
		s, key, _ := begin(t, retained(5))
		require.Equal(t, []string{"revoke v1"}, s.did(s.revoke(key, "v1")))
		s.declare(aRandom("key", kept()))
		s.still()
		require.Equal(t, []string{"v2"}, s.ids(key))
	})
}

// A flip that is not confirmed soon after its instant becomes generation + 1
// with times that count from now.
func TestFreshTimes(t *testing.T) {
	for name, c := range map[string]struct {
		window, wait time.Duration
		publish      func(driver.Item) (bool, error)
		fresh        bool
	}{
		"in time, lost answer":              {day, 3 * time.Hour, lost, false},
		"too late, though the store has it": {day, 3*time.Hour + 1, lost, true},
		"in time, never arrived":            {day, 3 * time.Hour, swallowed, false},
		"too late, never arrived":           {day, 3*time.Hour + 1, swallowed, true},
		"at least a minute":                 {4 * time.Minute, time.Minute, swallowed, false},
		"a minute and a bit":                {4 * time.Minute, time.Minute + 1, swallowed, true},
		"an eighth of a longer window":      {80 * time.Minute, 10*time.Minute + 1, swallowed, true},
	} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", retained(10))
			s := newScene(t, key)
			s.Window = c.window
			s.did(s.apply())
			s.did(s.rotate(RotateOptions{Now: true}))
			s.pass(c.window + 250*time.Millisecond)
			s.shop.publish = func(i driver.Item) (bool, error) { return c.publish(i) }
			s.shop.inspect = func(map[string]driver.Published) error {
				if len(s.shop.sent) > 2 {
					return errLost // the run ends before it can confirm
				}
				return nil
			}
			_, err := s.seen(s.rotate())
			require.ErrorIs(t, err, errLost)
			flipped := s.at
			before := *s.record(key)
			require.NotNil(t, before.Intent)
			s.shop.publish, s.shop.inspect = nil, nil
			s.pass(c.wait)
			acts := s.did(s.rotate())
			counts, gen := flipped, before.Gen
			if c.fresh {
				counts, gen = s.at, gen+1
				require.Equal(t, []string{"refresh v2"}, acts)
			} else {
				require.NotContains(t, acts, "refresh v2")
				require.Len(t, acts, 1)
			}
			r := s.record(key)
			require.Equal(t, gen, r.Gen)
			require.Equal(t, gen, r.Published.Gen)
			require.Equal(t, counts.Truncate(time.Second), s.version(key, "v2").ActiveFrom)
			require.Equal(t, ceilSecond(counts.Add(c.window+day)).Add(10*day), s.version(key, "v1").ExpiresAt)
			require.Equal(t, map[string]string{"v1": s.nth(key, 1), "v2": s.nth(key, 2)}, s.reads(key), "same ids and values")
			s.still()
		})
	}
}

// No time counts from the instant of an announcement, so a late one is not too
// late.
func TestAnAddHasNoFreshTimes(t *testing.T) {
	key := aRandom("key", retained(10))
	s := newScene(t, key)
	s.did(s.apply())
	s.shop.publish = swallowed
	s.problem(key)(s.rotate(RotateOptions{Now: true}))
	s.shop.publish = nil
	gen := s.record(key).Gen
	s.pass(5 * day)
	require.Equal(t, []string{"publish v1"}, s.did(s.rotate()))
	require.Equal(t, gen, s.record(key).Gen)
}

// A process that is delayed between the ledger and the store sends no outdated
// text.
func TestAHeldUpRunSendsNoOldTimes(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.announce(key)
	s.pass(day)
	sent := len(s.shop.sent)
	r := newRun(s.Operator, s.all(order{op: orderRotate}), "rotate")
	for r.stage != stagePublish {
		require.NoError(t, r.step(context.Background()))
	}
	s.pass(4 * time.Hour)
	for r.stage != stageDone {
		require.NoError(t, r.step(context.Background()))
	}
	require.Len(t, s.shop.sent, sent+1)
	require.Equal(t, s.at, s.version(key, "v2").ActiveFrom)
	require.Equal(t, s.at.Add(2*day), s.version(key, "v1").ExpiresAt)
	s.still()
}

func TestImmediateRotationSkipsTheWindow(t *testing.T) {
	t.Run("both phases at once, though nothing is due", func(t *testing.T) {
		key := aRandom("key", retained(5))
		s := newScene(t, key)
		s.did(s.apply())
		s.pass(1500 * time.Millisecond)
		require.Equal(t, []string{"flip v2"}, s.did(s.rotate(RotateOptions{Immediate: true})))
		require.Equal(t, "v2", s.current(key))
		require.Equal(t, s.at.Truncate(time.Second), s.version(key, "v2").ActiveFrom)
		require.Equal(t, ceilSecond(s.at).Add(7*day), s.version(key, "v1").ExpiresAt)
		s.still()
	})
	t.Run("while announced it flips to that version", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.announce(key)
		require.Equal(t, []string{"flip v2"}, s.did(s.rotate(RotateOptions{Immediate: true})))
		require.Equal(t, []string{"v1", "v2"}, s.ids(key), "no third one")
		require.Equal(t, s.at, s.version(key, "v2").ActiveFrom, "not the planned flip")
		s.still()
	})
	t.Run("of a secret without a rotation", func(t *testing.T) {
		key := aRandom("key", nil)
		s := newScene(t, key)
		s.did(s.apply())
		require.Equal(t, []string{"flip v2"}, s.did(s.rotate(RotateOptions{Immediate: true})))
	})
	t.Run("the first value is only created", func(t *testing.T) {
		key := aRandom("key", nil)
		s := newScene(t, key)
		require.Equal(t, []string{"create v1"}, s.did(s.rotate(RotateOptions{Immediate: true})))
	})
	t.Run("a flip of an earlier run that is confirmed now was it", func(t *testing.T) {
		key := aRandom("key", every(30))
		s := newScene(t, key)
		s.did(s.apply())
		s.shop.publish = swallowed
		s.problem(key)(s.rotate(RotateOptions{Immediate: true}))
		s.shop.publish = nil
		require.ErrorIs(t, s.problem(key)(s.rotate(RotateOptions{Immediate: true})), NotMade)
		require.Equal(t, []string{"v1", "v2"}, s.ids(key), "no third one")
		require.Equal(t, []string{"flip v3"}, s.did(s.rotate(RotateOptions{Immediate: true})),
			"there is nothing to finish any more")
	})
}

func TestNowRotatesBeforeItIsDue(t *testing.T) {
	key := aRandom("key", every(30))
	other := aRandom("other", every(30))
	s := newScene(t, key, other)
	require.Equal(t, []string{"create v1", "create v1"}, s.did(s.rotate(RotateOptions{Now: true})),
		"a first value is not rotated at once")
	require.Equal(t, []string{"add v2"}, s.did(s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}})))
	require.Equal(t, []string{"v1"}, s.ids(other))
	s.pass(day)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}})),
		"only resumes")
	require.Equal(t, []string{"add v3"}, s.did(s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}})))
	require.Equal(t, []string{"add v2"}, s.did(s.rotate(RotateOptions{Now: true,
		Only: []secret.Address{other.Address()}})))
}

// A clock that was set back gives no version a life that is empty or begins
// before that of its predecessor.
func TestAClockSetBack(t *testing.T) {
	key := aRandom("key", retained(3))
	s := newScene(t, key)
	s.did(s.apply())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	before := s.version(key, "v2").ActiveFrom
	s.pass(-10 * time.Minute)
	require.Equal(t, []string{"flip v3"}, s.did(s.rotate(RotateOptions{Immediate: true})))
	require.Equal(t, before.Add(-10*time.Minute), s.version(key, "v3").ActiveFrom)
	require.Equal(t, before.Add(-10*time.Minute), s.version(key, "v2").ActiveFrom, "it was in the future")
	require.Equal(t, "v3", s.current(key))
	at, err := s.doc(key).At(before)
	require.NoError(t, err)
	require.Equal(t, "v3", at.ID)
	s.still()
}

func TestFirstValues(t *testing.T) {
	for name, key := range map[string]*secret.Secret{
		"random": aRandom("key", every(30)), "without a rotation": aRandom("key", nil),
		"raw":   secret.Random(secret.Options{Name: "key", Bytes: 48, Encoding: secret.EncodingRaw}),
		"plain": secret.Random(secret.Options{Name: "key", Format: secret.FormatPlain}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			require.Equal(t, []string{"create v1"}, s.did(s.apply()))
			require.Len(t, s.shop.sent, 1)
			require.Zero(t, s.doc(key).Current().ActiveFrom)
			require.Zero(t, s.doc(key).Current().ExpiresAt)
			require.Equal(t, s.nth(key, 1), s.doc(key).Current().Text())
			require.Empty(t, s.did(s.unchanged(s.apply)))
			s.still()
		})
	}
}

// Apply creates and finishes. It begins no rotation, and flips nothing.
func TestApplyRotatesNothing(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.announce(key)
	s.pass(40 * day)
	require.Empty(t, s.did(s.unchanged(s.apply)))
}
