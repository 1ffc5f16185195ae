package etcd

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// On returns what works on a connection that a test has made, so that it can be where time is the test's own. There is nothing to close.
func On(conn *grpc.ClientConn) (*Store, *Publisher) {
	c := &client{kv: pb.NewKVClient(conn), watch: pb.NewWatchClient(conn), prefix: Options{}.prefix()}
	return &Store{c}, &Publisher{c}
}
