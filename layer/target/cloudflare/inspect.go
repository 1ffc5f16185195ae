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

// Inspect implements [driver.Publisher]. It lists the store, with one request for
// every hundred secrets.
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
		// Use the time in the form of the API: a time that is parsed and formatted again
		// could lose a digit.
		modified, err := strconv.Unquote(entry.JSON.Modified.Raw())
		if err != nil || modified == "" {
			return nil, fmt.Errorf("cloudflare: the API does not return when %s was modified", name)
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
			// Oldest first: a secret that is created meanwhile does not shift the pages.
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
			return nil, fmt.Errorf("cloudflare: the API returns no usable id for a secret")
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
