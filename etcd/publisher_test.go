package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// text is a value that no error may show.
const text = "sk_live-kept-9RbL4nHc8sQ1"

func items(n int) (list []driver.Item) {
	for i := range n {
		list = append(list, driver.Item{Name: fmt.Sprintf("ITEM_%d", i), Text: driver.NewValue(text),
			Note: fmt.Sprintf("note %d", i)})
	}
	return list
}

func names(list []driver.Item) (names []string) {
	for _, item := range list {
		names = append(names, item.Name)
	}
	return names
}

// TestSentOnce: a request is sent once, under any failure. A refusal is reported
// as not applied, and the other requests are sent. After any other failure the
// outcome is unknown, and no other request is sent.
func TestSentOnce(t *testing.T) {
	own := func(c codes.Code) error { return status.Error(c, "of "+password+" and "+text) }
	dropped := errors.New("the connection is closed")
	hangs := errors.New("there is no answer")
	for _, tc := range []struct {
		name    string
		answer  error
		refused bool
		says    string
	}{
		{"permission denied", rpctypes.ErrGRPCPermissionDenied, true, "permission denied: let the user's role read " +
			"this key, or write it and its note"},
		{"no user", rpctypes.ErrGRPCUserEmpty, true, "etcd asks for a user"},
		{"a token that is no more", rpctypes.ErrGRPCInvalidAuthToken, true, "run it again to log in again"},
		{"an old token", rpctypes.ErrGRPCAuthOldRevision, true, "run it again to log in again"},
		{"too large", rpctypes.ErrGRPCRequestTooLarge, true, "let fewer versions be retained, or " +
			"raise --max-request-bytes"},
		{"too many operations", rpctypes.ErrGRPCTooManyOps, true, "raise --max-txn-ops"},
		{"too many requests", rpctypes.ErrGRPCRequestTooManyRequests, true, "run it again later"},
		{"PermissionDenied", own(codes.PermissionDenied), true, "answers PermissionDenied"},
		{"ResourceExhausted", own(codes.ResourceExhausted), true, "answers ResourceExhausted"},
		{"InvalidArgument", own(codes.InvalidArgument), true, "answers InvalidArgument"},
		{"Unauthenticated", own(codes.Unauthenticated), true, "answers Unauthenticated"},
		{"Unimplemented", own(codes.Unimplemented), true, "answers Unimplemented"},

		// etcd applies the write, and reports that there was no space for it.
		{"no space", rpctypes.ErrGRPCNoSpace, false, "compact and defragment etcd"},
		{"timed out", rpctypes.ErrGRPCTimeout, false, "a majority of the members must be up"},
		{"no leader", rpctypes.ErrGRPCNoLeader, false, "a majority of the members must be up"},
		{"leader changed", rpctypes.ErrGRPCLeaderChanged, false, "leader changed"},
		{"Unavailable", own(codes.Unavailable), false, "the connection was lost"},
		{"as clientv3 repeats it", status.Error(codes.Unavailable, "there is no connection available"), false,
			"the connection was lost"},
		{"DeadlineExceeded", own(codes.DeadlineExceeded), false, "no answer in time"},
		{"Canceled", own(codes.Canceled), false, "answers Canceled"},
		{"Internal", own(codes.Internal), false, "answers Internal"},
		{"Unknown", own(codes.Unknown), false, "answers Unknown"},
		{"Aborted", own(codes.Aborted), false, "answers Aborted"},
		{"DataLoss", own(codes.DataLoss), false, "answers DataLoss"},
		{"a stream that is ended", status.Error(codes.ResourceExhausted, "stream terminated by RST_STREAM with error "+
			"code: ENHANCE_YOUR_CALM"), false, "answers ResourceExhausted"},
		{"dropped", dropped, false, "the connection was lost"},
		{"hangs", hangs, false, "the test is over"},
	} {
		for kind, change := range map[string]func(context.Context, *fake, int) []error{
			"publish": func(ctx context.Context, f *fake, n int) []error {
				return openPublisher(t, f.start(t)).Publish(ctx, items(n))
			},
			"remove": func(ctx context.Context, f *fake, n int) []error {
				return openPublisher(t, f.start(t)).Remove(ctx, names(items(n)))
			},
		} {
			t.Run(tc.name+"/"+kind, func(t *testing.T) {
				const n = 3
				ctx, cancel := context.WithCancelCause(t.Context())
				var mu sync.Mutex
				var sent []string
				f := &fake{}
				f.txn = func(_ context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
					mu.Lock()
					defer mu.Unlock()
					op := r.Success[0]
					sent = append(sent, string(op.GetRequestPut().GetKey())+string(op.GetRequestDeleteRange().GetKey()))
					switch tc.answer {
					case dropped:
						f.drop()
					case hangs:
						cancel(errOver)
					}
					return nil, tc.answer
				}
				errs := change(ctx, f, n)
				mu.Lock()
				defer mu.Unlock()
				key := func(i int) string { return "/layer/acme/shop/test/" + items(n)[i].Name }
				require.Len(t, errs, n)
				require.ErrorContains(t, errs[0], tc.says)
				for i, err := range errs {
					require.Empty(t, redacttest.Check(err, password, text))
					if tc.refused {
						require.ErrorIs(t, err, driver.ErrNotApplied)
						require.ErrorContains(t, err, "etcd key "+key(i)+": ")
					}
				}
				if tc.refused {
					require.Equal(t, []string{key(0), key(1), key(2)}, sent)
					return
				}
				require.Equal(t, []string{key(0)}, sent)
				require.NotErrorIs(t, errs[0], driver.ErrNotApplied)
				for _, err := range errs[1:] {
					require.ErrorIs(t, err, driver.ErrNotApplied)
				}
				if tc.answer == hangs {
					require.ErrorIs(t, errs[0], errOver)
				} else {
					require.ErrorContains(t, errs[1], "not sent, because the outcome of the one before is unknown: ")
				}
			})
		}
	}
}

