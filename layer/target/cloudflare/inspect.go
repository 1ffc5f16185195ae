package cloudflare

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/secrets_store"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
)

// Inspect is [driver.Publisher]'s. It lists the store, a request for every hundred secrets in it.
func (s *Store) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	if len(names) == 0 {
		return map[string]driver.Published{}, nil
	}
	ctx = s.client.Call(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	listed, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[string]driver.Published, len(names))
	for _, name := range names {
		entry, ok := listed[name]
		if !ok {
			continue
		}
		// As it was given: a time that was parsed and written anew could lose a digit.
		modified, err := strconv.Unquote(entry.JSON.Modified.Raw())
		if err != nil || modified == "" {
			return nil, fmt.Errorf("cloudflare: the API does not tell when %s was modified", name)
		}
		found[name] = driver.Published{
			Note:     entry.Comment,
			Modified: modified,
			Pending:  entry.Status == secrets_store.StoreSecretListResponseStatusPending,
		}
	}
	return found, nil
}

// list returns the store's secrets by name, and remembers their ids.
func (s *Store) list(ctx context.Context) (map[string]secrets_store.StoreSecretListResponse, error) {
	store, err := s.storeID(ctx)
	if err != nil {
		return nil, err
	}
	var entries []secrets_store.StoreSecretListResponse
	service := secrets_store.NewStoreSecretService()
	err = s.client.Pages(ctx, "list the secrets", cloudflareapi.EditSecrets,
		func(ctx context.Context, page int64, opts ...option.RequestOption) (int, error) {
			var p secrets_store.StoreSecretListParams
			p.AccountID.Value, p.AccountID.Present = s.client.AccountID, true
			p.PerPage.Value, p.PerPage.Present = 100, true
			p.Page.Value, p.Page.Present = page, true
			// The oldest first: what is created meanwhile shifts no page.
			p.Direction.Value, p.Direction.Present = secrets_store.StoreSecretListParamsDirectionAsc, true
			res, err := service.List(ctx, store, p, opts...)
			if err != nil {
				return 0, err
			}
			entries = append(entries, res.Result...)
			return len(res.Result), nil
		})
	if err != nil {
		return nil, err
	}
	listed := make(map[string]secrets_store.StoreSecretListResponse, len(entries))
	for _, e := range entries {
		if e.Status == secrets_store.StoreSecretListResponseStatusDeleted {
			continue
		}
		if !cloudflareapi.IDForm().MatchString(e.ID) {
			return nil, fmt.Errorf("cloudflare: the API tells no usable id for a secret")
		}
		if before, ok := listed[e.Name]; ok && before.ID != e.ID {
			return nil, fmt.Errorf("cloudflare: the store has two secrets named %.64q: delete one of them", e.Name)
		}
		listed[e.Name] = e
	}
	s.ids = make(map[string]string, len(listed))
	for name, e := range listed {
		s.ids[name] = e.ID
	}
	return listed, nil
}
