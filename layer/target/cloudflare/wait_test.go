package cloudflare

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

// TestRateLimit: a request that gets status 429 was not applied, so it is sent
// again after a pause, as long as the patience allows.
func TestRateLimit(t *testing.T) {
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for _, tc := range []struct {
		name     string
		after    func(now time.Time) string
		times    int
		patience time.Duration
		deadline time.Duration
		waits    []time.Duration // at least, and at most a quarter more
		err      string
	}{
		{"seconds", func(time.Time) string { return "7" }, 1, 0, 0, []time.Duration{second(7)}, ""},
		{"a fraction", func(time.Time) string { return "0.5" }, 1, 0, 0, []time.Duration{second(0.5)}, ""},
		{"a date", func(now time.Time) string { return now.Add(90 * time.Second).UTC().Format(http.TimeFormat) }, 1, 0, 0,
			[]time.Duration{second(89)}, ""},
		{"nothing said", func(time.Time) string { return "" }, 4, 0, 0,
			[]time.Duration{second(1), second(2), second(4), second(8)}, ""},
		{"nonsense", func(time.Time) string { return "soon" }, 1, 0, 0, []time.Duration{second(1)}, ""},
		{"zero", func(time.Time) string { return "0" }, 2, 0, 0, []time.Duration{second(1), second(2)}, ""},
		{"below zero", func(time.Time) string { return "-5" }, 1, 0, 0, []time.Duration{second(1)}, ""},
		{"a date gone by", func(now time.Time) string { return now.Add(-time.Hour).UTC().Format(http.TimeFormat) }, 1, 0, 0,
			[]time.Duration{second(1)}, ""},
		{"too long", func(time.Time) string { return "3600" }, 1, 0, 0, nil,
			"status 429, code 10429: Cloudflare asks to wait: run again in 1h0m0s"},
		{"no end", func(time.Time) string { return "100" }, -1, 0, 0, []time.Duration{second(100), second(100), second(100)},
			"run again in 1m40s"},
		{"little patience", func(time.Time) string { return "3" }, -1, 7 * time.Second, 0,
			[]time.Duration{second(3), second(3)}, "run again in 3s"},
		{"beyond the deadline", func(time.Time) string { return "30" }, 1, 0, 20 * time.Second, nil, "run again in 30s"},
		{"within the deadline", func(time.Time) string { return "30" }, 1, 0, time.Minute, []time.Duration{second(30)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, o := start(t, cloudflarefake.Options{})
			o.Patience = tc.patience
			s, waits := open(t, o)
			_, err := s.Inspect(t.Context(), []string{"x"})
			require.NoError(t, err)
			ctx := t.Context()
			if tc.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, s.client.Now().Add(tc.deadline))
				defer cancel()
			}
			fake.Forget()
			fake.Fail(fault{Method: "POST", Times: tc.times, Status: 429, Code: 10429, Message: "rate limited",
				Header: http.Header{"Retry-After": {tc.after(s.client.Now())}}})
			errs := s.Publish(ctx, items(2))
			require.Len(t, *waits, len(tc.waits))
			for i, least := range tc.waits {
				require.GreaterOrEqual(t, (*waits)[i], least)
				require.LessOrEqual(t, (*waits)[i], least+least/4+time.Second)
			}
			require.Len(t, fake.Requests(), len(tc.waits)+1)
			if tc.err == "" {
				require.Empty(t, errs)
				require.Len(t, fake.Names(), 2)
				return
			}
			for _, err := range errs {
				require.ErrorContains(t, err, tc.err)
				require.ErrorIs(t, err, driver.ErrNotApplied)
				quiet(t, err)
			}
			require.Empty(t, fake.Names())
		})
	}
}

// TestRateLimitOfReads: a list waits too, and if it gives up, the rest is not
// sent.
func TestRateLimitOfReads(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{PageCap: 1})
	s, waits := open(t, o)
	published(t, s, items(3)...)
	fake.Fail(fault{Method: "GET", Skip: 1, Status: 429, Header: http.Header{"Retry-After": {"4"}}})
	found, err := s.Inspect(t.Context(), namesOf(items(3)))
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Equal(t, []time.Duration{4 * time.Second}, *waits)

	fake.Forget()
	fake.Fail(fault{Method: "PATCH", Skip: 1, Times: -1, Status: 429, Header: http.Header{"Retry-After": {"500"}}})
	errs := s.Publish(t.Context(), items(3))
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "replace "+item(1).Name+": status 429")
	require.ErrorContains(t, errs[2],
		"not sent, since another was refused: status 429: Cloudflare asks to wait: run again in 8m20s")
	require.Len(t, fake.Requests(), 2)
}

// TestPausesHaveAFloorAndRetriesACount: both limits apply for any pause that an
// answer requests.
func TestPausesHaveAFloorAndRetriesACount(t *testing.T) {
	long := []string{"3600", "1e5", "999999", time.Now().Add(240 * time.Hour).UTC().Format(http.TimeFormat)}
	for _, after := range append([]string{"1e-9", "0.0000001", "1e-300", "5e-324", "0", "-0", "-1", "-1e308", "NaN",
		"+Inf", "-Inf", "infinity", "1e308", "1e400",
		"0x1p-1074", "1_0", "", " ", "soon", "1, 2", "Mon, 01 Jan 0001 00:00:00 GMT",
		time.Now().Add(time.Millisecond).UTC().Format(http.TimeFormat),
		time.Now().Add(-time.Second).UTC().Format(http.TimeFormat), "Fri, 31 Dec 9999 23:59:59 GMT"}, long...) {
		t.Run(after, func(t *testing.T) {
			way := &busy{times: -1, after: after}
			onBusy(t, cloudflarefake.Options{}, 1, way, func(t *testing.T, _ *cloudflarefake.Server, s *Store) {
				calls := map[string]func() error{
					"ID":      func() error { _, err := s.ID(t.Context()); return err },
					"Inspect": func() error { _, err := s.Inspect(t.Context(), namesOf(items(3))); return err },
					"Publish": func() error { return s.Publish(t.Context(), items(3))[2] },
					"Remove":  func() error { return s.Remove(t.Context(), namesOf(items(3)))[2] },
					"Check":   func() error { return s.Check(t.Context(), namesOf(items(3))) },
				}
				for name, call := range calls {
					way.sent, way.at = 0, nil
					err := call()
					require.ErrorContains(t, err, "run again", name)
					require.ErrorIs(t, err, driver.ErrNotApplied, name)
					require.LessOrEqual(t, way.sent, 10, name)
					for i := 1; i < len(way.at); i++ {
						require.GreaterOrEqual(t, way.at[i].Sub(way.at[i-1]), time.Second, name)
					}
				}
			})
		})
	}
}

func TestInterruptedWait(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	s, _ := open(t, o)
	_, err := s.Inspect(t.Context(), []string{"x"})
	require.NoError(t, err)
	why := errors.New("the operator went home")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	s.client.Wait = func(ctx context.Context, d time.Duration) error {
		cancel(why)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	fake.Fail(fault{Method: "POST", Status: 429})
	errs := s.Publish(ctx, items(1))
	require.ErrorIs(t, errs[0], why)
	require.ErrorIs(t, errs[0], driver.ErrNotApplied)
	require.ErrorContains(t, errs[0], "interrupted while waiting for Cloudflare's rate limit")
	require.Empty(t, fake.Names())
}
