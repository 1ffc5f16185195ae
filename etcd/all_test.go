package etcd_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// keys is a member that holds texts, and counts the requests.
type keys struct {
	texts  map[string]string
	ranges error           // of a range of several keys
	denied map[string]bool // may not be read
	most   int             // operations of a transaction
	down   error           // of every request

	mu      sync.Mutex
	several int   // ranges of several keys
	single  int   // reads of one key
	txns    []int // operations of each transaction
}

func (k *keys) one(key string) (*pb.RangeResponse, error) {
	if k.denied[key] {
		return nil, rpctypes.ErrGRPCPermissionDenied
	}
	r := &pb.RangeResponse{}
	if text, found := k.texts[key]; found {
		r.Kvs = []*mvccpb.KeyValue{{Key: []byte(key), Value: []byte(text)}}
	}
	return r, nil
}

func (k *keys) open(t *testing.T) *etcd.Store {
	s, _ := bubble(t, &fake{
		get: func(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if r.Serializable {
				t.Error("it may be an old one")
			}
			if len(r.RangeEnd) == 0 {
				k.single++
				if k.down != nil {
					return nil, k.down
				}
				return k.one(string(r.Key))
			}
			k.several++
			answer := &pb.RangeResponse{}
			for _, key := range slices.Sorted(maps.Keys(k.texts)) {
				switch {
				case key < string(r.Key) || key >= string(r.RangeEnd):
				case r.Limit > 0 && len(answer.Kvs) == int(r.Limit):
					answer.More = true
				default:
					answer.Kvs = append(answer.Kvs, &mvccpb.KeyValue{Key: []byte(key), Value: []byte(k.texts[key])})
				}
			}
			if k.down != nil {
				return nil, k.down
			}
			return answer, k.ranges
		},
		txn: func(_ context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.txns = append(k.txns, len(r.Success))
			if len(r.Success) > k.most {
				return nil, rpctypes.ErrGRPCTooManyOps
			}
			answer := &pb.TxnResponse{}
			for _, op := range r.Success {
				one, err := k.one(string(op.GetRequestRange().Key))
				if err != nil {
					return nil, err
				}
				answer.Responses = append(answer.Responses,
					&pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: one}})
			}
			return answer, k.down
		},
	})
	return s
}

// count returns the numbers of requests since the last call.
func (k *keys) count() (several, single int, txns []int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	several, single, txns = k.several, k.single, k.txns
	k.several, k.single, k.txns = 0, 0, nil
	slices.Sort(txns)
	return several, single, txns
}

// filled returns a member with n texts and their notes, and their addresses.
func filled(n int) (*keys, []secret.Address) {
	k := &keys{texts: map[string]string{}, denied: map[string]bool{}, most: 128}
	addrs := make([]secret.Address, n)
	for i := range addrs {
		addrs[i] = secret.Address{Namespace: "all", Name: fmt.Sprintf("n%d", i)}
		k.texts[keyOf(addrs[i])] = content(i)
		k.texts[keyOf(addrs[i])+".note"] = "a note"
	}
	return k, addrs
}

func keyOf(addr secret.Address) string { return prefix(etcd.Options{}) + addr.Binding() }

// TestBatchRequests: the requests of GetAll in each situation, and those of the
// next ten minutes.
func TestBatchRequests(t *testing.T) {
	large := status.Error(codes.ResourceExhausted, "grpc: received message larger than max (99 vs. 9)")
	for _, tc := range []struct {
		name    string
		n       int
		change  func(k *keys)
		several int // in the first call
		txns    []int
		then    []int // the transactions of the second call
	}{
		{"one range", 1000, func(*keys) {}, 1, nil, nil},
		{"one transaction", 128, func(*keys) {}, 0, []int{128}, []int{128}},
		{"one range, just", 129, func(*keys) {}, 1, nil, nil},
		{"the range is denied", 300, func(k *keys) { k.ranges = rpctypes.ErrGRPCPermissionDenied }, 1,
			[]int{44, 128, 128}, []int{44, 128, 128}},
		{"the answer is too large", 300, func(k *keys) { k.ranges = large }, 1, []int{44, 128, 128}, []int{44, 128, 128}},
		{"many other keys", 300, func(k *keys) {
			for i := range 5000 {
				k.texts[fmt.Sprintf("%sLAYERON_SECRET_ALL_N1_%d", prefix(etcd.Options{}), i)] = "foreign"
			}
		}, 1, []int{44, 128, 128}, []int{44, 128, 128}},
		{"some other keys", 300, func(k *keys) {
			for i := range 500 {
				k.texts[fmt.Sprintf("%sLAYERON_SECRET_ALL_N1_%d", prefix(etcd.Options{}), i)] = "foreign"
			}
		}, 1, nil, nil},
		{"many other keys outside", 300, func(k *keys) {
			for i := range 5000 {
				k.texts[fmt.Sprintf("%sA%d", prefix(etcd.Options{}), i)] = "foreign"
				k.texts[fmt.Sprintf("%sZ%d", prefix(etcd.Options{}), i)] = "foreign"
			}
		}, 1, nil, nil},
		{"fewer operations", 100, func(k *keys) { k.most = 30 }, 0, []int{25, 25, 25, 25, 50, 50, 100}, []int{25, 25, 25, 25}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, addrs := filled(tc.n)
				tc.change(k)
				s := k.open(t)
				want := tc.several
				for call, txns := range [][]int{tc.txns, tc.then} {
					texts, err := s.GetAll(t.Context(), append(addrs, addrs[0]))
					require.NoError(t, err)
					require.Len(t, texts, tc.n)
					for i, addr := range addrs {
						require.True(t, texts[addr] == content(i))
					}
					several, single, got := k.count()
					require.Equal(t, want, several, "ranges in call %d", call)
					require.Equal(t, txns, got, "transactions in call %d", call)
					require.Zero(t, single)
					if tc.txns != nil {
						want = 0 // it is not tried again soon
					}
				}
				k.ranges = nil
				time.Sleep(11 * time.Minute)
				_, err := s.GetAll(t.Context(), addrs)
				require.NoError(t, err)
				several, _, _ := k.count()
				require.Equal(t, tc.several, several, "it is tried again")
			})
		})
	}
}

