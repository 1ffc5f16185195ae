package rotate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// tokens is a service that mints tokens: several may have one name.
type tokens struct {
	s      *scene
	key    *secret.Secret
	n      int
	names  map[string]string // by id
	make   func(name string) (made bool, err error)
	retire error
	sweep  error
	params []map[string]string
	asked  []string
	swept  [][]string
}

const tokenMaker = "test/tokens"

func (g *tokens) Make(_ context.Context, name string, params map[string]string) (driver.Made, error) {
	r := g.s.record(g.key)
	require.NotNil(g.s.t, r.Making, "the name is in the ledger before anything is made")
	require.Equal(g.s.t, name, r.Making.Name)
	g.params, g.asked = append(g.params, params), append(g.asked, name)
	made, err := true, error(nil)
	if g.make != nil {
		made, err = g.make(name)
	}
	if !made {
		return driver.Made{}, err
	}
	m := g.mint(name)
	if err != nil {
		return driver.Made{}, err
	}
	return m, nil
}

func (g *tokens) mint(name string) driver.Made {
	g.n++
	id := fmt.Sprintf("token-%d", g.n)
	g.names[id] = name
	value := fmt.Sprintf(`{"accessKeyId":"%s","secretAccessKey":"%032d"}`, id, g.n)
	g.s.values = append(g.s.values, value[len(value)-34:len(value)-2])
	return driver.Made{Value: driver.NewValue(value), ID: id}
}

func (g *tokens) Retire(_ context.Context, id string) error {
	if g.retire == nil {
		delete(g.names, id)
	}
	return g.retire
}

func (g *tokens) Sweep(_ context.Context, names, known []string) error {
	g.swept = append(g.swept, names)
	if g.sweep != nil {
		return g.sweep
	}
	maps.DeleteFunc(g.names, func(id, name string) bool {
		return slices.Contains(names, name) && !slices.Contains(known, id)
	})
	return nil
}

func (g *tokens) ids() []string { return slices.Sorted(maps.Keys(g.names)) }

func withTokens(t *testing.T, r *secret.Rotation) (*scene, *secret.Secret, *tokens) {
	key := secret.Generated(secret.Options{Namespace: "storage", Name: "r2", Generator: tokenMaker,
		Params: map[string]string{"bucket": "media"}, Rotation: r})
	s := newScene(t, key)
	g := &tokens{s: s, key: key, names: map[string]string{}}
	s.Generators = map[string]driver.Generator{tokenMaker: g}
	return s, key, g
}

// fails requires that the run succeeded except for the generator's work.
func (g *tokens) fails(r Result, err error) error {
	g.s.t.Helper()
	r, err = g.s.seen(r, err)
	require.NoError(g.s.t, err)
	require.False(g.s.t, r.OK())
	require.Len(g.s.t, r.Failed, 1)
	return r.Failed[0]
}

// open returns the number of names under which something may remain.
func (g *tokens) open() int { return len(g.s.state().Sweep) + len(g.s.state().Retire) }

func TestAGeneratedSecretsWholeLife(t *testing.T) {
	s, key, g := withTokens(t, every(30))
	require.Equal(t, []string{"create v1"}, s.did(s.apply()))
	require.Equal(t, []string{"token-1"}, g.ids())
	require.Equal(t, []map[string]string{{"bucket": "media"}}, g.params)
	require.Contains(t, s.doc(key).Current().Text(), `"accessKeyId":"token-1"`)
	require.Nil(t, s.record(key).Making)
	require.Zero(t, g.open())
	s.still()

	s.pass(31 * day)
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	require.NotEqual(t, g.names["token-1"], g.names["token-2"], "a name of its own each")
	s.pass(day)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
	s.pass(2 * day)
	require.Equal(t, []string{"token-1", "token-2"}, g.ids(), "as long as readers have it")
	require.Equal(t, []string{"prune v1"}, s.did(s.rotate()))
	require.Equal(t, []string{"token-2"}, g.ids(), "deleted when no version uses it any more")
	require.Zero(t, g.open())
	s.still()
}

// A token is deleted when no version in any record uses it.
func TestATokenLivesAsLongAsAnyVersion(t *testing.T) {
	t.Run("a rollback copies it", func(t *testing.T) {
		s, key, g := withTokens(t, every(300))
		s.did(s.apply())
		s.did(s.rotate(RotateOptions{Immediate: true}))
		s.did(s.rollback(key, true)) // v3 is token-1 again
		s.pass(2 * day)
		require.ElementsMatch(t, []string{"prune v1", "prune v2"}, s.did(s.rotate()))
		require.Equal(t, []string{"token-1"}, g.ids())
		require.Equal(t, []string{"flip v4"}, s.did(s.rotate(RotateOptions{Immediate: true})))
		s.pass(2 * day)
		require.Equal(t, []string{"prune v3"}, s.did(s.rotate()))
		require.Equal(t, []string{"token-3"}, g.ids())
	})
	t.Run("a rename too", func(t *testing.T) {
		s, key, g := withTokens(t, nil)
		s.did(s.apply())
		to := secret.Generated(secret.Options{Namespace: "storage", Name: "new", Generator: tokenMaker,
			Params: map[string]string{"bucket": "media"}})
		s.declare(to)
		s.did(s.rename(key, to))
		s.did(s.remove(key))
		require.Equal(t, []string{"token-1"}, g.ids())
		require.Zero(t, g.open())
		s.declare()
		s.did(s.remove(to))
		require.Empty(t, g.ids())
	})
	t.Run("withdrawn and revoked", func(t *testing.T) {
		s, key, g := withTokens(t, kept())
		s.announce(key)
		s.did(s.rollback(key, false))
		require.Equal(t, []string{"token-1"}, g.ids())
		require.Equal(t, []string{"flip v3", "revoke v1"}, s.did(s.revoke(key, "v1")))
		require.Equal(t, []string{"token-3"}, g.ids())
	})
}

