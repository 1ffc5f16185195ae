package etcd_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	"github.com/layeron-hq/secret/driver"
)

// busy is a member that holds every login after the first until it is released,
// and accepts only the latest token.
type busy struct {
	fake
	release chan struct{} // each element that is sent releases one login

	mu     sync.Mutex
	logins int
	token  string
}

func newBusy() *busy {
	b := &busy{release: make(chan struct{})}
	b.login = func(ctx context.Context) (*pb.AuthenticateResponse, error) {
		b.mu.Lock()
		b.logins++
		n := b.logins
		b.mu.Unlock()
		if n > 1 {
			select {
			case <-b.release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.token = fmt.Sprint("made-up ", n)
		return &pb.AuthenticateResponse{Token: b.token}, nil
	}
	b.get = func(ctx context.Context, _ *pb.RangeRequest) (*pb.RangeResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		if shown := md.Get(rpctypes.TokenFieldNameGRPC); len(shown) != 1 || shown[0] != b.token {
			return nil, rpctypes.ErrGRPCInvalidAuthToken
		}
		return &pb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Value: []byte(text)}}}, nil
	}
	return b
}

// forget revokes all tokens.
func (b *busy) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token = "none"
}

func (b *busy) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logins
}

// TestLoginOutlivesItsReads: a login that takes longer than its callers wait is
// not started again and again. A thousand replicas whose tokens expired together
// could otherwise prevent etcd from ever completing a login.
func TestLoginOutlivesItsReads(t *testing.T) {
	b := newBusy()
	o := b.start(t)
	o.Username, o.Password = "reader", driver.NewValue(password)
	s := openStore(t, o)
	get := func(limit time.Duration) error {
		got, err := s.Get(within(t, limit), key)
		require.True(t, err != nil || got == text)
		return err
	}
	require.NoError(t, get(deadline))
	b.forget()
	for range 3 {
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				_, err := s.Get(within(t, 100*time.Millisecond), key)
				if err == nil {
					t.Error("there is no token yet")
				}
			})
		}
		all.Wait()
	}
	require.Equal(t, 2, b.count())
	b.release <- struct{}{}
	require.NoError(t, get(deadline))
	require.Equal(t, 2, b.count())

	// After the next expiry there is a new login. Close ends a login that no caller
	// waits for.
	b.forget()
	require.Error(t, get(100*time.Millisecond))
	require.Equal(t, 3, b.count())
	require.NoError(t, s.Close())
	all := make([]byte, 1<<20)
	require.False(t, strings.Contains(string(all[:runtime.Stack(all, true)]), "(*session).run"))
}
