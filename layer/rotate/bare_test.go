package rotate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

func plainStatic(name string) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "billing", Name: name, Format: secret.FormatPlain})
}

// Only a static secret without a Rotation and without a pinned format, and a
// secret that pins plain, is published as its bare value.
func TestWhichTextsAreBareValues(t *testing.T) {
	static := func(f secret.Format, r *secret.Rotation) *secret.Secret {
		return secret.Static(secret.Options{Namespace: "billing", Name: "key", Format: f, Rotation: r})
	}
	const value = "sk_live_first_value"
	for name, c := range map[string]struct {
		key *secret.Secret
		as  secret.Format
	}{
		"static":                   {static(secret.FormatAuto, nil), secret.FormatPlain},
		"static, plain":            {static(secret.FormatPlain, nil), secret.FormatPlain},
		"static, JSON":             {static(secret.FormatJSON, nil), secret.FormatJSON},
		"static, compact":          {static(secret.FormatCompact, nil), secret.FormatCompact},
		"static with a Rotation":   {static(secret.FormatAuto, every(30)), secret.FormatJSON},
		"static with one, compact": {static(secret.FormatCompact, every(30)), secret.FormatCompact},
		"random":                   {aRandom("key", nil), secret.FormatJSON},
		"random with a Rotation":   {aRandom("key", every(30)), secret.FormatJSON},
		"generated, without a Rotation": {secret.Generated(secret.Options{Namespace: "r2", Name: "key"}),
			secret.FormatJSON},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.key)
			if c.key.Kind() == secret.KindRandom {
				s.did(s.apply())
			} else {
				s.did(s.set(c.key, value))
				require.Equal(t, c.as == secret.FormatPlain, s.text(c.key) == value)
			}
			require.Equal(t, c.as, s.doc(c.key).StoredAs())
			require.Equal(t, "v1", s.current(c.key))
			s.still()
		})
	}
}

// bareSet sets values and checks each text.
func (s *scene) bareSet(key *secret.Secret, values ...string) {
	s.t.Helper()
	for _, v := range values {
		s.did(s.set(key, v))
		require.Equal(s.t, v, s.text(key))
		s.pass(time.Hour)
	}
}

// A bare value has ids in the ledger, and rollback, revoke and status use them.
func TestABareValueInTheLedger(t *testing.T) {
	key := aStatic("stripe", nil)
	s := newScene(t, key)
	s.bareSet(key, "sk_live_first_value", "sk_live_second_value", "sk_live_third_value")
	st := s.status(key.Address())
	require.Equal(t, "v3", st.Current)
	require.Len(t, st.Versions, 1)
	require.Len(t, st.Past, 2)
	for i, life := range st.Past {
		require.Equal(t, GoneReplaced, life.Gone)
		require.Equal(t, s.at.Add(-time.Duration(2-i)*time.Hour), life.ExpiresAt, "when the next value replaced it")
	}
	require.Zero(t, st.Room)

	require.Equal(t, []string{"flip v4"}, s.did(s.rollback(key, false)))
	require.Equal(t, "sk_live_second_value", s.text(key))
	for _, id := range []string{"v2", "v4"} { // both have the current value
		require.ErrorIs(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.revoke(key, id) })), CurrentVersion)
	}
	require.Equal(t, []string{"revoke v1"}, s.did(s.revoke(key, "v1")))
	require.Equal(t, "sk_live_second_value", s.text(key))

	// The old values leave the ledger, and the text is not sent again.
	s.pass(3 * day)
	sent := len(s.shop.sent)
	require.Equal(t, []string{"prune v2", "prune v3"}, s.did(s.rotate()))
	require.Len(t, s.shop.sent, sent)
	require.ErrorIs(t, s.problem(key)(s.rollback(key, false)), NoPrevious)
	s.still()
}

