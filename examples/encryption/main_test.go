package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

func TestEveryRecordStaysReadable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out))
	require.Equal(t, `after a year:           sealed by v1, v2, v3, v4; 3 stale
invoice 1 is read:      sealed by v4, v2, v3, v4; 2 stale
invoice 3 is read:      sealed by v4, v2, v4, v4; 1 stale
after the sweep:        sealed by v4, v4, v4, v4; 0 stale
v1, v2 and v3 are gone: invoice 2 is still read
moved to another row:   keyring: open under $SECRET.storage.encryption-key for "invoice": the sealed text does not open: `+
		`it was sealed under another key, for another purpose or in another context, or was changed since
`, out.String())
}

// TestLostWithItsVersion: a text that was not sealed again is lost with its
// version.
func TestLostWithItsVersion(t *testing.T) {
	store := secret.NewMemory(nil)
	var history rotations
	invoices := newTable(recordKey.With(store))
	require.NoError(t, history.rotate(store, time.Unix(1, 0)))
	require.NoError(t, invoices.write(1, "invoice 1"))
	require.NoError(t, history.rotate(store, time.Unix(2, 0)))
	require.NoError(t, history.keepLast(store))
	_, err := invoices.read(context.Background(), 1)
	require.ErrorIs(t, err, keyring.ErrOpen)
	require.ErrorIs(t, err, secret.ErrVersionNotFound)
}
