package rotate

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// logins is a driver.RequestGenerator over tokens that tests each value, of
// which at most most work at a time.
type logins struct {
	*tokens
	most  int
	test  func(driver.Made) error
	calls []string
	asked []driver.Request
}

func (g *logins) For(r driver.Request) driver.Generator {
	return &login{g, r}
}

func (g *logins) Make(context.Context, string, map[string]string) (driver.Made, error) {
	return driver.Made{}, errors.New("For is needed")
}
func (g *logins) Retire(context.Context, string) error            { return errors.New("For is needed") }
func (g *logins) Sweep(context.Context, []string, []string) error { return errors.New("For is needed") }

type login struct {
	*logins
	request driver.Request
}

func (g *login) did(what string) {
	g.calls, g.logins.asked = append(g.calls, what), append(g.logins.asked, g.request)
}

func (g *login) Make(ctx context.Context, name string, params map[string]string) (driver.Made, error) {
	require.Equal(g.s.t, params, g.request.Params)
	require.True(g.s.t, g.most == 0 || len(g.request.InUse) < g.most, "no value is made while all places are taken")
	g.did("make")
	return g.tokens.Make(ctx, name, params)
}

func (g *login) Test(_ context.Context, made driver.Made) error {
	g.did("test " + made.ID)
	require.Contains(g.s.t, made.Value.Reveal(), made.ID)
	if g.test != nil {
		return g.test(made)
	}
	if _, ok := g.names[made.ID]; !ok {
		return errors.New("this login is disabled")
	}
	return nil
}

func (g *login) Retire(ctx context.Context, id string) error {
	g.did("retire " + id)
	return g.tokens.Retire(ctx, id)
}

func (g *login) Sweep(ctx context.Context, names, known []string) error {
	g.did("sweep")
	return g.tokens.Sweep(ctx, names, known)
}

func (g *login) MostInUse() int { return g.most }

func withLogins(t *testing.T, r *secret.Rotation) (*scene, *secret.Secret, *logins) {
	s, key, g := withTokens(t, r)
	of := &logins{tokens: g, most: 2}
	s.Generators = map[string]driver.Generator{tokenMaker: of}
	return s, key, of
}

// turns returns the calls since the last one.
func (g *logins) turns() []string {
	calls := g.calls
	g.calls = nil
	return calls
}

func TestRequestGeneratorGetsTheDeclaration(t *testing.T) {
	s, key, g := withLogins(t, every(30))
	require.Equal(t, []string{"create v1"}, s.did(s.apply()))
	require.Equal(t, []string{"make", "test token-1", "sweep"}, g.turns())
	s.pass(31 * day)
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	require.Equal(t, []string{"make", "test token-2", "sweep"}, g.turns())
	bucket := map[string]string{"bucket": "media"}
	asks := driver.Request{Address: "$SECRET.storage.r2", Params: bucket}
	full := driver.Request{Address: asks.Address, Params: bucket, InUse: []string{"token-1"}}
	require.Equal(t, []driver.Request{asks, asks, asks, full, asks, asks}, g.asked)
	s.pass(day)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))

	// The declared parameters have changed: the old value is ended with those.
	changed := secret.Generated(secret.Options{Namespace: "storage", Name: "r2", Generator: tokenMaker,
		Params: map[string]string{"bucket": "other"}, Rotation: every(30)})
	s.declare(changed)
	s.pass(2 * day)
	require.Equal(t, []string{"prune v1"}, s.did(s.rotate()))
	require.Equal(t, []string{"retire token-1"}, g.turns())
	require.Equal(t, map[string]string{"bucket": "other"}, last(g.asked).Params)

	// The declaration has gone: the recorded parameters are those of the request.
	s.declare()
	s.did(s.remove(key))
	require.Equal(t, []string{"retire token-2"}, g.turns())
	require.Equal(t, driver.Request{Address: "$SECRET.storage.r2", Params: bucket}, last(g.asked))
	require.Zero(t, g.open())
}

func last[E any](list []E) E { return list[len(list)-1] }

