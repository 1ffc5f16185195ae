package cloudflare

import (
	"context"
	"errors"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/secrets_store"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
)

// Remove implements [driver.Remover]. It lists the store, and deletes each secret
// with one request.
func (s *Store) Remove(ctx context.Context, names []string) []error {
	ctx = s.client.Call(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := make([]error, len(names))
	if len(names) == 0 {
		return nil
	}
	if _, err := s.list(ctx); err != nil {
		return fill(errs, driver.NotApplied(err))
	}
	failed := false
	for i, name := range names {
		if id, ok := s.ids[name]; ok {
			errs[i] = s.delete(ctx, name, id)
			failed = failed || errs[i] != nil
			delete(s.ids, name)
		}
	}
	if !failed {
		return nil
	}
	s.ids = nil
	return errs
}

func (s *Store) delete(ctx context.Context, name, id string) error {
	var p secrets_store.StoreSecretDeleteParams
	p.AccountID.Value, p.AccountID.Present = s.client.AccountID, true
	service := secrets_store.NewStoreSecretService()
	_, err := s.client.Do(ctx, "delete "+name, cloudflareapi.EditSecrets,
		func(ctx context.Context, opts ...option.RequestOption) error {
			_, err := service.Delete(ctx, s.id, id, p, opts...)
			return err
		})
	if f := (*cloudflareapi.Failure)(nil); errors.As(err, &f) && f.Says("secret_not_found") {
		return nil
	}
	return err
}
