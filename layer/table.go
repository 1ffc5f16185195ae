package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/layeron-hq/secret/layer/rotate"
)

// printStatus prints a table for people, and tab-separated lines with a header
// for a pipe.
func (l *layer) printStatus(r rotate.Result) {
	secrets := slices.Concat(r.Secrets, r.Undeclared)
	if !l.out.terminal {
		l.out.row("address", "kind", "state", "current", "pending", "versions", "nextRotation", "bytes", "lastChanged",
			"comesIntoUse")
		for _, s := range secrets {
			l.out.row(s.Address.String(), s.Kind.String(), string(s.State), dash(s.Current), dash(s.Pending),
				strconv.Itoa(len(s.Versions)),
				stamp(s.NextRotation), fmt.Sprintf("%d/%d", s.Bytes, s.Limit), stamp(s.Changed), stamp(s.Ready))
		}
		return
	}
	now := time.Now()
	if len(secrets) == 0 {
		return
	}
	layout, table := fitting(statusLayouts, l.statusColumns(secrets, now), l.out.width)
	if layout == nil {
		l.printParagraphs(secrets, now)
		return
	}
	fmt.Fprintln(l.out, table)
	// The instants for which the table has no room. More lines would hide it.
	const most = 10
	pending := slices.DeleteFunc(secrets, func(s rotate.SecretStatus) bool { return s.Ready.IsZero() })
	if slices.Contains(layout, "in use") || slices.Contains(layout, "in use in") && len(pending) > most {
		return
	}
	for _, s := range pending {
		text := printable(fmt.Sprintf("%s: %s in use from %s", s.Address, s.Pending, inUse(s.Ready, now)))
		fmt.Fprintln(l.out, wrap(text, l.out.width))
	}
}

// printParagraphs prints a paragraph for each secret, for a terminal that is
// too narrow for every table.
func (l *layer) printParagraphs(secrets []rotate.SecretStatus, now time.Time) {
	for _, s := range secrets {
		l.out.line("%s", s.Address)
		fmt.Fprintf(l.out, "  %s, %s\n", s.Kind, l.paint(s))
		if s.Current != "" {
			l.out.line("  %s of %d versions, %s", current(s), len(s.Versions), used(s))
		}
		if !s.Ready.IsZero() {
			l.out.line("  in use from %s", inUse(s.Ready, now))
		}
		if !s.Changed.IsZero() {
			l.out.line("  changed %s (%s)", people(s.Changed), ago(s.Changed, now))
		}
		if !s.NextRotation.IsZero() {
			l.out.line("  next rotation %s", day(s.NextRotation))
		}
	}
}

// statusLayouts are the possible column sets, for wide terminals first.
var statusLayouts = [][]string{
	{"address", "kind", "state", "current", "in use", "changed at", "next at", "versions", "bytes"},
	{"address", "kind", "state", "current", "in use", "changed day", "next day", "versions", "bytes"},
	{"address", "kind", "state", "current", "in use", "changed day", "next day"},
	{"address", "state", "current", "in use", "changed day", "next day"},
	{"address", "state", "current", "in use in", "changed ago", "next in"},
	{"address", "state", "current", "in use in", "changed ago"},
	{"address", "state", "current", "in use in"},
	{"address", "state", "current"},
}

func (l *layer) statusColumns(secrets []rotate.SecretStatus, now time.Time) map[string]column {
	of := func(title string, cell func(rotate.SecretStatus) string) column {
		return newColumn(title, secrets, cell)
	}
	return map[string]column{
		"address":     of("address", func(s rotate.SecretStatus) string { return printable(s.Address.String()) }),
		"kind":        of("kind", func(s rotate.SecretStatus) string { return s.Kind.String() }),
		"state":       of("state", l.paint),
		"current":     of("current", func(s rotate.SecretStatus) string { return printable(current(s)) }),
		"in use":      of("in use from", func(s rotate.SecretStatus) string { return inUse(s.Ready, now) }),
		"in use in":   of("in use", func(s rotate.SecretStatus) string { return within(s.Ready, now) }),
		"changed at":  of("changed", func(s rotate.SecretStatus) string { return people(s.Changed) }),
		"changed day": of("changed", func(s rotate.SecretStatus) string { return day(s.Changed) }),
		"changed ago": of("changed", func(s rotate.SecretStatus) string { return ago(s.Changed, now) }),
		"next at":     of("next rotation", func(s rotate.SecretStatus) string { return people(s.NextRotation) }),
		"next day":    of("next", func(s rotate.SecretStatus) string { return day(s.NextRotation) }),
		"next in":     of("next", func(s rotate.SecretStatus) string { return within(s.NextRotation, now) }),
		"versions":    of("versions", func(s rotate.SecretStatus) string { return strconv.Itoa(len(s.Versions)) }),
		"bytes":       of("bytes", used),
	}
}

// current returns the current version, followed by the announced one.
func current(s rotate.SecretStatus) string {
	if s.Pending == "" {
		return dash(s.Current)
	}
	return dash(s.Current) + " → " + s.Pending
}

func (l *layer) paint(s rotate.SecretStatus) string {
	if !l.out.color() {
		return string(s.State)
	}
	text.EnableColors()
	color := text.FgYellow
	switch {
	case s.NeedsPerson:
		color = text.FgRed
	case s.State == rotate.StateOK || s.State == rotate.StateBound:
		color = text.FgGreen
	}
	return color.Sprint(string(s.State))
}

func used(s rotate.SecretStatus) string {
	if s.Bytes == 0 {
		return "-"
	}
	share := strconv.Itoa(s.Bytes)
	if s.Limit > 0 {
		share += fmt.Sprintf(" (%d %%)", 100*s.Bytes/s.Limit)
	}
	return share
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