// Nothing is deleted while the store may still return the document that names
// it.
func TestATokenIsDeletedAfterTheStoreHasForgottenIt(t *testing.T) {
	s, key, g := withTokens(t, kept())
	s.flip(key)
	s.shop.publish = swallowed
	s.problem(key)(s.revoke(key, "v1"))
	require.Equal(t, []string{"token-1", "token-2"}, g.ids())
	s.shop.publish = nil
	s.did(s.rotate())
	require.Equal(t, []string{"token-2"}, g.ids())
}

func TestMakeFails(t *testing.T) {
	for name, made := range map[string]bool{"and made nothing": false, "and made one": true} {
		t.Run(name, func(t *testing.T) {
			s, key, g := withTokens(t, every(30))
			g.make = func(string) (bool, error) { return made, errors.New("503 Service Unavailable") }
			failed := g.fails(s.apply())
			require.ErrorContains(t, failed, "503")
			require.ErrorContains(t, failed, "$SECRET.storage.r2")
			require.Equal(t, StateUnpublished, s.status(key.Address()).State)
			require.Empty(t, s.shop.sent)
			require.Empty(t, g.ids(), "swept up at once")
			first := g.asked[0]

			g.make = nil
			require.Equal(t, []string{"create v1"}, s.did(s.apply()))
			require.Len(t, g.ids(), 1, "the first one is swept up")
			require.NotEqual(t, first, g.names[g.ids()[0]], "under a new name")
			require.Equal(t, []string{first}, namesOf(s.state().Sweep), "as long as a late request may make it")
			// A token that was made late is deleted too.
			g.mint(first)
			require.Empty(t, s.did(s.rotate()))
			require.Len(t, g.ids(), 1)
			s.pass(25 * time.Hour)
			g.mint(first)
			require.Empty(t, s.did(s.rotate()))
			require.Len(t, g.ids(), 1)
			require.Zero(t, g.open())
			s.still()
		})
	}
}

