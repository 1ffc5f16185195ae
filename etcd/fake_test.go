package etcd_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/layeron-hq/secret/etcd"
)

// fake is a member in this process, for behavior that a real member cannot be made
// to show. A method without a function is unimplemented.
type fake struct {
	pb.UnimplementedKVServer
	pb.UnimplementedWatchServer
	pb.UnimplementedAuthServer

	txn   func(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error)
	get   func(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error)
	watch func(watchStream) error
	login func(context.Context) (*pb.AuthenticateResponse, error)

	mu    sync.Mutex
	conns []net.Conn
}

func (f *fake) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if f.txn == nil {
		return f.UnimplementedKVServer.Txn(ctx, r)
	}
	return f.txn(ctx, r)
}

func (f *fake) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	if f.get == nil {
		return f.UnimplementedKVServer.Range(ctx, r)
	}
	return f.get(ctx, r)
}

func (f *fake) Watch(s pb.Watch_WatchServer) error {
	if f.watch == nil {
		return f.UnimplementedWatchServer.Watch(s)
	}
	return f.watch(watchStream{s})
}

func (f *fake) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	if f.login == nil {
		return f.UnimplementedAuthServer.Authenticate(ctx, r)
	}
	return f.login(ctx)
}

// start serves until the test ends.
func (f *fake) start(t testing.TB) etcd.Options {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f.serve(t, l)
	return etcd.Options{Endpoints: []string{l.Addr().String()}, Workspace: "acme", Project: "shop", Environment: "test"}
}

// bubble returns a Store and a Publisher whose member is f, for a bubble of
// testing/synctest. Only the network differs from a real program.
func bubble(t *testing.T, f *fake, o ...grpc.DialOption) (*etcd.Store, *etcd.Publisher) {
	t.Helper()
	return etcd.On(f.connect(t, o...))
}

func (f *fake) connect(t *testing.T, o ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	f.serve(t, l)
	//nolint:staticcheck // the oldest grpc that go.mod allows has no NewClient
	conn, err := grpc.Dial("passthrough:member", append(o, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return l.Dial() }))...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (f *fake) serve(t testing.TB, l net.Listener) {
	server := grpc.NewServer()
	pb.RegisterKVServer(server, f)
	pb.RegisterWatchServer(server, f)
	pb.RegisterAuthServer(server, f)
	var all sync.WaitGroup
	all.Go(func() { _ = server.Serve(counted{l, f}) })
	t.Cleanup(func() {
		server.Stop()
		all.Wait()
	})
}

// drop closes all present connections.
func (f *fake) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
}

// counted records the connections that it accepts.
type counted struct {
	net.Listener
	f *fake
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.f.mu.Lock()
		l.f.conns = append(l.f.conns, c)
		l.f.mu.Unlock()
	}
	return c, err
}

// watchStream is the member's side of a stream.
type watchStream struct{ pb.Watch_WatchServer }

// created confirms a watch. Its id does not matter.
func (s watchStream) created() { _ = s.Send(&pb.WatchResponse{Created: true}) }

// events reports changes, all in one answer.
func (s watchStream) events(keys ...string) {
	r := &pb.WatchResponse{}
	for _, key := range keys {
		r.Events = append(r.Events, &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: []byte(key)}})
	}
	_ = s.Send(r)
}

// asked waits for n requests.
func (s watchStream) asked(n int) (list []*pb.WatchRequest) {
	for range n {
		r, err := s.Recv()
		if err != nil {
			return list
		}
		list = append(list, r)
	}
	return list
}

// idle waits until the client is gone.
func (s watchStream) idle() error {
	<-s.Context().Done()
	return s.Context().Err()
}
