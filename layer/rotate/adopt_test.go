package rotate

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// An existing value comes under rotation by set, then adopt. It becomes v1 and
// stays readable under retain.
func TestBringingAValueUnderRotation(t *testing.T) {
	value := strings.Repeat("Ab1_", 10) + "AAA"
	for name, c := range map[string]struct {
		key  *secret.Secret
		acts []string
	}{
		"random":             {aRandom("key", retained(10)), []string{"add v2"}},
		"static":             {aStatic("key", retained(10)), nil},
		"without a rotation": {aStatic("key", nil), nil},
	} {
		t.Run(name, func(t *testing.T) {
			key := c.key
			s := newScene(t, key)
			s.shop.Set(s.called(key), value)
			s.values = append(s.values, value)
			require.Equal(t, StateBound, s.status(key.Address()).State)

			r, err := s.seen(s.set(key, value))
			require.NoError(t, err)
			require.False(t, r.OK(), "the command exits 1")
			require.ErrorIs(t, r.Secrets[0].Problem, Drifted)
			require.ErrorIs(t, r.Secrets[0].Problem, ValueKept)
			require.Equal(t, []string{"keep v1"}, s.actions(r, nil))
			require.Empty(t, s.shop.sent, "never overwritten")
			require.Equal(t, value, s.record(key).version("v1").Value, "the ledger keeps it")

			// No other operation continues without the operator's confirmation.
			for _, do := range []func() (Result, error){s.apply, s.rotateNow, func() (Result, error) { return s.rotate() },
				func() (Result, error) { return s.set(key, value) }} {
				err := s.problem(key)(s.unchanged(do))
				require.ErrorIs(t, err, Drifted)
				require.ErrorIs(t, err, ValueKept)
			}
			require.True(t, s.status(key.Address()).NeedsPerson)

			require.Equal(t, []string{"adopt v1"}, s.did(s.rotate(RotateOptions{Adopt: true})))
			require.Equal(t, map[string]string{"v1": value}, s.reads(key))
			require.Zero(t, s.version(key, "v1").ActiveFrom, "a first value")
			require.Zero(t, s.version(key, "v1").ExpiresAt)
			require.Equal(t, StateOK, s.status(key.Address()).State)
			s.still()
			s.pass(time.Hour)
			got := s.did(s.rotateNow())
			require.Equal(t, c.acts, got)
			if c.acts != nil {
				s.pass(day)
				s.did(s.rotate())
				require.Equal(t, s.at.Add(12*day), s.version(key, "v1").ExpiresAt)
			}
		})
	}
}

// A mistake is corrected before the adoption: the first kept value was never
// published.
func TestSettingAnotherValueBeforeAdoption(t *testing.T) {
	key := aStatic("stripe", every(30))
	s := newScene(t, key)
	s.shop.Set(s.called(key), "sk_live_real_value")
	s.problem(key)(s.set(key, "sk_live_mistyped"))
	s.problem(key)(s.set(key, "sk_live_real_value"))
	require.Empty(t, s.shop.sent)
	r := s.record(key)
	require.Empty(t, r.version("v1").Value)
	require.Equal(t, GoneWithdrawn, r.version("v1").Gone)
	require.Equal(t, []string{"adopt v2"}, s.did(s.rotate(RotateOptions{Adopt: true})))
	require.Equal(t, map[string]string{"v2": "sk_live_real_value"}, s.reads(key))
}

// New ids count the cur of a note that this ledger has signed, and the
// generation exceeds that of the note. Another ledger's note has no effect.
func TestIDsCountTheLedgersOwnNotes(t *testing.T) {
	for name, own := range map[string]bool{"its own": true, "another ledger's": false} {
		t.Run(name, func(t *testing.T) {
			key := aStatic("stripe", every(30))
			s := newScene(t, key)
			s.did(s.set(key, "sk_live_first_value"))
			signer := NewState(Settings{}).state()
			if own {
				signer = s.state()
			}
			s.shop.late(driver.Item{Name: s.called(key), Text: driver.NewValue("sk_live_real_value"),
				Note: signer.newNote(s.called(key), 41, "v7", "sk_live_real_value")})
			require.Equal(t, []string{"adopt v1"}, s.did(s.rotate(RotateOptions{Adopt: true})))
			s.did(s.set(key, "sk_live_other_value"))
			want, gen := "v2", uint64(3)
			if own {
				want, gen = "v8", 43
			}
			require.Equal(t, want, s.current(key))
			require.Equal(t, gen, s.record(key).Gen)
		})
	}
}

