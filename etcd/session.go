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

	"github.com/layeron-hq/secret/driver"
)

// session shows who asks: a token, for which etcd was shown a user and a password. It goes with every request but that for a token:
// clientv3 shows the old one there too, which etcd 3.4 refuses, so that nobody whose token had ended would get another.
type session struct {
	auth     pb.AuthClient
	user     string
	password driver.Value

	mu      sync.Mutex
	token   string
	running *login // nil: nobody logs in
}

// login is one that all wait for who have noticed that a token has ended. It goes on when they have gone: where a thousand replicas log
// in at once each waits for half a minute, and what was given up would be work for nothing, again and again.
type login struct {
	ended chan struct{} // closed once it has
	err   error         // set then
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
	s.mu.Lock()
	if s.token != refused {
		s.mu.Unlock()
		return nil
	}
	l := s.running
	if l == nil {
		l = &login{ended: make(chan struct{})}
		s.running = l
		go s.run(l)
	}
	s.mu.Unlock()
	select {
	case <-l.ended:
		return l.err
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// run logs in. A member that has frozen ends it, as it ends every request, by answering no ping.
func (s *session) run(l *login) {
	ctx, cancel := context.WithTimeout(context.Background(), longestLogin)
	defer cancel()
	r, err := s.auth.Authenticate(ctx, &pb.AuthenticateRequest{Name: s.user, Password: s.password.Reveal()})
	if err != nil && desc(err) == desc(rpctypes.ErrGRPCAuthNotEnabled) {
		err = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.token = r.GetToken()
	}
	l.err, s.running = err, nil
	close(l.ended)
}

// wait waits for a login that runs.
func (s *session) wait() {
	if s == nil {
		return
	}
	s.mu.Lock()
	l := s.running
	s.mu.Unlock()
	if l != nil {
		<-l.ended
	}
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
