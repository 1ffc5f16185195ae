package rotate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// Result is what a run found and did.
type Result struct {
	// Actions are what it did, or with DryRun would do, in order.
	Actions []Action
	// Secrets tell how the secrets that it concerned stand now, by address.
	Secrets []SecretStatus
	// Failed is what went wrong beside the secrets, such as an unused token that could not be deleted.
	Failed []error
}

// OK tells whether everything is done that the next run would not do by itself.
func (r Result) OK() bool {
	for _, s := range r.Secrets {
		if s.NeedsPerson {
			return false
		}
	}
	return len(r.Failed) == 0
}

// SecretStatus tells how one secret stands. It holds no value.
type SecretStatus struct {
	Address secret.Address
	Kind    secret.Kind
	// Name is what its value is called in the store.
	Name  string
	State SecretState
	// Current is the id of the current version, Pending that of an announced one; empty where there is none.
	Current, Pending string
	// Versions are those that readers see, in their order; Past those that are gone: pruned, revoked or withdrawn.
	Versions, Past []Life
	// NextRotation is when its rotation is due. Zero: never.
	NextRotation time.Time
	// Ready is when a pending version comes into use at the earliest; zero where that is not known yet.
	Ready time.Time
	// Bytes is the length of the published text, Limit the most that it may have, Room how many more versions like the current
	// one would fit.
	Bytes, Limit, Room int
	// NeedsPerson: the next run will not do by itself what is left. Problem says what that is, or what failed.
	NeedsPerson bool
	Problem     error // a *Problem, or nil
}

// Life is a version's id and life. Zero times mean since ever, and never.
type Life struct {
	ID                    string
	ActiveFrom, ExpiresAt time.Time
	// Gone is why it has left the document; empty for one that readers see.
	Gone Gone
}

// SecretState is the state of one secret.
type SecretState string

// The states of a secret.
const (
	StateOK          SecretState = "ok"
	StatePending     SecretState = "pending"                 // a version is announced, or something is not confirmed yet
	StateDue         SecretState = "due"                     // its rotation is due
	StateDrifted     SecretState = "drifted"                 // somebody else has changed the value in the store
	StateBound       SecretState = "bound"                   // the store has somebody's value, and it is used as it is
	StateUnpublished SecretState = "unpublished"             // missing in the store, or never created
	StateExternal    SecretState = "external_value_required" // only a person can supply the value
)

// result tells how the secrets of the run stand.
func (r *run) result() Result {
	result := Result{Actions: r.report.actions, Failed: r.report.notes}
	st := r.loaded.state.state()
	p := st.policy(r.now(), r.Window, r.Margin, r.Limit)
	for _, spec := range r.targets() {
		rec := st.find(spec.Address)
		s := describe(spec, r.name(spec), rec, r.pass.decisions[spec.Address].verdict, p, r.makes(spec))
		if p := r.report.problems[spec.Address]; p != nil {
			s.Problem = p
			s.NeedsPerson = s.NeedsPerson || !errors.Is(p, Unsettled) || r.mine.sent[spec.Address].err != nil
		}
		result.Secrets = append(result.Secrets, s)
	}
	for i := range result.Secrets {
		s := &result.Secrets[i]
		if p := (*Problem)(nil); errors.Is(s.Problem, secret.ErrTooLarge) && errors.As(s.Problem, &p) {
			s.Problem = p.because("%w%s", p.Err, r.theRest(result.Secrets, s.Address))
		}
	}
	return result
}

// theRest tells in how many rotations the other secrets that keep every version will be full.
func (r *run) theRest(list []SecretStatus, but secret.Address) string {
	var rest []string
	for _, s := range list {
		spec, _ := r.find(s.Address)
		if _, forever := retention(spec.Rotation); forever && s.Address != but && s.Current != "" {
			rest = append(rest, fmt.Sprintf("%s in %d rotations", s.Address, s.Room))
		}
	}
	if len(rest) == 0 {
		return ""
	}
	return "; the rest will be full: " + strings.Join(rest, ", ")
}

// describe tells how one secret stands by its record, which may be nil, and what the store was found to hold. made: new values
// of it need no person.
func describe(spec secret.SpecSecret, name string, rec *record, v verdict, p policy, made bool) SecretStatus {
	s := SecretStatus{Address: spec.Address, Kind: spec.Kind, Name: name, Limit: p.limit}
	if rec.empty() {
		switch {
		case v == verdictBound:
			s.State, s.NeedsPerson = StateBound, spec.Rotation != nil
		case v == verdictAhead:
			s.State, s.NeedsPerson = StateDrifted, true
		case !made:
			s.State, s.NeedsPerson = StateExternal, true
		default:
			s.State = StateUnpublished
		}
		return s
	}
	s.Current, s.Pending, s.Ready = rec.Current, rec.Announced, rec.Ready
	for _, ver := range rec.Versions {
		life := Life{ver.ID, ver.ActiveFrom, ver.ExpiresAt, ver.Gone}
		if ver.Gone != "" || spec.Format == secret.FormatPlain && ver.ID != rec.Current {
			s.Past = append(s.Past, life)
			continue
		}
		s.Versions = append(s.Versions, life)
	}
	s.NextRotation = nextRotation(spec.Rotation, spec.Address, rec.Created, rec.Rotated)
	switch {
	case rec.Intent != nil:
		s.Bytes = len(rec.Intent.Text)
	case rec.Published != nil:
		s.Bytes = rec.Published.Bytes
	}
	s.Room = rec.room(spec, s.Bytes, p.limit)
	due := rec.Announced == "" && !s.NextRotation.IsZero() && !p.now.Before(s.NextRotation)
	switch {
	case v == verdictDrifted || v == verdictAhead:
		s.State, s.NeedsPerson = StateDrifted, true
	case rec.Name != name || v == verdictMissing || rec.Published == nil && v != verdictConfirm && v != verdictWaiting && rec.Intent != nil:
		s.State = StateUnpublished
	case due:
		s.State, s.NeedsPerson = StateDue, !made
	case rec.Announced != "" || rec.Intent != nil:
		s.State = StatePending
	default:
		s.State = StateOK
	}
	return s
}
