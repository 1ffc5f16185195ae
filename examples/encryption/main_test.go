package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryRecordStaysReadable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out))
	require.Equal(t, `invoice 1, sealed under v1 (named by the record)
invoice 2, sealed under v2 (found by its time, 2026-05-01)
invoice 3, sealed under v3 (named by the record)
invoice 4, sealed under v4 (found by its time, 2026-11-01)
invoice 2, sealed under v2 (its time says another version: the others were tried)
a record that was tampered with: no version of the key opens the record
`, out.String())
}
