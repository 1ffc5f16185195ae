package secretprom_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secretprom"
)

// TestMissingOptionalSecretRaisesNoAlert: no metric that a rule of
// docs/alerts.yml reads is set.
func TestMissingOptionalSecretRaisesNoAlert(t *testing.T) {
	s := secret.Static(secret.Options{Namespace: "billing", Name: "webhook", Optional: true})
	app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(nil), Refresh: -1}).Use(s)
	require.NoError(t, app.Start(t.Context()))
	defer app.Close()
	const label = `{address="$SECRET.billing.webhook"} 0` + "\n"
	require.NoError(t, testutil.CollectAndCompare(secretprom.NewCollector(app), strings.NewReader(
		"# HELP secret_failing 1 if reads fail: nothing was ever loaded, or AppOptions.MaxStale has passed.\n"+
			"# TYPE secret_failing gauge\nsecret_failing"+label+
			"# HELP secret_stale 1 if the last load failed, so that reads may return an old document.\n"+
			"# TYPE secret_stale gauge\nsecret_stale"+label+
			"# HELP secret_needs_person 1 if waiting does not help, and a person must look at the secret.\n"+
			"# TYPE secret_needs_person gauge\nsecret_needs_person"+label+
			"# HELP secret_load_failures_total Loads from the store that have failed.\n"+
			"# TYPE secret_load_failures_total counter\nsecret_load_failures_total"+label),
		"secret_failing", "secret_stale", "secret_needs_person", "secret_warning", "secret_load_failures_total"))
}
