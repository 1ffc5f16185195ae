package secretprom

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestJoinedStateIsTheWorse: each part of a state, in either order.
func TestJoinedStateIsTheWorse(t *testing.T) {
	addr := secret.Address{Namespace: "auth", Name: "key"}
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	soon := secret.Warning{Code: secret.WarnExpiresSoon, Version: "v1"}
	one := secret.SecretStatus{Address: addr, Current: "v1", Versions: []secret.Life{{ID: "v1", ExpiresAt: at(9)}},
		LastSuccess: at(2), RotationDue: at(8), Warnings: []secret.Warning{soon}, Failing: true, Loads: 5, FailedLoads: 3,
		LoadTime: time.Second}
	two := secret.SecretStatus{Address: addr, Current: "v1", Versions: []secret.Life{{ID: "v2", ExpiresAt: at(7)}},
		LastSuccess: at(1), StaleSince: at(2), RotationDue: at(7), Warnings: []secret.Warning{soon}, NeedsPerson: true,
		Loads: 2, FailedLoads: 1, LoadTime: 2 * time.Second}
	never := secret.SecretStatus{Address: addr}
	for name, secrets := range map[string][]secret.SecretStatus{
		"in this order": {one, two, never}, "in the other": {never, two, one},
	} {
		t.Run(name, func(t *testing.T) {
			joined := byAddress(secrets)
			require.Len(t, joined, 1)
			all := joined[0]
			require.Equal(t, "$SECRET.auth.key", all.label)
			require.Equal(t, "v1", all.Current)
			require.Equal(t, []time.Time{at(1), at(2), at(7)}, []time.Time{all.LastSuccess, all.StaleSince, all.RotationDue})
			require.Equal(t, at(7), next(all.Versions, at(3)))
			require.True(t, all.Failing)
			require.True(t, all.NeedsPerson)
			require.Equal(t, []uint64{7, 4}, []uint64{all.Loads, all.FailedLoads})
			require.Equal(t, 3*time.Second, all.LoadTime)

			metrics := make(chan prometheus.Metric, 100)
			collect(all, at(3), metrics)
			close(metrics)
			warnings := 0
			for m := range metrics {
				if m.Desc() == warning {
					warnings++
				}
			}
			require.Equal(t, 1, warnings, "a Registry refuses the same labels twice")
		})
	}
}

// TestAgeIsNeverNegative: the clock may have been set back since the last load.
func TestAgeIsNeverNegative(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	metrics := make(chan prometheus.Metric, 100)
	collect(labelled{"$SECRET.auth.key", secret.SecretStatus{LastSuccess: now.Add(time.Hour)}}, now, metrics)
	close(metrics)
	for m := range metrics {
		if m.Desc() == lastSuccessAge {
			require.Zero(t, testutil.ToFloat64(only{m}))
			return
		}
	}
	t.Fatal("no age")
}

// only is a Collector of one metric.
type only struct{ prometheus.Metric }

func (o only) Describe(to chan<- *prometheus.Desc) { to <- o.Desc() }
func (o only) Collect(to chan<- prometheus.Metric) { to <- o.Metric }
