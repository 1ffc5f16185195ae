package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret ledger copy` moves a ledger. The move must leave exactly one
// ledger that accepts changes, after a crash at any step. [rotate.Move] keeps
// that promise: it writes a fence into the old ledger before the new one may be
// changed.

func (l *layer) copyCommand() *cobra.Command {
	return &cobra.Command{Use: "copy FROM TO", Short: "Move the ledger to another place", Args: count(2, 2),
		Long: `Move the ledger to another place: a file, a bucket or a database, in the form that --ledger takes.
The old ledger gets a fence: every command refuses to change it and names the new place. After an
interruption, run it again with the same places: it continues.

Another ledger in TO is never overwritten. Old copies stay as they are, in git's history or among a
bucket's old versions.`,
		Example: `  layer secret ledger copy layer.secrets.age 's3://acme-ledgers/shop?endpoint=https://ACCOUNT.r2.cloudflarestorage.com'
  layer secret ledger copy layer.secrets.age 'postgres://layer@db.internal/ledgers?sslmode=verify-full&name=shop'`,
		Annotations: map[string]string{noSearch: "its arguments name the ledgers"},
		RunE:        func(c *cobra.Command, args []string) error { return l.copy(c.Context(), args[0], args[1]) }}
}

func (l *layer) copy(ctx context.Context, fromText, toText string) error {
	from, err := l.parsePlace(fromText)
	if err != nil {
		return err
	}
	to, err := l.parsePlace(toText)
	if err != nil {
		return err
	}
	if from.text == to.text {
		return usagef("FROM and TO are the same place")
	}
	keys := from
	if from.kind != inFile {
		keys = to // the key belongs to a file and is in its folder
	}
	for _, p := range []place{from, to} {
		if err := l.refuseTracked(ctx, p); err != nil {
			return err
		}
	}
	ids, err := l.identities(keys)
	if err != nil {
		return err
	}
	old, err := l.open(ctx, from, ids, opening{})
	if err != nil {
		return err
	}
	if name := l.fileName(from.text, ""); from.kind == inFile && name == "" {
		return errors.New("FROM is neither a file nor the address of a ledger: `layer secret ledger copy --help` shows " +
			"both forms")
	}
	state, _, err := old.Load(ctx)
	if err != nil {
		return err
	}
	l.tidy(ctx, from, opening{})
	target, err := l.targetToKeep(to, keptTarget(from, state.Settings().Target))
	if err != nil {
		return err
	}
	// The ledger at TO may be one that was moved away earlier, and so older than
	// the ledger that this machine saw last. Move checks that: it accepts such a
	// ledger and refuses any other.
	next, err := l.open(ctx, to, ids, opening{adopt: true, peek: true, any: true})
	if err != nil {
		return err
	}
	added, err := l.prepareGit(ctx, to, keptTarget(to, target))
	if err != nil {
		return err
	}
	l.progressText("moving the ledger")
	moved, err := rotate.Move(ctx, old, next, rotate.MoveOptions{From: from.text, To: to.text, Target: target,
		By: operatorName()})
	if err != nil {
		return err
	}
	if l.json {
		l.printJSON(struct {
			OK         bool   `json:"ok"`
			From       string `json:"from"`
			To         string `json:"to"`
			Generation uint64 `json:"generation"`
		}{true, from.text, to.text, moved.Generation()})
		return nil
	}
	l.out.line("moved the ledger to %s", to.text)
	l.printAdded(added)
	if to.kind == inFile {
		l.out.line("next: commit %s", to.text)
	} else {
		fmt.Fprintln(l.out, "next: give every command this place with --ledger or LAYER_LEDGER")
	}
	if from.kind == inFile {
		l.out.line("commit %s too, so that your colleagues' commands name the new place; you can delete it later", from.text)
	}
	return nil
}
