package secretprom_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/secretprom"
)

// TestRulesUseTheMetrics: docs/alerts.yml and its tests name metrics and codes
// that exist. promtool does not detect a wrong name.
func TestRulesUseTheMetrics(t *testing.T) {
	descs := make(chan *prometheus.Desc, 100)
	secretprom.NewCollector(nil).Describe(descs)
	close(descs)
	metrics := map[string]bool{}
	for d := range descs {
		metrics[regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]] = true
	}
	require.Len(t, metrics, 11)
	codes := []string{secret.WarnCurrentMissing, secret.WarnCurrentExpired, secret.WarnExpiresSoon,
		secret.WarnRotationOverdue, secret.WarnWhiteSpace, secret.WarnDerived}
	for _, file := range []string{"../docs/alerts.yml", "../.ci/alerts_test.yml"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		names := regexp.MustCompile(`\bsecret_\w+`).FindAllString(string(text), -1)
		require.NotEmpty(t, names)
		for _, name := range names {
			require.Contains(t, metrics, name, file)
		}
		matchers := regexp.MustCompile(`\bcode=~?"([^"]+)"`).FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, matchers)
		for _, matcher := range matchers {
			require.Subset(t, codes, strings.Split(matcher[1], "|"), file)
		}
	}
	for file, row := range map[string]string{"doc.go": "//\t%s ", "../docs/metrics.md": "\n| `%s` |"} {
		page, err := os.ReadFile(file)
		require.NoError(t, err)
		for name := range metrics {
			require.Contains(t, string(page), fmt.Sprintf(row, name), "%s lists every metric", file)
		}
	}
}

// TestServerRulesDetectEachState: promtool evaluates docs/alerts.yml with the
// metrics of real Apps. Each state raises its own alert, and a healthy secret
// none. It needs the program promtool.
func TestServerRulesDetectEachState(t *testing.T) {
	slow.Test(t)
	promtool, err := exec.LookPath("promtool")
	require.NoError(t, err, "promtool is missing: Debian's package prometheus has it")
	rules, err := filepath.Abs("../docs/alerts.yml")
	require.NoError(t, err)
	outage := errors.New("no route")
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		text  string
		do    func(*testing.T, *secret.App, *secret.Memory)
		alert string
	}{
		"well":        {text: value1},
		"white space": {text: " " + value1},
		"rotated":     {text: "current=v2;v1=a;v1_expires=2000-01-02T00:00:00Z;v2=b;v2_active=1999-12-31T00:00:00Z"},
		"due":         {text: "current=v1;v1=a;v1_active=1999-11-30T23:00:00Z"},
		"closed": {text: value1, do: func(t *testing.T, app *secret.App, _ *secret.Memory) {
			require.NoError(t, app.Close())
			time.Sleep(30 * day)
		}},
		"Start has failed": {alert: "SecretFailing"},
		"out of reach": {text: value1, do: func(t *testing.T, app *secret.App, m *secret.Memory) {
			m.Fail(outage)
			require.Error(t, app.Refresh(t.Context()))
		}, alert: "SecretStale"},
		"out of reach for hours": {text: value1, do: func(t *testing.T, app *secret.App, m *secret.Memory) {
			m.Fail(outage)
			require.Error(t, app.Refresh(t.Context()))
			time.Sleep(5 * time.Hour)
		}, alert: "SecretStale"},
		"malformed": {text: value1, do: func(t *testing.T, app *secret.App, m *secret.Memory) {
			m.Set(key, "current=v1")
			require.Error(t, app.Refresh(t.Context()))
		}, alert: "SecretStale"},
		"expires soon":       {text: "current=v1;v1=a;v1_expires=2000-01-05T00:00:00Z", alert: "SecretAboutToExpire"},
		"expired":            {text: "current=v1;v1=a;v1_expires=1999-12-31T00:00:00Z", alert: "SecretAboutToExpire"},
		"overdue":            {text: "current=v1;v1=a;v1_active=1999-11-20T00:00:00Z", alert: "SecretRotationOverdue"},
		"current is missing": {text: "current=v9;v1=a", alert: "SecretNeedsPerson"},
	} {
		t.Run(name, func(t *testing.T) {
			var series string
			synctest.Test(t, func(t *testing.T) {
				m := secret.NewMemory(nil)
				if c.text != "" {
					m.Set(key, c.text)
				}
				app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: quiet}).Use(secret.Static(secret.Options{
					Namespace: "auth", Name: "key", Rotation: &secret.Rotation{EveryDays: 30}}))
				defer app.Close()
				err := app.Start(t.Context())
				require.Equal(t, c.text == "", err != nil)
				if c.do != nil {
					c.do(t, app, m)
				}
				series = inputSeries(t, scrape(t, app))
			})
			want := ""
			if c.alert != "" {
				want = fmt.Sprintf(`{labels: '{alertname=%q}', value: 1}`, c.alert)
			}
			file := filepath.Join(t.TempDir(), "test.yml")
			require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `rule_files: [%q]
tests:
  - interval: 1m
    input_series:
%s    promql_expr_test:
      - {eval_time: 2h, expr: 'count by (alertname) (ALERTS{alertstate="firing"})', exp_samples: [%s]}
`, rules, series, want), 0o600))
			out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput()
			require.NoError(t, err, "%s\n%s", out, series)
		})
	}
}

// inputSeries returns the metrics as they would be for two hours, in promtool's
// time, which begins at 0.
func inputSeries(t *testing.T, metrics string) string {
	var series strings.Builder
	for line := range strings.Lines(metrics) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), "} ")
		require.True(t, ok, line)
		amount, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		if strings.Contains(name, "_timestamp_seconds{") {
			amount -= float64(time.Now().Unix())
		}
		fmt.Fprintf(&series, "      - {series: '%s}', values: '%.1fx130'}\n", name, amount)
	}
	return series.String()
}
