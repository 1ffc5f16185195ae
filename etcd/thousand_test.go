package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/internal/slow"
)

// behind is the longest time between etcd's own watch and the last App that has a
// change.
const behind = 1500 * time.Millisecond

// replicas returns the number of replicas: fewer under the race detector.
func replicas() int {
	if slow.Raced {
		return 100
	}
	return 1000
}

// allowFiles raises the limit of open files, for this process and the members that
// it starts.
func allowFiles(t testing.TB, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Max < n {
		slow.Lacks(t, "%d files may be open here, and this needs %d: raise ulimit -Hn", limit.Max, n)
	}
	limit.Cur = max(n, limit.Cur)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}

// replica is a program that reads key, with the times at which it had each
// version.
type replica struct {
	app *secret.App
	s   *secret.Secret

	mu     sync.Mutex
	had    map[int]time.Time
	last   int // the last current version that OnChange reported
	read   int // the last version that a read returned
	faults []string
}

// number returns the number in a version's id.
func number(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "v"))
	return n
}

func (r *replica) changed(c secret.Change) {
	if !c.CurrentChanged {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := number(c.New)
	if n <= r.last {
		r.faults = append(r.faults, fmt.Sprintf("v%d reported after v%d", n, r.last))
	}
	r.last = n
	r.had[n] = time.Now()
}

// look reads the secret and checks that its version does not go back.
func (r *replica) look() {
	v, err := r.s.Current().Get(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	switch n := number(v.ID); {
	case err != nil:
		r.faults = append(r.faults, "a read failed")
	case n < r.read:
		r.faults = append(r.faults, fmt.Sprintf("read v%d after v%d", n, r.read))
	case v.Text() != content(n):
		r.faults = append(r.faults, fmt.Sprintf("v%d has another value", n))
	default:
		r.read = n
	}
}

// at returns the time at which the replica had version n or a later one.
func (r *replica) at(n int) (when time.Time, is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for version, at := range r.had {
		if version >= n && (!is || at.Before(when)) {
			when, is = at, true
		}
	}
	return when, is
}

func content(n int) string { return fmt.Sprintf("made up for v%d", n) }

// edition returns the item to publish for a version.
func edition(t testing.TB, n int) driver.Item {
	t.Helper()
	doc, err := secret.NewDocument(fmt.Sprintf("v%d", n), secret.NewVersion(fmt.Sprintf("v%d", n), content(n),
		time.Time{}, time.Time{}))
	require.NoError(t, err)
	encoded, err := doc.Encode(secret.FormatJSON)
	require.NoError(t, err)
	return driver.Item{Name: key.Binding(), Text: driver.NewValue(encoded), Note: fmt.Sprintf("v%d", n)}
}

// gauge has the times at which many of etcd's own watches reported each version.
type gauge struct {
	mu   sync.Mutex
	told map[int][]time.Time
}

func (g *gauge) watch(ctx context.Context, c *clientv3.Client, key string) {
	for r := range c.Watch(ctx, key, clientv3.WithCreatedNotify()) {
		now := time.Now()
		g.mu.Lock()
		if r.Created {
			g.told[0] = append(g.told[0], now)
		}
		for _, event := range r.Events {
			if d, err := secret.Parse(string(event.Kv.Value)); err == nil {
				n := number(d.Current().ID)
				g.told[n] = append(g.told[n], now)
			}
		}
		g.mu.Unlock()
	}
}

// of returns the times for a version, in order.
func (g *gauge) of(n int) []time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.SortedFunc(slices.Values(g.told[n]), time.Time.Compare)
}

// TestServerThousand: a rotation reaches a thousand replicas soon after etcd's own
// watch reports it, and no replica ever goes back to an older version, even if the
// leader is killed.
func TestServerThousand(t *testing.T) {
	n, rotations := replicas(), 5
	if n < 1000 {
		rotations = 3
	}
	const gauges, series = 50, 20
	allowFiles(t, uint64(3*n+3*gauges+500))
	e := servers.StartEtcd(t, 3)
	o := place(t, e)
	p := openPublisher(t, o)
	well(t, p.Publish(t.Context(), []driver.Item{edition(t, 1)}))

	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	g := &gauge{told: map[int][]time.Time{}}
	for i := range gauges {
		c := raw(t, e.Members[i%3].Address)
		background.Go(func() { g.watch(ctx, c, prefix(o)+key.Binding()) })
	}
	until(t, "etcd watches", deadline, func() bool { return len(g.of(0)) == gauges })

	began := time.Now()
	all := make([]*replica, n)
	problems := make(chan error, n)
	places := make(chan struct{}, 32)
	for i := range all {
		r := &replica{had: map[int]time.Time{}, s: secret.Static(secret.Options{Namespace: key.Namespace,
			Name: key.Name})}
		all[i] = r
		go func() {
			places <- struct{}{}
			defer func() { <-places }()
			store, err := etcd.OpenStore(ctx, o) // one store for each replica: three connections
			if err == nil {
				t.Cleanup(func() { _ = store.Close() })
				r.app = secret.NewApp(secret.AppOptions{Store: store, Logger: quiet}).Use(r.s)
				r.app.OnChange(r.changed)
				err = r.app.Start(ctx)
			}
			problems <- err
		}()
	}
	for range all {
		require.NoError(t, <-problems)
	}
	var once sync.Once
	closeAll := func() {
		once.Do(func() {
			var closing sync.WaitGroup
			for _, r := range all {
				closing.Go(func() { _ = r.app.Close() })
			}
			closing.Wait()
		})
	}
	defer closeAll()
	until(t, "all watch", deadline, func() bool { return watches(t, e) >= n+gauges })
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d Apps, each with a Store of its own, have started after %s: %d goroutines, %d MB", n,
		time.Since(began).Round(time.Millisecond),
		runtime.NumGoroutine(), memory.Sys>>20)

	// Programs read all the time.
	background.Go(func() {
		for ctx.Err() == nil {
			for _, r := range all {
				r.look()
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	reached := func(version int) (last time.Time, times []time.Time) {
		until(t, fmt.Sprintf("all have v%d", version), 2*deadline, func() bool {
			times = times[:0]
			for _, r := range all {
				when, is := r.at(version)
				if !is {
					return false
				}
				times = append(times, when)
			}
			return true
		})
		slices.SortFunc(times, time.Time.Compare)
		return times[n-1], times
	}

	version := 1
	for range rotations {
		version++
		began := time.Now()
		well(t, p.Publish(t.Context(), []driver.Item{edition(t, version)}))
		last, times := reached(version)
		until(t, "etcd reports the change", deadline, func() bool { return len(g.of(version)) == gauges })
		told := g.of(version)
		lag := func(when time.Time) time.Duration { return when.Sub(told[gauges/2]).Round(time.Millisecond) }
		t.Logf("v%d: etcd's own watch after %s (p50) and %s (last); Apps behind it by %s (p50), %s "+
			"(p99), %s (last)", version,
			told[gauges/2].Sub(began).Round(100*time.Microsecond),
			told[gauges-1].Sub(began).Round(100*time.Microsecond),
			lag(times[n/2]), lag(times[n*99/100]), lag(last))
		require.LessOrEqual(t, lag(last), behind, "v%d", version)
	}

	// A series of rotations. The leader is killed in the middle.
	lost := 0
	for i := range series {
		version++
		time.Sleep(100 * time.Millisecond) // so that the Apps are busy
		if i == series/2 {
			e.Leader(t).Kill()
		}
		item := edition(t, version)
		until(t, fmt.Sprintf("v%d is published", version), 2*deadline, func() bool {
			err := errors.Join(p.Publish(context.Background(), []driver.Item{item})...)
			if err == nil {
				return true
			}
			lost++
			// The outcome is unknown, so inspect the target.
			for {
				found, failed := p.Inspect(context.Background(), []string{item.Name})
				if failed == nil {
					return found[item.Name].Note == item.Note
				}
			}
		})
	}
	published := time.Now()
	last, _ := reached(version)
	t.Logf("the leader was killed in a series of %d: %d requests failed, and the last App had v%d %s after it was "+
		"published", series, lost, version,
		last.Sub(published).Round(time.Millisecond))
	for _, r := range all {
		r.look()
	}
	closeAll()
	for _, r := range all {
		require.Empty(t, r.faults)
		require.Equal(t, version, r.read)
	}
}

// watches returns the number of watches on all members.
func watches(t testing.TB, e *servers.Etcd) (sum int) {
	t.Helper()
	for _, m := range e.Members {
		sum += watchersOf(t, m)
	}
	return sum
}
