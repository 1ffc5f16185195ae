package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

func (l *layer) logCommand() *cobra.Command {
	since := ""
	c := &cobra.Command{Use: "log [ADDRESS...]", Short: "Show the log of changes", Args: count(0, -1),
		ValidArgsFunction: l.completeAddresses(-1),
		Long: `Show the log: the time, the operator and the change of every entry, oldest first, as a table. With
addresses it shows only the changes of these secrets. A recipient is shown by the name behind its
key, if it has one; of "recipients" entries, + is an added key, - a removed one and = another name.

The ledger keeps the last 2,000 entries, or 2 for each secret if that is more.

In a pipe the columns are separated by tabs, below a header. --json prints a JSON object a line.
The log is for information and proves nothing: every process that can write the ledger can write its
log.`,
		Example: `  layer secret log
  layer secret log billing.stripe-secret --since 7d
  layer secret log --since 2026-11-01 --json`,
		RunE: func(c *cobra.Command, args []string) error {
			from := time.Time{}
			if c.Flags().Changed("since") {
				var err error
				if from, err = parseSince(since, time.Now()); err != nil {
					return err
				}
			}
			for _, arg := range args {
				if err := checkName(arg); err != nil {
					return err
				}
			}
			_, state, err := l.load(c.Context(), opening{})
			if err != nil {
				return orWrongName(err, args)
			}
			only, err := l.logged(c.Context(), state, args)
			if err != nil {
				return err
			}
			entries, err := chooseEntries(state, from, only)
			if err != nil {
				return err
			}
			return l.printLog(entries, state.Settings().Names)
		}}
	c.Flags().StringVar(&since, "since", "", "show only entries from this `TIME` on: 24h or 7d ago, or the start of a\n"+
		"day such as 2026-11-01")
	return c
}

// logged returns the addresses that the arguments name. The ledger has the names
// of published bindings. The declarations are read for other names alone, so an
// operator can read the log where there are no declarations.
func (l *layer) logged(ctx context.Context, state rotate.State, args []string) ([]secret.Address, error) {
	only, err := namesOf(secret.Spec{}, state).all(args)
	if err == nil {
		return only, nil
	}
	spec, unread := l.readSpec(ctx, state.Settings())
	if unread != nil {
		return nil, usagef("%w\n%w", err, unread)
	}
	return namesOf(spec, state).all(args)
}

// chooseEntries returns the log's entries from an instant on, of some secrets
// or of all. It returns a usage error for a secret that the ledger never had.
func chooseEntries(state rotate.State, from time.Time, only []secret.Address) (list []rotate.LogEntry, err error) {
	all := state.Log()
	texts := map[string]bool{}
	for _, addr := range only {
		texts[addr.String()] = true
		if !slices.Contains(state.Addresses(), addr) &&
			!slices.ContainsFunc(all, func(e rotate.LogEntry) bool { return e.Address == addr.String() }) {
			return nil, usagef("%s is not in the ledger or its log: `layer secret status` lists the secrets", addr)
		}
	}
	for _, e := range all {
		if !e.At.Before(from) && (len(only) == 0 || texts[e.Address]) {
			list = append(list, e)
		}
	}
	return list, nil
}

type logJSON struct {
	rotate.LogEntry
	// Names are the names of the recipients among the ids, by key.
	Names map[string]string `json:"names,omitempty"`
}

// printLog prints a table for people, tab-separated lines with a header for a
// pipe, or a JSON object a line. names are those of recipients.
func (l *layer) printLog(entries []rotate.LogEntry, names map[string]string) error {
	out := bufio.NewWriterSize(l.out, 1<<16) // a write for each entry takes longer than the entry
	if l.json {
		for _, e := range entries {
			if err := writeJSON(out, logJSON{e, namesAmong(e.IDs, names)}, ""); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	if !l.out.terminal {
		writeRow(out, "at", "by", "op", "address", "ids")
		for _, e := range entries {
			writeRow(out, stamp(e.At), dash(e.By), string(e.Op), dash(e.Address), dash(namedIDs(e.IDs, names, false)))
		}
		return out.Flush()
	}
	if len(entries) == 0 {
		fmt.Fprintln(l.out, "the log has no such entry")
		return nil
	}
	if layout, table := fitting(logLayouts, logColumns(entries, names), l.out.width); layout != nil {
		fmt.Fprintln(l.out, table)
		return nil
	}
	for _, e := range entries { // too narrow for every table
		l.out.line("%s", strings.Join(slices.DeleteFunc([]string{people(e.At), string(e.Op), e.Address,
			namedIDs(e.IDs, names, true)}, func(s string) bool { return s == "" }), " "))
		l.out.line("  %s", dash(e.By))
	}
	return nil
}

// logLayouts are the possible column sets, for wide terminals first.
var logLayouts = [][]string{
	{"at", "by", "op", "address", "ids"},
	{"minute", "by", "op", "address", "ids"},
}

func logColumns(entries []rotate.LogEntry, names map[string]string) map[string]column {
	of := func(title string, cell func(rotate.LogEntry) string) column {
		return newColumn(title, entries, func(e rotate.LogEntry) string { return dash(printable(cell(e))) })
	}
	return map[string]column{
		"at":      of("time", func(e rotate.LogEntry) string { return people(e.At) }),
		"minute":  of("time", func(e rotate.LogEntry) string { return e.At.Local().Format("2006-01-02 15:04") }),
		"by":      of("by", func(e rotate.LogEntry) string { return e.By }),
		"op":      of("change", func(e rotate.LogEntry) string { return string(e.Op) }),
		"address": of("address", func(e rotate.LogEntry) string { return e.Address }),
		"ids":     of("of", func(e rotate.LogEntry) string { return namedIDs(e.IDs, names, true) }),
	}
}

// namedIDs joins the ids of an entry, with the names of recipients in place of
// their keys. brief shortens keys that have no name.
func namedIDs(ids []string, names map[string]string, brief bool) string {
	var list []string
	for _, id := range ids {
		sign, key := signed(id)
		switch name := names[key]; {
		case sign != "" && name != "":
			id = sign + name
		case sign != "" && brief && len(key) > 30:
			id = sign + key[:16] + "…" + key[len(key)-6:]
		}
		list = append(list, id)
	}
	return strings.Join(list, " ")
}

// signed splits the id of a changed recipient into its sign and the key. Other
// ids have no sign.
func signed(id string) (sign, key string) {
	if id != "" && strings.ContainsAny(id[:1], "+-=") {
		return id[:1], id[1:]
	}
	return "", id
}

func namesAmong(ids []string, names map[string]string) map[string]string {
	among := map[string]string{}
	for _, id := range ids {
		if sign, key := signed(id); sign != "" && names[key] != "" {
			among[key] = names[key]
		}
	}
	return among
}
