package rotate

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/layeron-hq/secret"
)

// This file computes when a rotation is due. The result depends on the
// declaration, the creation and the last rotation alone, so that runs on
// different machines agree, and a run that starts twice rotates once.

const (
	day       = 24 * time.Hour
	maxJitter = 6 * time.Hour
)

// jitter returns the delay of a secret's slots, at most maxJitter in whole
// seconds. It spreads the rotations of many secrets with the same schedule, and
// depends on the address alone.
func jitter(addr secret.Address) time.Duration {
	sum := sha256.Sum256([]byte(addr.String()))
	seconds := binary.BigEndian.Uint64(sum[:]) % uint64(maxJitter/time.Second+1)
	return time.Duration(seconds) * time.Second
}

// nextRotation returns the instant at which a secret is next due, given its
// creation and its last rotation. Slots of EveryDays days begin at StartAt, or
// at the creation if StartAt is zero, plus the jitter. The secret is due in the
// first slot after the one of its last rotation, so one rotation makes up for
// all missed slots. The result is zero if the secret is never due.
func nextRotation(r *secret.Rotation, addr secret.Address, created, rotated time.Time) time.Time {
	if r == nil || r.EveryDays < 1 || created.IsZero() {
		return time.Time{}
	}
	// In seconds, because a Duration cannot hold the time from 1970 to 9999.
	shift := int64(jitter(addr) / time.Second)
	period := int64(r.EveryDays) * int64(day/time.Second)
	last := rotated.Unix()
	first := r.StartAt.Unix() + shift
	least := int64(0)
	if r.StartAt.IsZero() {
		// The creation is a rotation in slot 0, although the jitter moves the start of
		// that slot after it.
		first = created.Unix() + shift
		least = 1
	}
	slot := max(floorDiv(last-first, period)+1, least)
	return time.Unix(first+slot*period, 0).UTC()
}

// floorDiv returns a/b rounded towards negative infinity: an instant before the
// anchor is in a slot with a negative number.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// retention returns the time that a replaced version lives beyond window and
// margin. forever reports that it has no end.
func retention(r *secret.Rotation) (more time.Duration, forever bool) {
	if r == nil {
		return 0, false
	}
	switch r.Retain.Mode {
	case secret.RetainForever:
		return 0, true
	case secret.RetainFor:
		return time.Duration(r.Retain.Days) * day, false
	}
	return 0, false
}

func floorSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func ceilSecond(t time.Time) time.Time {
	down := floorSecond(t)
	if down.Before(t) {
		return down.Add(time.Second)
	}
	return down
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
