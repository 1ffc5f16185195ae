package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/peer"

	"github.com/layeron-hq/secret"
)

// This file keeps the rules of [secret.Watcher] on etcd:
//
//   - Subscribe first, then report every address once, then report changes. A
//     change before the subscription is found by the read after the first report,
//     a later one by an event. So no change is lost between the two.
//   - A report is a hint and has no value. Get is linearizable, so a read after
//     the hint returns that change or a later one.
//   - A gap ends the watch. After a lost stream, a canceled watch or a compaction,
//     events may be missing, and only a new watch reports every address again. So
//     this file never resumes a watch; it returns an error, and the App starts the
//     next watch, with a backoff.
//   - A dead peer ends the watch within 30 seconds: 8 seconds to open a stream and
//     21 seconds of silence at most.
//   - Calls of changed are serial: only the goroutine of Watch makes them.

const (
	// The member is asked every askEvery whether it still answers. The mostSilent-th
	// tick in a row without an answer ends the watch, after 21 seconds.
	askEvery   = 7 * time.Second
	mostSilent = 3
	// openTime bounds the opening of a stream.
	openTime = 8 * time.Second
)

// Watch implements [secret.Watcher], with one stream to one member. It returns an
// error when the stream ends, when the member has had no leader for some seconds,
// because then no change reaches it, and when the member does not answer for 21
// seconds. If ctx ends, it returns the cause.
func (s *Store) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w := watching{addrs: map[string][]secret.Address{}}
	for _, addr := range addrs {
		key, err := s.client.key(secret.BindingOf(ctx, addr))
		if err != nil {
			return err
		}
		if w.addrs[key] == nil {
			w.keys = append(w.keys, key)
		}
		// Two addresses may share a key: it is watched once, and a change is reported for
		// both.
		w.addrs[key] = append(w.addrs[key], addr)
	}
	if len(w.keys) == 0 {
		// A member need not answer on a stream without watches, so silence would end it.
		<-ctx.Done()
		return context.Cause(ctx)
	}
	err := s.client.follow(ctx, &w, changed)
	if w.denied && s.client.session != nil && ctx.Err() == nil {
		// The answer to an expired token can be the same as the answer to a key that the
		// user may not read. So log in again and try once more. Do so only after a denial:
		// a login costs etcd much more than a watch, and when a member is lost, a third of
		// all replicas start a new watch. No change was missed: the second stream reports
		// every address again.
		w.created, w.denied = 0, false
		if err = s.client.login(ctx); err == nil {
			err = s.client.follow(ctx, &w, changed)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("etcd %s: %w", s.client.prefix, err)
}

// watching is the state of one Watch. Only the goroutine of Watch changes it.
type watching struct {
	keys    []string                    // each key once, in the order of the first address
	addrs   map[string][]secret.Address // by key
	created int                         // number of keys whose watch the member has confirmed
	// denied is set when the member refused the watch because of the user or the
	// token.
	denied bool
}

// follow opens one stream, watches all keys on it and reports changes until the
// stream ends. It returns the reason, never nil.
func (c *client) follow(ctx context.Context, w *watching, changed func(secret.Address)) error {
	ctx, end := context.WithCancel(ctx)
	// If a member has too many streams, grpc waits until one ends: openTime bounds
	// that. WithRequireLeader makes a member without a leader end the stream. It could
	// not receive changes, and its silence would look like no change.
	opening := time.AfterFunc(openTime, end)
	stream, err := c.watch.Watch(clientv3.WithRequireLeader(ctx))
	switch inTime := opening.Stop(); {
	case !inTime:
		end()
		return errors.New(unanswered)
	case err != nil:
		end()
		w.denied = outdated(err)
		return errors.New(words(err))
	}
	// Recv blocks, so it has its own goroutine. The loop below can then also detect
	// silence. The end of the stream is sent before answers is closed.
	answers, ended := make(chan *pb.WatchResponse), make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(answers)
		for {
			r, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			select {
			case answers <- r:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
		}
	})
	// Send blocks while the member, or a proxy, does not read. In its own goroutine it
	// cannot stop the receiving, which would be a deadlock if the member waited for
	// this side to read.
	ask := make(chan struct{}, 1)
	running.Go(func() {
		for _, key := range w.keys {
			// One watch per key, not one for the prefix: a role may have permission for these
			// keys only. Recv reports the failure of a Send.
			_ = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte(key)}}})
		}
		for range ask {
			// A live member answers a progress request on the stream. Pings are not enough: a
			// proxy answers them for a dead member.
			_ = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
		}
	})
	defer func() {
		end()
		close(ask)
		running.Wait() // no goroutine outlives the Watch
	}()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for silent := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r, ok := <-answers:
			if !ok {
				err := <-ended
				w.denied = outdated(err)
				return errors.New(words(err) + of(stream.Context()))
			}
			// Until all keys are watched, only a confirmed watch counts as an answer. A member
			// that answers and never confirms all keys reports nothing, so it must count as
			// silent.
			if r.Created || w.complete() {
				silent = 0
			}
			if err := w.take(r, changed); err != nil {
				return err
			}
		case <-tick.C:
			if silent++; silent == mostSilent {
				return errors.New("the member answers nothing any more" + of(stream.Context()))
			}
			select {
			case ask <- struct{}{}:
			default: // the last request is not sent yet
			}
		}
	}
}

// complete reports whether the member has confirmed the watches of all keys.
func (w *watching) complete() bool { return w.created == len(w.keys) }

// take handles one answer of the member, and returns an error if the watch has
// ended. When all keys are watched, it reports every address once, so that the
// caller reads the changes from before the watch.
func (w *watching) take(r *pb.WatchResponse, changed func(secret.Address)) error {
	if r.Canceled {
		// The member ended the watch of one key. The others end with it: the next Watch
		// must report every address again.
		w.denied = r.CompactRevision == 0
		return errors.New("the member ended the watch of a key: " + reason(r))
	}
	if r.Created {
		if w.created++; w.complete() {
			for _, key := range w.keys {
				w.tell(key, changed)
			}
		}
		return nil
	}
	if !w.complete() {
		return nil // the first report of every address follows and covers this change
	}
	// A key with several changes is reported once: the read returns the latest.
	told := map[string]bool{}
	for _, e := range r.Events {
		if e.Kv == nil {
			continue
		}
		if key := string(e.Kv.Key); !told[key] {
			told[key] = true
			w.tell(key, changed)
		}
	}
	return nil
}

// tell reports a change of a key, for each of its addresses. A deletion is a
// change like any other.
func (w *watching) tell(key string, changed func(secret.Address)) {
	for _, addr := range w.addrs[key] {
		changed(addr)
	}
}

// reason returns why a member ended the watch of a key. The member sends the text
// of an etcd error, or the same text in an error of grpc. Any other text is not
// shown, because it may repeat private parts.
func reason(r *pb.WatchResponse) string {
	text := r.CancelReason
	if strings.HasPrefix(text, "rpc error: code = ") {
		_, text, _ = strings.Cut(text, " desc = ")
	}
	if hints[text] != "" {
		return advised(text)
	}
	if r.CompactRevision > 0 {
		return "etcd compacted its history before it reported every change"
	}
	return "the reason is unknown to this version"
}

// of returns the address of the member at the other end of a stream, for an error.
func of(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return " (" + p.Addr.String() + ")"
	}
	return ""
}
