package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The next run rotates a random secret that is due.
func TestStaticSecretThatIsDueNeedsAPerson(t *testing.T) {
	t.Parallel()
	const form = `{"kind": %q, "namespace": "auth", "name": "key", "rotation": {"everyDays": 7, "startAt": %q, "retain": {"mode": "none"}}}`
	for kind, status := range map[string]int{"random": 0, "static": 1} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			far := time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC)
			declare(t, dir, fmt.Sprintf(form, kind, far.Format(time.RFC3339)))
			value := []string{"VALUE=madeup_" + strings.Repeat("Wm29bHs4Ly", 3)}
			if kind == "random" {
				layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
			} else {
				layerIn(t, dir, value, 0, "secret", "set", "$SECRET.auth.key", "--value-env", "VALUE", "--spec", "spec.json")
			}
			// The jitter belongs to the address: it is the delay of the first slot after
			// startAt.
			next, err := time.Parse(time.RFC3339, *statusOf(t, dir, nil)["$SECRET.auth.key"].NextRotation)
			require.NoError(t, err)
			require.LessOrEqual(t, next.Sub(far), 6*time.Hour)
			slot := time.Now().Add(2 * time.Second).Truncate(time.Second)
			declare(t, dir, fmt.Sprintf(form, kind, slot.Add(-next.Sub(far)).UTC().Format(time.RFC3339)))
			require.Equal(t, "ok", statusOf(t, dir, nil)["$SECRET.auth.key"].State, "a moment before")
			require.Eventually(t, func() bool {
				return strings.Contains(runIn(t, dir, nil, "secret", "status", "--spec", "spec.json").stdout, "\tdue\t")
			}, patient, 20*time.Millisecond)

			var r reportJSON
			stdout, _ := layerIn(t, dir, nil, status, "secret", "status", "--spec", "spec.json", "--json")
			require.NoError(t, json.Unmarshal([]byte(stdout), &r))
			require.Equal(t, "due", r.Secrets[0].State)
			require.Equal(t, status == 0, r.OK)
			stdout, stderr := layerIn(t, dir, nil, status, "secret", "rotate", "--spec", "spec.json")
			_, more := layerIn(t, dir, nil, status, "secret", "status", "--spec", "spec.json")
			layerIn(t, dir, nil, status, "secret", "apply", "--spec", "spec.json")
			if kind == "random" {
				require.Contains(t, stdout, "announced v2")
				return
			}
			for _, text := range []string{stderr, more} {
				holds(t, text, []string{`auth.key: .*(due|time for a new value).*`, "`layer secret set auth.key`"})
			}
			layerIn(t, dir, []string{"VALUE=madeup_Qv71xKz8Rt"}, 0, "secret", "set", "$SECRET.auth.key", "--value-env", "VALUE",
				"--spec", "spec.json")
			require.Equal(t, "ok", statusOf(t, dir, nil)["$SECRET.auth.key"].State, "until the next slot")
		})
	}
}
