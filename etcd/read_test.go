package etcd_test

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"
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

// TestReadsAgain: after a temporary failure a read is repeated for some seconds.
// Any other failure is returned at once. No read returns an old value.
func TestReadsAgain(t *testing.T) {
	hangs := errors.New("there is no answer")
	for _, tc := range []struct {
		name  string
		fault error
		times int // how often the failure happens; 0: always
		asked int64
		says  string
	}{
		{"no fault", nil, 0, 1, ""},
		{"no leader for a moment", rpctypes.ErrGRPCNoLeader, 2, 3, ""},
		{"the leader changes", rpctypes.ErrGRPCLeaderChanged, 5, 6, ""},
		{"too many requests", rpctypes.ErrGRPCRequestTooManyRequests, 1, 2, ""},
		{"a member that hangs", hangs, 1, 2, ""},
		{"no leader", rpctypes.ErrGRPCNoLeader, 0, 6, "no leader: a majority of the members must be up"},
		{"all hang", hangs, 0, 6, "no answer in time"},
		{"no permission", rpctypes.ErrGRPCPermissionDenied, 0, 1, "permission denied: let the " +
			"user's role read this key"},
		{"no room", rpctypes.ErrGRPCNoSpace, 0, 1, "database space exceeded"},
		{"something else", status.Error(codes.Internal, password), 0, 1, "answers Internal"},
	} {
		for kind, read := range map[string]func(context.Context, *etcd.Store, *etcd.Publisher) error{
			"get": func(ctx context.Context, s *etcd.Store, _ *etcd.Publisher) error {
				got, err := s.Get(ctx, key)
				if err == nil && got != text {
					return errOver
				}
				return err
			},
			"inspect": func(ctx context.Context, _ *etcd.Store, p *etcd.Publisher) error {
				_, err := p.Inspect(ctx, []string{"ITEM_0"})
				return err
			},
			"check": func(ctx context.Context, _ *etcd.Store, p *etcd.Publisher) error {
				return p.Check(ctx, []string{"ITEM_0"})
			},
		} {
			t.Run(tc.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var asked atomic.Int64
					meet := func(ctx context.Context) error {
						if n := asked.Add(1); tc.times > 0 && n > int64(tc.times) {
							return nil
						}
						if tc.fault == hangs {
							<-ctx.Done()
							return ctx.Err()
						}
						return tc.fault
					}
					s, p := bubble(t, &fake{
						get: func(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
							if r.Serializable {
								t.Error("it may be an old one")
							}
							return &pb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Value: []byte(text)}}}, meet(ctx)
						},
						txn: func(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
							answers := make([]*pb.ResponseOp, len(r.Success))
							for i := range answers {
								answers[i] = &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{}}}
							}
							return &pb.TxnResponse{Responses: answers}, meet(ctx)
						},
					})
					began := time.Now()
					err := read(t.Context(), s, p)
					require.Less(t, time.Since(began), 25*time.Second)
					require.Equal(t, tc.asked, asked.Load())
					if tc.says == "" {
						require.NoError(t, err)
						return
					}
					require.ErrorContains(t, err, tc.says)
					require.NotErrorIs(t, err, secret.ErrNotFound)
					require.Empty(t, redacttest.Check(err, password, text))
				})
			})
		}
	}
}

// TestReadEnds: a read ends with its context. The error has the context's cause
// and the failure before it.
func TestReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var asked atomic.Int64
		s, p := bubble(t, &fake{get: func(ctx context.Context, _ *pb.RangeRequest) (*pb.RangeResponse, error) {
			if asked.Add(1) == 2 {
				cancel(errOver)
				<-ctx.Done()
			}
			return nil, rpctypes.ErrGRPCNoLeader
		}})
		_, err := s.Get(ctx, key)
		require.ErrorIs(t, err, errOver)
		require.ErrorContains(t, err, "the test is over (no leader: a majority of the members must be "+
			"up, and reach each other)")
		require.Equal(t, int64(2), asked.Load())

		_, err = s.Get(ctx, key)
		require.ErrorIs(t, err, errOver)
		_, err = p.Inspect(ctx, []string{"ITEM_0"})
		require.ErrorIs(t, err, errOver)
		require.ErrorIs(t, p.Check(ctx, []string{"ITEM_0"}), errOver)
		require.Equal(t, int64(2), asked.Load(), "no request was sent")
	})
}

// TestRefusedAccessIsToldFromAStoreOutOfReach: an App starts from its cache for
// the latter only. `layer` goes on without an answer of a target that it may not
// read, and not after a wrong password.
func TestRefusedAccessIsToldFromAStoreOutOfReach(t *testing.T) {
	for _, tc := range []struct {
		fault           error
		reader, operate bool // the error wraps fs.ErrPermission
	}{
		{rpctypes.ErrGRPCPermissionDenied, true, true},
		{rpctypes.ErrGRPCUserEmpty, true, true},
		{rpctypes.ErrGRPCAuthFailed, true, false},
		{rpctypes.ErrGRPCInvalidAuthToken, false, false}, // a member has restarted
		{rpctypes.ErrGRPCNoLeader, false, false},
		{status.Error(codes.Unavailable, "connection refused"), false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, p := bubble(t, &fake{get: func(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
				return nil, tc.fault
			}, txn: func(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) { return nil, tc.fault }})
			_, err := s.Get(t.Context(), key)
			require.Error(t, err)
			require.Equal(t, tc.reader, errors.Is(err, fs.ErrPermission), err)
			_, err = s.GetAll(t.Context(), []secret.Address{key})
			require.Error(t, err)
			require.Equal(t, tc.reader, errors.Is(err, fs.ErrPermission), err)
			_, err = p.Inspect(t.Context(), []string{"ITEM_0"})
			require.Error(t, err)
			require.Equal(t, tc.operate, errors.Is(err, fs.ErrPermission), err)
		})
	}
}
