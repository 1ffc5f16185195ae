package keyring_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/keyring"
)

// TestFIPSOnly: under GODEBUG=fips140=only tokens work, and a Sealer reports
// why it does not. The test runs itself in such a process.
func TestFIPSOnly(t *testing.T) {
	s := stored("current=v1;v1=" + hexKey(1))
	if strings.Contains(os.Getenv("GODEBUG"), "fips140=only") {
		tokens, records := keyring.NewSigner(s, "p"), keyring.NewSealer(s, "p")
		token, err := tokens.Sign(nil, time.Time{})
		require.NoError(t, err)
		_, err = tokens.Verify(ctx, token)
		require.NoError(t, err)
		require.PanicsWithValue(t,
			"keyring: a Sealer cannot work under GODEBUG=fips140=only: crypto/cipher: use of GCM with "+
				"arbitrary IVs is not allowed in FIPS 140-only mode, use NewGCMWithRandomNonce",
			func() { _, _ = records.Seal(nil, nil) })
		return
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^TestFIPSOnly$")
	again.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := again.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestFIPSOnly")
}
