package resend

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// memory is an engine whose requests a test can inspect and lose.
type memory struct {
	n      int
	blob   []byte
	sends  int
	before func(send int) error // its error is returned, and the request is not applied
	after  func(send int) error // its error is returned after the request was applied
	fetch  func() (Blob, error)
}

func (m *memory) Fetch(context.Context) (Blob, error) {
	if m.fetch != nil {
		return m.fetch()
	}
	return m.now(), nil
}

func (m *memory) now() Blob {
	if m.n == 0 {
		return Blob{}
	}
	return Blob{m.blob, m.revision()}
}

func (m *memory) revision() rotate.Revision {
	if m.n == 0 {
		return ""
	}
	return rotate.Revision(strconv.Itoa(m.n))
}

func (m *memory) Send(_ context.Context, old rotate.Revision, sealed []byte) (rotate.Revision, error) {
	m.sends++
	if m.before != nil {
		if err := m.before(m.sends); err != nil {
			return "", err
		}
	}
	if old != m.revision() {
		return "", &Failure{Conflict, errors.New("another revision")}
	}
	m.n, m.blob = m.n+1, sealed
	if m.after != nil {
		if err := m.after(m.sends); err != nil {
			return "", err
		}
	}
	return m.revision(), nil
}

var lost = &Failure{Unknown, errors.New("lost")}

func keyed(t testing.TB) ledger.Identities {
	t.Helper()
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	return ids
}

func fresh(ids ledger.Identities) rotate.State {
	return rotate.NewState(rotate.Settings{Recipients: ids.Recipients()})
}

func step(s rotate.State) rotate.State { return s.WithLog(rotate.LogEntry{Op: "test"}) }

// chain returns n+1 successive states of a ledger. The first one is its initial
// state.
func chain(t testing.TB, ids ledger.Identities, n int) []rotate.State {
	t.Helper()
	list, l, rev := []rotate.State{fresh(ids)}, new(rotate.MemoryLedger), rotate.Revision("")
	for i := range n {
		s, next, err := rotate.Commit(t.Context(), l, rev, step(list[i]))
		require.NoError(t, err)
		list, rev = append(list, s), next
	}
	return list
}

func TestDecideKnowsItsOwnWrites(t *testing.T) {
	ids := keyed(t)
	ours := chain(t, ids, 70)
	forked := func(at, n int) rotate.State { // another operator has made n changes from there
		l, s := new(rotate.MemoryLedger), ours[at]
		rev := rotate.Revision("")
		for range n {
			var err error
			s, rev, err = rotate.Commit(t.Context(), l, rev, step(s))
			require.NoError(t, err)
		}
		return s
	}
	other := chain(t, ids, 5)
	sealed := []byte("ours")
	at := func(s rotate.State) found { return found{Blob: Blob{[]byte("theirs"), "r9"}, state: s} }
	for _, tc := range []struct {
		name         string
		old          rotate.Revision
		next         rotate.State
		found        found
		sure, unsure verdict
	}{
		{"our bytes", "r1", ours[3], found{Blob: Blob{sealed, "r2"}, state: ours[3]}, stored, stored},
		{"our bytes, which nobody can open", "r1", ours[3], found{Blob: Blob{sealed, "r2"}, err: errDummy}, stored,
			stored},
		{"another sealing of it", "r1", ours[3], at(ours[3]), stored, stored},
		{"built on", "r1", ours[3], at(ours[4]), superseded, superseded},
		{"built on 63 times", "r1", ours[3], at(ours[66]), superseded, superseded},
		{"built on 64 times", "r1", ours[3], at(ours[67]), conflict, unknown},
		{"still the old one", "r9", ours[3], at(ours[2]), waiting, waiting},
		{"still the old one, and older than it says", "r9", ours[3], at(ours[1]), waiting, waiting},
		{"still none", "", ours[1], found{}, waiting, waiting},
		{"others were faster", "r1", ours[3], at(forked(2, 1)), conflict, conflict},
		{"others were faster, by all that the ring holds", "r1", ours[3], at(forked(2, 64)), conflict, conflict},
		{"others were faster, by one more", "r1", ours[3], at(forked(2, 65)), conflict, unknown},
		{"another of the same generation", "r1", ours[3], at(ours[2]), conflict, conflict},
		{"older", "r1", ours[3], at(ours[1]), stale, stale},
		{"another ledger", "r1", ours[3], at(other[4]), conflict, unknown},
		{"another ledger, of a lower generation", "r1", ours[9], at(other[2]), conflict, unknown},
		{"another was created", "", ours[1], at(other[1]), conflict, conflict},
		{"another was created, and has lived long", "", ours[1], at(forked(1, 65)), conflict, unknown},
		{"it is gone", "r1", ours[3], found{}, conflict, unknown},
		{"nobody can open it", "r1", ours[3], found{Blob: Blob{[]byte("x"), "r9"}, err: errDummy}, conflict, unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.sure, write{tc.old, tc.next, sealed, false}.decide(tc.found))
			require.Equal(t, tc.unsure, write{tc.old, tc.next, sealed, true}.decide(tc.found))
		})
	}
}

