package etcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/status"

	"github.com/layeron-hq/secret/driver"
)

// session is the token of a user. etcd issues it for a user and a password. Every
// request carries the token, except the request for a new one. clientv3 sends the
// old token there too. etcd 3.4 refuses that, so a client with an expired token
// could never get another one.
type session struct {
	auth     pb.AuthClient
	user     string
	password driver.Value

	mu      sync.Mutex
	token   string
	running *login // nil: no login is in flight
}

// login is an in-flight login, shared by every caller whose token expired. It
// continues after its callers stopped waiting. If a thousand replicas log in at
// the same time, each waits for half a minute. If a login ended with its callers,
// etcd would do that work in vain, again and again.
type login struct {
	ended chan struct{} // closed when the login has ended
	err   error         // set before ended is closed
}

// GetRequestMetadata implements grpc's credentials.PerRPCCredentials. It returns
// the token.
func (s *session) GetRequestMetadata(_ context.Context, service ...string) (map[string]string, error) {
	token := s.current()
	if token == "" || len(service) > 0 && strings.HasSuffix(service[0], "/etcdserverpb.Auth") {
		return nil, nil
	}
	return map[string]string{rpctypes.TokenFieldNameGRPC: token}, nil
}

// RequireTransportSecurity implements grpc's credentials.PerRPCCredentials. It
// returns false: over http, any machine on the way can read the values, so the
// token needs no more protection than they have.
func (s *session) RequireTransportSecurity() bool { return false }

func (s *session) current() string {
	if s == nil {
		return "" // without a user
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// renew replaces the token that was refused, unless another caller has replaced it
// already. Concurrent callers share one login.
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

// run logs in. If the member freezes, the missing answers to pings end the login,
// like every request.
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

// wait waits for the login in flight, if there is one.
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

// login gets a new token if there is a user.
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
		return fmt.Errorf("the user cannot be logged in: %w", err)
	}
	return nil
}

// answered reports whether etcd itself refused a login.
func answered(err error) bool {
	var wrong badLogin
	return errors.As(err, &wrong) || errors.Is(err, fs.ErrPermission)
}

// signed calls ask. If the request is refused only because of its token, signed
// gets a new token and calls ask once more. refused reports that the request was
// refused for its token, and that there is no new one.
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

// outdated reports whether a request was refused because of its token.
func outdated(err error) bool {
	switch desc(err) {
	case desc(rpctypes.ErrGRPCInvalidAuthToken), desc(rpctypes.ErrGRPCAuthOldRevision), desc(rpctypes.ErrGRPCUserEmpty):
		return true
	}
	return false
}
