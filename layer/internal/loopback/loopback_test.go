package loopback

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoopbackHostsAreThisMachine(t *testing.T) {
	for _, host := range []string{"localhost", "LocalHost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"} {
		require.True(t, Is(host), host)
	}
	for _, host := range []string{"", "localhost.", "localhost.example", "127.0.0.1.example", "127.1", "2130706433",
		"0x7f000001", "0.0.0.0", "::",
		"::1%lo", "10.0.0.1", "169.254.169.254", "db.internal", "127.0.0.1 ", "/tmp"} {
		require.False(t, Is(host), host)
	}
}
