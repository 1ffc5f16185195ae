package rotate

import (
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// This file decides between the two forms of a text: a document, which holds
// versions, and the bare value, which every program can use. Readers of a bare
// value know it as v1. So the value keeps the id v1 when a document follows,
// and a document becomes a bare value without the operator only if no id stops
// resolving.

// bareID is the id under which readers see a bare value.
const bareID = "v1"

// bare reports whether a declaration asks for the bare value: it pins plain, or
// it is static, pins no format and has no Rotation.
func bare(spec secret.SpecSecret) bool {
	return spec.Format == secret.FormatPlain ||
		spec.Format == secret.FormatAuto && spec.Kind == secret.KindStatic && spec.Rotation == nil
}

// published returns the declaration by which the recorded text is written and
// read back. It differs from spec while the text does not have the declared
// form yet.
func (r *record) published(spec secret.SpecSecret) secret.SpecSecret {
	switch {
	case r.Bare && !bare(spec):
		spec.Format, spec.Rotation = secret.FormatPlain, nil
	case !r.Bare && spec.Format == secret.FormatPlain:
		spec.Format = secret.FormatAuto
	}
	return spec
}

// lost returns the ids that stop resolving when the document becomes the bare
// value. It returns none if every version but v1, the current one, has expired.
func (r *record) lost(now time.Time) (ids []string) {
	live := false
	for i := range r.Versions {
		if v := &r.Versions[i]; v.Gone == "" && (v.ID != bareID || v.ID != r.Current) {
			ids = append(ids, v.ID)
			live = live || v.ID == r.Current || v.ExpiresAt.IsZero() || v.ExpiresAt.After(now)
		}
	}
	if !live {
		return nil
	}
	return ids
}

// toBare makes the text the bare value. The other versions are in no text then,
// and the ledger keeps them: for a rollback, and for a later document.
func (r *record) toBare() {
	r.withdraw(GoneWithdrawn)
	r.Bare = true
}

// toDocument makes the text a document, in which the current value is v1: this
// is the id that readers of the bare value know. The versions of an earlier
// document return under their ids, unless they were replaced while the text was
// bare. A version that has the id v1 gets a new id.
//
// If an earlier document had the current value under another id, that id stays
// beside v1 as a replaced version. toDocument then returns it; its life counts
// from now.
func (r *record) toDocument(rotation *secret.Rotation, p policy) (replaced string) {
	current := r.version(r.Current)
	alone := true
	for i := range r.Versions {
		switch v := &r.Versions[i]; {
		case v.Gone != "" || v == current:
			continue
		case v.Bare:
			v.leave(GoneReplaced)
			continue
		case v.ID == bareID:
			r.Highest++
			v.ID = numbered(r.Highest)
		}
		alone = false
	}
	r.Bare = false
	switch {
	case current.ID == bareID:
	case current.Bare: // no document had it
		current.ID = bareID
	default:
		replaced = current.ID
		r.Versions = append(r.Versions, version{ID: bareID, Value: current.Value, Resource: current.Resource})
		r.flip(bareID, rotation, p)
		alone = false
	}
	r.Current = bareID
	current = r.version(bareID)
	current.Bare = false
	if alone {
		current.ActiveFrom = noTime // as readers of the bare value see it
	}
	return replaced
}

// hiddenSince returns when the bare value of a later version took the place of
// version i: the start of the next version, if it is known, and at the latest
// now or the end of version i.
func (r *record) hiddenSince(i int, now time.Time) time.Time {
	at := now
	if end := r.Versions[i].ExpiresAt; !end.IsZero() {
		at = earlier(at, end)
	}
	if r.Versions[i].Bare && i+1 < len(r.Versions) && !r.Versions[i+1].ActiveFrom.IsZero() {
		at = earlier(at, r.Versions[i+1].ActiveFrom)
	}
	return at
}

// recognizeBare sets Bare in a record of an earlier format, which does not
// contain it. A document is always longer than its current value.
func (r *record) recognizeBare() {
	if r.empty() || r.version(r.Current) == nil {
		return
	}
	value := r.version(r.Current).Value
	switch {
	case r.Intent != nil:
		r.Bare = r.Intent.Text == value
	case r.Published != nil:
		r.Bare = r.Published.Bytes == len(value)
	}
	for i := range r.Versions {
		r.Versions[i].Bare = r.Bare && r.Versions[i].Gone == ""
	}
}

// reform publishes the text in the form that the declaration asks for, if it
// has the other one. It reports whether it did; the order waits then until the
// target has confirmed that text.
func (w *work) reform() bool {
	next, replaced, problem := w.reformed()
	if next == nil || problem != nil {
		return false
	}
	w.r = next
	op := OpDocument
	if w.r.Bare {
		op = OpBare
	}
	w.act(op, w.r.Current)
	w.publish(op, replaced != "", replaced)
	return true
}

// reformed returns the record with a text of the declared form, or nil if the
// text has it already or is not settled. replaced is the result of toDocument,
// problem the reason why an operator is needed.
func (w *work) reformed() (next *record, replaced string, problem *Problem) {
	if w.r.empty() || w.r.Intent != nil || w.r.Published == nil ||
		w.r.Bare == bare(w.spec) && !w.r.inOtherFormat(w.spec) {
		return nil, "", nil
	}
	next = w.r.clone()
	switch {
	case w.r.Bare == bare(w.spec): // only the format of the document changes
	case w.r.Bare:
		replaced = next.toDocument(w.spec.Rotation, w.desk.policy)
	default:
		if ids := w.r.lost(w.desk.policy.now); len(ids) > 0 && !w.desk.loses {
			problem = problemf(LosesIDs, "its declaration now asks for the bare value, which has no versions. "+
				"%s would stop resolving, so it stays a document", strings.Join(ids, ", ")).of(w.spec.Address)
		}
		next.toBare()
	}
	_, err := next.render(w.spec, w.desk.policy.limit)
	if err == nil {
		err = next.publishable()
	}
	if err != nil && problem == nil {
		problem = problemf(Refused, "its declaration now asks for another form of the text, and that fails: %w", err).
			of(w.spec.Address)
	}
	return next, replaced, problem
}

// inOtherFormat reports whether the published document is not in the format that
// the declaration pins, which programs then cannot read. The same document is
// longer in JSON than in compact, so the length shows the format. An error of
// the pinned format counts too: reformed returns it.
func (r *record) inOtherFormat(spec secret.SpecSecret) bool {
	if r.Bare || spec.Format != secret.FormatJSON && spec.Format != secret.FormatCompact {
		return false
	}
	text, err := r.render(spec, 1<<20) // the published text may be longer than a new limit
	return err != nil || len(text) != r.Published.Bytes
}

// bareText returns the value alone, if it fits into limit bytes.
func bareText(v *version, limit int) (string, error) {
	if len(v.Value) > limit {
		return "", tooLarge(len(v.Value), limit, 1)
	}
	return v.Value, nil
}