// A value that works late is published late, and one that never works is ended.
func TestNewValueIsTestedUntilItWorks(t *testing.T) {
	for name, c := range map[string]struct{ failures, tests int }{
		"at once": {0, 1}, "the third time": {2, 3}, "never": {1000, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s, key, g := withLogins(t, every(30))
			start, left := s.at, c.failures
			s.pause = func(_ context.Context, d time.Duration) error {
				s.pass(max(d.Truncate(time.Second), time.Second))
				return nil
			}
			g.test = func(driver.Made) error {
				require.Empty(t, s.shop.sent)
				if left--; left >= 0 {
					return errors.New("no such login yet")
				}
				return nil
			}
			if c.tests > 0 {
				require.Equal(t, []string{"create v1"}, s.did(s.apply()))
				require.Len(t, g.turns(), 2+c.tests)
				return
			}
			failed := g.fails(s.apply())
			require.ErrorContains(t, failed, "$SECRET.storage.r2: test/tokens made a value that does not work, "+
				"and it was not published: no such login yet")
			require.GreaterOrEqual(t, s.at.Sub(start), 50*time.Second)
			require.LessOrEqual(t, s.at.Sub(start), 70*time.Second)
			require.Empty(t, s.shop.sent)
			require.Empty(t, g.ids(), "the value is ended")
			require.Contains(t, g.calls, "retire token-1")
			require.Empty(t, s.recorded(key))
			g.test = nil
			require.Equal(t, []string{"create v1"}, s.did(s.apply()))
			require.Equal(t, []string{"token-2"}, g.ids())
			s.settled()
		})
	}
}

