package secret_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// lives returns a compact text of n versions that begin a week after each other;
// every second one has expired. With shuffled they are in another order.
func lives(n int, shuffled bool) string {
	segments := make([]string, n)
	for i := range segments {
		from := time.Date(1990, 1, 1+7*i, 0, 0, 0, 0, time.UTC)
		segments[i] = fmt.Sprintf("v%d=value %d;v%d_active=%s", i+1, i+1, i+1, from.Format(time.RFC3339))
		if i%2 == 0 && i < n-1 {
			segments[i] += fmt.Sprintf(";v%d_expires=%s", i+1, from.AddDate(0, 0, 14).Format(time.RFC3339))
		}
	}
	if shuffled {
		slices.Reverse(segments)
	}
	return fmt.Sprintf("current=v%d;", n) + strings.Join(segments, ";")
}

// TestWarmReadsAllocate: nothing for one version, and one slice for the list.
func TestWarmReadsAllocate(t *testing.T) {
	for _, n := range []int{1, 3, 50, 1000} {
		for _, shuffled := range []bool{false, true} {
			s := static("key")
			s = s.With(secret.NewMemory(map[string]string{s.Binding(): lives(n, shuffled)}))
			app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(s)
			requireStart(t, app)
			middle := time.Date(1990, 1, 2+7*(n/2), 0, 0, 0, 0, time.UTC)
			last := fmt.Sprintf("v%d", n)
			for name, ref := range map[string]secret.Ref{"Current": s.Current(), "Version": s.Version("v1"),
				"At": s.At(middle), "ActiveVersion": s.ActiveVersion(last)} {
				require.Zero(t, testing.AllocsPerRun(100, func() {
					if text, err := ref.Text(); err != nil || text == "" {
						panic("not read")
					}
				}), "%s().Text of %d", name, n)
				require.Zero(t, testing.AllocsPerRun(100, func() {
					if v, err := ref.Get(context.Background()); err != nil || v.ID == "" {
						panic("not read")
					}
				}), "%s().Get of %d", name, n)
			}
			for name, read := range map[string]func() ([]secret.Version, error){
				"Active": s.Active, "ActiveAt": func() ([]secret.Version, error) { return s.ActiveAt(time.Now()) },
			} {
				var versions []secret.Version
				require.Equal(t, 1.0, testing.AllocsPerRun(100, func() { versions, _ = read() }), "%s of %d", name, n)
				require.Len(t, versions, max(1, (n+1)/2), "%s of %d", name, n)
				require.Equal(t, len(versions), cap(versions), "%s of %d", name, n)
				require.Equal(t, last, versions[0].ID, "%s of %d", name, n)
			}
			require.NoError(t, app.Close())
		}
	}
}

// TestFirstListsAtOnce: concurrent first calls of Active, each of which changes
// the slice that it got, do not disturb each other.
func TestFirstListsAtOnce(t *testing.T) {
	now := time.Now()
	for range 20 {
		d := parsed(t, lives(50, true))
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() {
				for range 5 {
					versions := d.Active(now)
					assert.Equal(t, "v50", versions[0].ID)
					assert.Equal(t, "v48", versions[1].ID)
					clear(versions)
				}
			})
		}
		readers.Wait()
	}
}

// TestActiveVersionEndsAtItsInstant: also when it is read from memory.
func TestActiveVersionEndsAtItsInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := static("key")
		end := time.Now().Add(time.Hour).UTC()
		s = s.With(secret.NewMemory(map[string]string{s.Binding(): "v1=one;v1_expires=" + end.Format(time.RFC3339Nano) +
			";v2=two"}))
		app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(s)
		requireStart(t, app)
		defer app.Close()
		for range 2 {
			for id, alive := range map[string]bool{"v1": time.Now().Before(end), "v2": true} {
				text, err := s.ActiveVersion(id).Text()
				require.True(t, alive == (err == nil) && alive == (text != ""), id)
				v, err := s.ActiveVersion(id).Get(context.Background())
				require.True(t, alive == (err == nil) && alive == (v.ID == id), id)
				if !alive {
					require.ErrorIs(t, err, secret.ErrNotActive)
				}
			}
			time.Sleep(time.Hour) // to the instant itself
		}
		_, err := s.ActiveVersion("v3").Text()
		require.ErrorIs(t, err, secret.ErrVersionNotFound)
	})
}

// TestAtHalvesADocumentInOrder: a hundred times the versions do not take ten
// times as long.
func TestAtHalvesADocumentInOrder(t *testing.T) {
	slow.Timed(t)
	shortest := func(n int) time.Duration {
		d, middle := parsed(t, lives(n, false)), time.Date(1990, 1, 2+7*(n/2), 0, 0, 0, 0, time.UTC)
		_, err := d.At(middle)
		require.NoError(t, err)
		least := time.Hour
		for range 20 {
			began := time.Now()
			for range 200 {
				_, _ = d.At(middle)
			}
			least = min(least, time.Since(began))
		}
		return least
	}
	require.Less(t, shortest(1_500), 10*shortest(15))
}