var errDummy = errors.New("closed")

func TestPauseGrowsToItsLimit(t *testing.T) {
	for n, want := range []time.Duration{20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000, 2000, 2000} {
		require.Equal(t, want*time.Millisecond, ceiling(n))
	}
	require.Equal(t, longest, ceiling(1000))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var shortest, most, sum time.Duration = time.Hour, 0, 0
		for range 1000 {
			began := time.Now()
			require.NoError(t, pause(ctx, 20))
			took := time.Since(began)
			shortest, most, sum = min(shortest, took), max(most, took), sum+took
		}
		require.Less(t, shortest, 100*time.Millisecond, "full jitter includes short pauses")
		for range 1000 { // the first pause is the shortest
			began := time.Now()
			require.NoError(t, pause(ctx, 0))
			require.GreaterOrEqual(t, time.Since(began), least)
		}
		require.Greater(t, most, 1900*time.Millisecond)
		require.LessOrEqual(t, most, longest)
		require.InDelta(t, 1, (sum / 1000).Seconds(), 0.15)
		cancel()
		began := time.Now()
		require.ErrorIs(t, pause(ctx, 20), context.Canceled)
		require.Equal(t, began, time.Now())
	})
}

func TestSwapIsSafeOnEveryEngine(t *testing.T) {
	ids := keyed(t)
	begin := func(t *testing.T) (*Ledger, *memory, rotate.State, rotate.Revision) {
		m := new(memory)
		l := New(m, "place", ids)
		s, rev, err := rotate.Commit(t.Context(), l, "", fresh(ids))
		require.NoError(t, err)
		m.sends = 0
		return l, m, s, rev
	}
	t.Run("too large", func(t *testing.T) {
		l, m, s, rev := begin(t)
		l.most = 4096
		s, rev, err := rotate.Commit(t.Context(), l, rev, step(s))
		require.NoError(t, err)
		m.sends = 0
		_, _, err = rotate.Commit(t.Context(), l, rev, s.WithLog(rotate.LogEntry{By: strings.Repeat("x", 4096)}))
		require.ErrorContains(t, err, "and 4096 is the most")
		require.Zero(t, m.sends, "refused before it is sent")
		require.NotErrorIs(t, err, rotate.ErrConflict)
		require.Equal(t, 64<<20, New(m, "", ids).most)

		l.most = 100
		_, _, err = l.Load(t.Context())
		require.ErrorContains(t, err, "more than 100 bytes")
	})
	t.Run("nobody here could open it", func(t *testing.T) {
		l, m, s, rev := begin(t)
		set := s.Settings()
		set.Recipients = keyed(t).Recipients()
		_, _, err := rotate.Commit(t.Context(), l, rev, s.WithSettings(set))
		require.ErrorContains(t, err, "ledger place: after this change it could not be read")
		set.Recipients = nil
		_, _, err = rotate.Commit(t.Context(), l, rev, s.WithSettings(set))
		require.ErrorContains(t, err, "no recipients")
		require.Zero(t, m.sends)
	})
	t.Run("not prepared", func(t *testing.T) {
		m := new(memory)
		l := New(m, "place", ids)
		_, err := l.CompareAndSwap(t.Context(), "", fresh(ids))
		require.ErrorContains(t, err, "Commit")
		require.NotErrorIs(t, err, rotate.ErrConflict)
		_, err = l.CompareAndSwap(t.Context(), "7", fresh(ids))
		require.ErrorIs(t, err, rotate.ErrConflict)
		m.fetch = func() (Blob, error) { return Blob{}, errDummy }
		_, err = l.CompareAndSwap(t.Context(), "", fresh(ids))
		require.ErrorIs(t, err, errDummy)
		require.Zero(t, m.sends)
	})
	t.Run("revisions that never match", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, m, s, rev := begin(t)
			m.before = func(int) error { return &Failure{Conflict, errors.New("no match")} }
			_, _, err := rotate.Commit(t.Context(), l, rev, step(s))
			require.ErrorIs(t, err, rotate.ErrConflict)
			require.ErrorContains(t, err, "alters revisions")
			require.Equal(t, maxTries, m.sends)
		})
	})
	t.Run("the context ends between two conflicts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, m, s, rev := begin(t)
			ctx, cancel := context.WithCancel(t.Context())
			m.before = func(int) error { return &Failure{Conflict, errors.New("no match")} }
			m.fetch = func() (Blob, error) {
				cancel()
				return m.now(), nil
			}
			_, _, err := rotate.Commit(ctx, l, rev, step(s))
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, rotate.ErrUnknown, "nothing was carried out")
		})
	})
	t.Run("what the engine does not explain was not carried out", func(t *testing.T) {
		l, m, s, rev := begin(t)
		m.before = func(int) error { return errDummy }
		_, _, err := rotate.Commit(t.Context(), l, rev, step(s))
		require.ErrorIs(t, err, errDummy)
		require.NotErrorIs(t, err, rotate.ErrUnknown)
		require.Equal(t, 1, m.sends)
	})
	t.Run("it was lost, and is closed to us now", func(t *testing.T) {
		l, m, s, rev := begin(t)
		m.after = func(int) error {
			sealed, err := rotate.Seal(fresh(keyed(t)))
			require.NoError(t, err)
			m.n, m.blob = m.n+1, sealed
			return lost
		}
		_, _, err := rotate.Commit(t.Context(), l, rev, step(s))
		require.ErrorIs(t, err, rotate.ErrUnknown)
		require.ErrorContains(t, err, "cannot be opened")
		_, _, err = l.Load(t.Context())
		require.ErrorContains(t, err, "encrypted to others")
	})
	t.Run("a look is stale, and the next is not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, m, s, rev := begin(t)
			old := m.now()
			s, rev, err := rotate.Commit(t.Context(), l, rev, step(s))
			require.NoError(t, err)
			looks := 0
			m.after = func(int) error { return lost }
			m.fetch = func() (Blob, error) {
				if looks++; looks < staleTries {
					return old, nil
				}
				return m.now(), nil
			}
			m.sends = 0
			_, _, err = rotate.Commit(t.Context(), l, rev, step(s))
			require.NoError(t, err)
			require.Equal(t, 1, m.sends)
			require.Equal(t, staleTries, looks)
		})
	})
	t.Run("created, and the answer lost", func(t *testing.T) {
		m := &memory{after: func(int) error { return lost }}
		s, rev, err := rotate.Commit(t.Context(), New(m, "place", ids), "", fresh(ids))
		require.NoError(t, err)
		found, now, err := New(m, "place", ids).Load(t.Context())
		require.NoError(t, err)
		require.True(t, found.Equal(s))
		require.Equal(t, now, rev)
		require.Equal(t, 1, m.sends)
	})
}

