package rotate

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/layeron-hq/secret"
)

const (
	day       = 24 * time.Hour
	maxJitter = 6 * time.Hour
)

// jitter spreads the rotations of a hundred secrets that are due at the same hour. It depends on the address alone.
func jitter(addr secret.Address) time.Duration {
	sum := sha256.Sum256([]byte(addr.String()))
	seconds := binary.BigEndian.Uint64(sum[:]) % uint64(maxJitter/time.Second+1)
	return time.Duration(seconds) * time.Second
}

// nextRotation returns the first instant at which a secret is due, given its creation and last rotation: slots of EveryDays
// begin at StartAt (else at the creation) plus jitter, and it is due in the first slot after the one it was last rotated in.
// Missed slots are made up by one rotation, since only the last one counts. Zero: never.
func nextRotation(r *secret.Rotation, addr secret.Address, created, rotated time.Time) time.Time {
	if r == nil || r.EveryDays < 1 || created.IsZero() {
		return time.Time{}
	}
	// In seconds: a Duration does not reach from 1970 to 9999.
	shift := int64(jitter(addr) / time.Second)
	period := int64(r.EveryDays) * int64(day/time.Second)
	last := rotated.Unix()
	first := r.StartAt.Unix() + shift
	least := int64(0)
	if r.StartAt.IsZero() {
		// The creation is a rotation in slot 0, not the end of the one before it.
		first = created.Unix() + shift
		least = 1
	}
	slot := max(floorDiv(last-first, period)+1, least)
	return time.Unix(first+slot*period, 0).UTC()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// retention says how much longer than window and margin a replaced version lives; forever: it has no end.
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