// A Rotation makes the bare value a document in which it is still v1. New ids
// are above the highest one.
func TestABareValueGetsARotation(t *testing.T) {
	for sets := 1; sets <= 4; sets++ {
		for _, how := range []string{"apply", "rotate", "rotate later", "set", "rollback"} {
			t.Run(fmt.Sprint(sets, " sets, ", how), func(t *testing.T) {
				key, rotated := aStatic("stripe", nil), aStatic("stripe", kept())
				s := newScene(t, key)
				var last string
				for i := range sets {
					last = fmt.Sprintf("sk_live_value_number_%d", i)
					s.bareSet(key, last)
				}
				s.declare(rotated)
				require.Equal(t, StateOK, s.status(key.Address()).State)
				next, value := fmt.Sprintf("v%d", sets+1), "sk_live_value_with_rotation"
				switch how {
				case "apply":
					require.Equal(t, []string{"document v1"}, s.did(s.apply()))
				case "rotate":
					require.Equal(t, []string{"document v1"}, s.did(s.rotate()))
				case "rotate later":
					s.pass(10 * day)
					require.Contains(t, s.did(s.rotate()), "document v1")
				case "rollback":
					require.ErrorIs(t, s.problem(key)(s.rollback(rotated, false)), NoPrevious)
				case "set":
					require.Equal(t, []string{"document v1", "set " + next}, s.did(s.set(rotated, value)))
				}
				if how != "set" {
					require.Equal(t, map[string]string{"v1": last}, s.reads(rotated))
					require.Equal(t, "v1", s.current(rotated))
					require.Zero(t, s.version(rotated, "v1").ActiveFrom, "as readers of the bare value saw it")
					require.Equal(t, "v1", s.status(key.Address()).Current)
					s.still()
					s.pass(time.Hour)
					require.Equal(t, []string{"set " + next}, s.did(s.set(rotated, value)))
				}
				require.Equal(t, map[string]string{"v1": last, next: value}, s.reads(rotated))
				require.Equal(t, next, s.current(rotated))
				s.still()
				require.Equal(t, []string{fmt.Sprintf("flip v%d", sets+2)}, s.did(s.rollback(rotated, false)))
				require.Equal(t, last, s.doc(rotated).Current().Text())
				require.ElementsMatch(t, []string{"v1", next, fmt.Sprintf("v%d", sets+2)}, s.ids(rotated))
			})
		}
	}
}

// A document with v1 alone becomes the bare value without the operator.
func TestARotationIsTakenOut(t *testing.T) {
	key, bare := aStatic("stripe", every(30)), aStatic("stripe", nil)
	for name, to := range map[string]*secret.Secret{"no rotation": bare, "plain": plainStatic("stripe")} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			s.did(s.set(key, "sk_live_first_value"))
			s.declare(to)
			require.True(t, s.ok())
			require.Equal(t, []string{"bare v1"}, s.did(s.rotate()))
			require.Equal(t, "sk_live_first_value", s.text(key))
			s.still()
			s.bareSet(to, "sk_live_second_value")
			s.declare(key)
			require.Equal(t, []string{"document v1"}, s.did(s.apply()))
			require.Equal(t, map[string]string{"v1": "sk_live_second_value"}, s.reads(key))
			require.Equal(t, []string{"set v3"}, s.did(s.set(key, "sk_live_third_value")))
		})
	}
}

func (s *scene) ok() bool {
	r, err := s.seen(s.Status(context.Background()))
	require.NoError(s.t, err)
	return r.OK()
}

// A document whose ids would stop resolving becomes the bare value only with
// the operator's consent. Until then the secret needs a person, stays a
// document in every command, and the other secrets continue.
func TestIDsStopResolvingOnlyByConsent(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(*scene, *secret.Secret)
		lost  []string
	}{
		"an unexpired version": {func(s *scene, key *secret.Secret) {
			s.did(s.set(key, "sk_live_second_value"))
		}, []string{"v1", "v2"}},
		"not v1": {func(s *scene, key *secret.Secret) {
			s.did(s.set(key, "sk_live_second_value"))
			s.pass(5 * day)
			s.did(s.rotate())
			require.Equal(s.t, []string{"v2"}, s.ids(key))
		}, []string{"v2"}},
	} {
		t.Run(name, func(t *testing.T) {
			key, bare, other := aStatic("stripe", every(30)), aStatic("stripe", nil), aRandom("other", nil)
			s := newScene(t, key)
			s.did(s.set(key, "sk_live_first_value"))
			s.pass(time.Hour)
			c.begin(s, key)
			before := s.text(key)
			s.declare(bare, other)
			for _, do := range []func() (Result, error){s.apply, func() (Result, error) { return s.rotate() },
				func() (Result, error) { return s.Status(t.Context()) }} {
				r, err := s.seen(do())
				require.NoError(t, err)
				require.False(t, r.OK())
				i := slices.IndexFunc(r.Secrets, func(st SecretStatus) bool { return st.Address == key.Address() })
				require.ErrorIs(t, r.Secrets[i].Problem, LosesIDs)
				require.ErrorContains(t, r.Secrets[i].Problem, strings.Join(c.lost, ", ")+" would stop resolving")
				require.True(t, r.Secrets[i].NeedsPerson)
				require.NotEqual(t, StateDrifted, r.Secrets[i].State)
				require.Equal(t, before, s.text(key))
				require.NotEmpty(t, s.text(other))
			}
			_, err := s.seen(s.set(bare, "sk_live_third_value"))
			require.NoError(t, err)
			require.Equal(t, "sk_live_third_value", s.doc(key).Current().Text())
			require.Contains(t, s.ids(key), "v3")
			require.False(t, s.ok())

			s.LosesIDs = true
			require.Equal(t, []string{"bare v3"}, s.did(s.apply()))
			s.LosesIDs = false
			require.Equal(t, "sk_live_third_value", s.text(key))
			require.True(t, s.ok())
			s.still()
		})
	}
}

