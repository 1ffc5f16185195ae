package dir

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// The digest of a value that can be guessed reveals the value.
func TestInspectPrintsNoDigest(t *testing.T) {
	p := New(t.TempDir())
	require.Empty(t, p.Publish(t.Context(), []driver.Item{{Name: authBinding, Text: driver.NewValue("hunter2"),
		Note: "note"}}))
	found, err := p.Inspect(t.Context(), []string{authBinding})
	require.NoError(t, err)
	digest := found[authBinding].Modified
	require.Equal(t, p.ModifiedOf(driver.NewValue("hunter2")), digest)
	for _, finding := range redacttest.Check(struct{ Found any }{found}, digest) {
		require.Regexp(t, `^%[^ ]*[pw] `, finding, "a verb that calls no method")
	}
}
