package etcd

import (
	"context"
	"fmt"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/layeron-hq/secret"
)

// Store is a [secret.Store] on etcd, and a [secret.BatchStore], a [secret.Watcher]
// and a [secret.Locator]. It is safe for concurrent use, also by several Apps. It
// caches no values.
type Store struct{ client *client }

// OpenStore returns the store of the values that a [Publisher] with the same
// Options publishes. If Options have a user, it logs the user in, within 10
// seconds or until ctx ends. Otherwise it sends no request.
//
// A login that gets no answer is no error: an App can start from its cache while
// etcd is down, and the first read that etcd answers logs the user in. A wrong
// user or password is an error.
func OpenStore(ctx context.Context, o Options) (*Store, error) {
	c, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.login(ctx); err != nil && (ctx.Err() != nil || answered(err)) {
		c.close()
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return &Store{c}, nil
}

// Get implements [secret.Store]. If a member does not answer, it tries again for
// some seconds, also with other members. If there is no such key, the error wraps
// [secret.ErrNotFound], and if the user may not read it or may not log in any
// more, [io/fs.ErrPermission].
func (s *Store) Get(ctx context.Context, addr secret.Address) (string, error) {
	key, err := s.client.key(secret.BindingOf(ctx, addr))
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
		return "", fmt.Errorf("%s: %w", place(key), asReader(err))
	case len(found.Kvs) == 0:
		return "", notFound(key)
	}
	return string(found.Kvs[0].Value), nil
}

func notFound(key string) error {
	return fmt.Errorf("%s does not exist: %w", place(key), secret.ErrNotFound)
}

// Locate implements [secret.Locator]: it names the key of the derived binding
// name.
func (s *Store) Locate(addr secret.Address) string { return place(s.client.prefix + addr.Binding()) }

// Close ends the connections. Reads and Watches fail from then on.
func (s *Store) Close() error {
	s.client.close()
	return nil
}

// String returns "etcd " and the prefix of the keys.
func (s *Store) String() string { return "etcd " + s.client.prefix }

// Format writes the result of String under every verb and flag.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (s *Store) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
