package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
)

// past is the time for the table's column "at".
var past = time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)

const row = "  %-4s %-12s %-12s %-9s %-9s %-5s %s\n"

// legend explains each of the four reads.
const legend = `
CURRENT  what to use for new work
VERSION  what is found by its id, expired or not
AT       what was in force at a time, here %s
ACTIVE   what to accept now

`

// printTable shows the versions of each secret: how long each lives, and which
// reads return it.
func printTable(w io.Writer, now time.Time, secrets ...*secret.Secret) error {
	fmt.Fprintf(w, "Which read returns which version?\n\n"+row, "ID", "FROM", "UNTIL", "CURRENT", "VERSION", "AT",
		"ACTIVE")
	for _, s := range secrets {
		// One load, so that all the answers in the table are about the same stored
		// text.
		doc, err := s.Load(context.Background())
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %s, stored as %s\n", s.Address(), s.Kind(), doc.StoredAs())
		for v := range doc.All() {
			printRow(w, doc, v, now)
		}
	}
	fmt.Fprintf(w, legend, past.Format("2 January 2006"))
	return nil
}

func printRow(w io.Writer, doc *secret.Document, v secret.Version, now time.Time) {
	_, errVersion := doc.Version(v.ID)
	at, errAt := doc.At(past)
	accepted := slices.ContainsFunc(doc.Active(now), func(a secret.Version) bool { return a.ID == v.ID })
	fmt.Fprintf(w, row, v.ID, day(v.ActiveFrom, "always"), day(v.ExpiresAt, "never"),
		mark(doc.Current().ID == v.ID), mark(errVersion == nil), mark(errAt == nil && at.ID == v.ID), mark(accepted))
}

// day writes a date, or the word for a time that is absent.
func day(t time.Time, absent string) string {
	if t.IsZero() {
		return absent
	}
	return t.Format(time.DateOnly)
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return "-"
}
