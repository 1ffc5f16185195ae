package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Prints the results of commands. Except after a dry run, a command exits with
// 0 only if the target has confirmed the recorded text of every declared secret
// and no operator is needed; cron and CI rely on that. No output contains a
// value.

// reportJSON is the JSON of status, and of the commands that change secrets.
type reportJSON struct {
	OK      bool         `json:"ok"`
	Secrets []secretJSON `json:"secrets"`
	Actions []actionJSON `json:"actions,omitzero"`
	// Unconfirmed are changes in the ledger that the target has not confirmed.
	Unconfirmed []actionJSON `json:"unconfirmed,omitempty"`
	// Undeclared are secrets of the ledger that no declaration names. Status lists
	// them among the secrets.
	Undeclared []string `json:"undeclared,omitempty"`
	// Warnings are the parts of the actions that generators cannot do.
	Warnings []warningJSON `json:"warnings,omitempty"`
	// Then is the report to the command of --then; nil without --then.
	Then  *thenJSON `json:"then,omitempty"`
	Error string    `json:"error,omitempty"`
}

// failureJSON is the JSON of a command that ended early.
type failureJSON struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"`
	// Actions are the changes that the target had confirmed by then.
	Actions     []actionJSON  `json:"actions,omitempty"`
	Unconfirmed []actionJSON  `json:"unconfirmed,omitempty"`
	Warnings    []warningJSON `json:"warnings,omitempty"`
}

type secretJSON struct {
	Address      string        `json:"address"`
	Kind         string        `json:"kind"`
	SecretName   string        `json:"secretName"`
	State        string        `json:"state"`
	Current      *string       `json:"current"`
	Pending      *string       `json:"pending"`
	Versions     []versionJSON `json:"versions"`
	NextRotation *string       `json:"nextRotation"`
	Bytes        int           `json:"bytes"`
	Limit        int           `json:"limit"`
	Overdue      bool          `json:"overdue,omitempty"`
	LastChanged  *string       `json:"lastChanged,omitempty"`  // of the current value
	ComesIntoUse *string       `json:"comesIntoUse,omitempty"` // the pending version, with the first rotate from then on
	// FormerNames are the names in the target where renames left its value.
	FormerNames []string `json:"formerNames,omitempty"`
}

type versionJSON struct {
	ID         string  `json:"id"`
	ActiveFrom *string `json:"activeFrom"`
	ExpiresAt  *string `json:"expiresAt"`
}

type actionJSON struct {
	Address string  `json:"address"`
	Action  string  `json:"action"`
	Version *string `json:"version"`
	By      string  `json:"by,omitempty"`
}

type warningJSON struct {
	Address string `json:"address"`
	Version string `json:"version"`
	Text    string `json:"text"`
}

// warningText returns the text of a warning, on one line.
func warningText(p *rotate.Problem) string { return onOneLine(p.Err) }

func warningsJSON(warnings []*rotate.Problem) (list []warningJSON) {
	for _, p := range warnings {
		list = append(list, warningJSON{p.Address.String(), p.Version, warningText(p)})
	}
	return list
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return orNull(t.UTC().Format(time.RFC3339Nano))
}

// report prints the result of a command. It returns an error if an operator is
// needed, or if the target has not confirmed a change that the ledger records.
// After a dry run only the former counts.
func (l *layer) report(o *rotate.Operator, r rotate.Result, changes bool) error {
	ok := r.OK() && (r.Settled() || o.DryRun)
	if !l.json {
		if changes {
			l.printActions(o, r)
			l.printUnconfirmed(r)
		}
		l.printProblems(r)
		l.printUndeclared(r)
		l.printFormerNames(r)
	}
	then, failure, interrupted := l.reportThen(o, r)
	if interrupted != nil {
		return interrupted
	}
	ok = ok && failure == nil
	if l.json {
		out := l.reportJSON(o, r, ok, changes)
		out.Then = then
		if failure != nil {
			out.Error = strings.TrimPrefix(out.Error+"\n"+words(failure), "\n")
		}
		l.printJSON(out)
	}
	if !ok {
		return errSilent
	}
	return nil
}