// On the way back to a document, the bare value is v1. The earlier versions
// return, each with its value; a value that was replaced while the text was
// bare does not.
func TestDocumentBareDocument(t *testing.T) {
	key, bare := aStatic("stripe", kept()), aStatic("stripe", nil)
	begin := func(t *testing.T) *scene {
		s := newScene(t, key)
		for _, v := range []string{"sk_live_value_a", "sk_live_value_b", "sk_live_value_c"} {
			s.did(s.set(key, v))
			s.pass(time.Hour)
		}
		s.declare(bare)
		s.LosesIDs = true
		require.Equal(t, []string{"bare v3"}, s.did(s.rotate()))
		require.Equal(t, "sk_live_value_c", s.text(key))
		s.LosesIDs = false
		return s
	}
	t.Run("at once", func(t *testing.T) {
		s := begin(t)
		s.declare(key)
		require.Equal(t, []string{"document v1"}, s.did(s.rotate()))
		require.Equal(t, map[string]string{"v1": "sk_live_value_c", "v2": "sk_live_value_b", "v3": "sk_live_value_c",
			"v4": "sk_live_value_a"}, s.reads(key), "v1 had another value, which has a new id")
		require.Equal(t, "v1", s.current(key))
		require.Equal(t, "sk_live_value_c", s.activeAt(key, s.at).Text())
		require.Equal(t, []string{"set v5"}, s.did(s.set(key, "sk_live_value_d")))
		require.Equal(t, []string{"flip v6"}, s.did(s.rollback(key, false)))
		require.Equal(t, "sk_live_value_c", s.doc(key).Current().Text())
		s.still()
	})
	t.Run("after a set", func(t *testing.T) {
		s := begin(t)
		s.pass(10 * day)
		s.bareSet(bare, "sk_live_value_d")
		s.declare(key)
		require.Equal(t, []string{"document v1"}, s.did(s.rotate()))
		require.Equal(t, map[string]string{"v1": "sk_live_value_d", "v2": "sk_live_value_b", "v5": "sk_live_value_a"},
			s.reads(key))
		require.Equal(t, "sk_live_value_d", s.activeAt(key, s.at).Text())
		require.Equal(t, []string{"set v6"}, s.did(s.set(key, "sk_live_value_e")))
		s.still()
	})
	t.Run("revoked while bare", func(t *testing.T) {
		s := begin(t)
		s.did(s.revoke(bare, "v1"))
		s.did(s.revoke(bare, "v2"))
		s.declare(key)
		require.Equal(t, []string{"document v1"}, s.did(s.rotate()))
		require.Equal(t, map[string]string{"v1": "sk_live_value_c", "v3": "sk_live_value_c"}, s.reads(key))
	})
}

func (s *scene) activeAt(key *secret.Secret, at time.Time) secret.Version {
	s.t.Helper()
	v, err := s.doc(key).At(at)
	require.NoError(s.t, err)
	return v
}

