package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/rotate"
)

const (
	rememberEndpoint = "LAYER_TEST_ENDPOINT"
	rememberSeen     = "LAYER_TEST_SEEN"
)

// s3 serves a bucket, and returns its endpoint.
func s3(t *testing.T) string {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("ledgers"))
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return server.URL
}

func inBucket(t *testing.T, endpoint string, ids ledger.Identities) rotate.Ledger {
	t.Helper()
	l, err := bucket.Open(t.Context(), bucket.Options{Endpoint: endpoint, Region: "us-east-1", Bucket: "ledgers",
		AccessKeyID: "made-up", SecretAccessKey: driver.NewValue("made-up"), Identities: ids})
	require.NoError(t, err)
	return l
}

func rememberedIn(t *testing.T, l rotate.Ledger, seen string) rotate.Ledger {
	t.Helper()
	l, err := ledger.Remember(l, ledger.RememberOptions{Seen: seen, Place: "s3://ledgers"})
	require.NoError(t, err)
	return l
}

// TestRememberChild is the program of the child processes that
// TestRememberProcesses starts. Alone it does nothing.
func TestRememberChild(t *testing.T) {
	endpoint := os.Getenv(rememberEndpoint)
	if endpoint == "" {
		return
	}
	ids, _, err := ledger.IdentitiesFromEnv()
	require.NoError(t, err)
	l := rememberedIn(t, inBucket(t, endpoint, ids), os.Getenv(rememberSeen))
	for n := 0; n < childChanges; {
		s, rev, err := l.Load(t.Context())
		require.NoError(t, err)
		_, _, err = rotate.Commit(t.Context(), l, rev, s)
		if errors.Is(err, rotate.ErrConflict) {
			continue
		}
		require.NoError(t, err)
		n++
	}
}

const childChanges = 12

// TestRememberProcesses: several processes change a ledger in a bucket from one
// folder, and some are killed meanwhile. The memory in the folder never goes back,
// and no process is refused.
func TestRememberProcesses(t *testing.T) {
	t.Parallel()
	identity, recipient, err := ledger.NewIdentity()
	require.NoError(t, err)
	ids, err := ledger.ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	endpoint, seen := s3(t), filepath.Join(t.TempDir(), "layer.seen")
	l := rememberedIn(t, inBucket(t, endpoint, ids), seen)
	s, _, err := rotate.Commit(t.Context(), l, "", rotate.NewState(rotate.Settings{Recipients: []string{recipient}}))
	require.NoError(t, err)

	remembered := func() uint64 {
		text, err := os.ReadFile(seen)
		if errors.Is(err, fs.ErrNotExist) {
			t.Error("the memory is gone")
		}
		var known struct {
			Ledgers map[string]struct{ Generation uint64 }
		}
		if err := json.Unmarshal(text, &known); err != nil {
			t.Errorf("the memory: %v", err)
		}
		return known.Ledgers[s.Origin()].Generation
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching, working sync.WaitGroup
	watching.Go(func() {
		for last := uint64(1); ctx.Err() == nil && !t.Failed(); {
			now := remembered()
			if now < last {
				t.Errorf("generation %d is remembered after %d", now, last)
			}
			last = now
			time.Sleep(time.Millisecond) // poll: nothing reports a change
		}
	})
	self, err := os.Executable()
	require.NoError(t, err)
	const processes, killed = 4, 2
	for i := range processes {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestRememberChild$", "-test.count=1")
		cmd.Env = append(os.Environ(), rememberEndpoint+"="+endpoint, rememberSeen+"="+seen,
			ledger.IdentityVariable+"="+identity.Reveal(), "GOMAXPROCS=1")
		working.Go(func() {
			if i >= killed {
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("process %d: %v, it says %s", i, err, out)
				}
				return
			}
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			for begun := remembered(); ctx.Err() == nil && !t.Failed() && remembered() < begun+6; {
				time.Sleep(time.Millisecond)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
	working.Wait()
	stop()
	watching.Wait()
	s, _, err = l.Load(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, s.Generation(), uint64(1+(processes-killed)*childChanges))
	require.Equal(t, s.Generation(), remembered())
}
