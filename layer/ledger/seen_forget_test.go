package ledger

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/rotate"
)

// crowded returns a memory of n ledgers, each in a place of its own: p0000 was
// used first.
func crowded(n int) seen {
	s := seen{Version: 1, Places: map[string]string{}, Ledgers: map[string]seenLedger{}, Marks: map[string][]string{}}
	for i := range n {
		place, origin := fmt.Sprintf("p%04d", i), fmt.Sprintf("%032d", i)
		s.Places[place], s.Ledgers[origin] = origin, seenLedger{ID: origin, Generation: 1, Fingerprint: origin, Write: origin}
		s.Marks[origin] = []string{strings.Repeat("f", 65)}
		s.Used = append(s.Used, place)
	}
	return s
}

func TestMemoryForgetsTheLeastRecentlyUsed(t *testing.T) {
	st := stamped(rotate.NewState(rotate.Settings{}), 1)
	t.Run("with few ledgers none", func(t *testing.T) {
		next := crowded(maxPlaces-1).with(at("new"), st)
		require.Len(t, next.Places, maxPlaces)
		require.Len(t, next.Ledgers, maxPlaces)
		require.Equal(t, "new", next.Used[maxPlaces-1])
	})
	t.Run("the first ones", func(t *testing.T) {
		before := crowded(maxPlaces + 10)
		next := before.with(at("new"), st)
		require.Len(t, next.Places, maxPlaces)
		require.Len(t, next.Ledgers, maxPlaces)
		require.Len(t, next.Marks, maxPlaces-1)
		require.Len(t, next.Used, maxPlaces)
		require.NotContains(t, next.Places, "p0010")
		require.Contains(t, next.Places, "p0011")
		require.True(t, next.knows(at("new"), st))
		require.Len(t, before.Places, maxPlaces+10, "a memory never changes")
	})
	t.Run("never the one in use, although it was the first", func(t *testing.T) {
		s := crowded(maxPlaces + 300)
		s.Places["p0000"] = st.Origin()
		next := s.with(at("p0000"), st)
		require.Len(t, next.Places, maxPlaces)
		require.True(t, next.knows(at("p0000"), st))
		require.NotContains(t, next.Places, "p0001")
		require.Equal(t, "p0000", next.Used[len(next.Used)-1])
	})
	t.Run("those of an earlier layer, which keeps no order, first", func(t *testing.T) {
		s := crowded(maxPlaces + 10)
		s.Used = s.Used[:20]
		next := s.with(at("new"), st)
		for _, place := range s.Used {
			require.Contains(t, next.Places, place)
		}
	})
	t.Run("a ledger without a place before all others", func(t *testing.T) {
		s := crowded(maxPlaces)
		s.Ledgers["left"], s.Marks["left"] = seenLedger{ID: "left"}, []string{"mark"}
		next := s.with(at("p0003"), st)
		require.Len(t, next.Places, maxPlaces)
		require.NotContains(t, next.Ledgers, "left")
		require.NotContains(t, next.Marks, "left")
		few := crowded(3)
		few.Ledgers["left"] = seenLedger{ID: "left"}
		require.Contains(t, few.with(at("p0001"), st).Ledgers, "left", "if there is room it stays")
	})
	t.Run("by their length, too", func(t *testing.T) {
		slow.Sequential(t)
		s := crowded(100)
		for _, origin := range s.Places {
			for len(s.Marks[origin]) < maxMarks {
				s.Marks[origin] = append(s.Marks[origin], strings.Repeat("f", 130))
			}
		}
		require.Greater(t, len(s.encode()), maxRemember)
		next := s.with(at("new"), st)
		require.LessOrEqual(t, len(next.encode()), maxRemember)
		require.True(t, next.knows(at("new"), st))
		require.Contains(t, next.Places, "p0099")
	})
	t.Run("a place longer than the bound stays while it is in use", func(t *testing.T) {
		long := strings.Repeat("x", maxRemember+1)
		next := crowded(5).with(at(long), st)
		require.True(t, next.knows(at(long), st))
		require.Len(t, next.Places, 1)
	})
	t.Run("a damaged order", func(t *testing.T) {
		s := crowded(maxPlaces + 10)
		s.Places["empty"], s.Used = "", append(s.Used, "empty", "empty", "p0001", "unknown")
		next := s.with(at("new"), st)
		require.True(t, next.knows(at("new"), st))
		require.LessOrEqual(t, len(next.Places), maxPlaces)
	})
}

// A machine that opens new ledgers again and again keeps the one that it only
// reads.
func TestManyLedgersOnOneMachine(t *testing.T) {
	m := newMachine(t)
	regular := new(rotate.MemoryLedger)
	created(t, m.remember(regular, "regular"))
	first := m.known()
	full := crowded(maxPlaces - 1)
	full.Used = append([]string{"regular"}, full.Used...)
	for place, origin := range first.Places {
		full.Places[place], full.Ledgers[origin] = origin, first.Ledgers[origin]
	}
	require.NoError(t, os.WriteFile(m.seen, full.encode(), 0o600))
	confirmed(t, m.remember(regular, "regular"))
	for i := range 10 {
		created(t, m.remember(new(rotate.MemoryLedger), fmt.Sprintf("preview/%d", i)))
	}
	known := m.known()
	require.Len(t, known.Places, maxPlaces)
	require.Contains(t, known.Places, "regular")
	require.NotContains(t, known.Places, "p0009")
	require.Contains(t, known.Places, "p0010")
	before := m.text()
	confirmed(t, m.remember(regular, "regular"))
	confirmed(t, m.remember(regular, "regular"))
	require.Equal(t, before, m.text(), "a ledger that was used lately is not written again")
	// A forgotten ledger is as on a machine that has not seen it.
	_, _, err := m.remember(regular, "regular").Load(context.Background())
	require.NoError(t, err)
}

// The way out of a memory that an earlier layer let grow over the limit.
func TestAMemoryOverTheLimitNamesTheWayOut(t *testing.T) {
	m := newMachine(t)
	require.NoError(t, os.WriteFile(m.seen, crowded(4000).encode(), 0o600))
	_, err := readSeen(m.seen)
	require.ErrorContains(t, err, "has more than 1048576 bytes. Make sure that the ledger is that of the latest commit")
	require.ErrorContains(t, err, "then delete this file")
}
