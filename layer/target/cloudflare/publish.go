package cloudflare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/secrets_store"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

const (
	largestValue = 65_536 // bytes
	largestNote  = 200    // bytes
	// A batch is one request. It has at most as many secrets as an account may have,
	// and about a megabyte.
	largestBatch     = 100
	largestBatchBody = 1 << 20
)

var (
	nameForm = lazyregexp.New(`^[A-Za-z0-9_-]{1,255}$`)
	noteForm = lazyregexp.New(`^[ -~]*$`)
)

// Publish implements [driver.Publisher]. Missing secrets are created, many in one
// request. Each existing secret is replaced with a separate request. If one secret
// is the reason why a batch was refused, the batch is sent again in halves.
// Publish uses the ids of the last Inspect, and lists the store if there was none.
// After an answer that applies to every request (a refused token, the rate limit)
// the rest is not sent.
func (s *Store) Publish(ctx context.Context, items []driver.Item) []error {
	ctx = s.client.Call(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := make([]error, len(items))
	seen := map[string]bool{}
	for i, item := range items {
		if err := checkItem(item, seen[item.Name]); err != nil {
			errs[i] = driver.NotApplied(fmt.Errorf("cloudflare: %w", err))
		}
		seen[item.Name] = true
	}
	if s.ids == nil && slices.Contains(errs, nil) {
		if _, err := s.list(ctx); err != nil {
			return fill(errs, driver.NotApplied(err))
		}
	}
	var fresh, known []int
	for i, item := range items {
		switch _, ok := s.ids[item.Name]; {
		case errs[i] != nil:
		case ok:
			known = append(known, i)
		default:
			fresh = append(fresh, i)
		}
	}
	ids := s.ids
	done := len(items) - len(fresh) - len(known)
	var stop error
	for queue := batches(items, fresh); len(queue) > 0; {
		batch := queue[0]
		queue = queue[1:]
		if stop = orStopped(ctx, stop); stop != nil {
			fillOf(errs, batch, stop)
			continue
		}
		err := s.create(ctx, items, batch, errs)
		if stop = forAll(err); stop == nil && splits(err, len(batch)) {
			fillOf(errs, batch, nil)
			queue = append([][]int{batch[:len(batch)/2], batch[len(batch)/2:]}, queue...)
			continue
		}
		done += len(batch)
		driver.Progress(ctx, done)
	}
	for _, i := range known {
		if stop = orStopped(ctx, stop); stop != nil {
			errs[i] = stop
			continue
		}
		errs[i] = s.replace(ctx, items[i], ids[items[i].Name])
		done++
		driver.Progress(ctx, done)
		stop = forAll(errs[i])
	}
	for _, err := range errs {
		if err != nil {
			s.ids = nil // after any error, the store's content is unknown
			return errs
		}
	}
	return nil
}

// orStopped returns the error of every request that is not sent any more: stop,
// or the reason why the caller wants to stop.
func orStopped(ctx context.Context, stop error) error {
	if err := driver.Stopped(ctx); stop == nil && err != nil {
		return driver.NotApplied(err)
	}
	return stop
}

func checkItem(item driver.Item, twice bool) error {
	text := item.Text.Reveal()
	switch {
	case !nameForm().MatchString(item.Name):
		return fmt.Errorf("%.64q cannot be a secret's name: a name has 1 to 255 of A-Z, a-z, 0-9, _ and -", item.Name)
	case twice:
		return fmt.Errorf("%s is given twice", item.Name)
	case text == "":
		return fmt.Errorf("the value of %s is empty", item.Name)
	case len(text) > largestValue:
		return fmt.Errorf("the value of %s has %d bytes and the Secrets Store takes at most %d: shorten it", item.Name,
			len(text), largestValue)
	case !utf8.ValidString(text):
		return fmt.Errorf("the value of %s is not UTF-8, which JSON would change: encode it, in base64 say", item.Name)
	case len(item.Note) > largestNote, !noteForm().MatchString(item.Note):
		return fmt.Errorf("the note of %s is not 0 to %d printable characters of ASCII", item.Name, largestNote)
	}
	return nil
}

// batches divides the new secrets into requests. It returns indexes of items.
func batches(items []driver.Item, fresh []int) (cut [][]int) {
	size := 0
	for _, i := range fresh {
		text, _ := json.Marshal(items[i].Text.Reveal()) // the size includes the escapes
		n := len(text) + len(items[i].Name) + largestNote + 200
		if size == 0 || size+n > largestBatchBody || len(cut[len(cut)-1]) == largestBatch {
			cut, size = append(cut, nil), 0
		}
		cut[len(cut)-1] = append(cut[len(cut)-1], i)
		size += n
	}
	return cut
}

// create sends one batch. It returns the error of the request, and sets the error
// of each secret in errs.
func (s *Store) create(ctx context.Context, items []driver.Item, batch []int, errs []error) error {
	var p secrets_store.StoreSecretNewParams
	p.AccountID.Value, p.AccountID.Present = s.client.AccountID, true
	for _, i := range batch {
		var b secrets_store.StoreSecretNewParamsBody
		b.Name.Value, b.Name.Present = items[i].Name, true
		b.Value.Value, b.Value.Present = items[i].Text.Reveal(), true
		b.Comment.Value, b.Comment.Present = items[i].Note, true
		b.Scopes.Present = true
		for _, scope := range s.scopes {
			b.Scopes.Value = append(b.Scopes.Value, secrets_store.StoreSecretNewParamsBodyScope(scope))
		}
		p.Body = append(p.Body, b)
	}
	op := "create " + items[batch[0]].Name
	if len(batch) > 1 {
		op = fmt.Sprintf("create %d secrets, %s and others", len(batch), items[batch[0]].Name)
	}
	created := map[string]string{}
	service := secrets_store.NewStoreSecretService()
	_, err := s.client.Do(ctx, op, cloudflareapi.EditSecrets,
		func(ctx context.Context, opts ...option.RequestOption) error {
			res, err := service.New(ctx, s.id, p, opts...)
			if err != nil {
				return err
			}
			for _, r := range res.Result {
				if cloudflareapi.IDForm().MatchString(r.ID) &&
					r.Status != secrets_store.StoreSecretNewResponseStatusDeleted {
					created[r.Name] = r.ID
				}
			}
			return nil
		})
	if err != nil {
		if f := (*cloudflareapi.Failure)(nil); errors.As(err, &f) {
			f.OfBatch(len(batch))
		}
		fillOf(errs, batch, err)
		return err
	}
	for _, i := range batch {
		if id, ok := created[items[i].Name]; ok {
			s.ids[items[i].Name] = id
			continue
		}
		errs[i] = fmt.Errorf("cloudflare: create %s: the answer does not mention it: run again to find out whether "+
			"it exists", items[i].Name)
	}
	return nil
}

// splits reports whether a batch of n secrets was refused because of one secret.
// The others must still be sent.
func splits(err error, n int) bool {
	var f *cloudflareapi.Failure
	return n > 1 && errors.As(err, &f) && f.NotApplied && (f.Status == 400 || f.Status == 413 || f.Status == 422) &&
		!f.Says("store_not_found")
}

// replace sends text, note and scopes of an existing secret.
func (s *Store) replace(ctx context.Context, item driver.Item, id string) error {
	var p secrets_store.StoreSecretEditParams
	p.AccountID.Value, p.AccountID.Present = s.client.AccountID, true
	p.Value.Value, p.Value.Present = item.Text.Reveal(), true
	p.Comment.Value, p.Comment.Present = item.Note, true
	p.Scopes.Present = true
	for _, scope := range s.scopes {
		p.Scopes.Value = append(p.Scopes.Value, secrets_store.StoreSecretEditParamsScope(scope))
	}
	service := secrets_store.NewStoreSecretService()
	_, err := s.client.Do(ctx, "replace "+item.Name, cloudflareapi.EditSecrets,
		func(ctx context.Context, opts ...option.RequestOption) error {
			_, err := service.Edit(ctx, s.id, id, p, opts...)
			return err
		})
	return err
}

// forAll returns the error for the secrets that are not sent, because they would
// get the same answer. It returns nil if err applies to one secret only.
func forAll(err error) error {
	var f *cloudflareapi.Failure
	if !errors.As(err, &f) || f.Status != 401 && f.Status != 403 && f.Status != 429 && !f.BadToken() {
		return nil
	}
	rest := *f
	rest.Op, rest.NotApplied = "not sent, since another was refused", true
	return &rest
}

// fill sets err for every secret that has no error.
func fill(errs []error, err error) []error {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

func fillOf(errs []error, of []int, err error) {
	for _, i := range of {
		errs[i] = err
	}
}
