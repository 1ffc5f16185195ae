package rotate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// This file reports: it derives the state of each secret from its record and
// the last inspection. An action counts as carried out only if the target has
// confirmed it.

// Result is the report of a run.
type Result struct {
	// Actions were carried out in this order, and the target has confirmed each.
	// With DryRun they would be carried out.
	Actions []Action
	// Unconfirmed are the actions that the ledger records and the target has not
	// confirmed. The next run finishes them.
	Unconfirmed []Action
	// Secrets are the present states of the run's secrets, by address.
	Secrets []SecretStatus
	// Adoptions are the changes that a run with Adopt would publish over the
	// target. Only a dry run has them.
	Adoptions []Adoption
	// Undeclared are the secrets of the ledger that no declaration names, if the
	// run concerned all declared secrets.
	Undeclared []SecretStatus
	// Unreported are the confirmed changes of the declared secrets that were not
	// reported yet, also those of earlier runs. It is empty unless
	// Operator.Reports. After the report has succeeded, call
	// [Operator.MarkReported]. With DryRun it has the planned changes too.
	Unreported []Change
	// Failed are the errors that concern no secret's text, such as an unused token
	// that could not be deleted.
	Failed []error
	// Warnings are the parts of the changes that generators cannot do, such as to end
	// a revoked value: of the kinds [NotEnded], [EndUnknown] and [Untested]. The other
	// parts are carried out. An [Event] has the warnings before anything is changed.
	Warnings []*Problem
}

// OK reports whether the next run finishes everything without an operator, and
// nothing is overdue or has failed.
func (r Result) OK() bool {
	for _, s := range r.Secrets {
		if s.NeedsPerson || s.Overdue {
			return false
		}
	}
	return len(r.Failed) == 0
}

// Settled reports whether the target has confirmed everything that the ledger
// records.
func (r Result) Settled() bool {
	for _, s := range r.Secrets {
		if s.State == StateUnsettled || s.State == StateMissing {
			return false
		}
	}
	return len(r.Unconfirmed) == 0
}

// SecretStatus is the state of one secret. It holds no value.
type SecretStatus struct {
	Address secret.Address
	Kind    secret.Kind
	// Name is the name of its value in the target.
	Name string
	// FormerNames are the names under which renames left its value in the target.
	// Programs may still read it there: see [Operator.RemoveFormerNames].
	FormerNames []string
	State       SecretState
	// Current is the id of the current version, Pending the id of an announced one.
	// Each is empty if there is none.
	Current, Pending string
	// Versions are the versions that readers see, in their order. Past are the
	// versions that have left: pruned, revoked, withdrawn or removed.
	Versions, Past []Life
	// NextRotation is when its rotation is due. Zero: never.
	NextRotation time.Time
	// Changed is when the current version became current. Zero: the ledger holds no
	// value.
	Changed time.Time
	// Ready is the earliest flip of a pending version. Zero: not known yet, because
	// the target has not confirmed the announcement.
	Ready time.Time
	// Bytes is the length of the published text and Limit its limit, both in bytes.
	// Room is how many more versions like the current one would fit.
	Bytes, Limit, Room int
	// Overdue: the work of the next run is late by more than [Operator].Overdue.
	Overdue bool
	// Future is the latest instant in the ledger that lies in the future, because a
	// clock was ahead. Zero: there is none.
	Future time.Time
	// NeedsPerson: the next run cannot finish without an operator. Problem may have
	// the reason.
	NeedsPerson bool
	Problem     error // a *Problem, or nil
}

// Life is a version's id and life. A zero ActiveFrom means no start, a zero
// ExpiresAt no end.
type Life struct {
	ID                    string
	ActiveFrom, ExpiresAt time.Time
	// Gone is why the version has left the document; empty if readers see it.
	Gone Gone
}

// SecretState is the state of one secret.
type SecretState string

