package secretprom_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secretprom"
)

const (
	key    = "$SECRET.auth.key"
	value1 = "first-made-up-value"
	value2 = "second-made-up-value"
)

var quiet = slog.New(slog.DiscardHandler)

// scrape returns the metrics of app in the format of Prometheus, without the
// lines that describe them. It fails the test if a Registry or promlint refuses
// them, or if they contain a value.
func scrape(t *testing.T, app *secret.App) string {
	t.Helper()
	collector := secretprom.NewCollector(app)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(collector))
	page := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	text := page.Body.String()
	require.Equal(t, http.StatusOK, page.Code, text)
	problems, err := testutil.CollectAndLint(collector)
	require.NoError(t, err)
	require.Empty(t, problems)
	var lines strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines.WriteString(line)
		}
	}
	for _, value := range []string{value1, value2} {
		require.NotContains(t, text, value)
	}
	return lines.String()
}

// state returns the metrics of the secret key, one for each line of text:
// secret_NAME is written as NAME, and the address is left out.
func state(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, amount, _ := strings.Cut(line, " ")
		name, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		if labels != "" {
			labels = "," + labels
		}
		if code, ok := strings.CutPrefix(labels, ",version"); ok { // labels are in the order of their names
			labels = ",version" + code
		}
		fmt.Fprintf(&lines, "secret_%s{address=%q%s} %s\n", name, key, labels, amount)
	}
	return lines.String()
}

// TestMetricsOfEachState: the complete metrics of one secret. Fake time begins
// at 2000-01-01T00:00:00Z, which is 946684800.
func TestMetricsOfEachState(t *testing.T) {
	const (
		rotated = "current=v2;v1=" + value1 + ";v1_expires=2000-01-03T00:00:00.5Z;v2=" + value2 +
			";v2_active=1999-12-31T00:00:00Z"
		plain = value1
	)
	outage := errors.New("no route")
	for name, c := range map[string]struct {
		text     string
		rotation *secret.Rotation
		options  secret.AppOptions
		do       func(*testing.T, *secret.App, *secret.Memory)
		want     string
	}{
		"not started": {text: plain, do: func(*testing.T, *secret.App, *secret.Memory) {}, want: `
			failing 1
			load_duration_seconds_sum 0
			load_duration_seconds_count 0
			load_failures_total 0
			loads_total 0
			needs_person 1
			stale 0`},
		"Start has failed": {do: func(t *testing.T, app *secret.App, _ *secret.Memory) {
			require.Error(t, app.Start(t.Context()))
		}, want: `
			failing 1
			load_duration_seconds_sum 0
			load_duration_seconds_count 1
			load_failures_total 1
			loads_total 1
			needs_person 1
			stale 1`},
		"started": {text: plain, do: func(t *testing.T, app *secret.App, _ *secret.Memory) {
			require.NoError(t, app.Start(t.Context()))
			time.Sleep(90 * time.Second)
		}, want: `
			current_version_info{version="v1"} 1
			failing 0
			last_success_age_seconds 90
			load_duration_seconds_sum 0
			load_duration_seconds_count 1
			load_failures_total 0
			loads_total 1
			needs_person 0
			stale 0`},
		"rotated": {text: rotated, rotation: &secret.Rotation{EveryDays: 90},
			do: func(t *testing.T, app *secret.App, _ *secret.Memory) { require.NoError(t, app.Start(t.Context())) }, want: `
			current_version_info{version="v2"} 1
			failing 0
			last_success_age_seconds 0
			load_duration_seconds_sum 0
			load_duration_seconds_count 1
			load_failures_total 0
			loads_total 1
			needs_person 0
			next_expiry_timestamp_seconds 9.468576005e+08
			rotation_due_timestamp_seconds 9.543744e+08
			stale 0`},
		"stale": {text: plain, do: func(t *testing.T, app *secret.App, m *secret.Memory) {
			require.NoError(t, app.Start(t.Context()))
			m.Fail(outage)
			time.Sleep(time.Minute)
			require.Error(t, app.Refresh(t.Context()))
		}, want: `
			current_version_info{version="v1"} 1
			failing 0
			last_success_age_seconds 60
			load_duration_seconds_sum 0
			load_duration_seconds_count 2
			load_failures_total 1
			loads_total 2
			needs_person 0
			stale 1`},
		"failing": {text: plain, options: secret.AppOptions{MaxStale: time.Minute},
			do: func(t *testing.T, app *secret.App, _ *secret.Memory) {
				require.NoError(t, app.Start(t.Context()))
				time.Sleep(2 * time.Minute)
			}, want: `
			current_version_info{version="v1"} 1
			failing 1
			last_success_age_seconds 120
			load_duration_seconds_sum 0
			load_duration_seconds_count 1
			load_failures_total 0
			loads_total 1
			needs_person 1
			stale 0`},
		"all is late": {text: "current=v9;v1=" + value1 + ";v1_active=1999-12-01T00:00:00Z;v1_expires=2000-01-02T00:00:00Z",
			rotation: &secret.Rotation{EveryDays: 7}, do: func(t *testing.T, app *secret.App, _ *secret.Memory) {
				require.NoError(t, app.Start(t.Context()))
			}, want: `
			current_version_info{version="v1"} 1
			failing 0
			last_success_age_seconds 0
			load_duration_seconds_sum 0
			load_duration_seconds_count 1
			load_failures_total 0
			loads_total 1
			needs_person 1
			next_expiry_timestamp_seconds 9.467712e+08
			rotation_due_timestamp_seconds 9.446112e+08
			stale 0
			warning{code="current_missing"} 1
			warning{code="expires_soon"} 1
			warning{code="rotation_overdue"} 1`},
		"closed": {text: rotated, do: func(t *testing.T, app *secret.App, _ *secret.Memory) {
			require.NoError(t, app.Start(t.Context()))
			require.NoError(t, app.Close())
			time.Sleep(30 * 24 * time.Hour)
		}, want: `
			current_version_info{version="v2"} 1
			failing 0
			last_success_age_seconds 2.592e+06
			load_duration_seconds_sum 0
			load_duration_seconds_count 1
			load_failures_total 0
			loads_total 1
			needs_person 0
			stale 0`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := secret.NewMemory(nil)
				if c.text != "" {
					m.Set(key, c.text)
				}
				o := c.options
				o.Store, o.Logger, o.Refresh = m, quiet, -1
				app := secret.NewApp(o).Use(secret.Static(secret.Options{Namespace: "auth", Name: "key", Rotation: c.rotation}))
				defer app.Close()
				c.do(t, app, m)
				require.Equal(t, state(c.want), scrape(t, app))
			})
		})
	}
}

