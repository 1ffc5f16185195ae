package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
which is no secret.

A removed recipient can still open every older copy of the ledger and has its values: the command
lists the secrets to rotate. Removing a recipient also renews the ledger's id, which the command
prints. A machine that has not seen the ledger refuses it until you give it the new id.`,
		Example: `  layer secret ledger recipients
  layer secret ledger recipients --add age1qqz…
  layer secret ledger recipients --remove age1qqz…`,
		RunE: func(c *cobra.Command, _ []string) error { return l.recipients(c.Context(), add, remove) }}
	c.Flags().StringArrayVar(&add, "add", nil,
		"a public `KEY` (age1…) that may open the ledger from now on; repeat for more")
	c.Flags().StringArrayVar(&remove, "remove", nil, "a public `KEY` that may no longer open the ledger; repeat for more")
	return c
}

type recipientsJSON struct {
	OK         bool     `json:"ok"`
	Recipients []string `json:"recipients"`
	ID         string   `json:"id,omitempty"` // the new id, if it was renewed
	Rotate     []string `json:"rotate,omitempty"`

	before string // the id before the renewal
}

func (l *layer) recipients(ctx context.Context, add, remove []string) (err error) {
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
	for _, r := range out.Recipients {
		l.out.line("%s", r)
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
	add, remove []string) (recipientsJSON, error) {
	state, rev, err := ledger.Load(ctx)
	if err != nil {
		return recipientsJSON{}, err
	}
	p, _ := l.parsePlace(l.ledger) // it was opened
	l.tidy(ctx, p, opening{})
	if state.Moved() != "" {
		return recipientsJSON{}, rotate.MovedError(state)
	}
	set := state.Settings()
	list := set.Recipients
	for _, r := range add {
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	for _, r := range remove {
		i := slices.Index(list, r)
		if i < 0 {
			// Not repeated: it may be the private half.
			return recipientsJSON{}, usagef("--remove names no recipient of the ledger: `layer secret ledger recipients` " +
				"lists them")
		}
		list = slices.Delete(list, i, i+1)
	}
	out := recipientsJSON{OK: true, Recipients: list}
	if slices.Equal(list, state.Settings().Recipients) {
		return out, nil
	}
	ids, err := l.identities(p)
	if err != nil {
		return out, err
	}
	if !slices.ContainsFunc(ids.Recipients(), func(r string) bool { return slices.Contains(list, r) }) {
		return out, fmt.Errorf("the ledger would no longer open with your own keys: keep one of your keys among the " +
			"recipients")
	}
	set.Recipients = list
	next := state.WithSettings(set)
	if len(remove) > 0 {
		next = next.Rekeyed()
		out.ID, out.before = next.ID(), state.ID()
		for _, addr := range state.Addresses() {
			out.Rotate = append(out.Rotate, addr.String())
		}
	}
	entry := rotate.LogEntry{At: time.Now(), By: operatorName(), Op: "recipients",
		IDs: slices.Concat(prefixed("+", add), prefixed("-", remove))}
	_, _, err = rotate.Commit(ctx, ledger, rev, next.WithLog(entry))
	return out, err
}

func prefixed(sign string, list []string) []string {
	var out []string
	for _, r := range list {
		out = append(out, sign+r)
	}
	return out
}

func (l *layer) logCommand() *cobra.Command {
	return &cobra.Command{Use: "log", Short: "Show the log of changes", Args: noArgs,
		Long: `Show the log: the time, the operator and the change of every entry, oldest first. --json prints a
JSON object a line. The log is a record among colleagues and proves nothing: every process that can
write the ledger can write its log.`,
		Example: `  layer secret log
  layer secret log --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			_, state, err := l.load(c.Context(), opening{})
			if err != nil {
				return err
			}
			for _, entry := range state.Log() {
				if l.json {
					if err := writeJSON(l.out, entry, ""); err != nil {
						return err
					}
					continue
				}
				l.out.row(stamp(entry.At), dash(entry.By), string(entry.Op), dash(entry.Address),
					dash(strings.Join(entry.IDs, " ")))
			}
			return nil
		}}
}
