package rotate

import (
	"cmp"
	"context"
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

// roomy is a shop whose texts may have limit bytes together. It refuses the
// others, as an object with a limited size does.
type roomy struct {
	*shop
	limit int
}

var errNoRoom = errors.New("the object has no room: use several objects")

func (p *roomy) used() (used int) {
	for _, name := range p.Names() {
		text, _ := p.Text(name)
		used += len(text)
	}
	return used
}

func (p *roomy) Fits(_ context.Context, sizes map[string]int) error {
	used, without := p.used(), driver.NoRoom{}
	growth := func(name string) int { text, _ := p.Text(name); return sizes[name] - len(text) }
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
		return cmp.Or(cmp.Compare(growth(a), growth(b)), strings.Compare(a, b))
	})
	for _, name := range names {
		if next := used + growth(name); next <= p.limit || growth(name) <= 0 {
			used = next
		} else {
			without[name] = errNoRoom
		}
	}
	if len(without) > 0 {
		return without
	}
	return nil
}

func (p *roomy) Publish(ctx context.Context, items []driver.Item) []error {
	errs := p.shop.Publish(ctx, items)
	if p.used() > p.limit {
		panic("the engine published texts that do not fit")
	}
	return errs
}

// A text without room is refused alone. The same run prunes versions, and
// publishes the texts that fit then.
func TestOnlyTheTextWithoutRoomIsRefused(t *testing.T) {
	short := &secret.Rotation{EveryDays: 7}
	never := &secret.Rotation{EveryDays: 3000}
	large := func(name string, r *secret.Rotation) *secret.Secret {
		return secret.Random(secret.Options{Namespace: "auth", Name: name, Rotation: r, Bytes: 900})
	}
	old, due, still := large("old", short), large("due", short), large("still", never)
	setUp := func(t *testing.T) (*scene, *roomy) {
		s := newScene(t, old, still)
		p := &roomy{s.shop, 1 << 20}
		s.Publisher = p
		require.Equal(t, []string{"create v1", "create v1"}, s.did(s.apply()))
		s.pass(8 * day)
		require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
		s.pass(day)
		require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
		s.pass(4 * day)
		return s, p
	}
	t.Run("a prune makes room for a creation", func(t *testing.T) {
		s, p := setUp(t)
		s.declare(old, due, still)
		p.limit = p.used() + 300
		require.ElementsMatch(t, []string{"prune v1", "create v1"}, s.did(s.rotate()))
		require.LessOrEqual(t, p.used(), p.limit)
		s.still()
	})
	t.Run("a prune happens beside a creation without room", func(t *testing.T) {
		s, p := setUp(t)
		more := large("more", never)
		s.declare(old, due, more, still)
		p.limit = p.used() + 300
		r, err := s.seen(s.rotate())
		require.NoError(t, err)
		require.False(t, r.OK())
		require.ElementsMatch(t, []string{"prune v1", "create v1"}, s.actions(r, nil))
		require.Nil(t, s.record(more), "no value is recorded that cannot be published")
		reason := s.problem(more)(s.rotate())
		require.ErrorIs(t, reason, Refused)
		require.ErrorIs(t, reason, errNoRoom)
		s.unchanged(func() (Result, error) { return s.rotate() })
		p.limit = 1 << 20
		require.Equal(t, []string{"create v1"}, s.did(s.rotate()))
	})
	t.Run("a prune happens in the secret that cannot begin its rotation", func(t *testing.T) {
		s, p := setUp(t)
		s.pass(20 * day)
		p.limit = p.used() - 600 // prune v1 and add v3 have about the same size
		r, err := s.seen(s.rotate())
		require.NoError(t, err)
		require.Equal(t, []string{"prune v1"}, s.actions(r, nil))
		require.ErrorIs(t, s.problem(old)(s.rotate()), errNoRoom)
		require.Equal(t, []string{"v2"}, s.ids(old))
		p.limit = 1 << 20
		require.Equal(t, []string{"add v3"}, s.did(s.rotate()))
	})
	t.Run("an announcement leaves room for its flip", func(t *testing.T) {
		added := 0
		for _, spare := range []int{1 << 20, flipRoom - 1, flipRoom} {
			s, p := setUp(t)
			require.Equal(t, []string{"prune v1"}, s.did(s.rotate()))
			s.pass(20 * day)
			if p.limit = added + spare; spare < flipRoom {
				require.ErrorIs(t, s.problem(old)(s.rotate()), errNoRoom)
				continue
			}
			require.Equal(t, []string{"add v3"}, s.did(s.rotate()))
			added = p.used()
			s.pass(day)
			require.Equal(t, []string{"flip v3"}, s.did(s.rotate()))
		}
	})
	t.Run("no value is set without room", func(t *testing.T) {
		s, p := setUp(t)
		static, second := aStatic("stripe", nil), aStatic("paypal", nil)
		s.declare(old, still, static, second)
		p.limit = p.used() + 30
		s.values = append(s.values, strings.Repeat("sk_live_", 9))
		reason := s.problem(static)(s.unchanged(func() (Result, error) { return s.set(static, strings.Repeat("sk_live_", 9)) }))
		require.ErrorIs(t, reason, errNoRoom)
		_, err := s.unchanged(func() (Result, error) {
			return s.SetAll(t.Context(), map[secret.Address]driver.Value{static.Address(): driver.NewValue("a_short_value"),
				second.Address(): driver.NewValue(strings.Repeat("sk_live_", 9))})
		})
		require.ErrorContains(t, err, "no value was set: $SECRET.billing.paypal: ")
		require.ErrorIs(t, err, errNoRoom)
	})
	t.Run("a recorded text waits for room", func(t *testing.T) {
		s, p := setUp(t)
		s.declare(old, due, still)
		s.shop.publish = turnedDown
		require.ErrorIs(t, s.problem(due)(s.rotate(RotateOptions{Only: []secret.Address{due.Address()}})), Unsettled)
		s.shop.publish, p.limit = nil, p.used()
		reason := s.problem(due)(s.unchanged(func() (Result, error) {
			return s.rotate(RotateOptions{Only: []secret.Address{due.Address()}})
		}))
		require.ErrorIs(t, reason, Unsettled)
		require.ErrorIs(t, reason, errNoRoom)
		require.ElementsMatch(t, []string{"prune v1", "publish v1"}, s.did(s.rotate()))
	})
}

// A generator's value that has no room is ended, and its secret has no version.
func TestGeneratedValueWithoutRoomIsEnded(t *testing.T) {
	s, key, g := withLogins(t, every(30))
	p := &roomy{s.shop, 10}
	s.Publisher = p
	require.ErrorIs(t, s.problem(key)(s.rotate()), errNoRoom)
	require.Zero(t, g.open())
	require.Empty(t, g.ids())
	p.limit = 1 << 20
	require.Equal(t, []string{"create v1"}, s.did(s.rotate()))
	s.pass(31 * day)
	p.limit = p.used() + 10
	require.ErrorIs(t, s.problem(key)(s.rotate()), errNoRoom)
	require.Zero(t, g.open())
	require.Equal(t, []string{"token-2"}, g.ids())
	p.limit = 1 << 20
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	s.pass(2 * time.Hour)
	s.still()
}
