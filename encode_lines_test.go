package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestCompactHoldsNoVersionLine: the reason is its own, and names the version.
// A line that is no KEY=VALUE is held.
func TestCompactHoldsNoVersionLine(t *testing.T) {
	for value, held := range map[string]bool{
		"hush\nv3=hush": false, "hush\r\nv3=hush": false, "hush\n current=v1": false,
		"hush\nv1_expires=2027-01-01T00:00:00Z": false,
		"hush\nv=hush":                          true, "hush\nkey=hush": true, "hush\nv3": true, "v3=hush\nhush": true,
		"-----BEGIN KEY-----\nhush==\n-----END KEY-----": true,
	} {
		got, err := made(t, "v1", version("v1", "hush"), version("v2", value)).Encode(secret.FormatCompact)
		if held {
			require.NoError(t, err)
			continue
		}
		requireRefusal(t, err, secret.ErrEncoding, got, "a line like a version")
		require.EqualError(t, err,
			"secret: encode, version v2: wrong encoding: the compact format holds no value with a line that begins like "+
				"another version")
	}
}
