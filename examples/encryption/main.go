// Encryption seals records over three rotations of a key and reads all of them again.
//
//	go run ./examples/encryption
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/layeron-hq/secret"
)

// recordKey is never thrown away: what it sealed must stay readable.
var recordKey = secret.Random(secret.Options{Namespace: "storage", Name: "encryption-key", Bytes: 32,
	Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainForever}}})

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run plays a year: a record is sealed each quarter, and the key rotates after each.
func run(ctx context.Context, out io.Writer) error {
	store := secret.NewMemory(nil)
	key := recordKey.With(store)
	var history rotations
	var records []record

	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for quarter := range 4 {
		began := start.AddDate(0, 3*quarter, 0)
		if err := history.rotate(store, key, began); err != nil {
			return err
		}
		sealed, err := seal(ctx, key, fmt.Sprintf("invoice %d", quarter+1), began.AddDate(0, 1, 0))
		if err != nil {
			return err
		}
		// An older program kept only the time: half of the records don't know their version.
		if quarter%2 == 1 {
			sealed.version = ""
		}
		records = append(records, sealed)
	}

	for _, r := range records {
		plain, by, err := open(ctx, key, r)
		if err != nil {
			return err
		}
		how := "named by the record"
		if r.version == "" {
			how = "found by its time, " + r.at.Format(time.DateOnly)
		}
		fmt.Fprintf(out, "%s, sealed under %s (%s)\n", plain, by, how)
	}

	late := records[1]
	late.at = start.AddDate(0, 3, 0).Add(-time.Second) // stamped by a clock that was a little behind the rotation
	plain, by, err := open(ctx, key, late)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, sealed under %s (its time says another version: the others were tried)\n", plain, by)

	late.sealed[len(late.sealed)-1] ^= 1
	_, _, err = open(ctx, key, late)
	fmt.Fprintf(out, "a record that was tampered with: %v\n", err)
	return nil
}
