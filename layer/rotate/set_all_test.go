package rotate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

func (s *scene) setAll(values map[*secret.Secret]string) (Result, error) {
	all := map[secret.Address]driver.Value{}
	for key, value := range values {
		s.values = append(s.values, value)
		all[key.Address()] = driver.NewValue(value)
	}
	return s.SetAll(context.Background(), all)
}

// counting counts the changes of a ledger.
type counting struct {
	Ledger
	changes int
}

func (c *counting) CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error) {
	c.changes++
	return c.Ledger.CompareAndSwap(ctx, old, next)
}

func aKey(of string) string { return strings.Repeat(of, 10) + "AAA" }

func TestSetAllRecordsAllValuesInOneChange(t *testing.T) {
	one, two, key := aStatic("stripe", retained(10)), aStatic("paypal", nil), aRandom("key", every(30))
	s := newScene(t, one, two, key)
	s.did(s.set(one, "sk_live_first_value"))
	s.did(s.set(key, aKey("Ab1_")))
	s.pass(time.Hour)
	c := &counting{Ledger: s.Ledger}
	s.Ledger = c
	require.Equal(t, []string{"add v2", "create v1", "set v2"}, s.did(s.setAll(map[*secret.Secret]string{
		one: "sk_live_second_value", two: "paypal_first_value", key: aKey("Cd2-")})))
	require.Equal(t, 2, c.changes, "the values, and the confirmation of all")
	require.Equal(t, "sk_live_second_value", s.doc(one).Current().Text())
	require.Equal(t, "paypal_first_value", s.doc(two).Current().Text())
	require.Equal(t, "v1", s.current(key), "a random value is announced first")

	s.pass(day)
	s.did(s.rotate())
	require.Empty(t, s.did(s.unchanged(func() (Result, error) {
		return s.setAll(map[*secret.Secret]string{one: "sk_live_second_value", two: "paypal_first_value",
			key: aKey("Cd2-")})
	})), "the current values again")
}

func TestSetAllSetsNothingIfOneValueCannotBeSet(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(*scene, *secret.Secret)
		value  string
		is     error
	}{
		"does not fit": {func(*scene, *secret.Secret) {}, "too-short-a-key", secret.ErrEncoding},
		"another version is announced": {func(s *scene, key *secret.Secret) {
			s.did(s.set(key, aKey("Ab1_")))
			s.did(s.set(key, aKey("Cd2-")))
		}, aKey("Ef3_"), AlreadyAnnounced},
		"changed by hand": {func(s *scene, key *secret.Secret) {
			s.did(s.set(key, aKey("Ab1_")))
			s.shop.Set(s.called(key), "by hand")
		}, aKey("Ef3_"), Drifted},
		"too large": {func(s *scene, _ *secret.Secret) { s.Limit = 40 }, aKey("Ef3_"), secret.ErrTooLarge},
	} {
		for _, dry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dry: %v", name, dry), func(t *testing.T) {
				key, other := aRandom("key", every(30)), aStatic("stripe", nil)
				s := newScene(t, key, other)
				tc.before(s, key)
				s.DryRun = dry
				err := s.stopped(func() (Result, error) {
					return s.setAll(map[*secret.Secret]string{key: tc.value, other: "sk_live_first_value"})
				})
				require.ErrorIs(t, err, tc.is)
				require.ErrorIs(t, err, Refused)
				require.ErrorContains(t, err, "no value was set: $SECRET.auth.key: ")
				require.Nil(t, s.record(other))
			})
		}
	}
}

func TestSetAllOfAnUndeclaredSecret(t *testing.T) {
	one, other := aStatic("stripe", nil), aStatic("other", nil)
	s := newScene(t, one)
	err := s.stopped(func() (Result, error) {
		return s.setAll(map[*secret.Secret]string{one: "sk_live_first_value", other: "sk_live_second_value"})
	})
	require.ErrorContains(t, err, "$SECRET.billing.other is not declared")
}

// While an earlier text of one secret is not confirmed, no other secret gets its
// value.
func TestSetAllWaitsForEarlierTexts(t *testing.T) {
	values := func(one, two *secret.Secret) map[*secret.Secret]string {
		return map[*secret.Secret]string{one: "sk_live_second_value", two: "paypal_first_value"}
	}
	for name, reachable := range map[string]bool{"the target answers again": true, "the target stays silent": false} {
		t.Run(name, func(t *testing.T) {
			one, two := aStatic("stripe", retained(10)), aStatic("paypal", nil)
			s := newScene(t, one, two)
			s.shop.publish = swallowed
			require.ErrorIs(t, s.problem(one)(s.set(one, "sk_live_first_value")), Unsettled)
			if reachable {
				s.shop.publish = nil
				require.Equal(t, []string{"publish v1", "create v1", "set v2"}, s.did(s.setAll(values(one, two))))
				return
			}
			_, err := s.seen(s.setAll(values(one, two)))
			require.ErrorIs(t, err, Unsettled)
			require.ErrorContains(t, err, "no value was set: ")
			require.Nil(t, s.record(two))
			require.Equal(t, "v1", s.record(one).Current)
		})
	}
}

