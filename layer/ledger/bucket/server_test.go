package bucket_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/ledger/internal/stress"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/rotate/rotatetest"
)

// versity starts versitygw, which checks signatures, and returns a function that
// opens a ledger in one of its buckets.
func versity(t *testing.T) (dir string, at func(prefix string, ids ledger.Identities) bucket.Options) {
	t.Helper()
	program := servers.Find(t, "versitygw")
	dir, address := t.TempDir(), servers.Address(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ledgers"), 0o700))
	servers.Start(t, address, []string{"ROOT_ACCESS_KEY=" + keyID, "ROOT_SECRET_KEY=" + key}, program, "--port",
		address, "--quiet", "posix", dir)
	return dir, func(prefix string, ids ledger.Identities) bucket.Options {
		return bucket.Options{Endpoint: "http://" + address, Region: "us-east-1", Bucket: "ledgers", Prefix: prefix,
			AccessKeyID: keyID, SecretAccessKey: driver.NewValue(key), Identities: ids}
	}
}

func TestServerVersity(t *testing.T) {
	dir, at := versity(t)
	t.Run("conformance", func(t *testing.T) {
		rotatetest.TestLedger(t, func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
			prefix := strings.ReplaceAll(t.Name(), "/", "-") + " +ü~(1)"
			return func() rotate.Ledger {
				l, err := bucket.Open(t.Context(), at(prefix, ids))
				require.NoError(t, err)
				return l
			}
		})
	})
	t.Run("contest", func(t *testing.T) {
		ids := keyed(t)
		opened := func(through http.RoundTripper) rotate.Ledger {
			o := at("contest", ids)
			o.HTTPClient = &http.Client{Transport: through}
			l, err := bucket.Open(t.Context(), o)
			require.NoError(t, err)
			return l
		}
		var strays sync.WaitGroup
		res, err := stress.Run(t.Context(), ids.Recipients(), 8, servers.Changes(), func(int) rotate.Ledger {
			return opened(lossy{http.DefaultTransport, 10 * time.Millisecond, 100 * time.Millisecond, &strays})
		}, opened(http.DefaultTransport))
		strays.Wait()
		require.NoError(t, err)
		t.Logf("%+v", res)
	})
	t.Run("refusals", func(t *testing.T) {
		for name, tc := range map[string]struct {
			set  func(o *bucket.Options)
			says string
		}{
			"another secret": {func(o *bucket.Options) { o.SecretAccessKey = driver.NewValue(key[1:]) },
				"SignatureDoesNotMatch"},
			"another key": {func(o *bucket.Options) { o.AccessKeyID = "nobody" }, "XAdminUserNotFound"},
			"no bucket":   {func(o *bucket.Options) { o.Bucket = "other" }, "NoSuchBucket: make the bucket"},
		} {
			t.Run(name, func(t *testing.T) {
				o := at("refusals", keyed(t))
				tc.set(&o)
				_, err := bucket.Open(t.Context(), o)
				require.ErrorContains(t, err, tc.says)
				require.Empty(t, redacttest.Check(err, key, keyID))
			})
		}
	})
	probes, err := filepath.Glob(filepath.Join(dir, "ledgers", "*", "probe"))
	require.NoError(t, err)
	require.Empty(t, probes)
}

// TestServerThatIgnoresConditions: such a server is refused, and the probe is
// deleted.
func TestServerThatIgnoresConditions(t *testing.T) {
	program := servers.Find(t, "s3rver")
	dir, address := t.TempDir(), servers.Address(t)
	port := address[strings.LastIndexByte(address, ':')+1:]
	servers.Start(t, address, nil, program, "-d", dir, "-a", "127.0.0.1", "-p", port, "--configure-bucket", "ledgers")
	o := options(keyed(t), nil)
	o.HTTPClient, o.Endpoint, o.Region, o.SessionToken = nil, "http://"+address, "us-east-1", driver.Value{}
	o.AccessKeyID, o.SecretAccessKey = "S3RVER", driver.NewValue("S3RVER")
	_, err := bucket.Open(t.Context(), o)
	require.ErrorContains(t, err, "ignores conditions: it wrote a probe that it should have "+
		"refused. It is deleted again")
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		require.NotContains(t, filepath.Base(path), "probe")
		return err
	}))
}
