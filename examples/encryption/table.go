package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// table simulates a table of a database: sealed texts by the number of their
// row.
type table struct {
	records *keyring.Sealer
	rows    map[int][]byte
}

func newTable(key *secret.Secret) *table {
	return &table{records: keyring.NewSealer(key, "invoice"), rows: map[int][]byte{}}
}

// place binds a text to its row: a writer of the database cannot move it to
// another row.
func place(number int) []byte { return fmt.Appendf(nil, "invoices/%d", number) }

func (t *table) write(number int, text string) error {
	sealed, err := t.records.Seal([]byte(text), place(number))
	if err == nil {
		t.rows[number] = sealed
	}
	return err
}

// read opens a row, and seals it again if a replaced version sealed it. The
// second step may fail: the row then stays unchanged and readable.
func (t *table) read(ctx context.Context, number int) (text string, err error) {
	sealed := t.rows[number]
	plain, err := t.records.Open(ctx, sealed, place(number))
	if err != nil {
		return "", err
	}
	if t.records.Stale(sealed) {
		_ = t.write(number, string(plain)) // a database would replace the row only if it is still the one that was read
	}
	return string(plain), nil
}

// sweep reads every row that is stale. It can be stopped and begun again at any
// time.
func (t *table) sweep(ctx context.Context) error {
	for number, sealed := range t.rows {
		if !t.records.Stale(sealed) {
			continue
		}
		if _, err := t.read(ctx, number); err != nil {
			return err
		}
	}
	return nil
}

// String returns the version that sealed each row, and the number of stale
// rows.
func (t *table) String() string {
	var by []string
	stale := 0
	for _, number := range slices.Sorted(maps.Keys(t.rows)) {
		sealed := t.rows[number]
		by = append(by, sealedBy(sealed))
		if t.records.Stale(sealed) {
			stale++
		}
	}
	return fmt.Sprintf("sealed by %s; %d stale", strings.Join(by, ", "), stale)
}

// sealedBy returns the version that a sealed text names: two bytes of format,
// the length of the id, the id.
func sealedBy(sealed []byte) string { return string(sealed[3 : 3+sealed[2]]) }
