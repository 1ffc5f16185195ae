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
// Load of the ledger asks again after a lost answer, eight times at most with some
// seconds between, and never returns a state older than one that the ledger has
// seen. An object that is damaged is read again for six seconds at most: some
// servers answer with one that is only half written. CompareAndSwap finds out after
// a lost answer whether the change was made, and sends it again if it was not, eight
// times at most; a change after which none of the identities could open the ledger
// is refused. Status 429 or 503 counts as a lost answer. One request may take a
// minute.
//
// The ledger may be used concurrently, and so may several on one object. It shows no
// key, however it is printed.
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
