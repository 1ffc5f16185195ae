package bucket

import (
	"context"
	"fmt"

	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Open returns the ledger in a bucket, which need not hold it yet. It asks the
// server whether it honours conditions, and refuses one that does not: there, two
// runs would overwrite each other.
//
// Load of the ledger asks again after a lost answer, for some seconds at most, and
// never returns a state older than one that the ledger has seen. CompareAndSwap finds
// out after a lost answer whether the change was made, and sends it again if it was
// not, eight times at most; a change after which none of the identities could open
// the ledger is refused. The ledger may be used concurrently, and so may several on
// one object. It shows no key, however it is printed.
func Open(ctx context.Context, o Options) (rotate.Ledger, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	place := c.place()
	if err := resend.Try(ctx, c.probe); err != nil {
		return nil, fmt.Errorf("ledger %s: %w", place, err)
	}
	return resend.New(c, place, o.Identities), nil
}
