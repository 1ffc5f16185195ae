package rotate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// naiveDue is the specification of the schedule: slot(t) = floor((t - anchor -
// jitter) / everyDays), due when slot(now) > slot(last rotation) and anchor +
// jitter has passed. If the creation is the anchor, it is a rotation in slot 0.
func naiveDue(r *secret.Rotation, addr secret.Address, created, rotated, now time.Time) bool {
	anchor := r.StartAt
	if anchor.IsZero() {
		anchor = created
	}
	slot := func(t time.Time) int {
		n, begin := 0, anchor.Add(jitter(addr))
		for ; t.Before(begin); n-- {
			begin = begin.Add(-time.Duration(r.EveryDays) * 24 * time.Hour)
		}
		for ; !t.Before(begin.Add(time.Duration(r.EveryDays) * 24 * time.Hour)); n++ {
			begin = begin.Add(time.Duration(r.EveryDays) * 24 * time.Hour)
		}
		return n
	}
	last := slot(rotated)
	if r.StartAt.IsZero() {
		last = max(last, 0)
	}
	return slot(now) > last && !now.Before(anchor.Add(jitter(addr)))
}

func TestNextRotationIsTheFirstDueInstant(t *testing.T) {
	draw := rand.New(rand.NewPCG(7, 26))
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 400 {
		addr := secret.Address{Namespace: "auth", Name: fmt.Sprintf("key-%d", i)}
		r := &secret.Rotation{EveryDays: 7 + draw.IntN(60)}
		created := begin.Add(time.Duration(draw.IntN(400*86_400)) * time.Second)
		rotated := created
		if draw.IntN(3) > 0 {
			rotated = created.Add(time.Duration(draw.IntN(400*86_400)) * time.Second)
		}
		if draw.IntN(2) == 0 {
			r.StartAt = begin.Add(time.Duration(draw.IntN(1200*86_400)-400*86_400) * time.Second)
		}
		next := nextRotation(r, addr, created, rotated)
		what := fmt.Sprintf("case %d: %+v, jitter %v, created %v, rotated %v: next %v", i, r, jitter(addr), created, rotated,
			next)
		require.True(t, naiveDue(r, addr, created, rotated, next), what)
		require.False(t, naiveDue(r, addr, created, rotated, next.Add(-time.Second)), what)
		for now := rotated; now.Before(next); now = now.Add(24 * time.Hour) {
			require.False(t, naiveDue(r, addr, created, rotated, now), what)
		}
	}
}

func TestNextRotation(t *testing.T) {
	addr := secret.Address{Namespace: "auth", Name: "key"}
	j := jitter(addr)
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return v
	}
	created := at("2026-03-10T15:00:00Z")
	for name, c := range map[string]struct {
		every   int
		startAt time.Time
		rotated time.Time
		want    time.Time
	}{
		"the creation is the anchor, and a rotation": {30, time.Time{}, created, created.Add(30*day + j)},
		"within the jitter after the creation":       {30, time.Time{}, created.Add(j / 2), created.Add(30*day + j)},
		"by hand in the first slot":                  {30, time.Time{}, created.Add(20 * day), created.Add(30*day + j)},
		"in the last second of a slot": {30, time.Time{}, created.Add(30*day + j - time.Second),
			created.Add(30*day + j)},
		"in the first second of a slot":   {30, time.Time{}, created.Add(30*day + j), created.Add(60*day + j)},
		"late: the anchor does not drift": {30, time.Time{}, created.Add(47 * day), created.Add(60*day + j)},
		"ten slots missed":                {30, time.Time{}, created.Add(330 * day), created.Add(330*day + j)},
		"an anchor to come": {30, at("2026-06-01T00:00:00Z"), created,
			at("2026-06-01T00:00:00Z").Add(j)},
		"an anchor far off: no earlier slot counts": {7, at("2027-06-01T00:00:00Z"), created,
			at("2027-06-01T00:00:00Z").Add(j)},
		"an anchor before the creation": {30, at("2026-03-01T00:00:00Z"), created,
			at("2026-03-31T00:00:00Z").Add(j)},
		"created at the anchor, before the jitter passed": {30, created, created, created.Add(j)},
		"an anchor in another zone": {30, at("2026-06-01T02:00:00+02:00"), created,
			at("2026-06-01T00:00:00Z").Add(j)},
		"far away": {36_500, at("1970-01-01T00:00:00Z"), at("9000-01-01T00:00:00Z"),
			at("1970-01-01T00:00:00Z").Add(j).AddDate(0, 0, 36_500*71)},
	} {
		t.Run(name, func(t *testing.T) {
			r := &secret.Rotation{EveryDays: c.every, StartAt: c.startAt}
			require.Equal(t, c.want.UTC().Format(time.RFC3339), nextRotation(r, addr, created, c.rotated).Format(time.RFC3339))
		})
	}
	require.Zero(t, nextRotation(nil, addr, created, created))
	require.Zero(t, nextRotation(&secret.Rotation{EveryDays: 7}, addr, time.Time{}, time.Time{}))
}

