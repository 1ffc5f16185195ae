package rotate

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// A former recipient with write access to the store overwrites one secret every
// day. The other secrets rotate. After an adoption this one does too, with the
// ids of an undisturbed rotation.
func TestOneWhoLeftCannotStopTheRotation(t *testing.T) {
	key, other := aRandom("key", retained(2)), aRandom("other", retained(2))
	s := newScene(t, key, other)
	s.flip2(key)
	left := s.rekey()
	s.did(s.rotate())
	shapes := func() (list []string) {
		for gen := range s.record(key).Gen + 4 {
			for _, cur := range []string{"v1", "v2", "v3", "v999999999"} {
				list = append(list, left.newNote(s.called(key), gen+1, cur, foreignValue))
			}
		}
		return list
	}
	for i := range 120 {
		s.pass(day)
		notes := shapes()
		s.overwrite(key, notes[i*7%len(notes)])
		r, err := s.seen(s.rotate())
		require.NoError(t, err, "the run as a whole goes on")
		require.NoError(t, r.Secrets[1].Problem)
		_, err = s.seen(s.rotate(RotateOptions{Adopt: true}))
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, s.record(other).Highest, 4, "one rotation a month")
	for range 40 {
		s.pass(2 * day)
		s.did(s.rotate())
	}
	require.Less(t, s.record(key).Highest, 10)
	require.Less(t, s.record(key).Gen, uint64(400))
	s.still()
}

// Notes from before a removal remain the ledger's, up to the generation that
// each name had reached then.
func TestFormerKeysReachAsFarAsTheirRemoval(t *testing.T) {
	key := aRandom("key", retained(300))
	s := newScene(t, key)
	name := s.called(key)
	var keys []*state
	for i := range 4 { // one recipient leaves after each rotation
		require.NotNil(t, s.did(s.rotate(RotateOptions{Immediate: true})))
		s.pass(time.Hour)
		require.Equal(t, uint64(i+1), s.record(key).Gen)
		keys = append(keys, s.rekey())
	}
	for i, left := range keys {
		for gen := uint64(1); gen < 8; gen++ {
			for id := 1; id < 8; id++ {
				n, ours := s.state().ownNote(name, left.newNote(name, gen, fmt.Sprint("v", id), "any"))
				want := gen <= uint64(i+1) && id <= i+1
				require.Equal(t, want, ours, "key %d, generation %d, v%d", i, gen, id)
				require.Equal(t, want, n.former)
			}
		}
		n, ours := s.state().ownNote("X"+name, left.newNote("X"+name, 1, "v1", "any"))
		require.False(t, ours, "a name that had no record")
		require.Zero(t, n)
	}

	// So a late request from before is repaired, after any number of removals.
	s.shop.late(s.shop.sent[1])
	require.Equal(t, []string{"repair v4"}, s.did(s.rotate()))
	s.still()
}

// An intent from before a removal is finished after it, whether its request
// arrived or not.
func TestIntentOfBeforeARemoval(t *testing.T) {
	for name, tc := range map[string]struct {
		publish func(driver.Item) (bool, error)
		later   time.Duration
		want    string
	}{
		"carried out": {lost, time.Minute, "confirm v1"},
		"lost":        {swallowed, time.Minute, "publish v1"},
		"refused":     {turnedDown, time.Minute, "publish v1"},
	} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", every(300))
			s := newScene(t, key)
			s.did(s.apply())
			s.interrupt(tc.publish, s.rotateNow)
			s.rekey()
			s.rekey()
			s.pass(tc.later)
			require.Equal(t, []string{tc.want}, s.did(s.rotate()))
			s.still()
			s.pass(2 * day)
			require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
			s.shop.late(s.shop.sent[1])
			require.Equal(t, []string{"repair v2"}, s.did(s.rotate()))
		})
	}
}

