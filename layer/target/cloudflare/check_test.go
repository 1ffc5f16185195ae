package cloudflare

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

func TestCheckFindsRoomAndPermission(t *testing.T) {
	for _, tc := range []struct {
		name     string
		o        cloudflarefake.Options
		stand    int // secrets that stand already
		create   int
		fault    fault
		requests int
		err      string
	}{
		{"room for all", cloudflarefake.Options{}, 10, 90, fault{}, 3, ""},
		{"one too many", cloudflarefake.Options{}, 10, 91, fault{}, 1, "the account uses 10 of its 100 secrets, so 91 more do not fit: remove secrets"},
		{"nothing to create", cloudflarefake.Options{Quota: 3}, 3, 0, fault{}, 2, ""},
		{"no quota to be had", cloudflarefake.Options{}, 0, 1, fault{Path: "/quota", Status: 500, Code: 1, Message: "quota_not_known"}, 1, "ask how many secrets fit: status 500, quota_not_known: "},
		{"a quota that tells nothing", cloudflarefake.Options{}, 0, 1, fault{Path: "/quota", Raw: `{"success":true,"result":{}}`, Applied: now}, 3, ""},
		{"no permission", cloudflarefake.Options{}, 0, 1, fault{Method: "PATCH", Status: 403, Code: 10000}, 3, "try the API token: status 403, code 10000: add the permission Account > Secrets Store > Edit (Secrets Store Write)"},
		{"token refused", cloudflarefake.Options{}, 0, 1, fault{Method: "PATCH", Status: 401}, 3, "the API token is not valid any more"},
		{"malformed token", cloudflarefake.Options{}, 0, 1, fault{Method: "PATCH", Status: 400, Code: 6003}, 3, "the API token is malformed"},
		{"nothing to change", cloudflarefake.Options{}, 0, 1, fault{Method: "PATCH", Status: 400, Code: 1001}, 3, ""},
		{"not known", cloudflarefake.Options{}, 0, 1, fault{Method: "PATCH", Status: 405}, 3, ""},
		{"no end of the rate limit", cloudflarefake.Options{}, 0, 1, fault{Method: "PATCH", Status: 429, Header: http.Header{"Retry-After": {"3600"}}}, 3, "try the API token: status 429: Cloudflare asks to wait"},
		{"no answer", cloudflarefake.Options{}, 0, 1, fault{Method: "PATCH", Drop: true}, 3, "try the API token: the connection ended"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, o := start(t, tc.o)
			for _, i := range items(tc.stand) {
				fake.Put(i.Name, "x", i.Note)
			}
			if tc.fault.Method+tc.fault.Path != "" {
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
			require.Len(t, fake.Requests(), tc.requests)
			require.Len(t, fake.Names(), tc.stand)
			for _, i := range items(tc.stand) {
				stored, _ := fake.Value(i.Name)
				require.Equal(t, "x", stored)
			}
		})
	}
}

// TestReadOnly: a token that may only read is found out before anything changes.
func TestReadOnly(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	fake.Allow("made-up_reads-only", cloudflarefake.ReadSecrets)
	o.Token = driver.NewValue("made-up_reads-only")
	s, _ := open(t, o)
	found, err := s.Inspect(t.Context(), namesOf(items(1)))
	require.NoError(t, err)
	require.Empty(t, found)
	require.ErrorContains(t, s.Check(t.Context(), namesOf(items(1))), "add the permission Account > Secrets Store > Edit")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Check(ctx, nil), context.Canceled)
}
