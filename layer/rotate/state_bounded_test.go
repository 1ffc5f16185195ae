package rotate

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// weighed is a ledger that checks the size of every state, as a ledger file has
// it.
type weighed struct {
	Ledger
	t     *testing.T
	limit int                 // of the sealed state in bytes; 0: none
	every int                 // only each so many writes are weighed
	id    *age.X25519Identity // nil: nothing is weighed
	most  int                 // the largest file
	bare  int                 // and without the log
	n     int
}

func (l *weighed) CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error) {
	if l.n++; l.id != nil && l.n%l.every == 0 {
		size := fileSize(l.t, next, l.id)
		l.most, l.bare = max(l.most, size), max(l.bare, fileSize(l.t, withoutLog(next), l.id))
		if l.limit > 0 {
			if err := CheckSize(size, l.limit); err != nil {
				return "", err
			}
		}
	}
	return l.Ledger.CompareAndSwap(ctx, old, next)
}

// fileSize returns the size of a ledger file with this state.
func fileSize(t *testing.T, s State, id *age.X25519Identity) int {
	t.Helper()
	sealed, err := Seal(s.WithSettings(Settings{Recipients: []string{id.Recipient().String()}}))
	require.NoError(t, err)
	var file bytes.Buffer
	w := armor.NewWriter(&file)
	_, err = w.Write(sealed)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return file.Len()
}

func weeklyKeys(n int) (list []*secret.Secret) {
	for i := range n {
		list = append(list, secret.Random(secret.Options{Namespace: "billing", Name: fmt.Sprintf("api-key-%04d", i),
			Bytes: 32, Rotation: &secret.Rotation{EveryDays: 7}}))
	}
	return list
}

// week rotates every secret once: announce, flip, prune.
func (b *bench) week(ctx context.Context) {
	b.t.Helper()
	for _, d := range []time.Duration{7 * day, 26 * time.Hour, 50 * time.Hour} {
		b.at = b.at.Add(d)
		r, err := b.Rotate(ctx, RotateOptions{})
		require.NoError(b.t, err)
		require.Len(b.t, r.Actions, len(b.Spec.Secrets))
		if d == 50*time.Hour {
			b.at = b.at.Add(-76 * time.Hour)
		}
	}
}

// Ten years of weekly rotation stay small, at every write, and nothing grows after
// the first weeks: 10 secrets rotate 520 times. In the long form 1,000 secrets in
// a folder stay below 4 MiB; their ids begin with those of the ninth year.
func TestTenYearsOfRotationsStaySmall(t *testing.T) {
	t.Run("10 secrets", func(t *testing.T) {
		slow.Sequential(t)
		staysSmall(t, 10, 520, 0)
	})
	t.Run("1,000 secrets", func(t *testing.T) {
		slow.Test(t)
		slow.Timed(t)
		staysSmall(t, 1000, 52, 468)
	})
}

// staysSmall rotates n secrets each week. Before, it raises their ids.
func staysSmall(t *testing.T, n, weeks, past int) {
	b := newBench(t, weeklyKeys(n)...)
	b.Publisher = recognizing{&shop{MemoryPublisher: b.store}}
	b.By = "ann@workstation.example"
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	w := &weighed{Ledger: b.ledger, t: t, every: 1}
	b.Ledger = w
	ctx := t.Context()
	b.actions(b.Apply(ctx))
	b.at = b.at.Add(6 * time.Hour) // after the jitter of every address
	for _, r := range b.ledger.state.state().Secrets {
		r.Highest += past
	}
	early := 0
	for i := range weeks {
		w.id = nil
		if i >= weeks-2 || i == 30 {
			w.id, w.most, w.bare = id, 0, 0
		}
		b.week(ctx)
		if i == 30 {
			early = w.bare
		}
	}
	t.Logf("%d secrets after %d weeks: %d bytes at most; without the log %d, and %d after 30 weeks", n, weeks, w.most,
		w.bare, early)
	require.Less(t, w.most, 4<<20)
	require.Less(t, w.bare, n*(4<<20)/1000*9/10+10_000)
	require.Less(t, w.bare, early+early/50, "only numbers get longer")
	s, _, err := b.ledger.Load(ctx)
	require.NoError(t, err)
	for _, r := range s.state().Secrets {
		require.Equal(t, past+weeks+1, r.Highest)
		require.Equal(t, "v"+strconv.Itoa(past+weeks+1), r.Current)
		require.Len(t, r.Versions, keepGone+1)
	}
	require.LessOrEqual(t, len(s.Log()), max(keepLog, keepLogOf*n))
}

func withoutLog(s State) State {
	bare := *s.state()
	bare.Log = nil
	return wrapState(&bare)
}