// The ledger remembers the notes under every name that it has used.
func TestFormerKeysReachUnderEveryName(t *testing.T) {
	t.Run("renamed and removed secrets", func(t *testing.T) {
		from, to, gone := aRandom("from", retained(2)), aRandom("to", retained(2)), aRandom("gone", nil)
		s := newScene(t, from, gone)
		s.flip2(from)
		s.declare(to)
		s.did(s.rename(from, to))
		s.actions(s.remove(gone))
		left := s.rekey()
		for key, gen := range map[*secret.Secret]uint64{from: 3, to: 4, gone: 1} {
			name := s.called(key)
			_, ours := s.state().ownNote(name, left.newNote(name, gen, "v1", "any"))
			require.True(t, ours, name)
			_, ours = s.state().ownNote(name, left.newNote(name, gen+1, "v1", "any"))
			require.False(t, ours, name)
		}

		// A late request for a removed secret is not another writer's value.
		s.shop.late(driver.Item{Name: gone.Binding(), Text: driver.NewValue("any"),
			Note: left.newNote(gone.Binding(), 1, "v1", "any")})
		s.declare(to, gone)
		require.Equal(t, []string{"create v2"}, s.did(s.apply()))
	})
	t.Run("a name that the declaration gave up", func(t *testing.T) {
		before, after := named("key", "lo_before"), named("key", "lo_after")
		s := newScene(t, before)
		s.shop.bySecret = true
		s.did(s.apply())
		s.declare(after)
		s.did(s.rename(before, after))
		left := s.rekey()
		taker := named("taker", "lo_before")
		s.declare(after, taker)
		s.shop.late(driver.Item{Name: "lo_before", Text: driver.NewValue(foreignValue),
			Note: left.newNote("lo_before", 1, "v1", "any")})
		require.ErrorIs(t, s.problem(taker)(s.rotate()), Bound, "and the others go on")
	})
	t.Run("removed, under a name with a longer history", func(t *testing.T) {
		long, short := named("long", "lo_long"), named("short", "lo_short")
		s := newScene(t, long, short)
		s.shop.bySecret = true
		s.did(s.apply())
		s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{long.Address()}}))
		s.declare()
		s.actions(s.remove(long))
		s.actions(s.remove(short))
		left := s.rekey()
		swapped, other := named("short", "lo_long"), named("other", "lo_other")
		s.declare(swapped, other)
		s.shop.late(driver.Item{Name: "lo_long", Text: driver.NewValue(foreignValue),
			Note: left.newNote("lo_long", 2, "v2", "any")})
		r, err := s.seen(s.apply())
		require.NoError(t, err)
		require.ErrorIs(t, r.Secrets[1].Problem, Bound)
		require.Equal(t, []string{"create v1"}, s.actions(r, nil), "a former key proves no later ledger")
	})
	t.Run("the same generation with another text", func(t *testing.T) {
		key, other := aRandom("key", every(300)), aRandom("other", every(300))
		for op, prepare := range map[string]func(s *scene){"published": func(*scene) {}, "intent": func(s *scene) {
			s.interrupt(swallowed, func() (Result, error) {
				return s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}})
			})
		}} {
			s := newScene(t, key, other)
			s.did(s.apply())
			prepare(s)
			left := s.rekey()
			s.overwrite(key, left.newNote(s.called(key), s.record(key).Gen, "v1", foreignValue))
			r, err := s.seen(s.rotateNow())
			require.NoError(t, err, op)
			require.ErrorIs(t, r.Secrets[0].Problem, Drifted, op)
			require.Equal(t, []string{"add v2"}, s.actions(r, nil), op)
		}
	})
}

// A move to another target and back, with a removal at any point.
func TestFormerKeysReachFormerTargets(t *testing.T) {
	for name, removal := range map[string]int{"before the move": 0, "after the move": 1, "after a rotation": 2,
		"after the move back": 3} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", retained(2))
			s, second, move := moving(t, key)
			first := s.shop
			var left *state
			remove := func(now int) {
				if now == removal {
					left = s.rekey()
				}
			}
			s.did(s.apply())
			remove(0)
			_, err := move()
			require.NoError(t, err)
			remove(1)
			r, err := s.seen(s.Status(t.Context()))
			require.NoError(t, err)
			require.Empty(t, r.Failed, "the value that was left is as it was")
			s.did(s.rotate(RotateOptions{Immediate: true}))
			remove(2)
			s.Publisher, s.shop, s.store = first, first, first.MemoryPublisher
			s.Former = map[string]driver.Publisher{"second": second}
			r, err = s.seen(s.MoveTarget(t.Context(), "first"))
			require.NoError(t, err)
			require.True(t, r.Settled())
			remove(3)

			// The present target is recognised under another name: nothing is deleted
			// there.
			s.Former["first"] = first
			_, err = s.seen(s.MoveTarget(t.Context(), "another name of it"))
			require.NoError(t, err)
			require.NoError(t, s.RemoveFormer(t.Context(), "first"))
			require.Len(t, first.Names(), 1, "it is in use")

			// A note of the removed recipient hides no change in a former target.
			require.Contains(t, s.ledger.state.FormerTargets(), "second")
			second.late(driver.Item{Name: s.called(key), Text: driver.NewValue(foreignValue),
				Note: left.newNote(s.called(key), 9, "v1", "any")})
			r, err = s.seen(s.Status(t.Context()))
			require.NoError(t, err)
			require.Len(t, r.Failed, 1)
			require.ErrorIs(t, s.RemoveFormer(t.Context(), "second"), Foreign)
		})
	}
}

