package bucket

import (
	"context"
	"fmt"

	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Open returns the ledger in a bucket. The bucket must exist, the object need not.
// Open tests with one request whether the server honors conditions, and refuses a
// server that does not: on such a server, two runs would overwrite each other.
//
// Load reads again after a lost answer, at most eight times with up to some
// seconds between. It never returns a state older than one that the ledger has
// seen. A damaged object is read again for at most six seconds: some servers
// return an object that is only half written. After a lost answer, CompareAndSwap
// finds out whether the change was made. If it was not, it sends the change again,
// at most eight times. It refuses a change after which none of the identities
// could open the ledger. Status 429 or 503 counts as a lost answer. One request
// may take a minute.
//
// The ledger is safe for concurrent use, and so are several ledgers on one object.
// It redacts its keys under every format.
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
