package etcd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// Publisher is a [driver.Publisher] on etcd, and a [driver.Checker],
// [driver.Lister], [driver.Namer] and [driver.Remover]. Text and note are written
// in one transaction, which is sent once. A Publisher is safe for concurrent use,
// and redacts values and password under every format.
type Publisher struct{ client *client }

// OpenPublisher returns a Publisher for the keys that [OpenStore] reads with the
// same Options. If Options have a user, it logs the user in, within 10 seconds or
// until ctx ends. Otherwise it sends no request.
func OpenPublisher(ctx context.Context, o Options) (*Publisher, error) {
	c, err := connectUser(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Publisher{c}, nil
}

// NameOf implements [driver.Namer]: it returns the binding.
func (p *Publisher) NameOf(names driver.Names) string { return names.Binding }

// Publish implements [driver.Publisher]. After a transaction whose outcome is
// unknown it sends no other transaction: each would take as long.
func (p *Publisher) Publish(ctx context.Context, items []driver.Item) []error {
	return p.each(ctx, len(items), func(i int) error { return p.put(ctx, items[i]) })
}

// Remove implements [driver.Remover].
func (p *Publisher) Remove(ctx context.Context, names []string) []error {
	return p.each(ctx, len(names), func(i int) error {
		key, err := p.client.key(names[i])
		if err != nil {
			return driver.NotApplied(err)
		}
		return p.write(ctx, key, del(key), del(key+noteSuffix))
	})
}

// each calls do for n writes, and returns their errors by index. It returns nil if
// there are none. After a write whose outcome is unknown, the others are not sent.
func (p *Publisher) each(ctx context.Context, n int, do func(i int) error) []error {
	var errs []error
	var lost error
	for i := range n {
		err := lost
		if stopped := driver.Stopped(ctx); stopped != nil {
			err = driver.NotApplied(stopped)
		}
		if err == nil {
			err = do(i)
			if unknown(err) {
				lost = driver.NotApplied(fmt.Errorf("not sent, because the outcome of the one "+
					"before is unknown: %w", err))
			}
		}
		if err != nil && errs == nil {
			errs = make([]error, n)
		}
		if err != nil {
			errs[i] = err
		}
		driver.Progress(ctx, i+1)
	}
	return errs
}

func (p *Publisher) put(ctx context.Context, item driver.Item) error {
	key, err := p.client.key(item.Name)
	if err != nil {
		return driver.NotApplied(err)
	}
	text := item.Text.Reveal()
	if size := len(text) + len(item.Note) + 2*len(key); size > most {
		return driver.NotApplied(fmt.Errorf("%s: %w: text and note have %d bytes, and etcd takes at most %d in "+
			"one request", place(key), secret.ErrTooLarge, size, most))
	}
	return p.write(ctx, key, put(key, text), put(key+noteSuffix, item.Note))
}

// write sends one transaction, once. A transaction that is refused because of its
// token does not count: it is sent again with a new token.
func (p *Publisher) write(ctx context.Context, key string, ops ...*pb.RequestOp) error {
	bounded, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	never, err := p.client.signed(bounded, func(ctx context.Context) error {
		_, err := p.client.kv.Txn(ctx, &pb.TxnRequest{Success: ops})
		return err
	})
	if err == nil {
		return nil
	}
	told := fmt.Errorf("%s: %w", place(key), failure(ctx, err, err))
	if never || refused(err) {
		return driver.NotApplied(told)
	}
	return &lostError{told}
}

// lostError is the error of a write that may have been applied, or may still be
// applied.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

func unknown(err error) bool {
	_, is := err.(*lostError)
	return is
}

func put(key, text string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key),
		Value: []byte(text)}}}
}

func del(key string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte(key)}}}
}

func get(key string, keyOnly bool) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key),
		KeysOnly: keyOnly}}}
}

// atOnce is the number of values in one transaction. Each needs two operations,
// and etcd allows at most 128.
const atOnce = 50

// Inspect implements [driver.Publisher]. Modified is etcd's revision of the text.
func (p *Publisher) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	found := map[string]driver.Published{}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	asked := 0
	for some := range slices.Chunk(names, atOnce) {
		var ops []*pb.RequestOp
		for _, name := range some {
			key, err := p.client.key(name)
			if err != nil {
				return nil, err
			}
			ops = append(ops, get(key, true), get(key+noteSuffix, false))
		}
		var r *pb.TxnResponse
		err := p.client.read(ctx, func(ctx context.Context) (err error) {
			r, err = p.client.kv.Txn(ctx, &pb.TxnRequest{Success: ops})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("etcd %s cannot be read: %w", p.client.prefix, err)
		}
		if len(r.Responses) != len(ops) {
			return nil, fmt.Errorf("etcd %s cannot be read: the answer does not match the request", p.client.prefix)
		}
		for i, name := range some {
			text, note := r.Responses[2*i].GetResponseRange().GetKvs(), r.Responses[2*i+1].GetResponseRange().GetKvs()
			if len(text) == 0 {
				continue
			}
			one := driver.Published{Modified: strconv.FormatInt(text[0].ModRevision, 10)}
			if len(note) > 0 {
				one.Note = string(note[0].Value)
			}
			found[name] = one
		}
		asked += len(some)
		driver.Progress(ctx, asked)
	}
	return found, nil
}

// Versions implements [driver.Lister].
func (p *Publisher) Versions(ctx context.Context, name string) ([]string, error) {
	key, err := p.client.key(name)
	if err != nil {
		return nil, err
	}
	var found *pb.RangeResponse
	err = p.client.read(ctx, func(ctx context.Context) (err error) {
		found, err = p.client.kv.Range(ctx, &pb.RangeRequest{Key: []byte(key)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place(key), err)
	}
	var ids []string
	if len(found.Kvs) == 0 {
		return nil, nil
	}
	doc, err := secret.Parse(string(found.Kvs[0].Value))
	if err != nil {
		return nil, nil // the text is no valid document, so it has no versions
	}
	for v := range doc.All() {
		ids = append(ids, v.ID)
	}
	return ids, nil
}

// Check implements [driver.Checker]. It sends transactions that would write these
// values under a condition that is never true. etcd refuses them if the user may
// not write, or if there is no space.
func (p *Publisher) Check(ctx context.Context, create []string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for some := range slices.Chunk(create, atOnce) {
		var ops []*pb.RequestOp
		for _, name := range some {
			key, err := p.client.key(name)
			if err != nil {
				return err
			}
			ops = append(ops, put(key, ""), put(key+noteSuffix, ""))
		}
		// The condition that is never true: a key has a version below zero.
		never := &pb.Compare{Key: ops[0].GetRequestPut().Key, Target: pb.Compare_VERSION, Result: pb.Compare_LESS,
			TargetUnion: &pb.Compare_Version{Version: 0}}
		err := p.client.read(ctx, func(ctx context.Context) error {
			_, err := p.client.kv.Txn(ctx, &pb.TxnRequest{Compare: []*pb.Compare{never}, Success: ops})
			return err
		})
		if err != nil {
			return fmt.Errorf("etcd %s cannot be written: %w", p.client.prefix, err)
		}
	}
	return nil
}

// Close ends the connections.
func (p *Publisher) Close() error {
	p.client.close()
	return nil
}

// String returns "etcd " and the prefix of the keys.
func (p *Publisher) String() string { return "etcd " + p.client.prefix }

// Format writes the result of String under every verb and flag.
func (p *Publisher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (p *Publisher) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