// The states of a secret.
const (
	StateOK SecretState = "ok"
	// StatePending: a version is announced.
	StatePending SecretState = "pending"
	// StateUnsettled: the ledger records a text that the target has not confirmed.
	StateUnsettled SecretState = "unsettled"
	// StateMissing: the value was published before, and is gone from the target.
	StateMissing SecretState = "missing"
	// StateUndeclared: the ledger holds the secret, and no declaration names it.
	StateUndeclared SecretState = "undeclared"
	// StateDue: its rotation is due.
	StateDue SecretState = "due"
	// StateDrifted: another writer changed the value in the target.
	StateDrifted SecretState = "drifted"
	// StateBound: the target holds another writer's value, which is used as it is.
	StateBound SecretState = "bound"
	// StateUnpublished: never created, or not under its present name; also an
	// optional secret whose value only an operator can supply.
	StateUnpublished SecretState = "unpublished"
	// StateExternal: only an operator can supply the value.
	StateExternal SecretState = "external_value_required"
)

// result reports the state of the run's secrets and its actions.
func (r *run) result() Result {
	result := Result{Failed: r.report.notes, Adoptions: r.report.adoptions, Warnings: r.report.warnings}
	st := r.loaded.state.state()
	result.Unreported = r.reports(st)
	p := st.policy(r.now(), r.Window, r.Margin, r.Limit)
	if r.Overdue != 0 {
		p.overdue = r.Overdue
	}
	for _, a := range r.report.actions {
		if r.DryRun || st.confirmed(a) {
			result.Actions = append(result.Actions, a.Action)
		} else {
			result.Unconfirmed = append(result.Unconfirmed, a.Action)
		}
	}
	for _, spec := range r.targets() {
		rec, dec := st.find(spec.Address), r.pass.decisions[spec.Address]
		v := dec.verdict
		if v == verdictConfirm && dec.confirmed != nil {
			rec, v = dec.confirmed, verdictSettled // the target has just confirmed it
		}
		s := describe(spec, r.name(spec), rec, v, p, r.makes(spec))
		if p := r.report.problems[spec.Address]; p != nil {
			s.Problem = p
			s.NeedsPerson = s.NeedsPerson || !errors.Is(p, Unsettled) && !errors.Is(p, Waiting) ||
				r.mine.sent[spec.Address].err != nil
			s.Overdue = s.Overdue && !errors.Is(p, Waiting)
		}
		if p := r.report.finished[spec.Address]; p != nil && s.Problem == nil && s.Current == p.Version {
			s.Problem, s.NeedsPerson = p, true
		}
		s.FormerNames = st.formerNames(rec)
		result.Secrets = append(result.Secrets, s)
		if r.op == "revoke" && len(s.FormerNames) > 0 {
			result.Failed = append(result.Failed, &Problem{Kind: FormerName, Address: s.Address, Other: s.Address,
				Err: fmt.Errorf("%s: the target may still hold the revoked version under %s", s.Address,
					strings.Join(s.FormerNames, ", "))})
		}
	}
	for i := range result.Secrets {
		s := &result.Secrets[i]
		if p := (*Problem)(nil); errors.Is(s.Problem, secret.ErrTooLarge) && errors.As(s.Problem, &p) {
			s.Problem = p.because("%w%s", p.Err, r.theRest(result.Secrets, s.Address))
		}
	}
	if len(r.orders) == len(r.Spec.Secrets) {
		result.Undeclared = r.undeclared(st, p)
	}
	return result
}

// confirmed reports whether the target has confirmed an action. It is true for
// an action that only changes the ledger.
func (s *state) confirmed(a taken) bool {
	rec := s.find(a.Address)
	return a.Action.Action == OpKeep || rec == nil || rec.Intent == nil ||
		rec.Published != nil && rec.Published.Gen >= a.gen
}

