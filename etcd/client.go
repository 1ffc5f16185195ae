package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/layeron-hq/secret"
)

// client sends requests. clientv3 dials and spreads them over the members; they are made here, each once, since its own calls wait and
// try again in silence, a watch for ever.
type client struct {
	etcd    *clientv3.Client
	kv      pb.KVClient
	watch   pb.WatchClient
	session *session // nil: nobody is logged in
	prefix  string
}

const (
	// A member that has frozen is noticed after both at most; etcd refuses more pings than that.
	pingAfter = 10 * time.Second
	pongTime  = 5 * time.Second
	// loginTime bounds the wait for a login, and longestLogin the login.
	loginTime    = 10 * time.Second
	longestLogin = 2 * time.Minute
	// attemptTime bounds one attempt of a read, after which another member is asked.
	attemptTime = 3 * time.Second
	attempts    = 6
	// writeTime bounds a write, which is sent once.
	writeTime = 10 * time.Second
	// most is what a member takes in one request, less than it has by default.
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
			Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second}}),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(2<<20), grpc.MaxCallRecvMsgSize(64<<20)),
	}
	if o.TLS != nil && o.TLS.ServerName != "" {
		dial = append(dial, grpc.WithAuthority(o.TLS.ServerName)) // else grpc looks for the endpoint's
	}
	var who *session
	if o.Username != "" {
		who = &session{user: o.Username, password: o.Password}
		dial = append(dial, grpc.WithPerRPCCredentials(who))
	}
	made, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, TLS: o.TLS, DialKeepAliveTime: pingAfter, DialKeepAliveTimeout: pongTime, DialOptions: dial,
		MaxUnaryRetries: 1,            // it would repeat even what was sent, where the answer is that it came too late
		Logger:          zap.NewNop(), // what fails is told by errors
	})
	if err != nil {
		return nil, errors.New("etcd: no member can be asked: correct the endpoints")
	}
	conn := made.ActiveConnection()
	c := &client{etcd: made, kv: pb.NewKVClient(conn), watch: pb.NewWatchClient(conn), session: who, prefix: o.prefix()}
	if who != nil {
		who.auth = pb.NewAuthClient(conn)
	}
	if err := c.login(ctx); err != nil {
		c.close()
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return c, nil
}

// bindingForm is compiled at its first use: programs that only import the
// package do not pay for it.
var bindingForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Z0-9_]{1,200}$`) })

// key is that of a text; the error repeats nothing of the name.
func (c *client) key(binding string) (string, error) {
	if !bindingForm().MatchString(binding) {
		return "", fmt.Errorf("etcd: %w: a binding name has 1 to 200 of A-Z, 0-9 and _", secret.ErrInvalid)
	}
	return c.prefix + binding, nil
}

// close ends the connections and everything that goes on over them.
func (c *client) close() {
	_ = c.etcd.Close() // tells nothing but that it was closed before
	c.session.wait()
}

const noteSuffix = ".note"

// read makes attempts until one is answered; what is asked changes nothing.
func (c *client) read(ctx context.Context, ask func(context.Context) error) error {
	var before error
	for try := 0; ; try++ {
		if ctx.Err() != nil {
			return failure(ctx, nil, before)
		}
		bounded, cancel := context.WithTimeout(ctx, attemptTime)
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

// leastPause keeps a pause from being none at all.
const leastPause = 5 * time.Millisecond

// pause is how long to wait after an attempt, the first being 0: full jitter, so
// that a thousand replicas do not come back together.
func pause(try int) time.Duration {
	return max(leastPause, rand.N(min(50*time.Millisecond<<min(try, 10), time.Second)))
}
