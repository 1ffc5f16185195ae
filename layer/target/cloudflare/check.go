package cloudflare

import (
	"context"
	"fmt"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/secrets_store"

	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
)

// Check implements [driver.Checker]. It sends one request, which changes nothing,
// and returns an error if the account has no room for the secrets that create
// names. It does not test whether the token may write, because a request that is
// made to fail adds an entry to the account's audit log. The first write shows
// that.
func (s *Store) Check(ctx context.Context, create []string) error {
	if err := context.Cause(ctx); err != nil || len(create) == 0 {
		return err
	}
	return s.room(s.client.Call(ctx), len(create))
}

func (s *Store) room(ctx context.Context, n int) error {
	var q secrets_store.QuotaGetParams
	q.AccountID.Value, q.AccountID.Present = s.client.AccountID, true
	service := secrets_store.NewQuotaService()
	var usage, quota int
	known := false
	_, err := s.client.Do(ctx, "ask how many secrets fit", cloudflareapi.EditSecrets,
		func(ctx context.Context, opts ...option.RequestOption) error {
			res, err := service.Get(ctx, q, opts...)
			if err == nil {
				usage, quota = int(res.Secrets.Usage), int(res.Secrets.Quota)
				known = !res.Secrets.JSON.Quota.IsNull() && !res.Secrets.JSON.Usage.IsNull()
			}
			return err
		})
	if err != nil {
		return err
	}
	if known && usage+n > quota {
		return fmt.Errorf("cloudflare: the account uses %d of its %d secrets, so %d more do not fit: %s", usage, quota,
			n, cloudflareapi.NoRoom)
	}
	return nil
}
