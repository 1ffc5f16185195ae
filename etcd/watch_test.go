package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// deadline is the longest time in which a Watch must detect a dead peer.
const deadline = 30 * time.Second

var errOver = errors.New("the test is over")

func addresses(n int) (list []secret.Address) {
	for i := range n {
		list = append(list, secret.Address{Namespace: "many", Name: fmt.Sprintf("key-%d", i)})
	}
	return list
}

// progress answers progress requests for some time.
func (s watchStream) progress(long time.Duration) {
	for end := time.Now().Add(long); time.Now().Before(end) && s.Context().Err() == nil; {
		for _, r := range s.asked(1) {
			if r.GetProgressRequest() != nil {
				_ = s.Send(&pb.WatchResponse{WatchId: -1})
			}
		}
	}
}

// The member is connected and answers grpc's own pings, but no progress request. A
// proxy in front of a dead member may do so.
func TestSilentMemberEndsAWatch(t *testing.T) {
	const n = 3
	for _, tc := range []struct {
		name   string
		addrs  int
		member func(s watchStream)
		from   time.Duration // when it falls silent
		calls  int
	}{
		{"from the start", n, func(watchStream) {}, 0, 0},
		{"it reads", n, func(s watchStream) { s.asked(n) }, 0, 0},
		{"one key is watched", n, func(s watchStream) { s.asked(n); s.created() }, 0, 0},
		{"all keys are watched", n, func(s watchStream) {
			s.asked(n)
			for range n {
				s.created()
			}
		}, 0, n},
		{"it was there for two minutes", n, func(s watchStream) {
			s.asked(n)
			for range n {
				s.created()
			}
			s.progress(2 * time.Minute)
		}, 2 * time.Minute, n},
		{"it tells nothing of one key, however often it is asked", n, func(s watchStream) {
			s.asked(n)
			for range n - 1 {
				s.created()
			}
			s.progress(time.Hour)
		}, 0, 0},
		{"it takes in no more", 5000, func(watchStream) {}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, _ := bubble(t, &fake{watch: func(s watchStream) error {
					tc.member(s)
					return s.idle()
				}})
				began, calls := time.Now(), 0
				err := store.Watch(within(t, 24*time.Hour), addresses(tc.addrs), func(secret.Address) { calls++ })
				require.ErrorContains(t, err, "the member answers nothing any more (bufconn)")
				require.Less(t, time.Since(began)-tc.from, deadline)
				require.GreaterOrEqual(t, time.Since(began), tc.from)
				require.Equal(t, tc.calls, calls)
			})
		})
	}
}

// TestOpeningIsBounded: opening a stream may need a login first, which may hang.
func TestOpeningIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := bubble(t, &fake{},
			grpc.WithStreamInterceptor(func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string,
				_ grpc.Streamer, _ ...grpc.CallOption) (grpc.ClientStream, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}))
		began := time.Now()
		err := store.Watch(within(t, 24*time.Hour), addresses(1), func(secret.Address) {})
		require.ErrorContains(t, err, "no answer in time")
		require.Less(t, time.Since(began), deadline)
	})
}

// The member answers late, or rarely, or has no change to report.
func TestSlowMemberIsNotGivenUp(t *testing.T) {
	const n = 10
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(within(t, 24*time.Hour))
		store, _ := bubble(t, &fake{watch: func(s watchStream) error {
			s.asked(n)
			for range n { // takes 50 seconds in all
				time.Sleep(5 * time.Second)
				s.created()
			}
			s.progress(time.Hour)
			cancel(errOver)
			return s.idle()
		}})
		calls := map[secret.Address]int{}
		began, last := time.Now(), time.Duration(0)
		err := store.Watch(ctx, addresses(n), func(addr secret.Address) {
			calls[addr]++
			last = time.Since(began)
		})
		require.Equal(t, errOver, err)
		require.Equal(t, 50*time.Second, last)
		require.Len(t, calls, n)
		for addr, times := range calls {
			require.Equal(t, 1, times, addr)
		}
	})
}