// TestARotationReplacesTheSeries: only one series at a time has an id of a
// version, however many versions there are.
func TestARotationReplacesTheSeries(t *testing.T) {
	m := secret.NewMemory(nil)
	app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: quiet}).
		Use(secret.Static(secret.Options{Namespace: "auth", Name: "key"}))
	text, before := "", 0
	for i := range 20 {
		id := fmt.Sprintf("v%d", i+1)
		text = fmt.Sprintf("current=%s;%s%s=%s", id, text, id, value1)
		m.Set(key, text)
		require.NoError(t, app.Refresh(t.Context()))
		got := scrape(t, app)
		require.Contains(t, got, `secret_current_version_info{address="`+key+`",version="`+id+`"} 1`)
		require.Equal(t, 1, strings.Count(got, "version="), got)
		if series := strings.Count(got, "\n"); i > 0 {
			require.Equal(t, before, series)
		} else {
			before = series
		}
		_, text, _ = strings.Cut(text, ";")
		text += ";"
	}
}

// TestLoadDuration: a summary of all loads, without quantiles.
func TestLoadDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := secret.NewApp(secret.AppOptions{Store: lagging{}, Refresh: -1, Logger: quiet}).
			Use(secret.Static(secret.Options{Namespace: "auth", Name: "key"}))
		defer app.Close()
		require.NoError(t, app.Start(t.Context()))
		require.NoError(t, app.Refresh(t.Context()))
		got := scrape(t, app)
		require.Contains(t, got, `secret_load_duration_seconds_sum{address="`+key+`"} 0.5`+"\n")
		require.Contains(t, got, `secret_load_duration_seconds_count{address="`+key+`"} 2`+"\n")
	})
}

type lagging struct{}

func (lagging) Get(context.Context, secret.Address) (string, error) {
	time.Sleep(250 * time.Millisecond)
	return value1, nil
}

// TestOneAddressIsOneSeries: a tenant's copy of a secret has the same address on
// another store. A Registry would refuse a second series. The worse state shows.
func TestOneAddressIsOneSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := secret.NewMemory(map[string]string{key: "current=v2;v2=" + value1 + ";v2_expires=2000-03-01T00:00:00Z"})
		bad := secret.NewMemory(map[string]string{key: "current=v7;v7=" + value2 + ";v7_expires=2000-01-05T00:00:00Z"})
		s := secret.Static(secret.Options{Namespace: "auth", Name: "key"})
		app := secret.NewApp(secret.AppOptions{Store: good, Refresh: -1, Logger: quiet}).Use(s)
		defer app.Close()
		require.NoError(t, app.Start(t.Context()))
		copies := []*secret.Secret{s.With(bad), s.With(bad)}
		app.Use(copies...)
		require.NoError(t, copies[0].Refresh(t.Context()))
		bad.Fail(errors.New("no route"))
		time.Sleep(time.Minute)
		require.NoError(t, s.Refresh(t.Context()))
		require.Error(t, copies[0].Refresh(t.Context()))
		require.Equal(t, state(`
			current_version_info{version="v2"} 1
			failing 0
			last_success_age_seconds 60
			load_duration_seconds_sum 0
			load_duration_seconds_count 4
			load_failures_total 1
			loads_total 4
			needs_person 1
			next_expiry_timestamp_seconds 9.470304e+08
			stale 1
			warning{code="expires_soon"} 1`), scrape(t, app))
	})
}

