package etcd

import (
	"context"
	"fmt"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/layeron-hq/secret"
)

// Store is a [secret.Store] on etcd, and a [secret.Watcher] and [secret.Locator]. It may be used concurrently, by several Apps
// too. It keeps no values.
type Store struct{ client *client }

// OpenStore returns the store of the values that [Publisher] publishes under the same names. It asks etcd for nothing unless a
// user is given, whom it logs in, within 10 seconds or until ctx ends.
func OpenStore(ctx context.Context, o Options) (*Store, error) {
	c, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Store{c}, nil
}

// Get is [secret.Store]'s. It asks again for some seconds, and other members, where one does not answer.
func (s *Store) Get(ctx context.Context, addr secret.Address) (string, error) {
	key, err := s.client.key(addr.Binding())
	if err != nil {
		return "", err
	}
	var found *pb.RangeResponse
	err = s.client.read(ctx, func(ctx context.Context) (err error) {
		found, err = s.client.kv.Range(ctx, &pb.RangeRequest{Key: []byte(key)})
		return err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", place(key), err)
	case len(found.Kvs) == 0:
		return "", fmt.Errorf("%s does not exist: %w", place(key), secret.ErrNotFound)
	}
	return string(found.Kvs[0].Value), nil
}

// Locate is [secret.Locator]'s: it names the key.
func (s *Store) Locate(addr secret.Address) string { return place(s.client.prefix + addr.Binding()) }

// Close ends the connections. Reads and Watches fail from then on.
func (s *Store) Close() error {
	s.client.close()
	return nil
}

// String names the place of the values.
func (s *Store) String() string { return "etcd " + s.client.prefix }

// Format writes what String returns, under every verb and flag.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String does, for encoding/json and log/slog.
func (s *Store) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
