package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/status"

	"github.com/layeron-hq/secret/rotate"
)

// session shows who asks: a token, for which etcd was shown a user and a password. It goes with every request but that for a token:
// clientv3 shows the old one there too, which etcd 3.4 refuses, so that nobody whose token had ended would get another.
type session struct {
	auth     pb.AuthClient
	user     string
	password rotate.Value
	turn     chan struct{} // taken by who logs in: many notice at once that a token has ended

	mu    sync.Mutex
	token string
}

// GetRequestMetadata is grpc's.
func (s *session) GetRequestMetadata(_ context.Context, service ...string) (map[string]string, error) {
	token := s.current()
	if token == "" || len(service) > 0 && strings.HasSuffix(service[0], "/etcdserverpb.Auth") {
		return nil, nil
	}
	return map[string]string{rpctypes.TokenFieldNameGRPC: token}, nil
}

// RequireTransportSecurity is grpc's: over http values are seen by everybody on the way, and so may this be.
func (s *session) RequireTransportSecurity() bool { return false }

func (s *session) current() string {
	if s == nil {
		return "" // nobody has to log in
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// renew gets a token in place of the one that was refused, unless somebody else has.
func (s *session) renew(ctx context.Context, refused string) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	if s.current() != refused {
		return nil
	}
	r, err := s.auth.Authenticate(ctx, &pb.AuthenticateRequest{Name: s.user, Password: s.password.Reveal()})
	if err != nil && desc(err) != desc(rpctypes.ErrGRPCAuthNotEnabled) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = r.GetToken()
	return nil
}

// login gets a new token, where there is a user.
func (c *client) login(ctx context.Context) error {
	if c.session == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	before := c.session.current()
	err := c.read(bounded, func(ctx context.Context) error { return c.session.renew(ctx, before) })
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = errors.New(unanswered)
	}
	if err != nil {
		return fmt.Errorf("nobody can be logged in: %w", err)
	}
	return nil
}

// signed makes a request, and once more under another token where that was all it was refused for. Refused tells that it was, and that
// there is no other.
func (c *client) signed(ctx context.Context, ask func(context.Context) error) (refused bool, err error) {
	token := c.session.current()
	if err = ask(ctx); c.session == nil || !outdated(err) {
		return false, err
	}
	if err = c.session.renew(ctx, token); err != nil {
		return true, err
	}
	return false, ask(ctx)
}

func outdated(err error) bool {
	switch desc(err) {
	case desc(rpctypes.ErrGRPCInvalidAuthToken), desc(rpctypes.ErrGRPCAuthOldRevision), desc(rpctypes.ErrGRPCUserEmpty):
		return true
	}
	return false
}
