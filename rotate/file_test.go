package rotate

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// newFile returns a ledger file in a folder of its own, with one identity.
func newFile(t testing.TB) (*File, State) {
	t.Helper()
	identity, recipient, err := NewIdentity()
	require.NoError(t, err)
	ids, err := ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	f, err := OpenFile(filepath.Join(t.TempDir(), "layer.secrets.age"), FileOptions{Identities: ids})
	require.NoError(t, err)
	return f, NewState(Settings{Recipients: []string{recipient}})
}

// hundred is a state with 100 secrets of two versions each.
func hundred(s State) State {
	var records []*record
	for i := range 100 {
		addr := secret.Address{Namespace: "auth", Name: "key-" + randomHex(4)}
		records = append(records, &record{Address: addr, Kind: secret.KindRandom, Name: addr.Binding(), Gen: uint64(i), Current: "v2",
			Versions: []version{{ID: "v1", Value: randomHex(32)}, {ID: "v2", Value: randomHex(32), ActiveFrom: time.Unix(1, 0).UTC()}}})
	}
	return hold(s.state().with(records...))
}

func TestFileRoundTrip(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	_, rev, err := f.Load(ctx)
	require.ErrorIs(t, err, ErrNotFound)
	require.Empty(t, rev)
	s = hundred(s)
	for range 3 {
		stored, next, err := Commit(ctx, f, rev, s)
		require.NoError(t, err)
		loaded, found, err := f.Load(ctx)
		require.NoError(t, err)
		require.True(t, loaded.Equal(stored))
		require.Equal(t, next, found)
		_, _, err = Commit(ctx, f, rev, s)
		require.ErrorIs(t, err, ErrConflict)
		s, rev = loaded, next
	}
}

func BenchmarkFile(b *testing.B) {
	ctx := context.Background()
	f, s := newFile(b)
	_, _, err := Commit(ctx, f, "", hundred(s))
	require.NoError(b, err)
	for b.Loop() {
		s, rev, err := f.Load(ctx)
		require.NoError(b, err)
		_, _, err = Commit(ctx, f, rev, s)
		require.NoError(b, err)
	}
}