// An announced version is withdrawn by the consent.
func TestAnAnnouncedVersionAndTheBareValue(t *testing.T) {
	key := aRandom("key", every(30))
	plain := secret.Random(secret.Options{Namespace: "auth", Name: "key", Format: secret.FormatPlain})
	s := newScene(t, key)
	s.announce(key)
	s.declare(plain)
	require.ErrorContains(t, s.problem(key)(s.rotate()), "v2 would stop resolving")
	require.Equal(t, []string{"v1", "v2"}, s.ids(key))
	s.pass(2 * day)
	_, err := s.seen(s.rotate())
	require.NoError(t, err)
	require.Equal(t, "v2", s.current(key), "a rotation under way is finished")
	s.LosesIDs = true
	require.Equal(t, []string{"bare v2"}, s.did(s.apply()))
	require.Equal(t, s.nth(key, 2), s.text(key))
	require.Equal(t, []string{"flip v3"}, s.did(s.rotate(RotateOptions{Immediate: true})))
	s.declare(key)
	require.Equal(t, []string{"document v1"}, s.did(s.apply()))
	require.Equal(t, s.nth(key, 3), s.reads(key)["v1"])
}

// A value that cannot have the declared form stays as it is, and says so.
func TestAFormThatFails(t *testing.T) {
	t.Run("a document that is too large", func(t *testing.T) {
		s := newScene(t, aStatic("stripe", nil))
		s.Limit = 300
		large := strings.Repeat(`"`, 290)
		s.bareSet(aStatic("stripe", nil), large)
		key := secret.Static(secret.Options{Namespace: "billing", Name: "stripe", Format: secret.FormatJSON,
			Rotation: every(30)})
		s.declare(key)
		require.ErrorIs(t, s.problem(key)(s.unchanged(s.apply)), secret.ErrTooLarge)
		require.Equal(t, large, s.text(key))
		_, err := s.seen(s.set(key, "sk_live_short_value"))
		require.NoError(t, err)
		s.did(s.apply())
		require.Equal(t, "sk_live_short_value", s.reads(key)["v1"])
	})
	t.Run("a value that looks like versions", func(t *testing.T) {
		pinned, key := secret.Static(secret.Options{Namespace: "billing", Name: "stripe", Format: secret.FormatJSON}),
			aStatic("stripe", nil)
		s := newScene(t, pinned)
		s.did(s.set(pinned, "v1=looks-like-versions"))
		s.declare(key)
		require.ErrorIs(t, s.problem(key)(s.unchanged(s.apply)), secret.ErrEncoding)
		require.Equal(t, secret.FormatJSON, s.doc(key).StoredAs())
	})
}

// Ledgers of earlier formats do not record the form of a text. It is found
// without the target, and is no drift.
func TestAnEarlierLedgerAndTheBareValue(t *testing.T) {
	old := func(s *scene) {
		plain, err := s.ledger.state.encode()
		require.NoError(s.t, err)
		var fields map[string]any
		require.NoError(s.t, json.Unmarshal(plain, &fields))
		fields["format"] = 3
		for _, r := range fields["secrets"].([]any) {
			delete(r.(map[string]any), "bare")
			for _, v := range r.(map[string]any)["versions"].([]any) {
				delete(v.(map[string]any), "bare")
			}
		}
		plain, err = json.Marshal(fields)
		require.NoError(s.t, err)
		s.ledger.state, err = decodeState(plain)
		require.NoError(s.t, err)
	}
	// A document of a static secret without a Rotation, as it was published before.
	json, key := secret.Static(secret.Options{Namespace: "billing", Name: "stripe", Format: secret.FormatJSON}),
		aStatic("stripe", nil)
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("document after an interruption ", lost), func(t *testing.T) {
			s := newScene(t, json)
			if lost {
				s.shop.publish = swallowed
				_, err := s.seen(s.set(json, "sk_live_first_value"))
				require.NoError(t, err)
				s.shop.publish = nil
			} else {
				s.did(s.set(json, "sk_live_first_value"))
			}
			s.declare(key)
			old(s)
			require.Contains(t, s.did(s.rotate()), "bare v1")
			require.Equal(t, "sk_live_first_value", s.text(key))
			s.still()
		})
	}
	t.Run("two versions", func(t *testing.T) {
		s := newScene(t, json)
		s.did(s.set(json, "sk_live_first_value"))
		s.did(s.set(json, "sk_live_second_value"))
		s.declare(key)
		old(s)
		require.ErrorIs(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() })), LosesIDs)
		s.LosesIDs = true
		require.Equal(t, []string{"bare v2"}, s.did(s.rotate()))
	})
	t.Run("plain", func(t *testing.T) {
		s := newScene(t, plainStatic("stripe"))
		s.bareSet(plainStatic("stripe"), "sk_live_first_value", "sk_live_second_value")
		old(s)
		s.still()
		s.declare(aStatic("stripe", kept()))
		require.Equal(t, []string{"document v1"}, s.did(s.apply()))
		require.Equal(t, map[string]string{"v1": "sk_live_second_value"}, s.reads(key))
	})
}