// recorded returns the ids in the ledger.
func (s *scene) recorded(key *secret.Secret) (ids []string) {
	if r := s.record(key); r != nil {
		for _, v := range r.Versions {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// settled requires that nothing is left to do after a margin.
func (s *scene) settled() {
	s.pass(25 * time.Hour)
	s.did(s.rotate())
	require.Zero(s.t, len(s.state().Sweep)+len(s.state().Retire))
	s.still()
}

// A slow test of one secret does not keep another secret's text from the
// target, and no value is made twice.
func TestSlowGeneratorsFinishInOneRun(t *testing.T) {
	var keys []*secret.Secret
	for _, name := range []string{"a", "b", "c"} {
		keys = append(keys, secret.Generated(secret.Options{Namespace: "storage", Name: name, Generator: "test/slow"}))
	}
	s := newScene(t, append(keys, aRandom("key", nil))...)
	g := &slowMaker{pass: func() { s.pass(50 * time.Second) }}
	s.Generators = map[string]driver.Generator{"test/slow": g}
	require.Len(t, s.did(s.apply()), 4)
	require.Equal(t, 3, g.made)
}

type slowMaker struct {
	pass func()
	made int
}

func (g *slowMaker) Make(context.Context, string, map[string]string) (driver.Made, error) {
	g.pass()
	g.made++
	return driver.Made{Value: driver.NewValue(strings.Repeat("x", 10+g.made)), ID: strings.Repeat("i", g.made)}, nil
}
func (g *slowMaker) Test(context.Context, driver.Made) error         { g.pass(); return nil }
func (g *slowMaker) Retire(context.Context, string) error            { return nil }
func (g *slowMaker) Sweep(context.Context, []string, []string) error { return nil }

// A rollback publishes only a value that works.
func TestRollbackTestsTheOlderValue(t *testing.T) {
	s, key, g := withLogins(t, every(30))
	s.flip(key)
	g.turns()
	g.test = func(driver.Made) error { return errors.New("this login is disabled") }
	err := s.problem(key)(s.unchanged(func() (Result, error) { return s.rollback(key, false) }))
	require.ErrorIs(t, err, Refused)
	require.ErrorContains(t, err, "the value of version v1 failed its test, so it was not published: "+
		"this login is disabled")
	require.Equal(t, []string{"test token-1"}, g.turns())

	generators := s.Generators
	s.Generators = nil
	err = s.problem(key)(s.unchanged(func() (Result, error) { return s.rollback(key, false) }))
	require.ErrorContains(t, err, "its generator test/tokens is not registered here")
	s.Generators = generators

	g.test = nil
	require.Equal(t, []string{"add v3"}, s.did(s.rollback(key, false)))
	require.Equal(t, []string{"test token-1"}, g.turns())
	require.Equal(t, []string{"token-1", "token-2"}, g.ids())
	s.still()
}

// A declaration that needs more values than there are is refused before
// anything changes.
func TestRotationThatNeedsTooManyValuesIsRefused(t *testing.T) {
	retain := func(days, retained int) *secret.Rotation {
		return &secret.Rotation{EveryDays: days, Retain: secret.Retention{Mode: secret.RetainFor, Days: retained}}
	}
	for name, c := range map[string]struct {
		rotation *secret.Rotation
		most     int
		refused  string
	}{
		"forever":            {kept(), 2, "has 2 values at a time, so a replaced version cannot be retained forever"},
		"too long":           {retain(30, 28), 2, "a replaced version stays in use for 30 days"},
		"no margin":          {retain(30, 29), 2, "a replaced version stays in use for 30 days (window, margin"},
		"just short enough":  {retain(30, 27), 2, ""},
		"three places":       {retain(30, 57), 3, ""},
		"three places, full": {retain(30, 58), 3, "has 3 values at a time"},
		"one place":          {every(30), 1, "has one value at a time"},
		"no rotation":        {nil, 1, ""},
		"no bound":           {kept(), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, g := withLogins(t, c.rotation)
			if name == "no margin" {
				s.Margin = time.Nanosecond // as layer stores 0s
			}
			if g.most = c.most; c.refused == "" {
				require.Equal(t, []string{"create v1"}, s.did(s.apply()))
				return
			}
			dry := *s.Operator
			dry.DryRun = true
			for name, do := range map[string]func() (Result, error){
				"plan": func() (Result, error) { return dry.Apply(t.Context()) }, "apply": s.apply, "now": s.rotateNow,
				"rotate": func() (Result, error) { return s.rotate() },
			} {
				err := s.stopped(do)
				require.ErrorContains(t, err, c.refused, name)
				require.ErrorContains(t, err, "$SECRET.storage.r2: ", name)
				require.ErrorIs(t, err, Refused)
			}
			require.Empty(t, g.calls)
			problem := s.status(s.Spec.Secrets[0].Address).Problem
			require.ErrorContains(t, problem, c.refused)
			require.NotContains(t, problem.Error(), "$SECRET", "the caller names the secret")
		})
	}
}

// While all places are taken, a rotation by the schedule waits, and a command
// that needs a new value now is refused.
func TestNoValueIsMadeWhileAllPlacesAreTaken(t *testing.T) {
	s, key, g := withLogins(t, &secret.Rotation{EveryDays: 7,
		Retain: secret.Retention{Mode: secret.RetainFor, Days: 4}})
	s.did(s.apply())
	s.pass(6 * day)
	s.did(s.rotateNow())
	s.pass(day)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
	ends := s.version(key, "v1").ExpiresAt
	for name, do := range map[string]func() (Result, error){
		"now":       s.rotateNow,
		"immediate": func() (Result, error) { return s.rotate(RotateOptions{Immediate: true}) },
		"revoke":    func() (Result, error) { return s.revoke(key, "v2") },
	} {
		r, err := s.unchanged(do)
		require.NoError(t, err, name)
		require.False(t, r.OK(), name)
		require.ErrorIs(t, r.Secrets[0].Problem, InUse, name)
		require.NotErrorIs(t, r.Secrets[0].Problem, Waiting, name)
		require.ErrorContains(t, r.Secrets[0].Problem, "test/tokens has 2 values at a time, and as many are in use: "+
			"a new one can be made after "+ends.Format(time.RFC3339)+", when version v1 has ended", name)
	}
	// The schedule is due before the first version has ended.
	s.pass(day)
	r, err := s.unchanged(func() (Result, error) { return s.rotate() })
	require.NoError(t, err)
	require.True(t, r.OK(), "it waits, and needs no person")
	require.ErrorIs(t, r.Secrets[0].Problem, Waiting)
	require.ErrorContains(t, r.Secrets[0].Problem, ends.Format(time.RFC3339))
	s.pass(3 * day)
	status := s.status(key.Address())
	require.False(t, status.Overdue)
	require.ErrorIs(t, status.Problem, Waiting)
	g.turns()
	s.at = ends
	require.Equal(t, []string{"prune v1", "add v3"}, s.did(s.rotate()))
	require.Equal(t, []string{"make", "test token-3", "retire token-1", "sweep"}, g.turns())
	// A revoked version makes room.
	s.pass(day)
	s.did(s.rotate())
	require.Equal(t, []string{"revoke v2"}, s.did(s.revoke(key, "v2")))
	require.Equal(t, []string{"flip v4", "revoke v3"}, s.did(s.revoke(key, "v3")))
}

// A state without such a generator stays readable for an earlier layer, and a
// state with one is refused there, because its parameters would be dropped.
func TestFormatRisesOnlyWithARequest(t *testing.T) {
	format := func(s *scene) int {
		st, _, err := s.ledger.Load(t.Context())
		require.NoError(t, err)
		data, err := st.encode()
		require.NoError(t, err)
		var stored struct{ Format int }
		require.NoError(t, json.Unmarshal(data, &stored))
		again, err := decodeState(data)
		require.NoError(t, err)
		require.True(t, st.Equal(again))
		return stored.Format
	}
	s, _, _ := withTokens(t, every(30))
	s.did(s.apply())
	require.Equal(t, stateFormat, format(s))
	s, key, _ := withLogins(t, every(30))
	require.Equal(t, stateFormat, format(s))
	s.did(s.apply())
	require.Equal(t, requestFormat, format(s))
	s.declare()
	s.did(s.remove(key))
	require.Equal(t, stateFormat, format(s))
}

// A crash after any step, a test that fails at first or always, and a second
// run leave one value for each version.
func TestACrashAroundATest(t *testing.T) {
	for name, failures := range map[string]int{"works": 0, "works late": 2, "never works": 1000} {
		t.Run(name, func(t *testing.T) {
			for steps := 0; ; steps++ {
				s, key, g := withLogins(t, every(30))
				left := failures
				g.test = func(driver.Made) error {
					if left--; left >= 0 {
						return errLost
					}
					return nil
				}
				r := newRun(s.Operator, s.all(order{op: orderApply}), "apply")
				for range steps {
					if r.stage != stageDone {
						require.NoError(t, r.step(t.Context()))
					}
				}
				if len(s.shop.sent) > 0 {
					require.LessOrEqual(t, left, 0, "only a value that works is sent")
				}
				g.test = nil
				_, err := s.seen(s.apply())
				require.NoError(t, err)
				s.settled()
				require.Equal(t, []string{s.record(key).version("v1").Resource.ID}, slices.Collect(maps.Keys(g.names)))
				if r.stage == stageDone {
					require.Greater(t, steps, 6)
					break
				}
			}
		})
	}
}

// An interrupted test ends at once. The value is ended by the next run.
func TestInterruptedTestLeavesNothingBehind(t *testing.T) {
	s, _, g := withLogins(t, every(30))
	ctx, cancel := context.WithCancel(t.Context())
	g.test = func(driver.Made) error { cancel(); return errLost }
	_, err := s.seen(s.Apply(ctx))
	require.ErrorIs(t, err, ErrInterrupted)
	require.ErrorContains(t, err, "the next run ends a value that a generator may have made")
	require.Equal(t, []string{"token-1"}, g.ids())
	g.test = nil
	require.Equal(t, []string{"create v1"}, s.did(s.apply()))
	require.Equal(t, []string{"token-2"}, g.ids())
	s.settled()
}

// A target without room for the texts is asked before the ledger has them.
func TestTargetWithoutRoomChangesNothing(t *testing.T) {
	s := newScene(t, aRandom("a", every(30)), aRandom("b", every(30)))
	f := &fitter{shop: s.shop}
	s.Publisher = f
	f.err = errors.New("the object would have more than 1 MiB: use several objects")
	err := s.stopped(s.apply)
	require.ErrorIs(t, err, Stopped)
	require.ErrorContains(t, err, "use several objects")
	require.Len(t, f.sizes[0], 2)
	dry := *s.Operator
	dry.DryRun = true
	require.ErrorContains(t, s.stopped(func() (Result, error) { return dry.Apply(t.Context()) }), "1 MiB")
	f.err, f.sizes = nil, nil
	s.did(s.apply())
	require.Len(t, f.sizes, 1)
	for name, size := range f.sizes[0] {
		text, ok := s.store.Text(name)
		require.True(t, ok)
		require.Len(t, text, size)
	}
	s.still()
	require.Len(t, f.sizes, 1, "nothing is asked if nothing is sent")
}

type fitter struct {
	*shop
	err   error
	sizes []map[string]int
}

func (f *fitter) Fits(_ context.Context, sizes map[string]int) error {
	f.sizes = append(f.sizes, maps.Clone(sizes))
	return f.err
}
