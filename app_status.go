package secret

import (
	"slices"
	"strings"
	"time"
)

// Status is the state of an App's secrets at one moment. It holds ids and
// times, never a value. Its JSON leaves out absent times and texts.
type Status struct {
	// Time is the moment of the call to App.Status, in UTC.
	Time time.Time `json:"time"`
	// OK is false if a secret needs a person: see SecretStatus.NeedsPerson. It is
	// also false for an App that NewApp did not make.
	OK bool `json:"ok"`
	// Secrets are sorted by address.
	Secrets []SecretStatus `json:"secrets"`
}

// SecretStatus is the state of one secret.
type SecretStatus struct {
	Address Address `json:"address"`
	Binding string  `json:"binding"`
	Kind    Kind    `json:"kind"`
	// Optional is Options.Optional. If Current is empty, LastSuccess set and Failing
	// false, the secret is not set, and reads return [ErrNotFound]. That needs no
	// person.
	Optional bool `json:"optional,omitempty"`
	// Format is the format of the stored text. FormatAuto: nothing has been loaded
	// yet.
	Format Format `json:"format,omitzero"`
	// Current is the id of the version for new work. Empty: nothing has been loaded
	// yet, or an optional secret is not set.
	Current string `json:"current,omitempty"`
	// Versions are in the order of the document.
	Versions []Life `json:"versions,omitempty"`
	// LastSuccess is when the store last returned a good document, whether or not
	// it had changed, or answered that an optional secret is not set. Zero: never.
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	// LastError is the reason why the last load failed. Empty: it succeeded.
	LastError string `json:"lastError,omitempty"`
	// StaleSince is when loads began to fail: since then reads may return an old
	// document. Zero: the last load succeeded. A value of an optional secret that is
	// removed counts too.
	StaleSince time.Time `json:"staleSince,omitzero"`
	// CachedAt is set while reads return the answer that AppOptions.Cache has, a
	// document or "not set", because the store has been out of reach since before
	// Start. It is when the store confirmed the answer, so it equals LastSuccess.
	// Zero: this process got the answer from the store, or has none.
	CachedAt time.Time `json:"cachedAt,omitzero"`
	// Failing reports that reads fail: nothing was ever loaded, or
	// AppOptions.MaxStale has passed. It is false for an optional secret that is not
	// set, and for a secret that was given to Use after Start until its first read,
	// which loads it.
	Failing bool `json:"failing,omitempty"`
	// NeedsPerson reports that waiting does not help: reads fail, the stored text
	// is at fault, the store has been out of reach for an hour, or there is a
	// warning other than white_space.
	NeedsPerson bool      `json:"needsPerson,omitempty"`
	Warnings    []Warning `json:"warnings,omitempty"`
	// RotationDue is when the declared Rotation replaces the current version. Three
	// days later there is a warning. Zero: no Rotation is declared, or the current
	// version has no start, or a start that is ahead.
	RotationDue time.Time `json:"rotationDue,omitzero"`
	// Loads is the number of loads from the store that have ended, FailedLoads the
	// number of those without a good document (an optional secret that is not set
	// counts as good), and LoadTime the time that all loads took together, in JSON
	// in nanoseconds. They only grow.
	Loads       uint64        `json:"loads,omitempty"`
	FailedLoads uint64        `json:"failedLoads,omitempty"`
	LoadTime    time.Duration `json:"loadTime,omitempty"`
}

// Life is a version without its value.
type Life struct {
	ID         string    `json:"id"`
	ActiveFrom time.Time `json:"activeFrom,omitzero"` // zero: always active
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`  // zero: never
}

// outOfReach is how long a store may fail before a person must look at it.
const outOfReach = time.Hour

// Status returns the state of all secrets given to Use. It does not read a
// store. If a document of a [Derived] value that was read has changed since,
// Status computes the value first, see [WarnDerived].
func (a *App) Status() Status {
	now := time.Now()
	secrets := a.used()
	started := a.started()
	derived := a.settleDerived()
	st := Status{Time: utc(now), OK: a.made(), Secrets: make([]SecretStatus, len(secrets))}
	for i, sec := range secrets {
		st.Secrets[i] = sec.status(now, started)
		sec.warnDerived(&st.Secrets[i], derived)
		st.OK = st.OK && !st.Secrets[i].NeedsPerson
	}
	slices.SortStableFunc(st.Secrets, func(x, y SecretStatus) int { return compareAddress(x.Address, y.Address) })
	return st
}

func compareAddress(a, b Address) int {
	return strings.Compare(a.String(), b.String())
}

func (sec *appSecret) status(now time.Time, started bool) SecretStatus {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	d := sec.decl
	st := SecretStatus{Address: d.addr, Binding: d.binding, Kind: d.kind, Optional: d.Optional,
		Failing:     sec.known() == nil && !(started && sec.err == nil && d.err == nil) || sec.stale,
		LastSuccess: utc(sec.lastSuccess), StaleSince: utc(sec.failedSince),
		CachedAt: utc(sec.cache.confirmed()),
		Loads:    sec.loads, FailedLoads: sec.loader.failed, LoadTime: sec.spent}
	if sec.flight != nil {
		st.Loads-- // it has not ended
	}
	err := sec.err
	if d.err != nil {
		err = d.err
	}
	if err != nil {
		st.LastError = err.Error()
		st.NeedsPerson = !sec.lacks(err) && (stateOf(err) != errUnavailable || now.Sub(sec.failedSince) >= outOfReach)
	}
	st.NeedsPerson = st.NeedsPerson || st.Failing
	if sec.doc == nil {
		return st
	}
	st.Format, st.Current = sec.doc.StoredAs(), sec.doc.Current().ID
	for v := range sec.doc.All() {
		st.Versions = append(st.Versions, Life{v.ID, v.ActiveFrom, v.ExpiresAt})
	}
	st.RotationDue = utc(sec.doc.data().rotationDue(d.Rotation, now))
	st.Warnings = sec.doc.data().warnings(d.Rotation, now)
	for _, w := range st.Warnings {
		st.NeedsPerson = st.NeedsPerson || w.Code != WarnWhiteSpace
	}
	return st
}