// As with Set, the ledger keeps the value of a secret whose value in the target
// it did not publish.
func TestSetAllKeepsValuesBesideThoseOfOthers(t *testing.T) {
	one, two := aStatic("stripe", nil), aStatic("paypal", nil)
	s := newScene(t, one, two)
	s.shop.Set(s.called(one), "by hand")
	r, err := s.seen(s.setAll(map[*secret.Secret]string{one: "sk_live_first_value", two: "paypal_first_value"}))
	require.NoError(t, err)
	require.Equal(t, []string{"create v1", "keep v1"}, s.actions(r, nil))
	require.False(t, r.OK())
	require.Equal(t, "by hand", s.text(one))
	require.Equal(t, "paypal_first_value", s.doc(two).Current().Text())
}

func TestCheckValueReportsWhatSetRefuses(t *testing.T) {
	s := newScene(t, aRandom("key", nil))
	require.NoError(t, CheckValue(s.Spec.Secrets[0], driver.NewValue(aKey("Ab1_"))))
	require.ErrorIs(t, CheckValue(s.Spec.Secrets[0], driver.NewValue("too-short-a-key")), secret.ErrEncoding)
}

// A change of form is published first, and the values follow in the same run.
func TestSetAllFollowsAChangeOfForm(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func() *secret.Secret
		form          string
	}{
		"a bare value gets a Rotation": {func() *secret.Secret { return aStatic("stripe", nil) },
			func() *secret.Secret { return aStatic("stripe", kept()) }, "document v1"},
		"a document loses its Rotation": {func() *secret.Secret { return aStatic("stripe", kept()) },
			func() *secret.Secret { return aStatic("stripe", nil) }, "bare v1"},
		"a document gets another format": {func() *secret.Secret { return aStatic("stripe", kept()) },
			func() *secret.Secret {
				return secret.Static(secret.Options{Namespace: "billing", Name: "stripe", Rotation: kept(),
					Format: secret.FormatCompact})
			}, "document v1"},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := c.before(), aStatic("paypal", nil)
			s := newScene(t, one, two)
			s.did(s.set(one, "sk_live_first_value"))
			after := c.after()
			require.Equal(t, one.Address(), after.Address())
			s.declare(after, two)
			ledger := &counting{Ledger: s.Ledger}
			s.Ledger = ledger
			values := map[*secret.Secret]string{after: "sk_live_second_value", two: "paypal_first_value"}
			require.Equal(t, []string{c.form, "create v1", "set v2"}, s.did(s.setAll(values)))
			require.Equal(t, "sk_live_second_value", s.doc(after).Current().Text())
			require.Equal(t, "paypal_first_value", s.doc(two).Current().Text())
			require.Equal(t, 3, ledger.changes, "the form, its confirmation with both values, and their confirmation")
		})
	}
}

// Stopped after any step, also between the change of form and the values, the
// ledger has all values or none, and the same order again sets them once.
func TestSetAllAfterAChangeOfFormSurvivesACrash(t *testing.T) {
	ctx := context.Background()
	for steps := 0; ; steps++ {
		before, one, two := aStatic("stripe", nil), aStatic("stripe", kept()), aStatic("paypal", nil)
		s := newScene(t, before, two)
		s.did(s.set(before, "sk_live_first_value"))
		s.declare(one, two)
		s.values = append(s.values, "sk_live_second_value", "paypal_first_value")
		orders := map[secret.Address]order{
			one.Address(): {op: orderSet, value: "sk_live_second_value", whole: true},
			two.Address(): {op: orderSet, value: "paypal_first_value", whole: true},
		}
		r := newRun(s.Operator, orders, "set")
		for range steps {
			if r.stage != stageDone {
				require.NoError(t, r.step(ctx))
			}
		}
		ended := r.stage == stageDone
		require.Equal(t, s.record(one).Highest == 2, s.record(two) != nil, "both or neither, after step %d", steps)
		result, err := s.seen(s.run(ctx, orders, "set"))
		require.NoError(t, err)
		require.True(t, result.OK() && result.Settled(), "after step %d", steps)
		require.Equal(t, "sk_live_second_value", s.doc(one).Current().Text())
		require.Equal(t, "paypal_first_value", s.text(two))
		require.Equal(t, 2, s.record(one).Highest, "the value was added once")
		require.Equal(t, 1, s.record(two).Highest)
		if ended {
			require.Greater(t, steps, 8)
			return
		}
	}
}
