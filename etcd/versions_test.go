package etcd_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Versions returns the ids of the versions, and no part of a value.
func TestVersionsAreListedByID(t *testing.T) {
	const document = `{"$versions":1,"current":"v1","versions":{"v1":{"value":"` + text +
		`"},"v2":{"value":"another one"}}}`
	for name, test := range map[string]struct {
		stored []string
		want   []string
	}{
		"a document":   {[]string{document}, []string{"v1", "v2"}},
		"no value":     {nil, nil},
		"no document":  {[]string{document[:len(document)-9]}, nil},
		"a plain text": {[]string{text}, []string{"v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, p := bubble(t, &fake{get: func(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
					answer := &pb.RangeResponse{Header: &pb.ResponseHeader{}}
					for _, s := range test.stored {
						answer.Kvs = append(answer.Kvs, &mvccpb.KeyValue{Key: r.Key, Value: []byte(s)})
					}
					return answer, nil
				}})
				ids, err := p.Versions(t.Context(), "ITEM")
				require.NoError(t, err)
				require.Equal(t, test.want, ids)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, p := bubble(t, &fake{get: func(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
			return nil, status.Error(codes.PermissionDenied, "of "+text)
		}})
		_, err := p.Versions(t.Context(), "ITEM")
		require.Error(t, err)
		require.NotContains(t, err.Error(), text)
	})
}
