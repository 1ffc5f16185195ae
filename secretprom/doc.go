// Package secretprom exports the state of an App's secrets as Prometheus
// metrics:
//
//	registry.MustRegister(secretprom.NewCollector(app))
//
// Every metric has the label address, as in "$SECRET.billing.stripe-secret".
//
//	secret_current_version_info             1; the label version is the id of the current version
//	secret_last_success_age_seconds         time since the store last returned a good document
//	secret_stale                            1 if the last load failed
//	secret_failing                          1 if reads fail
//	secret_needs_person                     1 if waiting does not help
//	secret_warning                          1 for each warning; the label code is one of secret's Warn constants
//	secret_next_expiry_timestamp_seconds    when the next version expires, current or not
//	secret_rotation_due_timestamp_seconds   when the declared rotation replaces the current version
//	secret_loads_total                      loads from the store that have ended
//	secret_load_failures_total              loads that have failed
//	secret_load_duration_seconds            a summary without quantiles: _sum and _count
//
// A metric whose value is unknown is absent. No metric contains a value.
//
// A secret has about a dozen series, and only one at a time has the id of a
// version: that of the current one. A rotation ends this series and begins
// another. Ids of older versions are not exported, since their number grows with
// every rotation.
//
// The file docs/alerts.yml of the repository has rules for alerts on these
// metrics.
package secretprom
