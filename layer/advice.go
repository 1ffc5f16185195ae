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
	rotate.NeedsValue: func(p *rotate.Problem) string { return fill(": `layer secret set '%s'` gives it one", p.Address) },
	rotate.Bound: func(p *rotate.Problem) string {
		return fill(": `layer secret set '%s'` with that value and then `layer secret rotate --adopt-ledger` bring it under rotation", p.Address)
	},
	rotate.Drifted:   fixed(": `layer secret rotate --adopt-ledger` publishes it again"),
	rotate.ValueKept: fixed(": `layer secret rotate --adopt-ledger` publishes the kept one over it"),
	rotate.ValueUnknown: func(p *rotate.Problem) string {
		return fill(": `layer secret set '%s'` with that value first", p.Address)
	},
	rotate.Ahead:       fixed(". If there is none, `layer secret rotate --adopt-ledger` goes on with this one"),
	rotate.WrongTarget: fixed(". Get the right ledger, or `layer secret rotate --adopt-ledger` goes on with this one"),
	rotate.NoValue:     fixed(": `layer secret apply` or `layer secret set` brings the first"),
	rotate.NoVersion:   fixed(": `layer secret status --json` lists those that it has"),
	rotate.NoPrevious:  fixed(". `layer secret set` or `layer secret rotate --now` makes a new one"),
	rotate.CurrentVersion: func(p *rotate.Problem) string {
		return fill(": `layer secret set '%s'` gives it one first", p.Address)
	},
	rotate.AlreadyAnnounced: func(p *rotate.Problem) string {
		return fill(": `layer secret rotate` finishes that rotation when it is due, `layer secret rollback '%s'` takes it back", p.Address)
	},
	rotate.PlainValue: func(p *rotate.Problem) string {
		return fill(": `layer secret rotate --immediate '%s'` replaces it", p.Address)
	},
	rotate.NewName: func(p *rotate.Problem) string {
		return fill(": `layer secret rename '%s' '%s'` publishes it under the new name", p.Address, p.Address)
	},
	rotate.NameTaken: func(p *rotate.Problem) string {
		return fill(": `layer secret rename '%s' '%s'` hands it over", p.Other, p.Address)
	},
	rotate.WrongPlace: fixed(". `layer secret rotate --adopt-ledger` publishes everything where the target is now"),
	rotate.NotMade:    fixed(": run it again to make one"),
	rotate.Undeclared: fixed(": `layer secret status` lists what is"),
	rotate.NoLedger:   fixed(": `layer secret init` makes one"),
	rotate.WrongLedger: fixed(". If it is the right one all the same, delete layer.seen and give its id by --ledger-id, or `layer secret rotate " +
		"--adopt-ledger` goes on with it"),
	rotate.Untrusted: fixed(". `layer secret ledger id` prints the id on a machine where the ledger is in use: pass that id by --ledger-id, or in " +
		"LAYER_LEDGER_ID"),
	rotate.Moved: fixed(", by --ledger or LAYER_LEDGER. If nothing is there, `layer secret rotate --adopt-ledger` goes on with the " +
		"one here"),
	rotate.HalfMoved: fixed(". Move it again, or `layer secret rotate --adopt-ledger` goes on with the old one"),
	rotate.Copies:    fixed(". Compare them with `layer secret log`"),
}

func fixed(text string) func(*rotate.Problem) string {
	return func(*rotate.Problem) string { return text }
}

func fill(format string, addrs ...secret.Address) string {
	args := make([]any, len(addrs))
	for i, addr := range addrs {
		args[i] = addr
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
		return "unsettled" + late + ": the ledger records a text that the target has not confirmed: `layer secret rotate` finishes it"
	case rotate.StateMissing:
		return "missing: it was published before and is gone from the target: `layer secret rotate` publishes it again"
	case rotate.StatePending:
		return fmt.Sprintf("pending%s: %s is announced: `layer secret rotate` brings it into use", late, s.Pending)
	case rotate.StateExternal:
		return fmt.Sprintf("%s: `layer secret set '%s'` gives it a value", s.State, s.Address)
	case rotate.StateDue:
		if !s.NeedsPerson {
			return "due" + late + ": it is time for a new value: `layer secret rotate` makes one"
		}
		return fmt.Sprintf("due%s: it is time for a new value: `layer secret set '%s'`", late, s.Address)
	case rotate.StateBound:
		return fmt.Sprintf("bound: a value that layer did not make stands in the target and nothing rotates it: `layer secret set '%s'` with that "+
			"value, then `layer secret rotate --adopt-ledger`", s.Address)
	case rotate.StateDrifted:
		return "drifted: somebody else has changed the value in the target: `layer secret rotate --adopt-ledger` publishes what the ledger has"
	}
	return string(s.State)
}
