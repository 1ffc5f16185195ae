package cloudflare

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/secrets_store"

	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
)

// Check is [driver.Checker]'s: it reports whether the account has room for the secrets that create names, and whether the
// token may write. For the latter it replaces nothing of a secret that does not exist, which changes nothing.
func (s *Store) Check(ctx context.Context, create []string) error {
	ctx = s.client.Call(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(create) > 0 {
		if err := s.room(ctx, len(create)); err != nil {
			return err
		}
	}
	store, err := s.storeID(ctx)
	if err != nil {
		return err
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	var p secrets_store.StoreSecretEditParams
	p.AccountID.Value, p.AccountID.Present = s.client.AccountID, true
	service := secrets_store.NewStoreSecretService()
	_, err = s.client.Do(ctx, "try the API token", cloudflareapi.EditSecrets, func(ctx context.Context, opts ...option.RequestOption) error {
		_, err := service.Edit(ctx, store, hex.EncodeToString(id[:]), p, opts...)
		return err
	})
	// Whoever is told that there is no such secret may write. What else the API says is for the real requests to find out.
	if f := (*cloudflareapi.Failure)(nil); errors.As(err, &f) && f.Status != 0 && f.Status != 401 && f.Status != 403 && f.Status != 429 && !f.BadToken() {
		return nil
	}
	return err
}

func (s *Store) room(ctx context.Context, n int) error {
	var q secrets_store.QuotaGetParams
	q.AccountID.Value, q.AccountID.Present = s.client.AccountID, true
	service := secrets_store.NewQuotaService()
	var usage, quota int
	known := false
	_, err := s.client.Do(ctx, "ask how many secrets fit", cloudflareapi.EditSecrets, func(ctx context.Context, opts ...option.RequestOption) error {
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
		return fmt.Errorf("cloudflare: the account uses %d of its %d secrets, so %d more do not fit: %s", usage, quota, n, cloudflareapi.NoRoom)
	}
	return nil
}