func (l *layer) reportJSON(o *rotate.Operator, r rotate.Result, ok, changes bool) reportJSON {
	names := map[secret.Address]string{}
	for _, s := range o.Spec.Secrets {
		names[s.Address] = s.SecretName
	}
	out := reportJSON{OK: ok, Secrets: []secretJSON{}, Unconfirmed: actionsJSON(r.Unconfirmed)}
	secrets := r.Secrets
	if changes {
		for _, s := range r.Undeclared {
			out.Undeclared = append(out.Undeclared, s.Address.String())
		}
	} else {
		secrets = slices.Concat(r.Secrets, r.Undeclared)
	}
	for _, s := range secrets {
		one := secretJSON{Address: s.Address.String(), Kind: s.Kind.String(), SecretName: cmp.Or(names[s.Address], s.Name),
			State:   string(s.State),
			Current: orNull(s.Current), Pending: orNull(s.Pending), Versions: []versionJSON{},
			NextRotation: timeOrNull(s.NextRotation),
			Bytes:        s.Bytes, Limit: s.Limit, Overdue: s.Overdue, FormerNames: s.FormerNames,
			LastChanged: timeOrNull(s.Changed), ComesIntoUse: timeOrNull(s.Ready)}
		for _, v := range s.Versions {
			one.Versions = append(one.Versions, versionJSON{v.ID, timeOrNull(v.ActiveFrom), timeOrNull(v.ExpiresAt)})
		}
		out.Secrets = append(out.Secrets, one)
	}
	if changes {
		out.Actions = append([]actionJSON{}, actionsJSON(r.Actions)...)
	}
	out.Warnings = warningsJSON(r.Warnings)
	if text := problemText(r); len(text) > 0 && !out.OK {
		out.Error = strings.Join(text, "\n")
	}
	return out
}

func actionsJSON(actions []rotate.Action) []actionJSON {
	var list []actionJSON
	for _, a := range actions {
		list = append(list, actionJSON{a.Address.String(), string(a.Action), orNull(a.Version), a.By})
	}
	return list
}

// done has the text for each confirmed action; %s is the version.
var done = map[rotate.Op]string{
	rotate.OpCreate:   "created %s",
	rotate.OpSet:      "set as %s, now current",
	rotate.OpAdd:      "announced %s",
	rotate.OpFlip:     "%s is now current",
	rotate.OpPrune:    "%s has expired and is deleted",
	rotate.OpExtend:   "extended the life of %s, as declared",
	rotate.OpRepair:   "published again with longer lives: a late request had replaced it, or may have",
	rotate.OpRefresh:  "published again with fresh times",
	rotate.OpPublish:  "published again",
	rotate.OpConfirm:  "found as published, %s is current",
	rotate.OpAdopt:    "published over another value, as %s",
	rotate.OpWithdraw: "%s is withdrawn",
	rotate.OpRevoke:   "%s is revoked in ledger and target; a reader accepts it until it reads the new text",
	rotate.OpRename:   "published under its new name, %s is current",
	rotate.OpRemove:   "deleted from ledger and target",
	rotate.OpTarget:   "published to the new target, %s is current",
	rotate.OpBare:     "published as the bare value, which programs read as v1",
	rotate.OpDocument: "published as a document, with the value as %s",
	rotate.OpKeep:     "kept in the ledger as %s, not published",
}

// planned has the text for each action of a dry run; %s is the version.
var planned = map[rotate.Op]string{
	rotate.OpCreate:  "would create %s",
	rotate.OpAdd:     "would announce %s",
	rotate.OpFlip:    "would make %s current",
	rotate.OpPrune:   "would delete %s, which has expired",
	rotate.OpExtend:  "would extend the life of %s, as declared",
	rotate.OpRepair:  "would publish again with longer lives: a late request has replaced it, or may have",
	rotate.OpRefresh: "would publish again with fresh times",
	rotate.OpPublish: "would publish again",
	rotate.OpConfirm: "is found as published, %s is current",
	rotate.OpAdopt:   "would publish over another value, as %s",

	rotate.OpBare:     "would publish the bare value, which programs read as v1",
	rotate.OpDocument: "would publish a document, with the value as %s",
}

// recorded has the text for a change that is in the ledger and that the target
// has not confirmed; %s is the version.
var recorded = map[rotate.Op]string{
	rotate.OpCreate:   "the first value, %s",
	rotate.OpSet:      "%s as the current version",
	rotate.OpAdd:      "the announcement of %s",
	rotate.OpFlip:     "%s as the current version",
	rotate.OpPrune:    "the end of %s, which has expired",
	rotate.OpExtend:   "a longer life of %s",
	rotate.OpRepair:   "longer lives, after a late request",
	rotate.OpRefresh:  "fresh times",
	rotate.OpPublish:  "an earlier text",
	rotate.OpConfirm:  "%s as the current version",
	rotate.OpTarget:   "its text for the new target, with %s current",
	rotate.OpAdopt:    "%s, over another value",
	rotate.OpWithdraw: "the withdrawal of %s",
	rotate.OpRevoke:   "the revocation of %s",
	rotate.OpRename:   "its new name",
	rotate.OpRemove:   "its removal",
	rotate.OpBare:     "the bare value",
	rotate.OpDocument: "a document, with the value as %s",
}

// printUnconfirmed prints, for each secret, the changes in the ledger that are
// not in the target yet.
func (l *layer) printUnconfirmed(r rotate.Result) {
	var order []secret.Address
	parts := map[secret.Address][]string{}
	for _, a := range r.Unconfirmed {
		words := recorded[a.Action]
		if strings.Contains(words, "%s") {
			words = fmt.Sprintf(words, a.Version)
		}
		if parts[a.Address] == nil {
			order = append(order, a.Address)
		}
		parts[a.Address] = append(parts[a.Address], words)
	}
	for _, addr := range order {
		l.say("%s: recorded in the ledger and not confirmed by the target: %s. Finish it with `layer secret rotate`", addr,
			strings.Join(parts[addr], ", "))
	}
}