// TestNothingToWatch: a Watch without addresses reports nothing, and ends with its
// context.
func TestNothingToWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := bubble(t, &fake{watch: watchStream.idle})
		ctx, cancel := context.WithCancelCause(within(t, 24*time.Hour))
		time.AfterFunc(time.Hour, func() { cancel(errOver) })
		began := time.Now()
		require.Equal(t, errOver, store.Watch(ctx, nil,
			func(secret.Address) { require.Fail(t, "a change was reported") }))
		require.Equal(t, time.Hour, time.Since(began))
	})
}

func TestWatchReportsEachChange(t *testing.T) {
	o := (&fake{}).start(t)
	at := func(i int) string { return prefix(o) + addresses(i + 1)[i].Binding() }
	for _, tc := range []struct {
		name   string
		member func(s watchStream)
		want   []int // of the first address, of the second, …
	}{
		{"all, once they are watched", func(s watchStream) { s.created(); s.created() }, []int{1, 1}},
		{"none before", func(s watchStream) { s.created() }, []int{0, 0}},
		{"a change before all are watched, with all",
			func(s watchStream) { s.created(); s.events(at(0)); s.created() }, []int{1, 1}},
		{"a change", func(s watchStream) { s.created(); s.created(); s.events(at(1)) }, []int{1, 2}},
		{"several of one key in one answer, once", func(s watchStream) {
			s.created()
			s.created()
			s.events(at(0),
				at(0), at(1), at(0))
		}, []int{2, 2}},
		{"several of one key in several answers, each",
			func(s watchStream) { s.created(); s.created(); s.events(at(0)); s.events(at(0)) }, []int{3, 1}},
		{"keys that nobody has asked for, not", func(s watchStream) {
			s.created()
			s.created()
			s.events("/layer/else",
				at(2), "")
		}, []int{1, 1}},
		{"an event of no key, not", func(s watchStream) {
			s.created()
			s.created()
			_ = s.Send(&pb.WatchResponse{Events: []*mvccpb.Event{{}}})
		}, []int{1, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := (&fake{watch: func(s watchStream) error {
				for _, r := range s.asked(2) {
					if c := r.GetCreateRequest(); len(c.GetRangeEnd()) > 0 ||
						c.GetStartRevision() != 0 || c.GetPrevKv() {
						t.Error("it asks for more than the changes of its keys")
					}
				}
				tc.member(s)
				return rpctypes.ErrGRPCNoLeader // ends the watch
			}}).start(t)
			calls := make([]int, 3)
			err := openStore(t, o).Watch(within(t, 5*time.Second), addresses(2), func(addr secret.Address) {
				for i, each := range addresses(3) {
					if each == addr {
						calls[i]++
					}
				}
			})
			require.ErrorContains(t, err, "no leader: a majority of the members must be up")
			require.Equal(t, append(tc.want, 0), calls)
		})
	}
}

// TestOneKeyForTwo: an address that is given twice is watched once.
func TestOneKeyForTwo(t *testing.T) {
	o := (&fake{watch: func(s watchStream) error {
		s.asked(1)
		s.created()
		return rpctypes.ErrGRPCNoLeader
	}}).start(t)
	calls := 0
	err := openStore(t, o).Watch(within(t, deadline), append(addresses(1), addresses(1)...),
		func(secret.Address) { calls++ })
	require.ErrorContains(t, err, "no leader")
	require.Positive(t, calls)
}

