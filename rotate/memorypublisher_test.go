package rotate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/rotate"
)

// A program's tests read what was published as the program does.
func TestMemoryPublisherIsAStore(t *testing.T) {
	var m rotate.MemoryPublisher
	key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: &m})
	_, err := key.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	publish(t, &m, authBinding, "first", "note")
	text, err := key.Current().Text()
	require.NoError(t, err)
	require.Equal(t, "first", text)
}
