package cloudflareapi

import (
	"context"

	"github.com/cloudflare/cloudflare-go/v7/option"
)

// mostPages limits the length of a list, in case it never ends.
const mostPages = 100

// Pages reads a list to its end, with ctx for every page: cloudflare-go's own
// paging drops it after the first page. list requests one page, the first being
// 1, and returns the number of its entries.
func (c *Client) Pages(ctx context.Context, op string, needs Permission,
	list func(ctx context.Context, page int64, opts ...option.RequestOption) (int, error)) error {
	seen := 0
	for page := int64(1); page <= mostPages; page++ {
		n := 0
		x, err := c.Do(ctx, op, needs, func(ctx context.Context, opts ...option.RequestOption) (err error) {
			n, err = list(ctx, page, opts...)
			return err
		})
		if err != nil {
			return err
		}
		seen += n
		if n == 0 || !x.more(page, seen, n) {
			return nil
		}
	}
	return &Failure{Op: op, NotApplied: true, Detail: "the list has no end", Hint: "run again later"}
}

// more reports whether another page follows. The API may return fewer entries a
// page than requested, and reports the page size.
func (x *Exchange) more(page int64, seen, n int) bool {
	info := x.envelope.Info
	switch {
	case info.TotalCount > float64(seen), info.TotalPages > float64(page):
		return true
	case seen > 0 && info.TotalCount == float64(seen), info.TotalCount == 0 && info.TotalPages > 0:
		return false
	}
	// The answer has no total, or one that is too low.
	return float64(n) >= info.PerPage
}
