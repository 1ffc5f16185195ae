package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/rotate"
)

// --then runs a command when everything is confirmed, for a deploy, a reload or
// a message. The ledger keeps which changes were reported, and a change counts
// as reported only after the command has succeeded. So a crash or a failure
// leads to a second report, never to none.

// changedVariable is the variable with the changes, in the command's
// environment.
const changedVariable = "LAYER_CHANGED"

// maxChanged is the longest content of LAYER_CHANGED in bytes. Linux limits one
// variable to 128 KiB. Changes that do not fit go to a further run of the
// command.
const maxChanged = 100_000

// thenJSON is the member then of the JSON that a command with --then prints.
type thenJSON struct {
	// Ran reports whether the command was run. Status is its exit status then, 128
	// and the number of the signal if a signal ended it.
	Ran    bool `json:"ran"`
	Status *int `json:"status,omitempty"`
	// Changed is the content of LAYER_CHANGED. If the command was not run, the next
	// run with --then reports these changes.
	Changed []changedJSON `json:"changed"`
}

// changedJSON is one element of LAYER_CHANGED.
type changedJSON struct {
	Address    string  `json:"address"`
	Action     string  `json:"action"`
	Version    *string `json:"version"`
	Phase      string  `json:"phase"`
	Generation uint64  `json:"generation"`
}

func changedList(changes []rotate.Change) []changedJSON {
	list := []changedJSON{}
	for _, c := range changes {
		list = append(list, changedJSON{c.Address.String(), string(c.Action), orNull(c.Version), string(c.Phase),
			c.Generation})
	}
	return list
}

// thenFlags adds --then to a command that publishes, and --keep-env for the
// credentials that the shell command needs.
func (l *layer) thenFlags(c *cobra.Command) {
	var command string
	var keep []string
	c.Flags().StringVar(&command, "then", "", "a `COMMAND` for sh, to run when everything is confirmed and something\n"+
		"was published; LAYER_CHANGED lists the changes")
	c.Flags().StringArrayVar(&keep, "keep-env", nil, "with --then: the `NAME` of one of layer's own credentials to pass "+
		"on;\nrepeat for more")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		flags := c.Flags()
		switch {
		case !flags.Changed("then") && flags.Changed("keep-env"):
			return usagef("--keep-env is for the command of --then")
		case !flags.Changed("then"):
			return nil
		case strings.TrimSpace(command) == "":
			return usagef("--then is empty: give it a command for sh")
		}
		kept, err := l.keptNames(keep)
		if err != nil {
			return err
		}
		var hidden []string
		if f := flags.Lookup("value-env"); f != nil && f.Changed {
			hidden = append(hidden, f.Value.String()) // the variable contains a value
		}
		l.then = func(o *rotate.Operator, r rotate.Result) (*thenJSON, error) {
			return l.runThen(c.Context(), o, r, command, func() []string { return l.thenEnv(kept, hidden) })
		}
		return nil
	}
}

// thenEnv returns the command's environment without LAYER_CHANGED.
func (l *layer) thenEnv(kept, hidden []string) []string {
	env, dropped := l.passedOn(kept)
	for _, name := range append(hidden, changedVariable) {
		env = without(env, name)
	}
	if len(dropped) > 0 {
		l.say("not passed on to the command of --then: %s: pass one on with --keep-env NAME", strings.Join(dropped, ", "))
	}
	return env
}

// again is the end of a message about a command that has not succeeded.
const again = "the next run with --then reports the same changes again"

