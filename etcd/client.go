package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/layeron-hq/secret"
)

// client sends requests. clientv3 dials the members and distributes the requests
// among them. The requests themselves are made here, each once, because clientv3's
// own calls wait and retry without a report, a watch without a limit.
type client struct {
	etcd    *clientv3.Client
	kv      pb.KVClient
	watch   pb.WatchClient
	session *session // nil: without a user
	prefix  string
	means   means
}

const (
	// A frozen member is detected after at most pingAfter + pongTime. etcd refuses
	// more frequent pings.
	pingAfter = 10 * time.Second
	pongTime  = 5 * time.Second
	// loginTime bounds the wait for a login, and longestLogin the login itself.
	loginTime    = 10 * time.Second
	longestLogin = 2 * time.Minute
	// attemptTime bounds one attempt of a read. The next attempt may use another
	// member.
	attemptTime = 3 * time.Second
	attempts    = 6
	// writeTime bounds a write, which is sent once.
	writeTime = 10 * time.Second
	// most is the largest text and note of one write, in bytes: etcd's default limit
	// for a request, 1.5 MiB, less a reserve.
	most = 3<<19 - 4096
)

func connect(ctx context.Context, o Options) (*client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	endpoints, err := o.endpoints()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dial := []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
			Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2,
				MaxDelay: 5 * time.Second}}),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(2<<20), grpc.MaxCallRecvMsgSize(64<<20)),
	}
	if o.TLS != nil && o.TLS.ServerName != "" {
		// Without it, grpc verifies the endpoint's name.
		dial = append(dial, grpc.WithAuthority(o.TLS.ServerName))
	}
	var who *session
	if o.Username != "" {
		who = &session{user: o.Username, password: o.Password}
		dial = append(dial, grpc.WithPerRPCCredentials(who))
	}
	made, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, TLS: o.TLS, DialKeepAliveTime: pingAfter, DialKeepAliveTimeout: pongTime,
		DialOptions: dial,
		// Otherwise clientv3 would retry even a request that was sent and answered with a
		// timeout.
		MaxUnaryRetries: 1,
		Logger:          zap.NewNop(), // errors report failures
	})
	if err != nil {
		return nil, errors.New("etcd: the client cannot be created: correct the endpoints")
	}
	conn := made.ActiveConnection()
	c := &client{etcd: made, kv: pb.NewKVClient(conn), watch: pb.NewWatchClient(conn), session: who, prefix: o.prefix()}
	if who != nil {
		who.auth = pb.NewAuthClient(conn)
	}
	return c, nil
}

// connectUser is connect with a login, if there is a user.
func connectUser(ctx context.Context, o Options) (*client, error) {
	c, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.login(ctx); err != nil {
		c.close()
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return c, nil
}

// bindingForm is compiled at its first use: programs that only import the
// package do not pay for it.
var bindingForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$`)
})

// key returns the key of a text. The error repeats no part of the name.
func (c *client) key(binding string) (string, error) {
	if !bindingForm().MatchString(binding) || strings.HasSuffix(binding, noteSuffix) {
		return "", fmt.Errorf("etcd: %w: a binding name has 1 to 200 letters, digits, _, - and ., not - or . first, "+
			"and does not end in .note", secret.ErrInvalid)
	}
	return c.prefix + binding, nil
}

// close ends the connections and every request on them.
func (c *client) close() {
	_ = c.etcd.Close() // its only error is that it was closed before
	c.session.wait()
}

const noteSuffix = ".note"

// read makes attempts until one is answered. ask must not change anything in etcd.
func (c *client) read(ctx context.Context, ask func(context.Context) error) error {
	return c.attempt(ctx, 0, ask)
}

// readLarge is read for answers that may take long to arrive: each attempt may
// take twice as long as the one before.
func (c *client) readLarge(ctx context.Context, ask func(context.Context) error) error {
	return c.attempt(ctx, 1, ask)
}

func (c *client) attempt(ctx context.Context, growth int, ask func(context.Context) error) error {
	var before error
	for try := 0; ; try++ {
		if ctx.Err() != nil {
			return failure(ctx, nil, before)
		}
		bounded, cancel := context.WithTimeout(ctx, attemptTime<<(growth*try))
		_, err := c.signed(bounded, ask)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			before = err
		}
		if !passing(err) || try+1 == attempts {
			return failure(ctx, err, before)
		}
		wait := time.NewTimer(pause(try))
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
	}
}

func place(key string) string { return "etcd key " + key }

// leastPause is the shortest pause that full jitter may choose.
const leastPause = 5 * time.Millisecond

// pause returns the time to wait after an attempt. The first attempt is 0. It uses
// full jitter, so that a thousand replicas do not retry together.
func pause(try int) time.Duration {
	return max(leastPause, rand.N(min(50*time.Millisecond<<min(try, 10), time.Second)))
}