// TestBatchFailures: which addresses fail, with which errors.
func TestBatchFailures(t *testing.T) {
	missing := secret.Address{Namespace: "all", Name: "missing"}
	for _, tc := range []struct {
		name   string
		n      int
		change func(k *keys, addrs []secret.Address)
		failed int
		says   string
		most   int // requests
	}{
		{"none", 300, func(*keys, []secret.Address) {}, 0, "", 1},
		{"two denied", 300, func(k *keys, addrs []secret.Address) {
			k.ranges = rpctypes.ErrGRPCPermissionDenied
			k.denied[keyOf(addrs[7])], k.denied[keyOf(addrs[207])] = true, true
		}, 2, "permission denied: let the user's role read this key", 40},
		{"all denied", 300, func(k *keys, addrs []secret.Address) {
			k.ranges = rpctypes.ErrGRPCPermissionDenied
			for _, addr := range append(addrs, missing) {
				k.denied[keyOf(addr)] = true
			}
		}, 301, "permission denied: let the user's role read this key", 610},
		{"the member is down", 300, func(k *keys, _ []secret.Address) { k.down = rpctypes.ErrGRPCNoLeader }, 301,
			"no leader: a majority of the members must be up", 6},
		{"a few, and the member is down", 20, func(k *keys, _ []secret.Address) { k.down = rpctypes.ErrGRPCNoLeader }, 21,
			"no leader: a majority of the members must be up", 6},
		{"something else", 300, func(k *keys, _ []secret.Address) { k.down = status.Error(codes.Internal, password) }, 301,
			"answers Internal", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, addrs := filled(tc.n)
				tc.change(k, addrs)
				s := k.open(t)
				texts, err := s.GetAll(t.Context(), append(addrs, missing))
				several, single, txns := k.count()
				require.LessOrEqual(t, several+single+len(txns), tc.most)
				require.Empty(t, redacttest.Check(err, password, content(7)))
				if tc.failed == 0 {
					require.NoError(t, err)
					require.Len(t, texts, tc.n)
					return
				}
				require.True(t, strings.Contains(err.Error(), tc.says))
				require.Len(t, texts, max(0, tc.n-tc.failed))

				// The App has the reason of each.
				app := secret.NewApp(secret.AppOptions{Store: s, Refresh: -1, Logger: quiet, Timeout: time.Minute})
				for _, addr := range append(addrs, missing) {
					app.Use(secret.Static(secret.Options{Namespace: addr.Namespace, Name: addr.Name}))
				}
				err = app.Start(t.Context())
				lost := tc.failed
				if tc.failed <= tc.n {
					lost++ // the missing one
					require.Contains(t, err.Error(), "$SECRET.all.missing: etcd key "+keyOf(missing)+" does not exist: not found")
				}
				require.True(t, strings.Contains(err.Error(), fmt.Sprintf("%d problems with the App's %d secrets", lost, tc.n+1)))
			})
		})
	}
}

// TestBatchOfInvalidNames: a name that no key may have is the error of its
// address alone.
func TestBatchOfInvalidNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, addrs := filled(3)
		texts, err := k.open(t).GetAll(t.Context(), append(addrs, secret.Address{Namespace: "a/b", Name: "x"}))
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.Len(t, texts, 3)
		texts, err = k.open(t).GetAll(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, texts)
	})
}

// TestBatchEnds: GetAll ends with its context.
func TestBatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, addrs := filled(300)
		k.down = rpctypes.ErrGRPCNoLeader
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(errOver) })
		for range 2 {
			_, err := k.open(t).GetAll(ctx, addrs)
			require.ErrorIs(t, err, errOver)
		}
	})
}
