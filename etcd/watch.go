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

const (
	// askEvery is how often a member is asked whether it is there still, and mostSilent how often in vain.
	askEvery   = 7 * time.Second
	mostSilent = 3
	// openTime bounds the opening of a stream.
	openTime = 8 * time.Second
)

// Watch is [secret.Watcher]'s: one stream to one member. It ends where the stream does; where the member has had no leader for some
// seconds, since nothing reaches it then; and where it answers nothing for 21 seconds.
func (s *Store) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w := watching{addrs: map[string][]secret.Address{}}
	for _, addr := range addrs {
		key, err := s.client.key(addr.Binding())
		if err != nil {
			return err
		}
		if w.addrs[key] == nil {
			w.keys = append(w.keys, key)
		}
		w.addrs[key] = append(w.addrs[key], addr)
	}
	if len(w.keys) == 0 {
		<-ctx.Done() // a member that watches nothing may answer nothing
		return context.Cause(ctx)
	}
	err := s.client.follow(ctx, &w, changed)
	if w.denied && s.client.session != nil && ctx.Err() == nil {
		// A member may tell of a token that has ended in the words it has for a key that may not be read. Only then: a login costs
		// etcd much more than a watch, and where a member is lost a third of all replicas begin anew.
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

// watching is what a Watch has to tell of.
type watching struct {
	keys    []string
	addrs   map[string][]secret.Address // by key
	created int                         // so many keys are watched
	denied  bool                        // the member refused it to who asked
}

// follow returns why it ended.
func (c *client) follow(ctx context.Context, w *watching, changed func(secret.Address)) error {
	ctx, end := context.WithCancel(ctx)
	opening := time.AfterFunc(openTime, end) // where a member has too many streams, grpc waits until it has not
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
	// Sending waits where the member, or a proxy, takes in no more.
	ask := make(chan struct{}, 1)
	running.Go(func() {
		for _, key := range w.keys {
			// Key by key: a role may read these alone. A failure shows where the answers are received.
			_ = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte(key)}}})
		}
		for range ask {
			// A member that is there answers this, on the stream: a proxy between would answer pings for it.
			_ = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
		}
	})
	defer func() {
		end()
		close(ask)
		running.Wait() // until nothing of it is left
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
			if r.Created || w.complete() {
				silent = 0 // a member that answers, and never watches all keys, is as good as silent
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
			default: // asked already
			}
		}
	}
}

func (w *watching) complete() bool { return w.created == len(w.keys) }

// take tells of what a member has told. Once all keys are watched it tells of every one: what changed before shows then.
func (w *watching) take(r *pb.WatchResponse, changed func(secret.Address)) error {
	if r.Canceled {
		w.denied = r.CompactRevision == 0
		return errors.New("the member watches no more: " + reason(r))
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
		return nil // it is told of with all others
	}
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

func (w *watching) tell(key string, changed func(secret.Address)) {
	for _, addr := range w.addrs[key] {
		changed(addr)
	}
}

// reason is why a member ended the watch of a key. It says so in the words of an error, or of one of grpc.
func reason(r *pb.WatchResponse) string {
	text := r.CancelReason
	if strings.HasPrefix(text, "rpc error: code = ") {
		_, text, _ = strings.Cut(text, " desc = ")
	}
	if hints[text] != "" {
		return advised(text)
	}
	if r.CompactRevision > 0 {
		return "it was compacted before it could tell of everything"
	}
	return "it says no reason that is known"
}

// of names the member at the other end of a stream.
func of(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return " (" + p.Addr.String() + ")"
	}
	return ""
}
