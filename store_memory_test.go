package secret_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

func TestMemoryKeys(t *testing.T) {
	ctx := t.Context()
	for _, key := range []string{"$SECRET.auth.session-key", authBinding} {
		m := secret.NewMemory(map[string]string{key: "text"})
		got, err := m.Get(ctx, authKey)
		require.NoError(t, err, key)
		require.Equal(t, "text", got)
	}
	// Both name one place.
	m := secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "first"})
	m.Set(authBinding, "second")
	got, err := m.Get(ctx, authKey)
	require.NoError(t, err)
	require.Equal(t, "second", got)
	m.Delete("$SECRET.auth.session-key")
	_, err = m.Get(ctx, authKey)
	require.ErrorIs(t, err, secret.ErrNotFound)
}

func TestMemorySetDeleteFail(t *testing.T) {
	ctx := t.Context()
	var m secret.Memory // the zero one works
	_, err := m.Get(ctx, authKey)
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.EqualError(t, err, "not found: memory store, "+authBinding+" is not set")

	m.Set("$SECRET.auth.session-key", "text")
	got, err := m.Get(ctx, authKey)
	require.NoError(t, err)
	require.Equal(t, "text", got)

	outage := errors.New("out of order")
	m.Fail(outage)
	got, err = m.Get(ctx, authKey)
	require.ErrorIs(t, err, outage)
	require.NotErrorIs(t, err, secret.ErrNotFound)
	require.Empty(t, got)
	_, err = sessionKey(&m).Current().Text()
	require.ErrorIs(t, err, outage)
	m.Fail(nil)
	_, err = m.Get(ctx, authKey)
	require.NoError(t, err)

	m.Set("$SECRET.auth.session-key", "")
	got, err = m.Get(ctx, authKey)
	require.NoError(t, err, "empty is not missing")
	require.Empty(t, got)

	m.Delete("$SECRET.auth.session-key")
	m.Delete("$SECRET.auth.session-key")
	m.Delete("no key at all")
	_, err = m.Get(ctx, authKey)
	require.ErrorIs(t, err, secret.ErrNotFound)
}

func TestMemoryCopiesItsMap(t *testing.T) {
	values := map[string]string{authBinding: "text"}
	m := secret.NewMemory(values)
	values[authBinding] = "changed"
	got, err := m.Get(t.Context(), authKey)
	require.NoError(t, err)
	require.Equal(t, "text", got)
	m.Set(authBinding, "set")
	require.Equal(t, "changed", values[authBinding])
}

// A key that no read can ever ask for is a mistake in a test; the error of the
// read that fails for it helps to find it. The key itself may be a value, mixed
// up.
func TestMemoryCountsWrongKeys(t *testing.T) {
	const mixedUp = "Qz7kWv2mXt9RbLp4nHc8"
	for _, key := range []string{
		"", mixedUp, "auth/session-key", "session-key", "auth.session-key", "$SECRET.auth.Session-Key", "$SECRET.session-key",
		"layeron_secret_auth_session_key", "LAYERON_SECRET_", "LAYERON_SECRET_AUTH", "LAYERON_SECRET_AUTH_SESSION-KEY",
		"LAYERON_SECRET_AUTH_SESSION_KEY ", "SECRET_AUTH_SESSION_KEY",
		// No namespace or name begins or ends with an underscore.
		"LAYERON_SECRET__", "LAYERON_SECRET__KEY", "LAYERON_SECRET_AUTH_", "LAYERON_SECRET___KEY",
	} {
		t.Run(key, func(t *testing.T) {
			m := secret.NewMemory(map[string]string{key: mixedUp, "$SECRET.other.key": "x"})
			_, err := m.Get(t.Context(), authKey)
			require.ErrorIs(t, err, secret.ErrNotFound)
			require.EqualError(t, err, "not found: memory store, "+authBinding+
				" is not set (1 given keys are neither addresses nor binding names)")
			require.Empty(t, redacttest.Check(err, mixedUp))
			_, err = m.Get(t.Context(), secret.Address{Namespace: "other", Name: "key"})
			require.NoError(t, err)
		})
	}
	m := secret.NewMemory(map[string]string{"a": "x", "b": "y"})
	m.Set("c", "z")
	_, err := m.Get(t.Context(), authKey)
	require.ErrorContains(t, err, "3 given keys")
}

// Every binding that some address has is a key.
func TestMemoryTakesEveryBinding(t *testing.T) {
	for _, a := range []secret.Address{{Namespace: "a", Name: "b"}, {Namespace: "0", Name: "9"},
		{Namespace: "a_b--c", Name: "d__e"}} {
		m := secret.NewMemory(map[string]string{a.Binding(): "text"})
		got, err := m.Get(t.Context(), a)
		require.NoError(t, err, a.String())
		require.Equal(t, "text", got)
	}
}

// TestMemoryTakesManyKeys: the time is proportional to their number.
func TestMemoryTakesManyKeys(t *testing.T) {
	values := map[string]string{}
	for i := range 40_000 {
		values["$SECRET.many.key"+strconv.Itoa(i)] = "text"
	}
	began := time.Now()
	m := secret.NewMemory(values)
	for key := range values {
		m.Set(key, "new text")
	}
	require.Less(t, time.Since(began), 20*time.Second, "it takes less than a second")
}

func TestMemoryConcurrently(t *testing.T) {
	var m secret.Memory
	var wg sync.WaitGroup
	for r := range 8 {
		wg.Go(func() {
			key := fmt.Sprintf("$SECRET.auth.k%d", r)
			for i := range 100 {
				m.Set(key, fmt.Sprint(i))
				got, err := m.Get(t.Context(), secret.Address{Namespace: "auth", Name: fmt.Sprintf("k%d", r)})
				if err != nil || got != fmt.Sprint(i) {
					t.Errorf("writer %d does not read what it wrote: %v", r, err)
					return
				}
				m.Fail(nil)
				m.Delete("$SECRET.auth.nobodys")
			}
		})
	}
	wg.Wait()
}
