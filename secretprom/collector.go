package secretprom

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/layeron-hq/secret"
)

// NewCollector returns a Collector of the secrets that app uses. Each scrape
// calls [secret.App.Status], which asks no store, so that it may be called at
// any rate and at the same time as the App's methods.
//
// Register it before Start, so that a Start that is slow or fails shows too: a
// secret without a document is failing. After Close the metrics stay as they
// were, and the age of the last success grows. An App that NewApp did not make
// has no secrets, so it has no metrics.
//
// A Registry accepts one such Collector. For several Apps, give each App a
// label with [prometheus.WrapRegistererWith].
func NewCollector(app *secret.App) prometheus.Collector { return &collector{app} }

type collector struct{ app *secret.App }

var (
	currentVersion = desc("current_version_info",
		"The version for new work: 1, with its id as a label. Absent: nothing has been loaded yet.", "version")
	lastSuccessAge = desc("last_success_age_seconds",
		"Time since the store last returned a good document, changed or not. Absent: never.")
	stale = desc("stale",
		"1 if the last load failed, so that reads may return an old document.")
	failing = desc("failing",
		"1 if reads fail: nothing was ever loaded, or AppOptions.MaxStale has passed.")
	needsPerson = desc("needs_person",
		"1 if waiting does not help, and a person must look at the secret.")
	warning = desc("warning",
		"1 for each warning of the secret, with its code as a label.", "code")
	nextExpiry = desc("next_expiry_timestamp_seconds",
		"When the next version expires, current or not, in Unix time. Absent: no version will.")
	rotationDue = desc("rotation_due_timestamp_seconds",
		"When the declared rotation replaces the current version, in Unix time. "+
			"Absent: no rotation is declared, or the version has no start.")
	loads = desc("loads_total",
		"Loads from the store that have ended.")
	loadFailures = desc("load_failures_total",
		"Loads from the store that have failed.")
	loadDuration = desc("load_duration_seconds",
		"How long the loads from the store took.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("secret_"+name, help, append([]string{"address"}, labels...), nil)
}

// Describe sends the descriptions of all metrics.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{currentVersion, lastSuccessAge, stale, failing, needsPerson, warning, nextExpiry,
		rotationDue, loads, loadFailures, loadDuration} {
		to <- d
	}
}

// Collect sends the metrics of every secret.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	status := c.app.Status()
	for _, one := range byAddress(status.Secrets) {
		collect(one, status.Time, to)
	}
}

// collect sends the metrics of one secret at the instant now.
func collect(one labelled, now time.Time, to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{one.label}, labels...)...)
	}
	counter := func(d *prometheus.Desc, value uint64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), one.label)
	}
	instant := func(d *prometheus.Desc, at time.Time) {
		if !at.IsZero() {
			gauge(d, float64(at.Unix())+float64(at.Nanosecond())/1e9)
		}
	}
	if one.Current != "" {
		gauge(currentVersion, 1, one.Current)
	}
	if !one.LastSuccess.IsZero() {
		gauge(lastSuccessAge, max(0, now.Sub(one.LastSuccess).Seconds())) // less than 0: the clock was set back
	}
	gauge(stale, oneIf(!one.StaleSince.IsZero()))
	gauge(failing, oneIf(one.Failing))
	gauge(needsPerson, oneIf(one.NeedsPerson))
	sent := map[string]bool{}
	for _, w := range one.Warnings {
		if !sent[w.Code] {
			gauge(warning, 1, w.Code)
		}
		sent[w.Code] = true
	}
	instant(nextExpiry, next(one.Versions, now))
	instant(rotationDue, one.RotationDue)
	counter(loads, one.Loads)
	counter(loadFailures, one.FailedLoads)
	to <- prometheus.MustNewConstSummary(loadDuration, one.Loads, one.LoadTime.Seconds(), nil, one.label)
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// next returns the first end of a version after now, or zero.
func next(versions []secret.Life, now time.Time) (at time.Time) {
	for _, v := range versions {
		if v.ExpiresAt.After(now) {
			at = earlier(at, v.ExpiresAt)
		}
	}
	return at
}

// earlier returns the first of two instants; zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// labelled is the state of all secrets with one label.
type labelled struct {
	label string
	secret.SecretStatus
}

// byAddress joins the secrets that have one address: copies made by With on
// several stores, which were given to Use after Start. A Registry refuses all
// metrics of the program if two have the same labels. Each part of the joined
// state is the worse one, and the counters are sums. The id of the current
// version is that of the first.
func byAddress(secrets []secret.SecretStatus) (joined []labelled) {
	index := map[string]int{}
	for _, one := range secrets {
		// A wrong declaration may have any name, and labels are UTF-8.
		label := strings.ToValidUTF8(one.Address.String(), "\uFFFD")
		i, known := index[label]
		if !known {
			index[label] = len(joined)
			joined = append(joined, labelled{label, one})
			continue
		}
		all := &joined[i]
		if all.Current == "" {
			all.Current = one.Current
		}
		all.Versions = append(all.Versions, one.Versions...)
		all.Warnings = append(all.Warnings, one.Warnings...)
		all.LastSuccess = earlier(all.LastSuccess, one.LastSuccess)
		all.StaleSince = earlier(all.StaleSince, one.StaleSince)
		all.RotationDue = earlier(all.RotationDue, one.RotationDue)
		all.Failing = all.Failing || one.Failing
		all.NeedsPerson = all.NeedsPerson || one.NeedsPerson
		all.Loads += one.Loads
		all.FailedLoads += one.FailedLoads
		all.LoadTime += one.LoadTime
	}
	return joined
}
