package etcd_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/internal/slow"
)

var quiet = slog.New(slog.DiscardHandler)

var key = secret.Address{Namespace: "auth", Name: "key"}

// begun is a Watch under way.
type begun struct {
	mu    sync.Mutex
	calls map[secret.Address]int
	done  chan error
}

// begin starts a Watch and returns after it has reported every address.
func begin(t testing.TB, s *etcd.Store, addrs ...secret.Address) *begun {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	b := &begun{calls: map[secret.Address]int{}, done: make(chan error, 1)}
	go func() {
		b.done <- s.Watch(ctx, addrs, func(addr secret.Address) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.calls[addr]++
		})
		close(b.done)
	}()
	t.Cleanup(func() {
		cancel(errOver)
		<-b.done
	})
	until(t, "a Watch reports every address", deadline, func() bool {
		for _, addr := range addrs {
			if b.count(addr) == 0 {
				return false
			}
		}
		return true
	})
	return b
}

func (b *begun) count(addr secret.Address) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[addr]
}

// ends waits for the Watch to end by itself.
func (b *begun) ends(t testing.TB, limit time.Duration) error {
	t.Helper()
	began := time.Now()
	select {
	case err := <-b.done:
		t.Logf("it ended after %s", time.Since(began).Round(10*time.Millisecond))
		require.Error(t, err)
		require.NotErrorIs(t, err, errOver)
		return err
	case <-time.After(limit):
		require.FailNow(t, "the Watch goes on")
		return nil
	}
}

// spy is a Store whose reads a test can observe and break. It has no GetAll, which
// an App would call instead of Get.
type spy struct {
	watchedStore
	reads atomic.Int64
	fault atomic.Pointer[func(read func() (string, error)) (string, error)]
}

type watchedStore interface {
	secret.Store
	secret.Watcher
	secret.Locator
}

func (s *spy) Get(ctx context.Context, addr secret.Address) (string, error) {
	defer s.reads.Add(1)
	read := func() (string, error) { return s.watchedStore.Get(ctx, addr) }
	if fault := s.fault.Swap(nil); fault != nil { // a fault applies to one read
		return (*fault)(read)
	}
	return read()
}

// follow starts an App that reads key from a store. It returns when the App
// watches and has done the read after the first report. So a later read is caused
// by a change.
func follow(t testing.TB, store *etcd.Store) (*secret.App, *secret.Secret, *spy) {
	t.Helper()
	s := secret.Static(secret.Options{Namespace: key.Namespace, Name: key.Name})
	spied := &spy{watchedStore: store}
	app := secret.NewApp(secret.AppOptions{Store: spied, Logger: quiet}).Use(s)
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	until(t, "the App watches", deadline, func() bool { return spied.reads.Load() >= 2 })
	return app, s, spied
}

func reads(s *secret.Secret, want string) func() bool {
	return func() bool {
		got, err := s.Current().Text()
		return err == nil && got == want
	}
}

var watchers = regexp.MustCompile(`(?m)^etcd_debugging_mvcc_watcher_total (\d+)$`)

// watchersOf returns the number of keys that are watched on a member.
func watchersOf(t testing.TB, m *servers.Member) int {
	t.Helper()
	res, err := http.Get("http://" + m.Address + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	found := watchers.FindSubmatch(body)
	require.NotNil(t, found)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return n
}

// watched returns the members that have a watch, and the addresses of the others.
func watched(t testing.TB, e *servers.Etcd) (list []*servers.Member, others []string) {
	t.Helper()
	for _, m := range e.Members {
		if watchersOf(t, m) == 0 {
			others = append(others, m.Address)
		} else {
			list = append(list, m)
		}
	}
	return list, others
}

// put sets a value. It tries again while a leader is replaced.
func put(t testing.TB, c *clientv3.Client, o etcd.Options, addr secret.Address, text string) {
	t.Helper()
	until(t, "a value can be set", deadline, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err := c.Put(ctx, prefix(o)+addr.Binding(), text)
		return err == nil
	})
}