// A target with its own names becomes the target again, over the values that
// were left there.
func TestMoveBackOverValuesOfBeforeARemoval(t *testing.T) {
	key := aRandom("key", retained(2))
	s, second, move := moving(t, key)
	first := s.shop
	second.bySecret = true
	s.did(s.apply())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	_, err := move()
	require.NoError(t, err)
	left := s.rekey()
	_, ours := s.state().ownNote(key.Binding(), left.newNote(key.Binding(), 3, "v1", "any"))
	require.False(t, ours, "generation 3 has the other name")
	s.did(s.rotate(RotateOptions{Immediate: true}))
	s.Publisher, s.shop, s.store = first, first, first.MemoryPublisher
	s.Former = map[string]driver.Publisher{"second": second}
	r, err := s.seen(s.MoveTarget(t.Context(), "first"))
	require.NoError(t, err)
	require.True(t, r.Settled())
	require.Equal(t, "v3", s.current(key))
}

// In the present target under another name, a note from before the removal is
// known.
func TestFormerTargetThatIsThePresentOneAfterARemoval(t *testing.T) {
	key := aRandom("key", retained(2))
	s, second, move := moving(t, key)
	first := s.shop
	s.did(s.apply())
	second.MemoryPublisher = first.MemoryPublisher // the same place
	_, err := move()
	require.NoError(t, err)
	left := s.rekey()
	r, err := s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	require.Empty(t, r.Failed)
	s.overwrite(key, left.newNote(s.called(key), 2, "v1", foreignValue))
	r, err = s.seen(s.Status(t.Context()))
	require.NoError(t, err)
	require.Len(t, r.Failed, 1, "not the ledger's, though of its generation")
	require.ErrorIs(t, s.RemoveFormer(t.Context(), "first"), Foreign)
	_, ok := first.Text(s.called(key))
	require.True(t, ok)
}

// A ledger from before format 3 has no reach: its former keys reach the
// generation of its notes, which the next change records.
func TestLedgerOfFormat2RecordsTheReach(t *testing.T) {
	key := aRandom("key", retained(2))
	s := newScene(t, key)
	s.did(s.apply())
	left := s.rekey()
	s.did(s.rotate(RotateOptions{Immediate: true}))
	for format := 1; format <= 2; format++ {
		plain, err := s.ledger.state.encode()
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(plain, &fields))
		require.Contains(t, fields, "reach")
		delete(fields, "reach")
		fields["format"] = format
		plain, err = json.Marshal(fields)
		require.NoError(t, err)
		old, err := decodeState(plain)
		require.NoError(t, err)
		ours := func(st *state, gen uint64, cur string) bool {
			_, ours := st.ownNote(s.called(key), left.newNote(s.called(key), gen, cur, "any"))
			return ours
		}
		require.True(t, ours(old.state(), 2, "v2"))
		require.False(t, ours(old.state(), 3, "v2"))
		require.False(t, ours(old.state(), 2, "v3"))

		// The next change stores it, and later generations do not count.
		stored := old.stamped().state()
		require.Equal(t, stateFormat, stored.Format)
		again := *stored.find(key.Address())
		again.Gen, again.Highest = 9, 9
		plain, err = wrapState(stored.with(&again)).encode()
		require.NoError(t, err)
		read, err := decodeState(plain)
		require.NoError(t, err)
		require.True(t, ours(read.state(), 2, "v2"))
		require.False(t, ours(read.state(), 3, "v2"))
		require.False(t, ours(read.state(), 2, "v3"))
	}
}

// A forged or damaged ledger is read without a panic: Unseal refuses it, or it
// has a reach for each former key.
func TestDamagedReachIsRead(t *testing.T) {
	for name, fields := range map[string]string{
		"no records":       `"format":2`,
		"a record of null": `"format":2,"secrets":[null],"targets":[{"values":[{"name":"KEY"}]}]`,
		"no reach":         `"format":3`,
		"a reach of null":  `"format":3,"reach":[null]`,
		"more than keys":   `"format":3,"reach":[null,{"KEY":{"gen":7,"id":7}}]`,
	} {
		plain := `{"id":"x","fpKey":"MDAwMDAwMDAwMDAwMDAwMA==","byKey":"MDAwMDAwMDAwMDAwMDAwMA==","anchor":"MDAwMDAwMDAwMDAwMDAwMA==","former":["MTExMTExMTExMTExMTExMQ=="],` + fields + `}`
		s, err := decodeState([]byte(plain))
		require.NoError(t, err, name)
		st := s.state()
		require.Len(t, st.Reach, 1, name)
		left := *st
		left.ByKey = st.Former[0]
		_, ours := st.ownNote("OTHER", left.newNote("OTHER", 1, "v1", "any"))
		require.False(t, ours, name)
		require.Equal(t, extent{}, s.Rekeyed().state().Reach[1], name)
	}
}
