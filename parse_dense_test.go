package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestNumberOfVersionsDoesNotChangeTheError: a text that is checked before its
// versions are built is refused with the same error, with the place of the
// fault.
func TestNumberOfVersionsDoesNotChangeTheError(t *testing.T) {
	for name, fault := range map[string]struct{ text, where string }{
		"a version twice":              {"v1=a;v1=b", "version v1"},
		"an attribute twice":           {"v1=a;v1_expires=2026-01-01T00:00:00Z;v1_expires=2026-01-01T00:00:00Z", "at byte 37"},
		"an early attribute twice":     {"v1_active=2026-01-01T00:00:00Z;v1_active=2026-01-01T00:00:00Z;v1=a", "at byte 31"},
		"an attribute without version": {"v1=a;v0_expires=2026-01-01T00:00:00Z", "at byte 5"},
		"an end before the start":      {"v1=a;v1_expires=2025-01-01T00:00:00Z;v1_active=2026-01-01T00:00:00Z", "version v1, expires"},
		"a version in a line":          {"v1=a\nv2=b", "version v1"},
		"a line, then a wrong name":    {"v1=a\nv2=b;v3_x=1", "at byte 10"},
		"a line of a version twice":    {"v1=a\nv2=b;v1=c", "version v1: malformed: given twice"},
		"an empty value":               {"v1=", "version v1, at byte 0"},
		"no time":                      {"v1=a;v1_expires=never", "version v1, expires, at byte 5"},
	} {
		_, few := secret.Parse(fault.text + ";" + numbered(10, "v100#=@", ";"))
		_, many := secret.Parse(fault.text + ";" + numbered(200, "v100#=@", ";"))
		require.ErrorIs(t, few, secret.ErrMalformed, name)
		require.EqualError(t, many, few.Error(), name)
		require.Contains(t, few.Error(), fault.where, name)
	}
}
