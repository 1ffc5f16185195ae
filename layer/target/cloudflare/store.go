package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/secrets_store"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
)

// Store is a [driver.Publisher] on a Secrets Store, and a [driver.Checker] and
// [driver.Remover]. A request is sent once. It is sent again only after an answer
// that shows that it was not applied: the rate limit, or the refusal of a batch
// because of one secret in it. Errors that wrap [driver.ErrNotApplied] are
// refusals and requests that were never sent.
//
// A Store is safe for concurrent use; concurrent calls have no defined order. It
// redacts the token under every format.
type Store struct {
	client *cloudflareapi.Client
	scopes []string

	mu  sync.Mutex
	id  string            // the store's id; empty until it is known
	ids map[string]string // name -> id of every secret in the last list; nil if it is not known
}

var (
	_ driver.Publisher = (*Store)(nil)
	_ driver.Checker   = (*Store)(nil)
	_ driver.Remover   = (*Store)(nil)
)

// NewStore returns a Store. It sends no request. It returns an error if o is
// incomplete or malformed.
func NewStore(o Options) (*Store, error) {
	c, err := o.client()
	if err != nil {
		return nil, err
	}
	s := &Store{client: c, scopes: slices.Clone(o.Scopes), id: o.StoreID}
	if len(s.scopes) == 0 {
		s.scopes = []string{"workers"}
	}
	return s, nil
}

// Ahead returns the time by which the API's clock is ahead of this machine's, to
// the second, as the date of the last answer showed. known is false before the
// first answer.
func (s *Store) Ahead() (d time.Duration, known bool) { return s.client.Ahead() }

// ID returns the id of the store for use in bindings: Options.StoreID, or the id
// of the account's only store.
func (s *Store) ID(ctx context.Context) (string, error) {
	ctx = s.client.Call(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.storeID(ctx)
}

func (s *Store) storeID(ctx context.Context) (string, error) {
	if s.id != "" {
		return s.id, nil
	}
	var found []secrets_store.StoreListResponse
	services := secrets_store.NewStoreService()
	err := s.client.Pages(ctx, "look for the account's store", cloudflareapi.EditSecrets,
		func(ctx context.Context, page int64, opts ...option.RequestOption) (int, error) {
			var p secrets_store.StoreListParams
			p.AccountID.Value, p.AccountID.Present = s.client.AccountID, true
			p.PerPage.Value, p.PerPage.Present = 100, true
			p.Page.Value, p.Page.Present = page, true
			res, err := services.List(ctx, p, opts...)
			if err != nil {
				return 0, err
			}
			found = append(found, res.Result...)
			return len(res.Result), nil
		})
	if err != nil {
		return "", err
	}
	switch {
	case len(found) == 0:
		return "", errors.New("cloudflare: the account has no secrets store: make one with `wrangler secrets-store " +
			"store create NAME --remote`")
	case len(found) > 1:
		return "", fmt.Errorf("cloudflare: the account has several secrets stores, so give the id "+
			"of one: %s", choices(found))
	case !cloudflareapi.IDForm().MatchString(found[0].ID):
		return "", errors.New("cloudflare: the API returns no usable id for the account's store: give the store's id")
	}
	s.id = found[0].ID
	return s.id, nil
}

func choices(stores []secrets_store.StoreListResponse) string {
	var list []string
	for _, store := range stores {
		if cloudflareapi.IDForm().MatchString(store.ID) && nameForm().MatchString(store.Name) {
			list = append(list, store.ID+" ("+store.Name+")")
		}
	}
	return strings.Join(list, ", ")
}

// String names the account.
func (s *Store) String() string { return "secrets store of " + s.client.String() }

// Format writes the result of String under every verb and flag.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }
