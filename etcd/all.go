package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/layeron-hq/secret"
)

const (
	// mostOps is the number of keys in one transaction: etcd's default limit. With up
	// to that many keys, a transaction is one request too, and reads no other key.
	mostOps = 128
	// rangeFactor bounds a range: it may hold this many keys for each key that is
	// asked for. Every text has a note beside it.
	rangeFactor = 4
	// rangeAgain is the time after which a range is tried again that was denied, or
	// held too much.
	rangeAgain = 10 * time.Minute
	// requests bounds the number of transactions at a time.
	requests = 16
)

// means are the limits that a client has met in requests for many keys.
type means struct {
	noRange atomic.Int64 // until when ranges are not tried, in nanoseconds since 1970
	ops     atomic.Int64 // the largest transaction that etcd takes; 0: not limited yet
}

// GetAll implements [secret.BatchStore]. It reads up to 128 keys in one
// transaction, and more by one range from the first to the last. If the user may
// not read the whole range, if it holds over four times as many keys, or if the
// answer is too large, GetAll reads the keys in transactions of 128, now and in
// the next ten minutes. A key that may not be read is the error of its address
// alone, and wraps [io/fs.ErrPermission]. If a member does not answer, GetAll
// tries again like Get. It is safe for concurrent use.
func (s *Store) GetAll(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r := &reading{c: s.client, found: map[string]string{}, failed: map[string]error{},
		places: make(chan struct{}, requests)}
	keyOf, wrong := make(map[secret.Address]string, len(addrs)), map[secret.Address]error{}
	keys := make([]string, 0, len(addrs))
	for _, addr := range addrs {
		key, err := s.client.key(secret.BindingOf(ctx, addr))
		if err != nil {
			wrong[addr] = err
			continue
		}
		keyOf[addr], keys = key, append(keys, key)
	}
	slices.Sort(keys)
	if err := r.read(ctx, slices.Compact(keys)); err != nil {
		return nil, fmt.Errorf("etcd %s: %w", s.client.prefix, asReader(err))
	}
	texts, failed := make(map[secret.Address]string, len(keyOf)), len(wrong) > 0
	for addr, key := range keyOf {
		text, found := r.found[key]
		switch err := r.failed[key]; {
		case found:
			texts[addr] = text
		case err != nil:
			wrong[addr], failed = fmt.Errorf("%s: %w", place(key), asReader(err)), true
		default:
			wrong[addr] = notFound(key)
		}
	}
	if !failed {
		return texts, nil
	}
	// Beside an error, an address without a text has failed. So each gets its own
	// reason, also the ones that do not exist.
	var errs []error
	for _, addr := range addrs {
		if err := wrong[addr]; err != nil {
			errs = append(errs, &secret.Error{Op: "load", Address: addr, Err: err})
		}
	}
	return texts, errors.Join(errs...)
}

// reading is the state of one GetAll.
type reading struct {
	c      *client
	places chan struct{} // limits the requests at a time

	mu     sync.Mutex
	found  map[string]string // by key
	failed map[string]error  // of single keys
	lost   error             // of a request whose attempts were all in vain
}

// read reads sorted keys. An error concerns all keys.
func (r *reading) read(ctx context.Context, keys []string) error {
	now := time.Now()
	if len(keys) > mostOps && now.UnixNano() >= r.c.means.noRange.Load() {
		done, err := r.inRange(ctx, keys)
		if done || err != nil {
			return err
		}
		r.c.means.noRange.Store(now.Add(rangeAgain).UnixNano())
	}
	r.inChunks(ctx, keys)
	return nil
}

// inRange reads all keys from the first to the last. It reports false if they must
// be read one by one.
func (r *reading) inRange(ctx context.Context, keys []string) (done bool, err error) {
	limit := int64(rangeFactor * len(keys))
	asked := make(map[string]bool, len(keys))
	for _, key := range keys {
		asked[key] = true
	}
	var answer *pb.RangeResponse
	single := false
	err = r.c.readLarge(ctx, func(ctx context.Context) (err error) {
		answer, err = r.c.kv.Range(ctx, &pb.RangeRequest{Key: []byte(keys[0]),
			RangeEnd: []byte(keys[len(keys)-1] + "\x00"), Limit: limit})
		single = ofRequest(err)
		return err
	})
	switch {
	case single:
		return false, nil
	case err != nil:
		return false, err
	case answer.More || int64(len(answer.Kvs)) > limit:
		return false, nil
	}
	for _, kv := range answer.Kvs {
		if asked[string(kv.Key)] {
			r.found[string(kv.Key)] = string(kv.Value)
		}
	}
	return true, nil
}

// inChunks reads keys in transactions, several at a time.
func (r *reading) inChunks(ctx context.Context, keys []string) {
	size := mostOps
	if n := r.c.means.ops.Load(); n > 0 {
		size = int(n)
	}
	var running sync.WaitGroup
	for some := range slices.Chunk(keys, size) {
		running.Go(func() { r.chunk(ctx, some) })
	}
	running.Wait()
}

// chunk reads keys in one request. If the request is refused because of one of
// the keys, or of their number, it reads each half for itself.
func (r *reading) chunk(ctx context.Context, keys []string) {
	r.places <- struct{}{}
	texts, err, split := r.ask(ctx, keys)
	<-r.places
	if split && len(keys) > 1 {
		half := len(keys) / 2
		var running sync.WaitGroup
		for _, some := range [][]string{keys[:half], keys[half:]} {
			running.Go(func() { r.chunk(ctx, some) })
		}
		running.Wait()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case split:
		r.failed[keys[0]] = err
	case err != nil:
		r.lost = err
		for _, key := range keys {
			r.failed[key] = err
		}
	}
	for key, text := range texts {
		r.found[key] = text
	}
}

// ask sends the request for a chunk. split reports that etcd may answer for fewer
// keys.
func (r *reading) ask(ctx context.Context, keys []string) (texts map[string]string, err error, split bool) {
	r.mu.Lock()
	err = r.lost
	r.mu.Unlock()
	if err != nil {
		return nil, err, false // no attempts for this chunk, too
	}
	var answer []*pb.RangeResponse
	err = r.c.readLarge(ctx, func(ctx context.Context) (err error) {
		answer, err = r.c.getKeys(ctx, keys)
		if split = ofRequest(err); desc(err) == desc(rpctypes.ErrGRPCTooManyOps) {
			r.c.means.ops.Store(int64(len(keys) / 2))
		}
		return err
	})
	if err == nil && len(answer) != len(keys) {
		err = errors.New("the answer does not match the request")
	}
	if err != nil {
		return nil, err, split
	}
	texts = make(map[string]string, len(keys))
	for i, key := range keys {
		if kvs := answer[i].GetKvs(); len(kvs) > 0 {
			texts[key] = string(kvs[0].Value)
		}
	}
	return texts, nil, false
}

// getKeys reads keys in one transaction, and a single key as Get does.
func (c *client) getKeys(ctx context.Context, keys []string) ([]*pb.RangeResponse, error) {
	if len(keys) == 1 {
		r, err := c.kv.Range(ctx, &pb.RangeRequest{Key: []byte(keys[0])})
		return []*pb.RangeResponse{r}, err
	}
	ops := make([]*pb.RequestOp, len(keys))
	for i, key := range keys {
		ops[i] = get(key, false)
	}
	r, err := c.kv.Txn(ctx, &pb.TxnRequest{Success: ops})
	if err != nil {
		return nil, err
	}
	answers := make([]*pb.RangeResponse, len(r.Responses))
	for i, one := range r.Responses {
		answers[i] = one.GetResponseRange()
	}
	return answers, nil
}

// ofRequest reports whether etcd refuses a request for several keys, and may
// answer requests for fewer.
func ofRequest(err error) bool {
	return desc(err) == desc(rpctypes.ErrGRPCPermissionDenied) || desc(err) == desc(rpctypes.ErrGRPCTooManyOps) ||
		tooLarge(err)
}

// tooLarge reports whether an answer is larger than this client takes.
func tooLarge(err error) bool {
	return status.Code(err) == codes.ResourceExhausted && strings.Contains(desc(err), "larger than max")
}
