package main

import (
	"fmt"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// This file turns the engine's errors into text for an operator in an incident.
// Package rotate reports the operation, the address and the reason. The command
// adds the next step here, as a command that can be typed. So package rotate
// names no command line, and other programs can use it.

// advice returns, for each kind of problem, the command that the operator can
// type next. The text follows the reason and brings its own punctuation. A kind
// without an entry needs no advice: its reason already names the next step.
var advice = map[rotate.Kind]func(p *rotate.Problem) string{
	rotate.NeedsValue: func(p *rotate.Problem) string {
		return fill(": set the value with `layer secret set %s`",
			p.Address)
	},
	rotate.Bound: func(p *rotate.Problem) string {
		return fill(": to rotate it, run `layer secret set %s` with the value that the target has, then `layer secret "+
			"rotate --adopt-ledger`",
			p.Address)
	},
	rotate.Drifted:   fixed(": to publish the ledger's value again, run `layer secret rotate --adopt-ledger`"),
	rotate.ValueKept: fixed(": to publish the kept value over it, run `layer secret rotate --adopt-ledger`"),
	rotate.ValueUnknown: func(p *rotate.Problem) string {
		return fill(": run `layer secret set %s` with that value first", p.Address)
	},
	rotate.Ahead:       fixed(". If there is no newer one, use this one with `layer secret rotate --adopt-ledger`"),
	rotate.WrongTarget: fixed(". Get the right ledger, or run `layer secret rotate --adopt-ledger` to use this one"),
	rotate.NoValue: fixed(": `layer secret apply` makes a value that is random or generated, and `layer secret set` " +
		"takes one from you"),
	rotate.NoVersion:  fixed(": `layer secret status --json` lists its versions"),
	rotate.NoPrevious: fixed(". Set a new value with `layer secret set`, or make one with `layer secret rotate --now`"),
	rotate.CurrentVersion: func(p *rotate.Problem) string {
		return fill(": set a new value first, with `layer secret set %s`", p.Address)
	},
	rotate.AlreadyAnnounced: func(p *rotate.Problem) string {
		return fill(": `layer secret rotate` finishes that rotation when it is due, and `layer secret rollback %s` "+
			"withdraws it", p.Address)
	},
	rotate.PlainValue: func(p *rotate.Problem) string {
		return fill(": to replace the value at once, run `layer secret rotate --immediate %s`", p.Address)
	},
	rotate.LosesIDs: fixed(". To publish the bare value, run `layer secret apply --yes`. To keep the versions, declare " +
		"a " +
		"Rotation or Format: FormatJSON"),
	rotate.InUse: func(p *rotate.Problem) string {
		if p.Version == "" {
			return ""
		}
		return fill(". To end that version now, run `layer secret revoke %s ", p.Address) + p.Version + "`"
	},
	rotate.Waiting: fixed(". The next `layer secret rotate` after that begins the rotation"),
	rotate.NewName: func(p *rotate.Problem) string {
		return fill(": `layer secret rename %s %s`, with the same address twice, publishes it "+
			"under the new name", p.Address, p.Address)
	},
	rotate.NameTaken: func(p *rotate.Problem) string {
		return fill(": to hand the name over, run `layer secret rename %s %s`", p.Other, p.Address)
	},
	rotate.FormerName: func(p *rotate.Problem) string {
		return fill(": delete it with `layer secret remove %s`", p.Other)
	},
	rotate.WrongPlace: fixed(". If its values are lost for good, publish every secret again with `layer secret rotate " +
		"--adopt-ledger`"),
	rotate.NotMade:    fixed(": run the command again to make one"),
	rotate.Undeclared: fixed(": `layer secret status` lists the declared secrets"),
	rotate.NoLedger:   fixed(": make one with `layer secret init`"),
	rotate.WrongLedger: fixed(". If this ledger is the right one, delete layer.seen and give the ledger's id with " +
		"--ledger-id, or run `layer secret rotate --adopt-ledger` to use it"),
	rotate.Untrusted: fixed(". Run `layer secret ledger id` on a machine where the ledger is in use, and pass " +
		"the printed id here, in --ledger-id or LAYER_LEDGER_ID"),
	rotate.Moved: fixed(", with --ledger or LAYER_LEDGER. If no ledger is there, run `layer secret rotate " +
		"--adopt-ledger` to use the one here"),
	rotate.HalfMoved: fixed(". Move it again, or run `layer secret rotate --adopt-ledger` to use the old one"),
	rotate.Copies:    fixed(". Compare them with `layer secret log`"),
}

func fixed(text string) func(*rotate.Problem) string {
	return func(*rotate.Problem) string { return text }
}

func fill(format string, addrs ...secret.Address) string {
	args := make([]any, len(addrs))
	for i, addr := range addrs {
		args[i] = short(addr)
	}
	return fmt.Sprintf(format, args...)
}

// words returns the text of an error for people: each problem of the engine is
// followed by the advice for its kind, and errors of package secret lose the
// prefix "secret: ".
func words(err error) string {
	text := err.Error()
	each(err, func(err error) {
		switch e := err.(type) {
		case *rotate.Problem:
			if more := advice[e.Kind]; more != nil {
				text = strings.Replace(text, e.Error(), e.Error()+more(e), 1)
			}
		case *secret.Error:
			text = strings.Replace(text, e.Error(), strings.TrimPrefix(e.Error(), "secret: "), 1)
		}
	})
	return text
}

// onOneLine returns words(err) on one line: it joins the lines of errors.Join
// by semicolons.
func onOneLine(err error) string {
	text := words(err)
	each(err, func(err error) {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return
		}
		var list []string
		for _, inner := range joined.Unwrap() {
			list = append(list, words(inner))
		}
		text = strings.Replace(text, strings.Join(list, "\n"), strings.Join(list, "; "), 1)
	})
	return text
}

// each calls do for every error that err wraps, the innermost first, and then
// for err itself.
func each(err error, do func(error)) {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			each(inner, do)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			each(inner, do)
		}
	}
	do(err)
}

// stateAdvice returns the state with its reason and the next step. It is for a
// state in which no run has found a problem.
func stateAdvice(s rotate.SecretStatus) string {
	late := ""
	if s.Overdue {
		late = ", and overdue"
	}
	switch s.State {
	case rotate.StateUnsettled:
		return "unsettled" + late + ": the target has not confirmed the text that the ledger records: finish it with " +
			"`layer secret rotate`"
	case rotate.StateMissing:
		return "missing: it was published before, and the target no longer has it: publish it again with `layer secret " +
			"rotate`"
	case rotate.StatePending:
		return fmt.Sprintf("pending%s: %s is announced: make it current with `layer secret rotate`", late, s.Pending)
	case rotate.StateExternal:
		return fmt.Sprintf("%s: set the value with `layer secret set %s`", s.State, short(s.Address))
	case rotate.StateDue:
		if !s.NeedsPerson {
			return "due" + late + ": it is time for a new value: make one with `layer secret rotate`"
		}
		return fmt.Sprintf("due%s: it is time for a new value: set it with `layer secret set %s`", late, short(s.Address))
	case rotate.StateBound:
		return fmt.Sprintf("bound: the target has a value that layer did not make, so no rotation replaces it: to rotate "+
			"it, run "+
			"`layer secret set %s` with that value, then `layer secret rotate --adopt-ledger`", short(s.Address))
	case rotate.StateDrifted:
		return "drifted: the value in the target was changed by another program or person: to publish the ledger's " +
			"value again, run `layer secret rotate --adopt-ledger`"
	}
	return string(s.State)
}
