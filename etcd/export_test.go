package etcd

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/layeron-hq/secret/driver"
)

// On returns a Store and a Publisher on the test's connection, so that a test can
// use synctest. They need not be closed.
func On(conn *grpc.ClientConn) (*Store, *Publisher) {
	c := &client{kv: pb.NewKVClient(conn), watch: pb.NewWatchClient(conn), prefix: Options{}.prefix()}
	return &Store{c}, &Publisher{c}
}

// LogIn logs a user in on the test's connection.
func LogIn(ctx context.Context, conn *grpc.ClientConn, user string, password driver.Value) error {
	who := &session{auth: pb.NewAuthClient(conn), user: user, password: password}
	return (&client{session: who}).login(ctx)
}

// Endpoints returns the addresses with scheme.
func Endpoints(o Options) ([]string, error) { return o.endpoints() }