// longPast returns a record as an earlier layer would have it after n rotations:
// with all versions that were ever made.
func longPast(r *record, n int) *record {
	next := *r
	next.Versions = nil
	for i := range n {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 7 * day)
		next.Versions = append(next.Versions, version{ID: numbered(i + 1), ActiveFrom: at, ExpiresAt: at.Add(9 * day),
			Base: at.Add(9 * day), Gone: GonePruned})
	}
	for _, v := range r.Versions {
		v.ID = numbered(number(v.ID) + n)
		next.Versions = append(next.Versions, v)
	}
	next.Highest, next.Current = r.Highest+n, numbered(number(r.Current)+n)
	return &next
}

// grown stores the ledger as an earlier layer would have it after n rotations of
// each secret. The published notes and texts still have the first id, so every
// secret is published again first.
func (s *scene) grown(n int) {
	s.t.Helper()
	st := *s.state()
	st.Secrets = slices.Clone(st.Secrets)
	for i, r := range st.Secrets {
		st.Secrets[i] = longPast(r, n)
	}
	for i := range 10_000 {
		st.Log = append(st.Log, LogEntry{Gen: uint64(i), At: s.at, Op: OpPrune, Address: st.Secrets[0].Address.String(),
			IDs: []string{"v1"}})
	}
	s.ledger.state = wrapState(&st) // not by Commit, which would cut it
}

func TestWhatIsKept(t *testing.T) {
	v := func(id string, gone Gone, res *resource) version {
		return version{ID: id, Gone: gone, Resource: res, Base: beginning, ExpiresAt: beginning}
	}
	token := &resource{ID: "token"}
	ids := func(r *record) string {
		var list []string
		for _, v := range r.Versions {
			list = append(list, v.ID)
			require.Equal(t, v.Gone == "" || v.Resource != nil, !v.Base.IsZero(), "only a present version needs its base")
		}
		return strings.Join(list, " ")
	}
	for _, tc := range []struct {
		name    string
		removed bool
		list    []version
		want    string
	}{
		{"nothing has left", false, []version{v("v1", "", nil), v("v2", "", nil)}, "v1 v2"},
		{"few have left", false, []version{v("v1", GonePruned, nil), v("v2", "", nil)}, "v1 v2"},
		{"the last ones are kept, in their order", false, []version{v("v1", GonePruned, nil), v("v2", GoneRevoked, nil),
			v("v3", "", nil), v("v4", GoneWithdrawn, nil), v("v5", GonePruned, nil), v("v6", GoneReplaced, nil), v("v7", "", nil)},
			"v2 v3 v4 v5 v6 v7"},
		{"every present one is kept", false, []version{v("v1", "", nil), v("v2", "", nil), v("v3", "", nil), v("v4", "", nil),
			v("v5", "", nil), v("v6", "", nil), v("v7", GonePruned, nil)}, "v1 v2 v3 v4 v5 v6 v7"},
		{"and every one whose token must be retired", false, []version{v("v1", GonePruned, token), v("v2", GonePruned, nil),
			v("v3", GonePruned, nil), v("v4", GonePruned, nil), v("v5", GonePruned, nil), v("v6", GonePruned, nil), v("v7", "", nil)},
			"v1 v3 v4 v5 v6 v7"},
		{"a removed secret keeps none", true, []version{v("v1", GonePruned, nil), v("v2", GoneRemoved, nil)}, ""},
		{"but for its tokens", true, []version{v("v1", GonePruned, token), v("v2", GoneRemoved, nil)}, "v1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &record{Highest: 9, Gen: 7, Removed: tc.removed, Versions: tc.list}
			before := slices.Clone(tc.list)
			got := r.bounded(keepGone)
			require.Equal(t, tc.want, ids(got))
			require.Equal(t, 9, got.Highest)
			require.Equal(t, uint64(7), got.Gen)
			require.Equal(t, before, tc.list, "a record never changes")
			require.Same(t, got, got.bounded(keepGone), "a second time changes nothing")
		})
	}
}

func TestTheLogIsBounded(t *testing.T) {
	entries := func(n int) (list []LogEntry) {
		for i := range n {
			list = append(list, LogEntry{At: beginning, Op: OpFlip, By: strconv.Itoa(i)})
		}
		return list
	}
	for _, tc := range []struct{ secrets, logged, kept int }{
		{0, 10, 10}, {0, keepLog, keepLog}, {0, keepLog + 1, keepLog}, {1000, 10_000, keepLog}, {10_000, 70_000, 20_000},
	} {
		st := *NewState(Settings{}).state()
		for range tc.secrets {
			st.Secrets = append(st.Secrets, &record{})
		}
		st.log(entries(tc.logged)...)
		got := wrapState(&st).stamped()
		require.Len(t, got.Log(), tc.kept)
		require.Equal(t, strconv.Itoa(tc.logged-1), got.Log()[tc.kept-1].By, "the newest are kept")
		require.Equal(t, got.Generation(), got.Log()[0].Gen)
	}
}
