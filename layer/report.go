package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The JSON of status, and of the commands that change something.
type reportJSON struct {
	OK      bool         `json:"ok"`
	Secrets []secretJSON `json:"secrets"`
	Actions []actionJSON `json:"actions,omitzero"`
	Error   string       `json:"error,omitempty"`
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

// report prints what a command found and did, and returns an error where that needs a person.
func (l *layer) report(o *rotate.Operator, r rotate.Result, changes bool) error {
	if l.json {
		l.printJSON(l.reportJSON(o, r, changes))
	} else {
		if changes {
			l.printActions(o, r)
		}
		l.printProblems(r)
	}
	if !r.OK() {
		return errSilent
	}
	return nil
}

func (l *layer) reportJSON(o *rotate.Operator, r rotate.Result, changes bool) reportJSON {
	names := map[secret.Address]string{}
	for _, s := range o.Spec.Secrets {
		names[s.Address] = s.SecretName
	}
	out := reportJSON{OK: r.OK(), Secrets: []secretJSON{}}
	for _, s := range r.Secrets {
		one := secretJSON{Address: s.Address.String(), Kind: s.Kind.String(), SecretName: names[s.Address], State: string(s.State),
			Current: orNull(s.Current), Pending: orNull(s.Pending), Versions: []versionJSON{}, NextRotation: timeOrNull(s.NextRotation),
			Bytes: s.Bytes, Limit: s.Limit}
		for _, v := range s.Versions {
			one.Versions = append(one.Versions, versionJSON{v.ID, timeOrNull(v.ActiveFrom), timeOrNull(v.ExpiresAt)})
		}
		out.Secrets = append(out.Secrets, one)
	}
	if changes {
		out.Actions = []actionJSON{}
		for _, a := range r.Actions {
			out.Actions = append(out.Actions, actionJSON{a.Address.String(), string(a.Action), orNull(a.Version)})
		}
	}
	if text := problemText(r); len(text) > 0 && !out.OK {
		out.Error = strings.Join(text, "\n")
	}
	return out
}

// done says in words what an action has done; %s is the version.
var done = map[rotate.Op]string{
	rotate.OpCreate: "created %s", rotate.OpSet: "set as %s, in use now", rotate.OpAdd: "announced %s", rotate.OpFlip: "%s is in use now", rotate.OpPrune: "%s has expired and is gone",
	rotate.OpExtend: "%s lives longer, as declared", rotate.OpRepair: "published again with longer lives: a late request had replaced it",
	rotate.OpRefresh: "published again with fresh times", rotate.OpPublish: "published again", rotate.OpConfirm: "found as published, %s is current",
	rotate.OpAdopt: "published over what stood there, as %s", rotate.OpWithdraw: "%s is taken back", rotate.OpRevoke: "%s is gone everywhere",
	rotate.OpRename: "published under its new name, %s is current", rotate.OpRemove: "gone from ledger and target", rotate.OpKeep: "kept in the ledger as %s, not published",
}

// planned says the same before it is done.
var planned = map[rotate.Op]string{
	rotate.OpCreate: "would create %s", rotate.OpAdd: "would announce %s", rotate.OpFlip: "would bring %s into use", rotate.OpPrune: "would let %s go, which has expired",
	rotate.OpExtend: "would let %s live longer, as declared", rotate.OpRepair: "would publish again with longer lives: a late request has replaced it",
	rotate.OpRefresh: "would publish again with fresh times", rotate.OpPublish: "would publish again", rotate.OpConfirm: "is found as published, %s is current",
	rotate.OpAdopt: "would publish over what stands there, as %s",
}

func (l *layer) printActions(o *rotate.Operator, r rotate.Result) {
	if len(r.Actions) == 0 && r.OK() {
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
		fmt.Fprintf(l.out, "%s: %s\n", a.Address, words)
	}
	for _, s := range r.Secrets {
		if s.State == rotate.StatePending && s.Pending != "" && !s.Ready.IsZero() && len(r.Actions) > 0 {
			fmt.Fprintf(l.out, "%s: %s comes into use with the first `layer secret rotate` from %s on\n", s.Address, s.Pending, l.instant(s.Ready))
		}
	}
}

func (l *layer) printProblems(r rotate.Result) {
	for _, line := range problemText(r) {
		fmt.Fprintf(l.err, "layer: %s\n", line)
	}
}

func problemText(r rotate.Result) []string {
	var lines []string
	for _, s := range r.Secrets {
		switch {
		case s.Problem != nil:
			lines = append(lines, fmt.Sprintf("%s: %s", s.Address, words(s.Problem)))
		case s.NeedsPerson:
			lines = append(lines, fmt.Sprintf("%s: %s", s.Address, stateAdvice(s)))
		}
	}
	for _, err := range r.Failed {
		lines = append(lines, words(err))
	}
	return lines
}

// instant is a time for people, or for a pipe.
func (l *layer) instant(t time.Time) string {
	if l.out.terminal {
		return people(t)
	}
	return stamp(t)
}

// people is how people read an instant.
func people(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// stages are what an Event says to people.
var stages = map[rotate.Stage]string{rotate.StageLoad: "opening the ledger", rotate.StageInspect: "asking the target", rotate.StageCheck: "checking permission and room",
	rotate.StageRecord: "recording in the ledger", rotate.StageMake: "making a credential", rotate.StagePublish: "publishing", rotate.StageWait: "waiting for the target",
	rotate.StageClean: "cleaning up"}

func (l *layer) progress(e rotate.Event) {
	words := stages[e.Stage]
	if e.Secrets > 1 {
		words += fmt.Sprintf(" (%d secrets)", e.Secrets)
	}
	l.progressText(words)
}

func (l *layer) progressText(words string) { l.err.progress(words + " …") }

// failed is what a run that ended early leaves: what it did is told all the same.
func (l *layer) failed(o *rotate.Operator, r rotate.Result, err error) error {
	if !l.json {
		l.err.clear()
		if len(r.Actions) > 0 {
			l.printActions(o, r)
		}
	}
	return err
}