// The error repeats no text of the member.
func TestEndOfAWatchIsExplained(t *testing.T) {
	canceled := func(why string) func(watchStream) error {
		return func(s watchStream) error {
			s.asked(1)
			_ = s.Send(&pb.WatchResponse{Created: true, Canceled: true, WatchId: -1, CancelReason: why})
			return s.idle()
		}
	}
	fails := func(err error) func(watchStream) error {
		return func(s watchStream) error {
			s.asked(1)
			return err
		}
	}
	for _, tc := range []struct {
		name   string
		member func(s watchStream) error
		says   string
	}{
		{"no permission", canceled(rpctypes.ErrGRPCPermissionDenied.Error()), "the member ended the watch of a key: " +
			"permission denied: let the user's role read this key"},
		{"no permission, in other words", canceled(rpctypes.ErrorDesc(rpctypes.ErrGRPCPermissionDenied)),
			"permission denied: let the user's role read this key"},
		{"a token that is no more", canceled(rpctypes.ErrGRPCInvalidAuthToken.Error()), "invalid auth token: run it " +
			"again to log in again"},
		{"an old token", canceled(rpctypes.ErrGRPCAuthOldRevision.Error()), "revision of auth store is old: run it " +
			"again to log in again"},
		{"no user", canceled(rpctypes.ErrGRPCUserEmpty.Error()), "user name is empty: etcd asks for a user: " +
			"give one, and a password"},
		{"a reason of its own", canceled("because of " + password), "the reason is unknown to this version"},
		{"compacted", func(s watchStream) error {
			s.asked(1)
			s.created()
			_ = s.Send(&pb.WatchResponse{Canceled: true, CompactRevision: 7})
			return s.idle()
		}, "etcd compacted its history before it reported every change"},
		{"no leader", fails(rpctypes.ErrGRPCNoLeader), "no leader: a majority of the members must be up, and reach " +
			"each other (127.0.0.1:"},
		{"it stops", fails(status.Error(codes.Unavailable, password)), "the connection was lost, or there is none"},
		{"it fails", fails(status.Error(codes.Internal, password)), "etcd, or a proxy on the way, " +
			"answers Internal (127.0.0.1:"},
		{"it wants nobody", fails(status.Error(codes.PermissionDenied, password)), "answers PermissionDenied"},
		{"it has had enough", fails(nil), "the member has ended the watch (127.0.0.1:"},
		{"it has had enough at once", func(watchStream) error { return nil }, "the member has ended the watch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := openStore(t, (&fake{watch: tc.member}).start(t))
			began := time.Now()
			err := store.Watch(within(t, 5*time.Second), addresses(1), func(secret.Address) {})
			require.ErrorContains(t, err, "etcd /layer/acme/shop/test/: ")
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, redacttest.Check(err, password))
			require.Less(t, time.Since(began), 5*time.Second)
			nothingRuns(t)
		})
	}
}

// TestContextEnds: at every stage, a Watch whose context ends soon returns the
// cause and leaves no goroutine.
func TestContextEnds(t *testing.T) {
	type stage struct {
		name   string
		member func(t *testing.T, reached func()) etcd.Options
		during func(cancel func()) // runs in each call of changed
	}
	watches := func(do func(s watchStream, reached func())) func(*testing.T, func()) etcd.Options {
		return func(t *testing.T, reached func()) etcd.Options {
			return (&fake{watch: func(s watchStream) error {
				do(s, reached)
				return s.idle()
			}}).start(t)
		}
	}
	const n = 100
	for _, tc := range []stage{
		{name: "before it begins", member: func(t *testing.T, reached func()) etcd.Options {
			reached()
			return (&fake{}).start(t)
		}},
		{name: "connecting", member: func(t *testing.T, reached func()) etcd.Options {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var all sync.WaitGroup
			t.Cleanup(func() {
				_ = l.Close()
				all.Wait()
			})
			all.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					defer c.Close()
					reached()
				}
			})
			return etcd.Options{Endpoints: []string{l.Addr().String()}}
		}},
		{name: "logging in", member: func(t *testing.T, reached func()) etcd.Options {
			var before sync.Mutex
			logins := 0
			o := (&fake{login: func(ctx context.Context) (*pb.AuthenticateResponse, error) {
				before.Lock()
				logins++
				first := logins == 1
				before.Unlock()
				if !first {
					reached()
					<-ctx.Done()
				}
				return &pb.AuthenticateResponse{Token: "made-up"}, ctx.Err()
			}, watch: refusing}).start(t)
			o.Username, o.Password = "reader", driver.NewValue(password)
			return o
		}},
		{name: "nothing is read yet", member: watches(func(_ watchStream, reached func()) { reached() })},
		{name: "asked for one key of many",
			member: watches(func(s watchStream, reached func()) { s.asked(1); reached() })},
		{name: "asked for all", member: watches(func(s watchStream, reached func()) { s.asked(n); reached() })},
		{name: "some are watched",
			member: watches(func(s watchStream, reached func()) { s.asked(n); s.created(); reached() })},
		{name: "in a first call", member: watches(func(s watchStream, reached func()) {
			s.asked(n)
			for range n {
				s.created()
			}
		}), during: func(cancel func()) { cancel() }},
		{name: "events come", member: watches(func(s watchStream, reached func()) {
			s.asked(n)
			for range n {
				s.created()
			}
			for i := 0; s.Context().Err() == nil; i++ {
				if s.events("/layer/acme/shop/test/" + addresses(1)[0].Binding()); i == n {
					reached()
				}
			}
		})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(within(t, 24*time.Hour))
			over := func() { cancel(errOver) }
			var store *etcd.Store
			if tc.name == "before it begins" {
				store = openStore(t, tc.member(t, over))
			} else {
				store = openStore(t, tc.member(t, func() { time.AfterFunc(10*time.Millisecond, over) }))
			}
			began := time.Now()
			err := store.Watch(ctx, addresses(n), func(secret.Address) {
				if tc.during != nil {
					tc.during(over)
				}
			})
			require.Equal(t, errOver, err)
			require.Less(t, time.Since(began), 4*time.Second)
			nothingRuns(t)
		})
	}
}