// Adoption publishes the ledger's versions again over a published value that
// another hand has changed.
func TestAdoptingOverAHandEdit(t *testing.T) {
	key := aRandom("key", retained(10))
	s := newScene(t, key)
	s.flip(key)
	s.pass(time.Hour)
	gen := s.record(key).Gen
	s.shop.Set(s.called(key), "somebody's value")
	s.problem(key)(s.rotate())
	require.Equal(t, []string{"adopt v2"}, s.did(s.rotate(RotateOptions{Adopt: true})))
	require.Equal(t, []string{"v1", "v2"}, s.ids(key))
	require.Equal(t, gen+1, s.record(key).Published.Gen)
	require.Equal(t, s.at.Add(12*day), s.version(key, "v1").ExpiresAt, "readers may be on anything")
	s.still()
}

// Adoption without anything to adopt is an ordinary rotate.
func TestAdoptingNothing(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	require.Equal(t, []string{"create v1"}, s.did(s.rotate(RotateOptions{Adopt: true})))
	require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.rotate(RotateOptions{Adopt: true}) })))
}

// The target has a value, the ledger has none, and the operator confirms the
// adoption: there is nothing to publish.
func TestAdoptingWhatTheLedgerDoesNotHave(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	goBack := s.remember()
	_ = goBack
	other := newScene(t, key)
	other.shop = s.shop
	other.store = s.store
	other.Publisher = s.shop
	r, err := other.unchanged(func() (Result, error) { return other.rotate(RotateOptions{Adopt: true}) })
	require.NoError(t, err)
	require.False(t, r.OK())
	require.Error(t, r.Secrets[0].Problem)
}

// A forged ledger, or another one, fits none of the notes. It is refused as a
// whole, before anything changes.
func TestALedgerThatFitsNoNote(t *testing.T) {
	a, b := aRandom("a", every(30)), aRandom("b", every(30))
	s := newScene(t, a, b)
	s.did(s.apply())
	s.change(func(st *state) { // anyone with the recipients can seal such a state
		st.ByKey, st.FpKey = randomBytes(32), randomBytes(32)
	})
	for name, do := range map[string]func() (Result, error){
		"apply": s.apply, "rotate": func() (Result, error) { return s.rotate() },
		"revoke": func() (Result, error) { return s.revoke(a, "v1") },
		"set":    func() (Result, error) { return s.set(a, s.nth(a, 9)) },
	} {
		err := s.stopped(do)
		require.ErrorIs(t, err, Stopped, name)
		require.ErrorIs(t, err, WrongTarget, name)
	}
	r, err := s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	for _, one := range r.Secrets {
		require.Equal(t, StateDrifted, one.State)
	}
	require.Equal(t, []string{"adopt v1", "adopt v1"}, s.did(s.rotate(RotateOptions{Adopt: true})))
	s.still()
}

// A kept value is not sent without the operator's confirmation, even if the
// store has the same text.
func TestAKeptPlainValueWaitsForTheWord(t *testing.T) {
	key := secret.Static(secret.Options{Namespace: "billing", Name: "dsn", Format: secret.FormatPlain})
	s := newScene(t, key)
	s.Publisher = recognizing{s.shop}
	s.shop.Set(s.called(key), "postgres-password")
	s.problem(key)(s.set(key, "postgres-password"))
	require.ErrorIs(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() })), Drifted)
	require.Equal(t, []string{"adopt v1"}, s.did(s.rotate(RotateOptions{Adopt: true})))
	s.still()
}
