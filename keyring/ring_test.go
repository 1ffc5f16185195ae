package keyring_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/keyring"
)

// TestReplacedVersionStillVerifies: another text under the same id is another
// key, at once.
func TestReplacedVersionStillVerifies(t *testing.T) {
	store, texts := newStore(hexKey(1))
	m := newMachine(t, store, -1)
	defer m.app.Close()
	for b := range byte(5) {
		texts.Set("$SECRET.auth.session-key", hexKey(b))
		require.NoError(t, m.app.Refresh(ctx))
		token, err := m.tokens.Sign([]byte("ann"), time.Time{})
		require.NoError(t, err)
		require.Equal(t, tokenOf(rawKey(b), "session cookie", "v1", 0, "ann"), token)
		for other := range byte(5) {
			_, err := m.tokens.Verify(ctx, tokenOf(rawKey(other), "session cookie", "v1", 0, "ann"))
			require.Equal(t, other == b, err == nil)
		}
	}
}

// TestMoreVersionsThanAreKept: no number of versions makes a key wrong.
func TestMoreVersionsThanAreKept(t *testing.T) {
	text := "current=v1"
	for i := range 600 {
		text += ";v" + strconv.Itoa(i+1) + "=" + hexKey(byte(i))
	}
	store, _ := newStore(text)
	m := newMachine(t, store, -1)
	defer m.app.Close()
	for range 2 {
		for i := range 600 {
			_, err := m.tokens.Verify(ctx, tokenOf(rawKey(byte(i)), "session cookie", "v"+strconv.Itoa(i+1), 0, ""))
			require.NoError(t, err)
		}
	}
}

// TestRingsMayBeUsedConcurrently is for the race detector: everything at once,
// while the document changes.
func TestRingsMayBeUsedConcurrently(t *testing.T) {
	store, texts := newStore("current=v1;v1=" + hexKey(1) + ";v2=" + hexKey(2))
	m := newMachine(t, store, -1)
	defer m.app.Close()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 50 {
				// short, and longer than the memory that calls share
				payload := []byte(strings.Repeat(strconv.Itoa(i*50+n), 1+n*n/4))
				token, err := m.tokens.Sign(payload, time.Time{})
				got, err2 := m.tokens.Verify(ctx, token)
				sealed, err3 := m.records.SealText(payload, payload)
				plain, err4 := m.records.OpenText(ctx, sealed, payload)
				if err := errors.Join(err, err2, err3, err4); err != nil || string(got) != string(payload) ||
					string(plain) != string(payload) {
					t.Errorf("%s: %q, %q, %v", payload, got, plain, err)
				}
				m.tokens.Stale(token)
				if _, err := m.tokens.Verify(ctx, tokenOf(rawKey(1), "session cookie", "v9", 0, "")); !errors.Is(err,
					keyring.ErrInvalidToken) {
					t.Error(err)
				}
			}
		})
	}
	for n := range 40 {
		current := "current=v" + strconv.Itoa(n%2+1)
		texts.Set("$SECRET.auth.session-key", current+";v1="+hexKey(1)+";v2="+hexKey(2))
		require.NoError(t, m.app.Refresh(ctx))
	}
	all.Wait()
}