// printUndeclared lists the secrets of the ledger that no declaration names.
func (l *layer) printUndeclared(r rotate.Result) {
	for _, s := range r.Undeclared {
		l.say("%s: undeclared: it is in the ledger, and no declaration names it: delete it with `layer secret remove %s`",
			s.Address, short(s.Address))
	}
}

func (l *layer) printActions(o *rotate.Operator, r rotate.Result) {
	if len(r.Actions) == 0 && len(r.Unreported) == 0 && r.OK() && r.Settled() {
		fmt.Fprintln(l.out, "nothing to do")
	}
	for _, a := range r.Actions {
		words := done[a.Action]
		if o.DryRun {
			words = planned[a.Action]
		}
		if strings.Contains(words, "%s") {
			words = fmt.Sprintf(words, a.Version)
		}
		switch {
		case a.By == "":
		case a.By == o.By:
			words += ", as an earlier run had recorded: " + a.Version
		default:
			words += ", as " + a.By + " had recorded: " + a.Version
		}
		l.out.line("%s: %s", a.Address, words)
	}
	for _, s := range r.Secrets {
		if s.State == rotate.StatePending && s.Pending != "" && !s.Ready.IsZero() && (len(r.Actions) > 0 || l.asksForNow) {
			now := ""
			if l.asksForNow {
				now = "; --immediate makes it current now"
			}
			l.out.line("%s: %s becomes current with the first `layer secret rotate` from %s on%s", s.Address, s.Pending,
				l.instant(s.Ready), now)
		}
	}
}

func (l *layer) printProblems(r rotate.Result) {
	for _, line := range problemText(r) {
		l.err.line("layer: %s", line)
	}
}

func problemText(r rotate.Result) []string {
	var lines []string
	targetGone := slices.ContainsFunc(r.Failed, func(err error) bool {
		var p *rotate.Problem
		return errors.As(err, &p) && p.Kind == rotate.WrongPlace
	})
	for _, s := range r.Secrets {
		switch {
		case s.State == rotate.StateMissing && targetGone: // reported once, for all secrets
		case s.Problem != nil:
			lines = append(lines, fmt.Sprintf("%s: %s", s.Address, words(s.Problem)))
		case s.NeedsPerson || s.Overdue || s.State == rotate.StateUnsettled || s.State == rotate.StateMissing:
			lines = append(lines, fmt.Sprintf("%s: %s", s.Address, stateAdvice(s)))
		}
		if !s.Future.IsZero() {
			lines = append(lines, fmt.Sprintf("%s: the ledger contains the time %s, which is in the future: a clock was "+
				"ahead, or this one is behind: correct the clock",
				s.Address, stamp(s.Future)))
		}
	}
	for _, err := range r.Failed {
		lines = append(lines, onOneLine(err))
	}
	return lines
}

// instant formats a time for people, or for a pipe.
func (l *layer) instant(t time.Time) string {
	if l.out.terminal {
		return people(t)
	}
	return stamp(t)
}

// people formats an instant for people, in the local time zone.
func people(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// stages has the progress text for each stage of an [rotate.Event].
var stages = map[rotate.Stage]string{
	rotate.StageLoad:    "opening the ledger",
	rotate.StageInspect: "asking the target",
	rotate.StageCheck:   "checking for room",
	rotate.StageAsk:     "asking a generator for its steps",
	rotate.StageRecord:  "recording in the ledger",
	rotate.StageMake:    "making a credential",
	rotate.StageTest:    "testing whether the credential works",
	rotate.StagePublish: "publishing",
	rotate.StageWait:    "waiting for the target",
	rotate.StageClean:   "cleaning up",
}

func (l *layer) progress(e rotate.Event) {
	for _, p := range e.Warnings {
		l.warnOnce(fmt.Sprintf("%s: %s", p.Address, warningText(p)))
	}
	words := stages[e.Stage]
	switch {
	case e.Secrets > 1 && e.Done > 0:
		words += fmt.Sprintf(" (%s of %s)", number(e.Done), number(e.Secrets))
	case e.Secrets > 1:
		words += fmt.Sprintf(" (%s secrets)", number(e.Secrets))
	}
	l.progressText(words)
}

func (l *layer) progressText(words string) { l.err.progress(words + " …") }

// failed prints the confirmed actions of a run that ended early, and returns
// err. With --json, exit prints them with the error.
func (l *layer) failed(o *rotate.Operator, r rotate.Result, err error) error {
	if l.early = r; !l.json {
		l.err.clear()
		if len(r.Actions) > 0 {
			l.printActions(o, r)
		}
		l.printUnconfirmed(r)
	}
	return err
}