func namesOf(list []sweep) []string {
	var names []string
	for _, s := range list {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// A generator's failure does not stop another secret.
func TestAFailedMakeHoldsBackNobody(t *testing.T) {
	s, key, g := withTokens(t, every(30))
	other := aRandom("other", every(30))
	s.declare(key, other)
	g.make = func(string) (bool, error) { return false, errLost }
	g.fails(s.apply())
	require.Equal(t, []string{"v1"}, s.ids(other))
}

// A rotation whose value cannot be made changes nothing.
func TestAFailedMakeOfARotation(t *testing.T) {
	s, key, g := withTokens(t, every(30))
	s.did(s.apply())
	text := s.text(key)
	s.pass(31 * day)
	g.make = func(string) (bool, error) { return false, errLost }
	g.fails(s.rotate())
	require.Equal(t, text, s.text(key))
	require.Empty(t, s.status(key.Address()).Pending)
	require.Equal(t, StateDue, s.status(key.Address()).State)
	g.make = nil
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	require.Len(t, g.ids(), 2)
}

// After a crash anywhere between the name and the value, the next run records a
// new name, then deletes the tokens of the old one.
func TestACrashAroundMake(t *testing.T) {
	for name, steps := range map[string]int{"after the name": 0, "after the token": 1} {
		t.Run(name, func(t *testing.T) {
			s, key, g := withTokens(t, every(30))
			r := newRun(s.Operator, s.all(order{op: orderApply}), "apply")
			for r.stage != stageMake {
				require.NoError(t, r.step(t.Context()))
			}
			for range steps {
				require.NoError(t, r.step(t.Context()))
			}
			require.Len(t, g.ids(), steps)
			old := s.record(key).Making.Name
			g.make = func(name string) (bool, error) {
				require.NotEqual(t, old, name)
				require.Equal(t, []string{old}, namesOf(s.state().Sweep))
				return true, nil
			}
			require.Equal(t, []string{"create v1"}, s.did(s.apply()))
			require.Len(t, g.ids(), 1)
			s.still()
			s.pass(25 * time.Hour)
			s.did(s.rotate())
			require.Zero(t, g.open())
			require.Len(t, g.ids(), 1)
		})
	}
}

// A failed deletion is tried again, and reported.
func TestRetireAndSweepAreTriedAgain(t *testing.T) {
	s, key, g := withTokens(t, kept())
	s.flip(key)
	g.retire = errors.New("429 Too Many Requests")
	r, err := s.seen(s.revoke(key, "v1"))
	require.NoError(t, err)
	require.Len(t, r.Failed, 1)
	require.ErrorContains(t, r.Failed[0], "429")
	require.False(t, r.OK())
	require.Equal(t, []string{"token-1", "token-2"}, g.ids())
	r, err = s.unchanged(func() (Result, error) { return s.rotate() })
	require.NoError(t, err)
	require.Len(t, r.Failed, 1)
	g.retire = nil
	require.Empty(t, s.did(s.rotate()))
	require.Equal(t, []string{"token-2"}, g.ids())
	require.Zero(t, g.open())

	g.make = func(string) (bool, error) { return true, errLost }
	g.sweep = errLost
	r, err = s.seen(s.rotateNow())
	require.NoError(t, err)
	require.Len(t, r.Failed, 2)
	g.make, g.sweep = nil, errors.New("no permission to list tokens")
	r, err = s.seen(s.rotateNow())
	require.NoError(t, err)
	require.Len(t, r.Failed, 1)
	require.ErrorContains(t, r.Failed[0], "no permission")
	require.Equal(t, StatePending, r.Secrets[0].State, "its rotation went on")
	g.sweep = nil
	require.Empty(t, s.did(s.rotate()))
	require.Len(t, g.ids(), 2)
}

// Without the generator a person is needed. The names that must be deleted are
// kept.
func TestAnUnknownOrEmptyGenerator(t *testing.T) {
	for name, generator := range map[string]string{"unknown": "acme/tokens", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			key := secret.Generated(secret.Options{Namespace: "storage", Name: "r2", Generator: generator, Rotation: every(30)})
			s := newScene(t, key)
			for _, do := range []func() (Result, error){s.apply, s.rotateNow, func() (Result, error) { return s.rotate() }} {
				r, err := s.unchanged(do)
				require.NoError(t, err)
				require.False(t, r.OK())
				require.ErrorIs(t, r.Secrets[0].Problem, NeedsValue)
				require.Equal(t, StateExternal, r.Secrets[0].State)
			}
			require.Equal(t, []string{"create v1"}, s.did(s.set(key, "somebody made this value")))
			s.pass(40 * day)
			require.ErrorIs(t, s.problem(key)(s.unchanged(func() (Result, error) { return s.rotate() })), NeedsValue)
			require.True(t, s.status(key.Address()).NeedsPerson)
			require.Equal(t, []string{"add v2"}, s.did(s.set(key, "somebody made that value")))
		})
	}
	t.Run("gone since", func(t *testing.T) {
		s, key, g := withTokens(t, kept())
		s.flip(key)
		generators := s.Generators
		s.Generators = nil
		require.Equal(t, []string{"revoke v1"}, s.did(s.revoke(key, "v1")))
		require.Len(t, g.ids(), 2)
		require.Len(t, s.state().Retire, 1, "kept for who has it")
		s.still()
		s.Generators = generators
		s.did(s.rotate())
		require.Equal(t, []string{"token-2"}, g.ids())
	})
}

// A value from outside replaces the one that is being made, whose token is
// deleted.
func TestSetWhileAValueIsBeingMade(t *testing.T) {
	s, key, g := withTokens(t, every(30))
	g.make = func(string) (bool, error) { return true, errLost }
	g.sweep = errLost
	_, err := s.seen(s.apply())
	require.NoError(t, err)
	require.Len(t, g.ids(), 1)
	g.make, g.sweep = nil, nil
	require.Equal(t, []string{"create v1"}, s.did(s.set(key, "somebody made this value")))
	require.Empty(t, g.ids())
	require.Nil(t, s.record(key).Making)
}

// A value that does not fit the declaration is not published, and its token is
// deleted.
func TestAGeneratorThatMakesNonsense(t *testing.T) {
	for name, text := range map[string]string{"too short a key": "c2hvcnQ", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			key := secret.Generated(secret.Options{Namespace: "storage", Name: "k", Generator: tokenMaker, Bytes: 32})
			s := newScene(t, key)
			g := &fixed{value: text}
			s.Generators = map[string]driver.Generator{tokenMaker: g}
			r, err := s.seen(s.apply())
			require.NoError(t, err)
			require.False(t, r.OK())
			require.Len(t, r.Failed, 1)
			require.Empty(t, s.shop.sent)
			require.True(t, s.record(key) == nil || s.record(key).empty())
		})
	}
}

type fixed struct{ value string }

func (f *fixed) Make(context.Context, string, map[string]string) (driver.Made, error) {
	return driver.Made{Value: driver.NewValue(f.value), ID: "one"}, nil
}
func (f *fixed) Retire(context.Context, string) error            { return nil }
func (f *fixed) Sweep(context.Context, []string, []string) error { return nil }
