package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/rotate"
)

// The commands on the ledger itself. A removed recipient keeps every older copy
// of the ledger, and no command can change that. So `recipients --remove`
// renews the ledger's id, which makes older copies recognizable, and lists the
// values that must be replaced.

func (l *layer) ledgerCommand() *cobra.Command {
	c := &cobra.Command{Use: "ledger", Short: "Show the ledger's id, change its recipients, or move it", Args: noArgs,
		RunE: needsCommand,
		Example: `  layer secret ledger id
  layer secret ledger recipients
  layer secret ledger recipients --add age1…
  layer secret ledger copy layer.secrets.age 's3://acme-ledgers/shop?endpoint=https://ACCOUNT.r2.cloudflarestorage.com'`}
	c.AddCommand(l.idCommand(), l.recipientsCommand(), l.copyCommand())
	return c
}

func (l *layer) recipientsCommand() *cobra.Command {
	var add, remove []string
	c := &cobra.Command{Use: "recipients", Short: "Show, add and remove recipients of the ledger", Args: noArgs,
		Long: `Show the recipients: the public keys that the ledger is encrypted to. --add and --remove change
them. A colleague makes a key with ` + "`age-keygen -o layer.identity`" + ` and sends you the public half,
which is no secret. A public key is an age key (age1…), an SSH key (a line ssh-ed25519 … or
ssh-rsa …, as in a .pub file), or the key of an age plugin such as a YubiKey's (age1yubikey1…). The
text behind a key is its name, which the log shows in place of the key; --add with a known key and
another name changes the name. --remove also takes the name alone.

A removed recipient can still open every older copy of the ledger and has its values: the command
lists the secrets to rotate. Removing a recipient also renews the ledger's id, which the command
prints. A machine that has not seen the ledger refuses it until you give it the new id.`,
		Example: `  layer secret ledger recipients
  layer secret ledger recipients --add 'age1qqz… ann@laptop'
  layer secret ledger recipients --add "$(cat ana.pub)"
  layer secret ledger recipients --remove ann@laptop`,
		RunE: func(c *cobra.Command, _ []string) error {
			added, err := parseRecipients("--add", add)
			if err != nil {
				return err
			}
			return l.recipients(c.Context(), added, remove)
		}}
	c.Flags().StringArrayVar(&add, "add", nil, "a public `KEY` (age1… or ssh-…) that may open the ledger from now on, "+
		"and\nits name behind it if you like; repeat for more")
	c.Flags().StringArrayVar(&remove, "remove", nil,
		"a public `KEY`, or its name, that may no longer open the ledger;\nrepeat for more")
	return c
}

type recipientsJSON struct {
	OK         bool     `json:"ok"`
	Recipients []string `json:"recipients"`
	// Names are the names of recipients that have one, by key.
	Names  map[string]string `json:"names,omitempty"`
	ID     string            `json:"id,omitempty"` // the new id, if it was renewed
	Rotate []string          `json:"rotate,omitempty"`

	before string // the id before the renewal
}

func (l *layer) recipients(ctx context.Context, add []recipient, remove []string) (err error) {
	ledger, err := l.openLedger(ctx, opening{})
	if err != nil {
		return err
	}
	if lock, ok := ledger.(rotate.Locker); ok && len(add)+len(remove) > 0 {
		unlock, err := lock.Lock(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	out := recipientsJSON{OK: true}
	for range 20 { // a ledger without a lock: another run may win several times
		if out, err = l.changeRecipients(ctx, ledger, add, remove); !errors.Is(err, rotate.ErrConflict) ||
			errors.Is(err, rotate.ErrSuperseded) {
			break
		}
	}
	// ErrSuperseded: the change was applied, and another run has built on it.
	if err != nil && !errors.Is(err, rotate.ErrSuperseded) {
		return err
	}
	var renamed error
	if out.ID != "" {
		p, _ := l.parsePlace(l.ledger) // no error: it was parsed before
		if renamed = l.nameLedger(p, out.ID, out.before); renamed != nil {
			renamed = fmt.Errorf("the recipients have changed and the ledger's id is now %s, but it could not be named in %w",
				out.ID, renamed)
		}
	}
	if l.json && renamed != nil {
		return renamed // which is the one JSON object
	}
	if l.json {
		l.printJSON(out)
		return nil
	}
	for _, key := range out.Recipients {
		switch name := out.Names[key]; {
		case name == "":
			l.out.line("%s", key)
		case l.out.terminal:
			l.out.line("%s  %s", key, name)
		default:
			l.out.row(key, name)
		}
	}
	if out.ID != "" {
		l.say("the ledger's id is now %s. It replaces %s in LAYER_LEDGER_ID and in the line `# ledger ID` of each identity "+
			"file. Change it on every machine where `layer` does not use this ledger after the removal, such as those of CI: a "+
			"removed recipient can give a forged ledger to a machine that accepts the old id", out.ID, out.before)
	}
	if len(out.Rotate) > 0 {
		l.say("a removed recipient can still open older copies of the ledger: in git's history for ever, among a " +
			"bucket's old versions until you delete those. Do this now, in this order: remove the recipient's access to " +
			"the place of the ledger; revoke the API tokens that the recipient had; replace every value that is still " +
			"accepted, with `layer secret rotate --immediate` and `layer secret revoke`, or, for a static secret, with " +
			"`layer secret set`; and delete the bucket's old versions. The secrets are:")
		for _, addr := range out.Rotate {
			l.err.line("  %s", addr)
		}
	}
	return renamed
}

// changeRecipients loads the ledger, and writes it if the recipients change. It
// returns [rotate.ErrConflict] if another run wrote in between.
func (l *layer) changeRecipients(ctx context.Context, ledger rotate.Ledger,
	add []recipient, remove []string) (recipientsJSON, error) {
	state, rev, err := ledger.Load(ctx)
	if err != nil {
		return recipientsJSON{}, err
	}
	p, _ := l.parsePlace(l.ledger) // it was opened
	l.tidy(ctx, p, opening{})
	if state.Moved() != "" {
		return recipientsJSON{}, rotate.MovedError(state)
	}
	set, changes, err := withRecipients(state.Settings(), add, remove)
	if err != nil {
		return recipientsJSON{}, err
	}
	list := set.Recipients
	out := recipientsJSON{OK: true, Recipients: list, Names: namesOfRecipients(set)}
	if len(changes) == 0 {
		return out, nil
	}
	ids, err := l.identities(p)
	if err != nil {
		return out, err
	}
	// The public key of an age plugin may be unknown here. The ledger checks before it
	// writes that the identity opens it.
	if known := ids.Recipients(); len(known) == len(ids.All()) &&
		!slices.ContainsFunc(known, func(r string) bool { return slices.Contains(list, r) }) {
		return out, fmt.Errorf("the ledger would no longer open with your own keys: keep one of your keys among the " +
			"recipients")
	}
	next := state.WithSettings(set)
	if len(remove) > 0 {
		next = next.Rekeyed()
		out.ID, out.before = next.ID(), state.ID()
		for _, addr := range state.Addresses() {
			out.Rotate = append(out.Rotate, addr.String())
		}
	}
	entry := rotate.LogEntry{At: time.Now(), By: operatorName(), Op: "recipients", IDs: changes}
	_, _, err = rotate.Commit(ctx, ledger, rev, next.WithLog(entry))
	return out, err
}
