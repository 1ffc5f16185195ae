package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// How a machine decides that a ledger is genuine. The encryption does not show
// the writer: any process that has the recipients can write a ledger that these
// keys open. So a ledger that this machine has not seen needs its id from
// another source, and its versions are compared with the signed notes in the
// target before a value is printed or given to a program.

// trust sets how a ledger is recognized that this machine has not seen: by
// --ledger-id or LAYER_LEDGER_ID, by the ids in the identity file, or by a
// question.
func (l *layer) trust(o *ledger.RememberOptions, p place, ids ledger.Identities, how opening) {
	o.Identities = ids
	if how.any {
		o.Ask = func(context.Context, rotate.State) (bool, error) { return true, nil }
		return
	}
	o.ID, o.IDs = l.ledgerID, ids.Ledgers()
	if how.quiet || !l.interactive() {
		return
	}
	o.Ask = func(ctx context.Context, s rotate.State) (yes bool, err error) {
		if l.trusted == s.ID() {
			return true, nil // a dry run of this command has asked
		}
		set := s.Settings()
		l.err.clear()
		l.err.line("This machine has not seen the ledger %s before.", p.text)
		l.err.line("  id          %s", s.ID())
		l.err.line("  target      %s", dash(set.Target))
		for _, r := range set.Recipients {
			l.err.line("  recipient   %s", strings.TrimSpace(r+" "+set.Names[r]))
		}
		if !ids.CanMark() {
			l.err.line("An age plugin's key cannot sign the memory of ledgers seen. To be asked only once, put this line into " +
				"the identity file:")
			l.err.line("# ledger %s", s.ID())
		}
		if yes, err = l.ask(ctx, "Is this the id that `layer secret ledger id` prints where the ledger is in use?"); yes {
			l.trusted = s.ID()
		}
		return yes, err
	}
}

// checkLedgerID returns an error if the id does not have the form of an id. The
// error does not repeat it: it may be a value.
func (l *layer) checkLedgerID() error {
	from := "--ledger-id"
	if l.ledgerID == "" {
		l.ledgerID, from = l.getenv("LAYER_LEDGER_ID"), "LAYER_LEDGER_ID"
	}
	if l.ledgerID = strings.TrimSpace(l.ledgerID); l.ledgerID != "" && !ledger.IsID(l.ledgerID) {
		return usagef("%s is not the id of a ledger, which has 32 characters of 0-9 and a-f: `layer secret ledger id` "+
			"prints the id", from)
	}
	return nil
}

// nameLedger writes the id of the ledger into the identity file, in place of the
// ids before, if layer made the file. A key in LAYER_IDENTITY has no file.
func (l *layer) nameLedger(p place, id string, before ...string) error {
	if text, _ := l.lookup(ledger.IdentityVariable); l.identity == "" && text != "" {
		return nil
	}
	_, err := ledger.AddLedger(l.path(l.identityPath(p)), id, before...)
	return err
}

func (l *layer) idCommand() *cobra.Command {
	return &cobra.Command{Use: "id", Short: "Print the ledger's id", Args: noArgs,
		Long: `Print the ledger's id. A machine that has not seen the ledger accepts it if this id is in
--ledger-id, in LAYER_LEDGER_ID, or in a line "# ledger ID" of the identity file. The id is no
secret: it proves that the ledger is not forged. It is renewed when a recipient is removed.`,
		Example: `  layer secret ledger id`,
		RunE: func(c *cobra.Command, _ []string) error {
			_, state, err := l.load(c.Context(), opening{})
			if err != nil {
				return err
			}
			if l.json {
				l.printJSON(map[string]any{"ok": true, "id": state.ID()})
				return nil
			}
			fmt.Fprintln(l.out, state.ID())
			return nil
		}}
}

// compareNotes reads the notes of secrets whose values are about to be output
// from the target, and refuses a ledger that is older than the notes.
func (l *layer) compareNotes(ctx context.Context, opened rotate.Ledger, state rotate.State,
	of ...secret.SpecSecret) error {
	notice, err := (&noteReader{l: l}).compare(ctx, opened, state, of)
	if notice != "" {
		l.say("%s", notice)
	}
	return err
}

// noteReader compares ledgers with the notes in the target. It opens the target
// once.
type noteReader struct {
	l         *layer
	target    string
	publisher driver.Publisher
}

// compare refuses a state that is older than the notes of these secrets in the
// target. The notice says why it was not compared, or only in part; it is empty
// after a whole comparison and with --offline.
func (r *noteReader) compare(ctx context.Context, opened rotate.Ledger, state rotate.State,
	of []secret.SpecSecret) (notice string, err error) {
	if r.l.offline {
		return "", nil
	}
	set := state.Settings()
	target, err := r.l.target(set)
	if err != nil {
		return "", err
	}
	if missing := r.l.missingCredential(target); missing != "" {
		return fmt.Sprintf("the ledger was not compared with %s: %s is not set", target, missing), nil
	}
	if r.publisher == nil || r.target != target {
		r.publisher, err = r.l.publisher(ctx, target, set)
		r.target = target
	}
	if err == nil {
		o := &rotate.Operator{Ledger: opened, Publisher: r.publisher}
		var bare []secret.Address
		if bare, err = o.CompareNotes(ctx, state, of); len(bare) > 0 {
			notice = fmt.Sprintf("the ledger was not compared with %s for %s: it has no note of this ledger there", target,
				several(bare))
		}
	}
	switch {
	case err == nil, errors.Is(err, rotate.Ahead):
		return notice, err
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("the ledger was not compared with %s, which this user may not read: %v", target, err), nil
	}
	return notice, fmt.Errorf("the ledger cannot be compared with %s: %w. Skip the comparison with --offline", target, err)
}

// several returns the first address and the number of the others.
func several(list []secret.Address) string {
	switch len(list) {
	case 1:
		return list[0].String()
	case 2:
		return list[0].String() + " and 1 other"
	}
	return fmt.Sprintf("%s and %d others", list[0], len(list)-1)
}

// offlineFlag adds the flag that skips compareNotes.
func (l *layer) offlineFlag(c *cobra.Command) {
	c.Flags().BoolVar(&l.offline, "offline", false, "do not check the ledger against the notes in the target")
}

// missingCredential returns the name of a variable without which a target
// cannot be read, or "" if none is missing.
func (l *layer) missingCredential(target string) string {
	if target == "cloudflare" {
		for _, name := range []string{"CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN"} {
			if l.getenv(name) == "" {
				return name
			}
		}
	}
	return ""
}
