package cloudflareapi

import (
	"context"

	"github.com/cloudflare/cloudflare-go/v7/option"
)

// mostPages ends the reading of a list that never ends.
const mostPages = 100

// pages reads a list to its end, with ctx for every page: cloudflare-go's own paging forgets it after the first. list asks
// for one page, 1 being the first, and tells how many entries came.
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

// more tells whether a list goes on after a page. The API may give fewer entries a page than it was asked for, and says so.
func (x *Exchange) more(page int64, seen, n int) bool {
	info := x.envelope.Info
	switch {
	case info.TotalCount > float64(seen), info.TotalPages > float64(page):
		return true
	case seen > 0 && info.TotalCount == float64(seen), info.TotalCount == 0 && info.TotalPages > 0:
		return false
	}
	// It tells no totals, or less than there was.
	return float64(n) >= info.PerPage
}