// refusing ends a watch like etcd 3.4 after a token expired, or for a key that may
// not be read.
func refusing(s watchStream) error {
	s.asked(1)
	_ = s.Send(&pb.WatchResponse{Created: true, Canceled: true, CancelReason: rpctypes.ErrGRPCPermissionDenied.Error()})
	return s.idle()
}

// TestLoginsOfWatches: a Watch that is refused logs in again and tries once more.
// A Watch that has only lost its member does not log in: a login costs etcd a
// hundred times as much as a watch, and a thousand replicas may have lost the same
// member.
func TestLoginsOfWatches(t *testing.T) {
	lost := func(s watchStream) error {
		s.asked(1)
		s.created()
		return nil
	}
	for _, tc := range []struct {
		name    string
		streams []func(watchStream) error // one after the other; the last one repeats
		watches int
		logins  int // including the login of OpenStore
		says    string
		calls   int
	}{
		{"lost", []func(watchStream) error{lost}, 3, 1, "the member has ended the watch", 3},
		{"refused for its token", []func(watchStream) error{refusing, lost}, 3, 2, "the member has ended the watch", 3},
		{"refused by an error",
			[]func(watchStream) error{func(watchStream) error { return rpctypes.ErrGRPCInvalidAuthToken }, lost}, 1, 2,
			"the member has ended the watch", 1},
		{"may not read it", []func(watchStream) error{refusing}, 2, 3, "permission denied: let the user's " +
			"role read this key", 0},
		{"compacted", []func(watchStream) error{func(s watchStream) error {
			_ = s.Send(&pb.WatchResponse{Canceled: true, CompactRevision: 7})
			return s.idle()
		}}, 2, 1, "etcd compacted its history", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var mu sync.Mutex
			logins, streams, calls := 0, 0, 0
			f := &fake{login: func(context.Context) (*pb.AuthenticateResponse, error) {
				mu.Lock()
				defer mu.Unlock()
				logins++
				return &pb.AuthenticateResponse{Token: fmt.Sprint("made-up ", logins)}, nil
			}, watch: func(s watchStream) error {
				mu.Lock()
				next := tc.streams[min(streams, len(tc.streams)-1)]
				streams++
				mu.Unlock()
				return next(s)
			}}
			o := f.start(t)
			o.Username, o.Password = "reader", driver.NewValue(password)
			store := openStore(t, o)
			for range tc.watches {
				err := store.Watch(within(t, deadline), addresses(1), func(secret.Address) { calls++ })
				require.ErrorContains(t, err, tc.says)
			}
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, tc.logins, logins)
			require.Equal(t, tc.calls, calls)
		})
	}
}

func TestClosedStoreAsksNothing(t *testing.T) {
	o := (&fake{watch: func(s watchStream) error {
		s.asked(1)
		s.created()
		return s.idle()
	}}).start(t)
	store, err := etcd.OpenStore(t.Context(), o)
	require.NoError(t, err)
	err = store.Watch(within(t, deadline), addresses(1), func(secret.Address) { require.NoError(t, store.Close()) })
	require.ErrorContains(t, err, "it was closed")
	began := time.Now()
	_, err = store.Get(t.Context(), addresses(1)[0])
	require.ErrorContains(t, err, "it was closed")
	require.ErrorContains(t, store.Watch(within(t, deadline), addresses(1), func(secret.Address) {}), "it was closed")
	require.Less(t, time.Since(began), time.Second)
	require.NoError(t, store.Close())
	nothingRuns(t)
}
