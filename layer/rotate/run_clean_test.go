package rotate

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// providers is a generator for a provider of each secret, which count their
// values on their own: the ids of two secrets are the same.
type providers struct {
	n    map[string]int
	live map[string]string // name by address and id
	down error             // of Retire
}

func (g *providers) For(r driver.Request) driver.Generator { return &provider{g, r.Address} }

func (g *providers) Make(context.Context, string, map[string]string) (driver.Made, error) {
	return driver.Made{}, errors.New("For is needed")
}
func (g *providers) Retire(context.Context, string) error { return errors.New("For is needed") }
func (g *providers) Sweep(context.Context, []string, []string) error {
	return errors.New("For is needed")
}

type provider struct {
	*providers
	address string
}

func (g *provider) Make(_ context.Context, name string, _ map[string]string) (driver.Made, error) {
	g.n[g.address]++
	id := fmt.Sprint(g.n[g.address])
	g.live[g.address+" "+id] = name
	return driver.Made{ID: id, Value: driver.NewValue("value " + id + " of " + g.address)}, nil
}

func (g *provider) Retire(_ context.Context, id string) error {
	if g.down == nil {
		delete(g.live, g.address+" "+id)
	}
	return g.down
}

func (g *provider) Sweep(_ context.Context, names, known []string) error {
	ids := map[string]bool{}
	for _, id := range known {
		ids[id] = true
	}
	for key, name := range g.live {
		for _, swept := range names {
			if name == swept && !ids[key[len(g.address)+1:]] {
				delete(g.live, key)
			}
		}
	}
	return nil
}

func withTwoProviders(t *testing.T) (*scene, [2]*secret.Secret, *providers) {
	s := newScene(t)
	g := &providers{n: map[string]int{}, live: map[string]string{}}
	s.Generators = map[string]driver.Generator{"test/counting": g}
	var keys [2]*secret.Secret
	for i, name := range []string{"one", "two"} {
		keys[i] = secret.Generated(secret.Options{Namespace: "billing", Name: name, Generator: "test/counting"})
	}
	s.declare(keys[0], keys[1])
	return s, keys, g
}

// Two secrets may have values with the same id at two providers. Each is ended
// when its own secret does not use it any more.
func TestIDsOfTwoProvidersMayBeTheSame(t *testing.T) {
	t.Run("retired", func(t *testing.T) {
		s, keys, g := withTwoProviders(t)
		s.did(s.apply())
		s.did(s.revoke(keys[0], "v1"))
		require.NotContains(t, g.live, "$SECRET.billing.one 1")
		require.Contains(t, g.live, "$SECRET.billing.one 2")
		require.Contains(t, g.live, "$SECRET.billing.two 1")
		s.declare(keys[1])
		s.did(s.remove(keys[0]))
		require.Len(t, g.live, 1)
	})
	t.Run("swept", func(t *testing.T) {
		s, keys, g := withTwoProviders(t)
		s.declare(keys[1])
		s.did(s.apply())
		s.declare(keys[0], keys[1])
		r := newRun(s.Operator, s.all(order{op: orderApply}), "apply")
		for r.stage != stageMake {
			require.NoError(t, r.step(t.Context()))
		}
		require.NoError(t, r.step(t.Context())) // it makes the value, and is killed
		require.Contains(t, g.live, "$SECRET.billing.one 1")
		s.did(s.apply())
		require.NotContains(t, g.live, "$SECRET.billing.one 1")
		require.Len(t, g.live, 2)
	})
}

// The report of a value that could not be ended names its secret and its id.
func TestValueThatCouldNotBeEndedIsNamed(t *testing.T) {
	s, keys, g := withTwoProviders(t)
	s.did(s.apply())
	g.down = errors.New("503")
	result, err := s.seen(s.revoke(keys[0], "v1"))
	require.NoError(t, err)
	require.Len(t, result.Failed, 1)
	require.ErrorContains(t, result.Failed[0], "$SECRET.billing.one: test/counting: an unused resource could not be "+
		"ended, the next run tries again (its id is 1): 503")
}