// runThen runs the command if there is something to report. It returns the
// error of the command, or one that wraps rotate.ErrInterrupted.
func (l *layer) runThen(ctx context.Context, o *rotate.Operator, r rotate.Result, command string,
	environ func() []string) (*thenJSON, error) {
	out := &thenJSON{Changed: changedList(r.Unreported)}
	switch {
	case len(r.Unreported) == 0:
		return out, nil
	case o.DryRun:
		l.printReported(r.Unreported)
		return out, nil
	case !r.Settled():
		l.say("the command of --then was not run, because the target has not confirmed every change: the next run with " +
			"--then reports them")
		return out, nil
	case ctx.Err() != nil:
		return out, fmt.Errorf("%w: every change is confirmed, and the command of --then was not run: the next run with "+
			"--then reports the changes", rotate.ErrInterrupted)
	}
	if n := len(earlier(r)); n == 1 {
		l.say("1 change of an earlier run was not reported yet: the command of --then gets it now")
	} else if n > 1 {
		l.say("%d changes of earlier runs were not reported yet: the command of --then gets them now", n)
	}
	env := environ()
	list := parts(r.Unreported, maxChanged)
	for i, part := range list {
		l.err.clear()
		ended, err := l.shell(ctx, command, append(slices.Clip(env), changedVariable+"="+changedText(part)))
		if err != nil {
			return out, fmt.Errorf("every change is confirmed, and the command of --then could not be started: %w: %s", err,
				again)
		}
		out.Ran, out.Status = true, &ended.status
		if ended.status == 0 {
			err = l.mark(ctx, o, part)
		}
		switch {
		case ctx.Err() != nil && (ended.status != 0 || err != nil):
			return out, fmt.Errorf("%w: every change is confirmed, and the command of --then %s: %s", rotate.ErrInterrupted,
				ended, again)
		case ctx.Err() != nil && i < len(list)-1:
			return out, fmt.Errorf("%w: every change is confirmed, and the command of --then has succeeded for a part of the "+
				"changes: the next run with --then reports the others", rotate.ErrInterrupted)
		case ctx.Err() != nil:
			return out, fmt.Errorf("%w: every change is confirmed, and the command of --then has succeeded",
				rotate.ErrInterrupted)
		case ended.status != 0:
			return out, fmt.Errorf("every change is confirmed, and the command of --then %s: %s", ended, again)
		case err != nil:
			return out, fmt.Errorf("the command of --then has succeeded, and the ledger could not record that: %w: %s", err,
				again)
		}
	}
	return out, nil
}

// mark records the reported changes in the ledger. An interruption leaves it a
// few seconds: otherwise a command that has succeeded would run a second time.
func (l *layer) mark(ctx context.Context, o *rotate.Operator, changes []rotate.Change) error {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(markGrace):
			cancel()
		case <-longer.Done():
		}
	})()
	l.progressText("recording in the ledger")
	return o.MarkReported(longer, changes)
}

const markGrace = 5 * time.Second

// printReported prints the report of a dry run, without --json.
func (l *layer) printReported(changes []rotate.Change) {
	if l.json {
		return
	}
	for _, c := range changes {
		l.out.line("%s: --then would report: %s %s", c.Address, c.Action, c.Version)
	}
}

// earlier returns the changes that another run made.
func earlier(r rotate.Result) []rotate.Change {
	return slices.DeleteFunc(slices.Clone(r.Unreported), func(c rotate.Change) bool {
		return slices.ContainsFunc(r.Actions, func(a rotate.Action) bool {
			return a.Address == c.Address && a.Version == c.Version
		})
	})
}

// changedText returns the content of LAYER_CHANGED.
func changedText(changes []rotate.Change) string {
	text, _ := json.Marshal(changedList(changes)) // never fails: it has texts and numbers only
	return string(text)
}

// parts splits changes so that each part fits in a variable of most bytes. The
// changes of one secret stay together, because a part counts as reported with
// its secrets.
func parts(changes []rotate.Change, most int) (list [][]rotate.Change) {
	size := 0
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].Address == changes[0].Address {
			n++
		}
		length := len(changedText(changes[:n]))
		if len(list) == 0 || size+length > most {
			list, size = append(list, nil), 0
		}
		list[len(list)-1] = append(list[len(list)-1], changes[:n]...)
		size += length
		changes = changes[n:]
	}
	return list
}

// reportThen runs the command of --then, if there is one, and prints the error
// of the command, without --json. It returns an error if the run was
// interrupted.
func (l *layer) reportThen(o *rotate.Operator, r rotate.Result) (out *thenJSON, failure, interrupted error) {
	if l.then == nil {
		return nil, nil, nil
	}
	out, failure = l.then(o, r)
	if errors.Is(failure, rotate.ErrInterrupted) {
		return nil, nil, failure
	}
	if failure != nil && !l.json {
		l.printError(failure)
	}
	return out, failure, nil
}