// tearer is a memory whose server may return half of a blob.
type tearer struct{ *memory }

func (tearer) Torn() string { return "the server may be to blame" }

// TestDamagedBlobIsReadAgain: a damaged blob is read again only on a server that
// may return half of a blob.
func TestDamagedBlobIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids, m, reads := keyed(t), new(memory), 0
		_, _, err := rotate.Commit(t.Context(), New(m, "place", ids), "", fresh(ids))
		require.NoError(t, err)
		whole := m.now()
		m.fetch = func() (Blob, error) {
			reads++
			return Blob{whole.Sealed[:len(whole.Sealed)/2], whole.Revision}, nil
		}
		_, _, err = New(m, "place", ids).Load(t.Context())
		require.EqualError(t, err, "ledger place: it is damaged or cut off: restore the last good "+
			"one from git or a backup")
		require.Equal(t, 1, reads)

		reads = 0
		_, _, err = New(tearer{m}, "place", ids).Load(t.Context())
		require.EqualError(t, err, "ledger place: it was read 10 times: the server may be to blame. "+
			"If that does not help, "+
			"it is damaged or cut off: restore the last good one from git or a backup")
		require.Equal(t, tornTries, reads)

		reads = 0
		m.fetch = func() (Blob, error) {
			if reads++; reads < tornTries {
				return Blob{whole.Sealed[:reads], whole.Revision}, nil
			}
			return whole, nil
		}
		_, _, err = New(tearer{m}, "place", ids).Load(t.Context())
		require.NoError(t, err)
	})
}

// TestLedgerRemembersItsWrites: a Ledger remembers the state that it stored, and
// the ledger's id.
func TestLedgerRemembersItsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := keyed(t)
		m := new(memory)
		l := New(m, "place", ids)
		s, rev, err := rotate.Commit(t.Context(), l, "", fresh(ids))
		require.NoError(t, err)
		old := m.now()
		_, _, err = rotate.Commit(t.Context(), l, rev, step(s))
		require.NoError(t, err)
		m.fetch = func() (Blob, error) { return old, nil }
		_, _, err = l.Load(t.Context())
		require.ErrorIs(t, err, errStale)
		_, _, err = New(m, "place", ids).Load(t.Context())
		require.NoError(t, err, "a new Ledger has seen nothing")

		// A late answer does not replace the latest state that was seen.
		l.note(s)
		_, _, err = l.Load(t.Context())
		require.ErrorIs(t, err, errStale)

		// Generations of another ledger are not compared.
		sealed, err := rotate.Seal(chain(t, ids, 1)[1])
		require.NoError(t, err)
		m.fetch = func() (Blob, error) { return Blob{sealed, "x"}, nil }
		_, _, err = l.Load(t.Context())
		require.NoError(t, err)
	})
}
