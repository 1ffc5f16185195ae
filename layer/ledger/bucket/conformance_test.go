package bucket_test

import (
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/ledger/internal/stress"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/rotate/rotatetest"
)

func TestBucketIsALedger(t *testing.T) {
	rotatetest.TestLedger(t, func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
		server := httptest.NewServer(newS3(t))
		t.Cleanup(server.Close)
		return func() rotate.Ledger {
			o := options(ids, server.Client().Transport)
			o.Endpoint = server.URL
			l, err := bucket.Open(t.Context(), o)
			require.NoError(t, err)
			return l
		}
	})
}

// Two of ten answers are lost, and one of ten requests is late.
func TestContestLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids, through := keyed(t), direct{newS3(t)}
		var strays sync.WaitGroup
		res, err := stress.Run(t.Context(), ids.Recipients(), 8, servers.Changes(), func(int) rotate.Ledger {
			return open(t, ids, lossy{through, 80 * time.Millisecond, 200 * time.Millisecond, &strays})
		}, open(t, ids, through))
		strays.Wait()
		require.NoError(t, err)
		t.Logf("%+v", res)
		require.Positive(t, res.Conflicts)
	})
}