// TestWriteIsBounded: a write ends in bounded time.
func TestWriteIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		_, p := bubble(t, &fake{txn: func(ctx context.Context, _ *pb.TxnRequest) (*pb.TxnResponse, error) {
			sent.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		began := time.Now()
		errs := p.Publish(t.Context(), items(10))
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, int64(1), sent.Load())
		require.NotErrorIs(t, errs[0], driver.ErrNotApplied)
		require.ErrorContains(t, errs[0], "no answer in time")
	})
}

// TestTokenRenewed: a request that is refused for its token is sent again with a
// new one. Without a new token, it counts as refused.
func TestTokenRenewed(t *testing.T) {
	for _, refusal := range []error{rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCAuthOldRevision,
		rpctypes.ErrGRPCUserEmpty} {
		for _, tc := range []struct {
			name   string
			login  func(n int) error // of login n, from 1
			always bool              // refuse the request under any token
			sent   int
			says   string
		}{
			{"and there is one", func(int) error { return nil }, false, 2, ""},
			{"in vain", func(int) error { return nil }, true, 2, rpctypes.Error(refusal).Error()[len("etcdserver: "):]},
			{"and there is none for this password any more", func(n int) error {
				if n > 1 {
					return rpctypes.ErrGRPCAuthFailed
				}
				return nil
			}, false, 1, "authentication failed, invalid user ID or password: correct user and password"},
			{"and nobody can be asked for one", func(n int) error {
				if n > 1 {
					return status.Error(codes.Unavailable, password)
				}
				return nil
			}, false, 1, "the connection was lost, or there is none"},
		} {
			t.Run(rpctypes.ErrorDesc(refusal)+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				logins, sent, reads := 0, 0, 0
				f := &fake{
					login: func(ctx context.Context) (*pb.AuthenticateResponse, error) {
						mu.Lock()
						defer mu.Unlock()
						if token(ctx) != "" { // etcd 3.4 checks the token here too
							return nil, rpctypes.ErrGRPCInvalidAuthToken
						}
						logins++
						return &pb.AuthenticateResponse{Token: fmt.Sprint("token ", logins)}, tc.login(logins)
					},
					txn: func(ctx context.Context, _ *pb.TxnRequest) (*pb.TxnResponse, error) {
						mu.Lock()
						defer mu.Unlock()
						if sent++; token(ctx) == "token 1" || tc.always {
							return nil, refusal
						}
						return &pb.TxnResponse{}, nil
					},
					get: func(ctx context.Context, _ *pb.RangeRequest) (*pb.RangeResponse, error) {
						mu.Lock()
						defer mu.Unlock()
						if reads++; token(ctx) == "token 1" || tc.always {
							return nil, refusal
						}
						return &pb.RangeResponse{}, nil
					},
				}
				o := f.start(t)
				o.Username, o.Password = "writer", driver.NewValue(password)
				p := openPublisher(t, o)
				errs := p.Publish(t.Context(), items(1))
				require.Equal(t, tc.sent, sent)
				if tc.says == "" {
					require.Nil(t, errs)
				} else {
					require.ErrorIs(t, errs[0], driver.ErrNotApplied)
					require.ErrorContains(t, errs[0], tc.says)
					require.Empty(t, redacttest.Check(errs[0], password, text))
				}
				mu.Lock()
				logins = 0
				mu.Unlock()
				s := openStore(t, o)
				_, err := s.Get(t.Context(), addresses(1)[0])
				if tc.says == "" {
					require.ErrorIs(t, err, secret.ErrNotFound)
					require.Equal(t, 2, reads)
					return
				}
				require.ErrorContains(t, err, tc.says)
				require.NotErrorIs(t, err, secret.ErrNotFound)
				require.Empty(t, redacttest.Check(err, password))
			})
		}
	}
}

