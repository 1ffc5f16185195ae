package secret_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestTenThousandRounds: a week of stores that fail, hang, ignore their
// context, hold nonsense and change their mind. Nothing grows meanwhile and
// nothing is left after Close: no goroutine (the bubble would not end), and no
// timer or anything else that holds on to the App.
func TestTenThousandRounds(t *testing.T) {
	const rounds = 10_000
	var closed weak.Pointer[secret.App]
	goroutines := runtime.NumGoroutine()
	synctest.Test(t, func(t *testing.T) {
		w := newTelling()
		w.texts = secret.NewMemory(map[string]string{
			"$SECRET.app.good": "one", "$SECRET.app.malformed": "one", "$SECRET.app.flapping": "one",
			"$SECRET.app.watched": "one",
			"$SECRET.app.failing": "one", "$SECRET.app.hanging": "one", "$SECRET.app.deaf": "one",
		})
		good := secret.Static(secret.Options{Namespace: "app", Name: "good", Store: onlyGet{w}})
		secrets := []*secret.Secret{good}
		for _, name := range []string{"malformed", "flapping", "failing", "hanging", "deaf"} {
			secrets = append(secrets, secret.Static(secret.Options{Namespace: "app", Name: name, Store: onlyGet{w}}))
		}
		watched := secret.Static(secret.Options{Namespace: "app", Name: "watched", Store: w})
		w.tell(func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
			bounded, cancel := context.WithTimeoutCause(ctx, 20*time.Minute, errors.New("the peer has gone"))
			defer cancel()
			return w.texts.Watch(bounded, addrs, changed)
		})
		app := secret.NewApp(secret.AppOptions{MaxStale: 30 * time.Minute, Logger: silence}).Use(secrets...).Use(watched)
		closed = weak.Make(app)
		var changes atomic.Int64
		app.OnChange(func(secret.Change) { changes.Add(1) })
		requireStart(t, app)
		var heeding atomic.Bool
		w.step(func(ctx context.Context, addr secret.Address) error {
			switch addr.Name {
			case "failing":
				return errRefused
			case "hanging":
				return hang(ctx, addr)
			case "deaf":
				if !heeding.Load() {
					time.Sleep(25 * time.Second)
				}
			}
			return nil
		})
		var early int
		for i := 0; w.gets(good) < rounds; i++ {
			if early == 0 && w.gets(good) > rounds/5 {
				early = heap()
			}
			text := strconv.Itoa(i % 7)
			w.texts.Set("$SECRET.app.good", text)
			w.texts.Set("$SECRET.app.watched", text)
			w.texts.Set("$SECRET.app.malformed", "current=v"+text)
			if i%2 == 0 {
				w.texts.Delete("$SECRET.app.flapping")
			} else {
				w.texts.Set("$SECRET.app.flapping", text)
			}
			time.Sleep(3 * time.Minute)
			requireRead(t, text, good)
			requireRead(t, text, watched)
		}
		require.Less(t, heap()-early, 64<<10, "bytes that 8,000 rounds left")
		require.Greater(t, changes.Load(), int64(rounds/3))
		require.Greater(t, len(w.begun()), 450)
		heeding.Store(true) // Close does not wait for who ignores his context, and so says that a goroutine is left
		time.Sleep(25 * time.Second)
		require.NoError(t, app.Close())
	})
	require.Eventually(t, func() bool {
		runtime.GC()
		return closed.Value() == nil
	}, 10*time.Second, time.Millisecond, "something holds on to the App")
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
}

// TestMemoryOfAnApp: at most 1 KiB a secret over its text.
func TestMemoryOfAnApp(t *testing.T) {
	const n, size = 5000, 100
	store := askFunc(func(_ context.Context, addr secret.Address) (string, error) {
		return strings.Repeat(addr.Name[len(addr.Name)-1:], size), nil
	})
	before := heap()
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: time.Hour})
	secrets := make([]*secret.Secret, n)
	for i := range secrets {
		secrets[i] = secret.Static(secret.Options{Namespace: "memory", Name: "secret-number-" + strconv.Itoa(i)})
		app.Use(secrets[i])
	}
	requireStart(t, app)
	require.NoError(t, app.Refresh(context.Background()))
	per := (heap()-before)/n - size
	t.Logf("%d bytes a secret", per)
	require.LessOrEqual(t, per, 1024)
	runtime.KeepAlive(secrets)
}

// BenchmarkReadersBesideWriter reports by how much the slowest batches of reads
// (the 99.9th percentile) are slower while a writer swaps the document 1,000
// times a second.
func BenchmarkReadersBesideWriter(b *testing.B) {
	const readers, batch = 16, 1000
	p, s := newProbe(), static("key")
	p.set(s, "current=v1;v1=text")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
	requireStart(b, app)
	var writing time.Duration
	slowest := func(write bool) time.Duration {
		var over atomic.Bool
		var all sync.WaitGroup
		took := make([][]time.Duration, readers)
		for r := range readers {
			all.Go(func() {
				for !over.Load() {
					began := time.Now()
					for range batch {
						if text, err := s.Current().Text(); err != nil || text == "" {
							panic("not read")
						}
					}
					took[r] = append(took[r], time.Since(began))
					runtime.Gosched() // there are fewer cores than readers: the writer gets its turn
				}
			})
		}
		began := time.Now()
		for i := 1; i <= 1000; i++ {
			// late rounds are caught up
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Millisecond)))
			if write {
				p.set(s, "current=v1;v1=text "+strconv.Itoa(i))
				if err := s.Refresh(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		}
		if write {
			writing += time.Since(began)
		}
		over.Store(true)
		all.Wait()
		times := slices.Sorted(slices.Values(slices.Concat(took...)))
		return times[len(times)*999/1000]
	}
	var idle, beside time.Duration
	for b.Loop() {
		idle += slowest(false)
		beside += slowest(true)
	}
	b.ReportMetric(float64(idle)/float64(b.N), "idle-ns/p99.9")
	b.ReportMetric(float64(beside)/float64(b.N), "beside-ns/p99.9")
	b.ReportMetric(float64(beside)/float64(idle), "ratio")
	b.ReportMetric(1000*float64(b.N)/writing.Seconds(), "swaps/s")
}