func TestJitterIsSpreadOverSixHours(t *testing.T) {
	hours := map[int]int{}
	for i := range 3000 {
		addr := secret.Address{Namespace: "shop", Name: fmt.Sprintf("key-%d", i)}
		j := jitter(addr)
		require.Equal(t, j, jitter(addr))
		require.GreaterOrEqual(t, j, time.Duration(0))
		require.LessOrEqual(t, j, 6*time.Hour)
		require.Zero(t, j%time.Second, "next rotations are whole seconds")
		hours[int(j/time.Hour)]++
	}
	for h := range 6 {
		require.InDelta(t, 500, hours[h], 100, "hour %d", h)
	}
	require.NotEqual(t, jitter(secret.Address{Namespace: "a-b", Name: "c"}),
		jitter(secret.Address{Namespace: "a", Name: "b-c"}))
	// Part of the contract: an update of `layer` does not move existing rotations.
	require.Equal(t, 3*time.Hour+25*time.Minute+13*time.Second,
		jitter(secret.Address{Namespace: "auth", Name: "session-key"}))
}

func TestASecretIsDueAtItsInstant(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	created := s.at
	s.did(s.apply())
	next := created.Add(30*day + jitter(key.Address()))
	require.Equal(t, next, s.status(key.Address()).NextRotation)
	s.at = next.Add(-time.Second)
	require.Equal(t, StateOK, s.status(key.Address()).State)
	s.still()
	s.at = next
	require.Equal(t, StateDue, s.status(key.Address()).State)
	require.False(t, s.status(key.Address()).NeedsPerson, "the next run does it by itself")
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	require.Equal(t, next.Add(30*day), s.status(key.Address()).NextRotation)
}

// No rotation begins while a version is announced, however many slots pass.
// Then one rotation makes up for all slots.
func TestMissedSlotsAreMadeUpByOne(t *testing.T) {
	key := aRandom("key", kept())
	s := newScene(t, key)
	s.did(s.apply())
	first := s.at.Add(30*day + jitter(key.Address()))
	s.at = first.Add(100 * day)
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	s.pass(day)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
	s.still()
	require.Equal(t, first.Add(120*day), s.status(key.Address()).NextRotation, "the anchor never drifts")
	s.at = first.Add(120 * day)
	require.Equal(t, []string{"add v3"}, s.did(s.rotate()))
}

func TestAStaticSecretPastItsSlotNeedsAPerson(t *testing.T) {
	key := aStatic("stripe", every(30))
	s := newScene(t, key)
	require.Equal(t, []string{"create v1"}, s.did(s.set(key, "sk_live_first_value")))
	s.pass(31 * day)
	st := s.status(key.Address())
	require.Equal(t, StateDue, st.State)
	require.True(t, st.NeedsPerson)
	r, err := s.unchanged(func() (Result, error) { return s.rotate() })
	require.NoError(t, err)
	require.False(t, r.OK())
	require.ErrorIs(t, r.Secrets[0].Problem, NeedsValue)
	require.ErrorContains(t, r.Secrets[0].Problem, "an operator must supply its value")
	require.Equal(t, []string{"set v2"}, s.did(s.set(key, "sk_live_second_value")))
	require.Equal(t, StateOK, s.status(key.Address()).State)
	s.still()
}

// A rotation by hand counts: the next one is due in the slot after it.
func TestARotationByHandCounts(t *testing.T) {
	key := aRandom("key", every(30))
	s := newScene(t, key)
	s.did(s.apply())
	next := s.at.Add(30*day + jitter(key.Address()))
	s.pass(29 * day)
	require.Equal(t, []string{"add v2"}, s.did(s.rotate(RotateOptions{Now: true})))
	require.Equal(t, next, s.status(key.Address()).NextRotation, "it was in slot 0")
	s.at = next
	require.Equal(t, []string{"flip v2", "add v3"}, s.did(s.rotate()))
	s.pass(24 * time.Hour)
	require.Equal(t, []string{"flip v3"}, s.did(s.rotate()))
	s.at = next.Add(10 * day)
	require.Contains(t, s.did(s.rotate(RotateOptions{Immediate: true})), "flip v4")
	require.Equal(t, next.Add(30*day), s.status(key.Address()).NextRotation)
}

// The ledger keeps instants: a changed period or anchor counts at once, and no
// rotation is made up twice.
func TestAChangedScheduleCountsFromTheLastRotation(t *testing.T) {
	key := aRandom("key", every(90))
	s := newScene(t, key)
	created, j := s.at, jitter(key.Address())
	s.did(s.apply())
	s.pass(20 * day)
	s.declare(aRandom("key", every(7)))
	require.Equal(t, created.Add(7*day+j), s.status(key.Address()).NextRotation, "overdue now")
	require.Equal(t, []string{"add v2"}, s.did(s.rotate()))
	require.Equal(t, created.Add(21*day+j), s.status(key.Address()).NextRotation)
	anchor := created.Add(50 * day)
	s.declare(aRandom("key", &secret.Rotation{EveryDays: 7, StartAt: anchor}))
	require.Equal(t, anchor.Add(j), s.status(key.Address()).NextRotation, "not before startAt")
	s.declare(aRandom("key", nil))
	require.Zero(t, s.status(key.Address()).NextRotation)
	s.pass(1000 * day)
	require.Equal(t, []string{"flip v2"}, s.did(s.rotate()), "the announced version is finished")
	require.Equal(t, StateOK, s.status(key.Address()).State)
}