// TestAnyDeclarationCanBeScraped: a wrong one too, and Apps that were not made.
func TestAnyDeclarationCanBeScraped(t *testing.T) {
	app := secret.NewApp(secret.AppOptions{Logger: quiet}).Use(nil, new(secret.Secret),
		secret.Static(secret.Options{Namespace: "a.b", Name: "c"}),
		secret.Static(secret.Options{Namespace: "a", Name: "b.c"}),
		secret.Static(secret.Options{Name: "\xff\n\"{}"}), secret.Static(secret.Options{Name: "\xfe\n\"{}"}))
	require.Error(t, app.Start(t.Context()))
	require.Equal(t, 3, strings.Count(scrape(t, app), "secret_failing{"))
	require.Contains(t, scrape(t, app), `secret_needs_person{address="$SECRET.default.`+"\uFFFD"+`\n\"{}"} 1`)

	require.Empty(t, scrape(t, nil))
	require.Empty(t, scrape(t, new(secret.App)))
	require.Empty(t, scrape(t, secret.NewApp(secret.AppOptions{})))
}

// TestSeveralAppsInOneRegistry: a label distinguishes them.
func TestSeveralAppsInOneRegistry(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"billing", "mail"} {
		app := secret.NewApp(secret.AppOptions{}).Use(secret.Static(secret.Options{Name: "key"}))
		labels := prometheus.Labels{"app": name}
		require.NoError(t, prometheus.WrapRegistererWith(labels, registry).Register(secretprom.NewCollector(app)))
	}
	_, err := registry.Gather()
	require.NoError(t, err)
	registry = prometheus.NewPedanticRegistry()
	app := secret.NewApp(secret.AppOptions{})
	require.NoError(t, registry.Register(secretprom.NewCollector(app)))
	require.ErrorAs(t, registry.Register(secretprom.NewCollector(app)), new(prometheus.AlreadyRegisteredError))
}

// TestScrapesDuringRefreshes: counters never fall, and a scrape is complete at
// any moment, also under the race detector.
func TestScrapesDuringRefreshes(t *testing.T) {
	m := secret.NewMemory(nil)
	app := secret.NewApp(secret.AppOptions{Store: m, Refresh: time.Millisecond, Logger: quiet})
	const secrets = 8
	set := func(round int) {
		for i := range secrets {
			m.Set(fmt.Sprintf("$SECRET.load.s%d", i), fmt.Sprintf("current=v%d;v%d=%s", round, round, value1))
		}
	}
	for i := range secrets {
		app.Use(secret.Static(secret.Options{Namespace: "load", Name: fmt.Sprintf("s%d", i)}))
	}
	set(1)
	collector := secretprom.NewCollector(app)
	var scrapers sync.WaitGroup
	for range 4 {
		scrapers.Go(func() {
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(collector)
			last := map[string]float64{}
			for range 100 {
				families, err := registry.Gather()
				if err != nil {
					t.Error(err)
					return
				}
				for _, family := range families {
					if family.GetName() != "secret_loads_total" {
						continue
					}
					if len(family.GetMetric()) != secrets {
						t.Errorf("%d series", len(family.GetMetric()))
					}
					for _, metric := range family.GetMetric() {
						address, count := metric.GetLabel()[0].GetValue(), metric.GetCounter().GetValue()
						if count < last[address] {
							t.Errorf("%s: %v loads after %v", address, count, last[address])
						}
						last[address] = count
					}
				}
			}
		})
	}
	require.NoError(t, app.Start(t.Context()))
	for round := range 50 {
		set(round + 2)
		if round%10 == 5 {
			m.Fail(errors.New("no route"))
		}
		_ = app.Refresh(t.Context())
		m.Fail(nil)
	}
	require.NoError(t, app.Close())
	scrapers.Wait()
}

// TestCollectorShowsNoValue: a store may be a map of values, which fmt would
// print.
func TestCollectorShowsNoValue(t *testing.T) {
	s := secret.Static(secret.Options{Namespace: "auth", Name: "key"})
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Store: texts{s.Binding(): value1}}).Use(s)
	require.NoError(t, app.Start(t.Context()))
	defer app.Close()
	collector := secretprom.NewCollector(app)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb+verb, collector, struct{ c prometheus.Collector }{collector}), value1, verb)
	}
}

type texts map[string]string

func (m texts) Get(_ context.Context, a secret.Address) (string, error) { return m[a.Binding()], nil }