func token(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	return strings.Join(md.Get(rpctypes.TokenFieldNameGRPC), "")
}

// TestOneLogin: callers whose token expired share one login, and all continue with
// the new token.
func TestOneLogin(t *testing.T) {
	var mu sync.Mutex
	logins := 0
	valid := func() string { return fmt.Sprint("token ", logins) }
	o := (&fake{
		login: func(context.Context) (*pb.AuthenticateResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			logins++
			return &pb.AuthenticateResponse{Token: valid()}, nil
		},
		get: func(ctx context.Context, _ *pb.RangeRequest) (*pb.RangeResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			if token(ctx) != valid() {
				return nil, rpctypes.ErrGRPCInvalidAuthToken
			}
			return &pb.RangeResponse{}, nil
		},
	}).start(t)
	o.Username, o.Password = "reader", driver.NewValue(password)
	s := openStore(t, o)
	mu.Lock()
	logins = 100
	mu.Unlock()
	const n = 64
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := s.Get(t.Context(), addresses(1)[0])
			errs <- err
		}()
	}
	for range n {
		require.ErrorIs(t, <-errs, secret.ErrNotFound)
	}
	require.Equal(t, 101, logins)
}

// TestNotSent: an item that is invalid is refused before it is sent, and the other
// items are sent.
func TestNotSent(t *testing.T) {
	const most = 3<<19 - 4096
	long := strings.Repeat("x", most)
	for _, tc := range []struct {
		name string
		item driver.Item
		is   error
		says string
	}{
		{"no name", driver.Item{Text: driver.NewValue(text)}, secret.ErrInvalid, "a binding name has"},
		{"another key", driver.Item{Name: "../" + text, Text: driver.NewValue(text)},
			secret.ErrInvalid, "a binding name has"},
		{"a note's name", driver.Item{Name: "ITEM_1.note", Text: driver.NewValue(text)},
			secret.ErrInvalid, "a binding name has"},
		{"too large", driver.Item{Name: "ITEM_1", Text: driver.NewValue(text + long)}, secret.ErrTooLarge,
			"etcd key /layer/acme/shop/test/ITEM_1: "},
		{"too large with its note", driver.Item{Name: "ITEM_1", Text: driver.NewValue(long[300:]), Note: long[:300]},
			secret.ErrTooLarge, "etcd takes at most 1568768 in one request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var sent []string // in order
			p := openPublisher(t, (&fake{txn: func(_ context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
				sent = append(sent, string(r.Success[0].GetRequestPut().GetKey()))
				return &pb.TxnResponse{}, nil
			}}).start(t))
			list := items(3)
			list[1] = tc.item
			errs := p.Publish(t.Context(), list)
			require.Equal(t, []string{"/layer/acme/shop/test/ITEM_0", "/layer/acme/shop/test/ITEM_2"}, sent)
			require.NoError(t, errs[0])
			require.NoError(t, errs[2])
			require.ErrorIs(t, errs[1], driver.ErrNotApplied)
			require.ErrorIs(t, errs[1], tc.is)
			require.ErrorContains(t, errs[1], tc.says)
			require.Empty(t, redacttest.Check(errs[1], text))
		})
	}
	t.Run("the context has ended", func(t *testing.T) {
		p := openPublisher(t, (&fake{}).start(t))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errOver)
		errs := append(p.Publish(ctx, items(2)), p.Remove(ctx, []string{"ITEM_0"})...)
		require.Len(t, errs, 3)
		for _, err := range errs {
			require.ErrorIs(t, err, driver.ErrNotApplied)
			require.ErrorIs(t, err, errOver)
		}
	})
}

// TestAnswersOfAnother: a server whose answer does not match the request is no
// etcd.
func TestAnswersOfAnother(t *testing.T) {
	p := openPublisher(t, (&fake{txn: func(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
		return &pb.TxnResponse{}, nil
	}}).start(t))
	_, err := p.Inspect(t.Context(), []string{"ITEM_0"})
	require.ErrorContains(t, err, "the answer does not match the request")
}