func at(o etcd.Options, members ...*servers.Member) etcd.Options {
	o.Endpoints = nil
	for _, m := range members {
		o.Endpoints = append(o.Endpoints, m.Address)
	}
	return o
}

// TestServerWatch: failures during a Watch, on a cluster of three members.
func TestServerWatch(t *testing.T) {
	whole := t // restarted members outlive their subtest
	e := servers.StartEtcd(t, 3)
	first, rest := e.Members[0], []string{e.Members[1].Address, e.Members[2].Address}
	others := raw(t, rest...)

	t.Run("many keys", func(t *testing.T) {
		const n = 5000 // more than a stream's window holds, in both directions
		o := place(t, e)
		addrs := addresses(n)
		w := begin(t, openStore(t, o), addrs...)
		put(t, others, o, addrs[n-1], "v1")
		until(t, "the change of the last address is reported", deadline,
			func() bool { return w.count(addrs[n-1]) == 2 })
		require.Equal(t, 1, w.count(addrs[0]))
	})

	t.Run("compaction", func(t *testing.T) {
		o := place(t, e)
		put(t, others, o, key, "v0")
		store := openStore(t, o)
		w := begin(t, store, key)
		_, s, _ := follow(t, store)
		for i := range 50 {
			r, err := others.Put(context.Background(), prefix(o)+key.Binding(), fmt.Sprintf("v%d", i+1))
			require.NoError(t, err)
			_, err = others.Compact(context.Background(), r.Header.Revision, clientv3.WithCompactPhysical())
			require.NoError(t, err)
		}
		until(t, "the App reads the last value", deadline, reads(s, "v50"))
		require.Greater(t, w.count(key), 1)
		require.Empty(t, w.done, "the Watch has ended")
	})

	t.Run("deletion", func(t *testing.T) {
		o := place(t, e)
		put(t, others, o, key, "kept")
		app, s, _ := follow(t, openStore(t, o))
		_, err := others.Delete(context.Background(), prefix(o)+key.Binding())
		require.NoError(t, err)
		until(t, "the App knows", deadline, func() bool { return app.Status().Secrets[0].LastError != "" })
		require.Contains(t, app.Status().Secrets[0].LastError,
			prefix(o)+key.Binding()+" does not exist: "+secret.ErrNotFound.Error())
		require.True(t, app.Status().Secrets[0].NeedsPerson)
		require.True(t, reads(s, "kept")())
		put(t, others, o, key, "back")
		until(t, "the App reads the restored value", deadline, reads(s, "back"))
		require.Empty(t, app.Status().Secrets[0].LastError)
	})

	t.Run("a read fails after a hint", func(t *testing.T) {
		p := startProxy(t, first.Address)
		for name, fault := range map[string]func(read func() (string, error)) (string, error){
			"alone": func(func() (string, error)) (string, error) { return "", errOver },
			"with the Watch": func(read func() (string, error)) (string, error) {
				p.cut()
				defer p.mend()
				return read()
			},
		} {
			t.Run(name, func(t *testing.T) {
				o := place(t, e)
				put(t, others, o, key, "v1")
				o.Endpoints = []string{p.Address}
				app, s, spied := follow(t, openStore(t, o))
				spied.fault.Store(&fault)
				put(t, others, o, key, "v2")
				until(t, "the read has failed", deadline,
					func() bool { return app.Status().Secrets[0].LastError != "" })
				require.True(t, reads(s, "v1")())
				t.Logf("read after %s", until(t, "the App reads it later", deadline, reads(s, "v2")))
			})
		}
	})

	t.Run("killed", func(t *testing.T) {
		store := openStore(t, at(place(t, e), first))
		w := begin(t, store, key)
		require.Positive(t, streams())
		first.Kill()
		defer first.Start(whole)
		err := w.ends(t, 5*time.Second)
		require.ErrorContains(t, err, "the connection was lost")
		require.ErrorContains(t, err, "("+first.Address+")")
		nothingRuns(t)
		until(t, "nobody listens", deadline, func() bool {
			err := store.Watch(within(t, deadline), []secret.Address{key}, func(secret.Address) {})
			return strings.HasSuffix(err.Error(), "connection refused: no member listens at the endpoints")
		})
	})

	t.Run("a gap", func(t *testing.T) {
		o := place(t, e)
		put(t, others, o, key, "v1")
		_, s, _ := follow(t, openStore(t, at(o, first)))
		first.Kill()
		for i := range 5 {
			put(t, others, o, key, fmt.Sprintf("v%d", i+2))
		}
		require.True(t, reads(s, "v1")())
		first.Start(whole)
		t.Logf("caught up after %s", until(t, "the App reads the last value", deadline, reads(s, "v6")))
	})

	t.Run("no majority", func(t *testing.T) {
		w := begin(t, openStore(t, at(place(t, e), first)), key)
		for _, m := range e.Members[1:] {
			m.Kill()
			defer m.Start(whole)
		}
		err := w.ends(t, deadline)
		require.ErrorContains(t, err, "no leader: a majority of the members must be up, and reach "+
			"each other ("+first.Address+")")
		nothingRuns(t)
	})

	t.Run("frozen", func(t *testing.T) {
		e.Leader(t)
		store := openStore(t, at(place(t, e), first))
		w := begin(t, store, key)
		first.Freeze(t)
		defer first.Thaw(t)
		err := w.ends(t, deadline)
		require.ErrorContains(t, err, "the member does not answer any more")
		nothingRuns(t)
		began := time.Now()
		err = store.Watch(within(t, deadline), []secret.Address{key}, func(secret.Address) {})
		require.ErrorContains(t, err, "the member takes the connection and answers nothing")
		require.Less(t, time.Since(began), deadline)
		_, err = store.Get(t.Context(), key)
		require.ErrorContains(t, err, "the member takes the connection and answers nothing")
	})

	t.Run("one of three frozen", func(t *testing.T) {
		for range 2 { // once with the leader and once with a follower, or any two members
			o := place(t, e)
			put(t, others, o, key, "v1")
			until(t, "there is no watch", deadline, func() bool { list, _ := watched(t, e); return len(list) == 0 })
			app, s, _ := follow(t, openStore(t, o))
			list, rest := watched(t, e)
			require.Len(t, list, 1)
			m := list[0]
			m.Freeze(t)
			t.Cleanup(func() { m.Thaw(t) })
			began := time.Now()
			put(t, raw(t, rest...), o, key, "v2")
			until(t, "the App reads it", deadline-time.Since(began), reads(s, "v2"))
			t.Logf("read %s after the freeze", time.Since(began).Round(10*time.Millisecond))
			m.Thaw(t)
			e.Leader(t)
			require.NoError(t, app.Close())
		}
	})

	t.Run("held by a proxy", func(t *testing.T) {
		p := startProxy(t, first.Address)
		o := place(t, e)
		o.Endpoints = []string{p.Address}
		w := begin(t, openStore(t, o), key)
		p.hold()
		require.ErrorContains(t, w.ends(t, deadline), "the member does not answer any more ("+p.Address+")")
		nothingRuns(t)
	})
}

// TestSilenceInRealTime is [TestSilentMemberEndsAWatch] over TCP. The member
// answers pings and nothing else.
func TestSilenceInRealTime(t *testing.T) {
	slow.Test(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	ends := map[string]error{}
	began := time.Now()
	for name, member := range map[string]func(s watchStream){
		"from the start": func(watchStream) {},
		"once watched":   func(s watchStream) { s.asked(1); s.created() },
	} {
		store := openStore(t, (&fake{watch: func(s watchStream) error {
			member(s)
			return s.idle()
		}}).start(t))
		all.Go(func() {
			err := store.Watch(within(t, deadline), addresses(1), func(secret.Address) {})
			mu.Lock()
			defer mu.Unlock()
			ends[name] = err
		})
	}
	all.Wait()
	for name, err := range ends {
		require.ErrorContains(t, err, "the member answers nothing any more (127.0.0.1:", name)
	}
	require.Less(t, time.Since(began), deadline)
	nothingRuns(t)
	t.Logf("they ended after %s", time.Since(began).Round(10*time.Millisecond))
}
