// Encryption seals records over three rotations of a key, seals them again as
// they are read, and shows when an old version may be revoked.
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

// recordKey is kept for ever: a record can be opened only while the store holds
// the version that sealed it.
var recordKey = secret.Random(secret.Options{Namespace: "storage", Name: "encryption-key", Bytes: 32,
	Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainForever}}})

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run plays a year: an invoice is sealed each quarter, and the key rotates
// after each.
func run(ctx context.Context, out io.Writer) error {
	store := secret.NewMemory(nil)
	var history rotations
	invoices := newTable(recordKey.With(store))

	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for quarter := range 4 {
		if err := history.rotate(store, start.AddDate(0, 3*quarter, 0)); err != nil {
			return err
		}
		if err := invoices.write(quarter+1, fmt.Sprintf("invoice %d", quarter+1)); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "after a year:           %s\n", invoices)

	for _, number := range []int{1, 3} {
		text, err := invoices.read(ctx, number)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s is read:      %s\n", text, invoices)
	}

	// A nightly sweep handles the rows that no user reads. When nothing is stale,
	// no record needs an old version.
	if err := invoices.sweep(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "after the sweep:        %s\n", invoices)

	// A version that is kept for ever ends when an operator revokes it: `layer
	// secret revoke storage.encryption-key v1`.
	if err := history.keepLast(store); err != nil {
		return err
	}
	text, err := invoices.read(ctx, 2)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "v1, v2 and v3 are gone: %s is still read\n", text)

	invoices.rows[1] = invoices.rows[2]
	_, err = invoices.read(ctx, 1)
	fmt.Fprintf(out, "moved to another row:   %v\n", err)
	return nil
}
