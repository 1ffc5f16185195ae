package etcd

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/layeron-hq/secret/driver"
)

// On returns what works on a connection that a test has made, so that it can be where time is the test's own. There is nothing to close.
func On(conn *grpc.ClientConn) (*Store, *Publisher) {
	c := &client{kv: pb.NewKVClient(conn), watch: pb.NewWatchClient(conn), prefix: Options{}.prefix()}
	return &Store{c}, &Publisher{c}
}

// LogIn logs a user in on such a connection.
func LogIn(ctx context.Context, conn *grpc.ClientConn, user string, password driver.Value) error {
	who := &session{auth: pb.NewAuthClient(conn), user: user, password: password}
	return (&client{session: who}).login(ctx)
}

// Endpoints returns the addresses in full.
func Endpoints(o Options) ([]string, error) { return o.endpoints() }
