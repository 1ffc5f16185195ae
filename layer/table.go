package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/layeron-hq/secret/layer/rotate"
)

// printStatus prints a table for people, and tab-separated lines for a pipe.
func (l *layer) printStatus(r rotate.Result) {
	r.Secrets = slices.Concat(r.Secrets, r.Undeclared)
	if !l.out.terminal {
		for _, s := range r.Secrets {
			l.out.row(s.Address.String(), s.Kind.String(), string(s.State), dash(s.Current), dash(s.Pending),
				strconv.Itoa(len(s.Versions)),
				stamp(s.NextRotation), fmt.Sprintf("%d/%d", s.Bytes, s.Limit))
		}
		return
	}
	if len(r.Secrets) == 0 {
		fmt.Fprintln(l.out, "no secrets are declared")
		return
	}
	for _, columns := range tables {
		if lines := l.table(r, columns); text.LongestLineLen(lines) <= l.out.width {
			fmt.Fprintln(l.out, lines)
			return
		}
	}
	// The terminal is too narrow for every table: print a paragraph for each
	// secret.
	for _, s := range r.Secrets {
		l.out.line("%s", s.Address)
		fmt.Fprintf(l.out, "  %s, %s\n", s.Kind, l.paint(s))
		if s.Current != "" {
			l.out.line("  %s of %d versions, %s", current(s), len(s.Versions), used(s))
		}
		if !s.NextRotation.IsZero() {
			fmt.Fprintf(l.out, "  next rotation %s\n", day(s.NextRotation))
		}
	}
}

// tables are the possible column sets, for wide terminals first.
var tables = [][]string{
	{"address", "kind", "state", "current", "versions", "next rotation", "bytes"},
	{"address", "kind", "state", "current", "versions", "next", "bytes"},
	{"address", "kind", "state", "current", "next"},
	{"address", "state", "current", "next"},
	{"address", "state", "current"},
}

func (l *layer) table(r rotate.Result, columns []string) string {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	row := func(cell func(column string) any) (row table.Row) {
		for _, c := range columns {
			row = append(row, cell(c))
		}
		return row
	}
	t.AppendHeader(row(func(column string) any { return column }))
	for _, s := range r.Secrets {
		t.AppendRow(row(func(column string) any {
			switch column {
			case "address":
				return printable(s.Address.String())
			case "kind":
				return s.Kind.String()
			case "state":
				return l.paint(s)
			case "current":
				return printable(current(s))
			case "versions":
				return len(s.Versions)
			case "next rotation":
				return people(s.NextRotation)
			case "next":
				return day(s.NextRotation)
			}
			return used(s)
		}))
	}
	lines := strings.Split(t.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// current returns the current version, followed by the announced one.
func current(s rotate.SecretStatus) string {
	if s.Pending == "" {
		return dash(s.Current)
	}
	return s.Current + " → " + s.Pending
}

// day formats an instant for people in a narrow table.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
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