// undeclared returns the states of the ledger's secrets that no declaration
// names. The run must have an order for every declared secret.
func (r *run) undeclared(st *state, p policy) []SecretStatus {
	var list []SecretStatus
	for _, rec := range st.Secrets {
		if _, declared := r.orders[rec.Address]; declared || rec.empty() {
			continue
		}
		s := describe(secret.SpecSecret{Address: rec.Address, Kind: rec.Kind}, rec.Name, rec, verdictSettled, p, true)
		s.State, s.Overdue, s.Future = StateUndeclared, false, noTime
		s.FormerNames = st.formerNames(rec)
		list = append(list, s)
	}
	return list
}

// theRest returns the end of a message: in how many rotations each other secret
// that retains every version will be full.
func (r *run) theRest(list []SecretStatus, but secret.Address) string {
	var rest []string
	for i, spec := range r.targets() { // which list has in the same order
		s := list[i]
		if _, forever := retention(spec.Rotation); forever && s.Address != but && s.Current != "" {
			rest = append(rest, fmt.Sprintf("%s in %d rotations", s.Address, s.Room))
		}
	}
	if len(rest) == 0 {
		return ""
	}
	return "; the rest will be full: " + strings.Join(rest, ", ")
}

// describe returns the state of one secret from its record, which may be nil,
// and the verdict. made reports that new values need no operator.
func describe(spec secret.SpecSecret, name string, rec *record, v verdict, p policy, made bool) SecretStatus {
	s := SecretStatus{Address: spec.Address, Kind: spec.Kind, Name: name, Limit: p.limit}
	if rec.empty() {
		switch {
		case v == verdictBound:
			s.State, s.NeedsPerson = StateBound, spec.Rotation != nil
		case v == verdictAhead:
			s.State, s.NeedsPerson = StateDrifted, true
		case !made && !spec.Optional:
			s.State, s.NeedsPerson = StateExternal, true
		default:
			s.State = StateUnpublished
		}
		return s
	}
	s.Current, s.Pending, s.Changed = rec.Current, rec.Announced, rec.lastChanged()
	if !rec.Ready.IsZero() {
		s.Ready = later(rec.Ready, rec.Hold)
	}
	for i, ver := range rec.Versions {
		life := Life{ver.ID, ver.ActiveFrom, ver.ExpiresAt, ver.Gone}
		if ver.Gone != "" || rec.Bare && ver.ID != rec.Current {
			if ver.Bare || rec.Bare && ver.Gone == "" {
				life.ExpiresAt = rec.hiddenSince(i, p.now)
			}
			if ver.Gone == "" {
				life.Gone = GoneReplaced
			}
			s.Past = append(s.Past, life)
			continue
		}
		s.Versions = append(s.Versions, life)
	}
	// An instant in the future was recorded by a clock that was ahead.
	now := func(t time.Time) time.Time { return earlier(t, p.now) }
	s.NextRotation = nextRotation(spec.Rotation, spec.Address, now(rec.Created), now(rec.Rotated))
	switch {
	case rec.Intent != nil:
		s.Bytes = len(rec.Intent.Text)
	case rec.Published != nil:
		s.Bytes = rec.Published.Bytes
	}
	s.Room = rec.room(s.Bytes, p.limit)
	s.Future = rec.future(p.now.Add(time.Minute))
	due := rec.Announced == "" && !s.NextRotation.IsZero() && !p.now.Before(s.NextRotation)
	late := func(at time.Time) bool { return !at.IsZero() && p.now.After(at.Add(p.overdue)) }
	switch {
	case v == verdictDrifted || v == verdictAhead:
		s.State, s.NeedsPerson = StateDrifted, true
	case rec.Name != name:
		s.State = StateUnpublished
	case rec.Intent != nil || v == verdictRepair:
		s.State = StateUnsettled
		s.Overdue = rec.Intent != nil && late(rec.Intent.At)
	case v == verdictMissing:
		s.State = StateMissing
	case due:
		s.State, s.NeedsPerson, s.Overdue = StateDue, !made, late(s.NextRotation)
	case rec.Announced != "":
		s.State = StatePending
		s.Overdue = late(s.Ready)
	default:
		s.State = StateOK
	}
	return s
}
