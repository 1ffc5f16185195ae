package bucket

import (
	"context"
	"fmt"
	"io"

	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Ledger is a [rotate.Ledger] in a bucket. It may be used concurrently, and several at once on one object. It shows no key,
// however it is printed.
type Ledger struct {
	inner  *resend.Ledger
	client *client
}

// Open returns the ledger in a bucket, which need not hold it yet. It asks the server whether it honours conditions, and
// refuses one that doesn't: there, two runs would overwrite each other.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	place := c.place()
	if err := resend.Try(ctx, c.probe); err != nil {
		return nil, fmt.Errorf("ledger %s: %w", place, err)
	}
	return &Ledger{inner: resend.New(c, place, o.Identities), client: c}, nil
}

// Load is [rotate.Ledger]'s. It asks again after a lost answer, for some seconds at most, and never returns a state older than
// one that this Ledger has seen.
func (l *Ledger) Load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	return l.inner.Load(ctx)
}

// CompareAndSwap is [rotate.Ledger]'s. After a lost answer it finds out whether the change was made, and sends it again if it
// was not, eight times at most. A change after which none of the identities could open the ledger is refused.
func (l *Ledger) CompareAndSwap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error) {
	return l.inner.CompareAndSwap(ctx, old, next)
}

// String names bucket and object.
func (l *Ledger) String() string { return "ledger " + l.client.place() }

// Format writes what String returns, under every verb and flag.
func (l *Ledger) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// MarshalText returns what String does, for encoding/json and log/slog.
func (l *Ledger) MarshalText() ([]byte, error) { return []byte(l.String()), nil }
