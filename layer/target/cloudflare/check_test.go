package cloudflare

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

// TestCheckFindsRoom: Check only reads. It sends no write to see whether it fails.
func TestCheckFindsRoom(t *testing.T) {
	for _, tc := range []struct {
		name     string
		o        cloudflarefake.Options
		stand    int // number of existing secrets
		create   int
		fault    fault
		requests []string
		err      string
	}{
		{"room for all", cloudflarefake.Options{}, 10, 90, fault{}, []string{"GET"}, ""},
		{"one too many", cloudflarefake.Options{}, 10, 91, fault{}, []string{"GET"},
			"the account uses 10 of its 100 secrets, so 91 more do not fit: remove unused secrets"},
		{"nothing to create", cloudflarefake.Options{Quota: 3}, 3, 0, fault{}, nil, ""},
		{"no quota to be had", cloudflarefake.Options{}, 0, 1,
			fault{Path: "/quota", Status: 500, Code: 1, Message: "quota_not_known"}, []string{"GET"},
			"ask how many secrets fit: status 500, quota_not_known: "},
		{"a quota that tells nothing", cloudflarefake.Options{}, 0, 1,
			fault{Path: "/quota", Raw: `{"success":true,"result":{}}`, Applied: now}, []string{"GET"}, ""},
		{"token refused", cloudflarefake.Options{}, 0, 1, fault{Status: 401}, []string{"GET"},
			"the API token is no longer valid"},
		{"malformed token", cloudflarefake.Options{}, 0, 1, fault{Status: 400, Code: 6003}, []string{"GET"},
			"the API token is malformed"},
		{"no end of the rate limit", cloudflarefake.Options{}, 0, 1,
			fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}, []string{"GET"},
			"ask how many secrets fit: status 429: Cloudflare asks to wait"},
		{"no answer", cloudflarefake.Options{}, 0, 1, fault{Drop: true}, []string{"GET"},
			"ask how many secrets fit: the connection ended"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, o := start(t, tc.o)
			for _, i := range items(tc.stand) {
				fake.Put(i.Name, "x", i.Note)
			}
			if tc.fault.Drop || tc.fault.Status != 0 || tc.fault.Raw != "" {
				fake.Fail(tc.fault)
			}
			s, _ := open(t, o)
			err := s.Check(t.Context(), namesOf(items(tc.stand + tc.create)[tc.stand:]))
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.err)
				quiet(t, err)
			}
			require.Equal(t, tc.requests, methods(fake.Requests()))
			require.Len(t, fake.Names(), tc.stand)
			for _, i := range items(tc.stand) {
				stored, _ := fake.Value(i.Name)
				require.Equal(t, "x", stored)
			}
		})
	}
}

// TestReadOnlyTokenIsRefusedByTheFirstWrite: the error of the first write names
// the permission. No earlier request tests for it.
func TestReadOnlyTokenIsRefusedByTheFirstWrite(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	fake.Allow("made-up_reads-only", cloudflarefake.ReadSecrets)
	o.Token = driver.NewValue("made-up_reads-only")
	s, _ := open(t, o)
	found, err := s.Inspect(t.Context(), namesOf(items(1)))
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, s.Check(t.Context(), namesOf(items(1))))
	fake.Forget()
	for _, err := range s.Publish(t.Context(), items(3)) {
		require.ErrorContains(t, err, "add the permission Account > Secrets Store > Edit (Secrets Store Write)")
		require.ErrorIs(t, err, driver.ErrNotApplied)
	}
	require.Equal(t, []string{"POST"}, methods(fake.Requests()))
	require.Empty(t, fake.Names())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Check(ctx, namesOf(items(1))), context.Canceled)
}