// Rename, repair and loss publish the recorded form. Only apply and rotate
// change it.
func TestTheRecordedFormStays(t *testing.T) {
	key := aStatic("stripe", nil)
	t.Run("rename", func(t *testing.T) {
		s := newScene(t, key)
		s.bareSet(key, "sk_live_first_value", "sk_live_second_value")
		other := aStatic("other", kept())
		s.declare(other)
		s.did(s.Rename(t.Context(), key.Address(), other.Address()))
		require.Equal(t, "sk_live_second_value", s.text(other))
		require.Equal(t, []string{"document v1"}, s.did(s.apply()))
		require.Equal(t, map[string]string{"v1": "sk_live_second_value"}, s.reads(other))
	})
	t.Run("late request", func(t *testing.T) {
		s := newScene(t, key)
		var held driver.Item
		s.shop.publish = func(i driver.Item) (bool, error) { held = i; return false, errLost }
		_, err := s.seen(s.set(key, "sk_live_first_value"))
		require.NoError(t, err)
		s.shop.publish = nil
		s.did(s.rotate())
		s.declare(aStatic("stripe", kept()))
		s.did(s.apply())
		s.did(s.set(key, "sk_live_second_value"))
		s.shop.late(held)
		require.Equal(t, "sk_live_first_value", s.text(key))
		require.Contains(t, s.did(s.rotate()), "repair v2")
		require.Equal(t, map[string]string{"v1": "sk_live_first_value", "v2": "sk_live_second_value"}, s.reads(key))
	})
	t.Run("missing, with the ids not given up", func(t *testing.T) {
		rotated := aStatic("stripe", kept())
		s := newScene(t, rotated)
		s.did(s.set(rotated, "sk_live_first_value"))
		s.did(s.set(rotated, "sk_live_second_value"))
		s.declare(key)
		s.store.Remove(t.Context(), []string{s.called(key)})
		_, err := s.seen(s.rotate())
		require.NoError(t, err)
		require.Equal(t, []string{"v1", "v2"}, s.ids(key))
	})
}

// A document follows a pinned format: programs with that declaration read no
// other.
func TestADocumentIsPublishedInAnotherPinnedFormat(t *testing.T) {
	in := func(f secret.Format) *secret.Secret {
		return secret.Static(secret.Options{Namespace: "billing", Name: "stripe", Format: f, Rotation: kept()})
	}
	auto, compact, asJSON := in(secret.FormatAuto), in(secret.FormatCompact), in(secret.FormatJSON)
	s := newScene(t, auto)
	s.did(s.set(auto, "sk_live_first_value"))
	s.pass(time.Hour)
	s.did(s.set(auto, "sk_live_second_value"))
	reads := s.reads(auto)
	publishes := func(key *secret.Secret, as secret.Format, actions ...string) {
		t.Helper()
		s.declare(key)
		require.Equal(t, actions, s.did(s.apply()))
		require.Equal(t, as, s.doc(key).StoredAs())
		require.Equal(t, reads, s.reads(key))
		s.still()
	}
	publishes(asJSON, secret.FormatJSON)
	publishes(compact, secret.FormatCompact, "document v2")
	publishes(auto, secret.FormatCompact) // a program that guesses reads it
	publishes(asJSON, secret.FormatJSON, "document v2")

	// A value that compact cannot hold stays readable, and needs a person.
	s.did(s.set(asJSON, "Server=db;Password=x"))
	reads = s.reads(asJSON)
	s.declare(compact)
	require.ErrorIs(t, s.problem(compact)(s.unchanged(s.apply)), Refused)
	require.Equal(t, reads, s.reads(asJSON))
}
