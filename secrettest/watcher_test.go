package secrettest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func watchedMemory() watched {
	m := secret.NewMemory(nil)
	return watched{m, m,
		func(a secret.Address, text string) { m.Set(a.String(), text) },
		func(a secret.Address) { m.Delete(a.String()) }}
}

// requireWatches runs every check in a bubble of its own, where the real limits
// cost no time.
func requireWatches(t *testing.T, open func(t *testing.T) func(*testing.T) watched) {
	for _, c := range watchChecks {
		t.Run(c.name, func(t *testing.T) {
			inBubble := open(t)
			synctest.Test(t, func(t *testing.T) { require.NoError(t, c.run(inBubble(t))) })
		})
	}
}

func TestMemoryWatches(t *testing.T) {
	requireWatches(t, func(*testing.T) func(*testing.T) watched {
		return func(*testing.T) watched { return watchedMemory() }
	})
}

func TestDirWatches(t *testing.T) {
	requireWatches(t, func(t *testing.T) func(*testing.T) watched {
		dir := t.TempDir()
		return func(t *testing.T) watched {
			store := secret.Dir(dir)
			return watched{store, store.(secret.Watcher),
				func(a secret.Address, text string) {
					// Renamed into place: a reader must not see half a file.
					name := filepath.Join(dir, a.Binding())
					require.NoError(t, os.WriteFile(name+".new", []byte(text), 0o600))
					require.NoError(t, os.Rename(name+".new", name))
				},
				func(a secret.Address) {
					if err := os.Remove(filepath.Join(dir, a.Binding())); !errors.Is(err, os.ErrNotExist) {
						require.NoError(t, err)
					}
				}}
		}
	})
}

func TestWatcherRunsEveryCheckInRealTime(t *testing.T) {
	defer func(window, calm time.Duration) { watchWindow, watchCalm = window, calm }(watchWindow, watchCalm)
	watchWindow, watchCalm = 100*time.Millisecond, 100*time.Millisecond
	opened := 0
	TestWatcher(t, func(*testing.T) (secret.Store, func(secret.Address, string), func(secret.Address)) {
		opened++
		s := watchedMemory()
		return s.store, s.set, s.remove
	})
	require.Equal(t, len(watchChecks), opened)
}

// watchFunc makes a Watcher of a function that has a good one at hand.
type watchFunc struct {
	good *secret.Memory
	f    func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error
}

func (w watchFunc) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	return w.f(ctx, w.good, addrs, changed)
}

// TestWatchChecksCatch: every check fails on a Watcher that breaks its promise,
// and says how.
func TestWatchChecksCatch(t *testing.T) {
	type watch = func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error
	for _, tc := range []struct {
		name  string
		check string
		says  string
		watch watch
	}{
		{"no hint for what is not there", "initial", "first hint",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				return good.Watch(ctx, addrs, func(a secret.Address) {
					if a != watchNone {
						changed(a)
					}
				})
			}},
		{"hints for others", "initial", "not asked for",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				return good.Watch(ctx, append(addrs, watchForeign), changed)
			}},
		{"gives up", "initial", "although its context goes on",
			func(context.Context, secret.Watcher, []secret.Address, func(secret.Address)) error {
				return errors.New("no connection")
			}},
		{"hints for an unwatched change", "change", "not asked for",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				first := map[secret.Address]bool{}
				return good.Watch(ctx, append(addrs, watchForeign), func(a secret.Address) {
					if a != watchForeign || first[a] {
						changed(a)
					}
					first[a] = true
				})
			}},
		{"nothing after the first hints", "change", "after a change",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				first := map[secret.Address]bool{}
				return good.Watch(ctx, addrs, func(a secret.Address) {
					if !first[a] {
						changed(a)
					}
					first[a] = true
				})
			}},
		{"deaf to deletion", "change", "after a deletion",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				first := map[secret.Address]bool{}
				return good.Watch(ctx, addrs, func(a secret.Address) {
					_, err := good.(secret.Store).Get(ctx, a)
					if err == nil || !first[a] {
						changed(a)
					}
					first[a] = true
				})
			}},
		{"no hint soon after another", "burst", "the last of 50 changes",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				last := map[secret.Address]time.Time{}
				return good.Watch(ctx, addrs, func(a secret.Address) {
					if old := last[a]; old.IsZero() || time.Since(old) > time.Second {
						changed(a)
					}
					last[a] = time.Now()
				})
			}},
		{"calls at once", "serial", "under way", func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			var calls sync.WaitGroup
			defer calls.Wait()
			return good.Watch(ctx, addrs, func(a secret.Address) { calls.Go(func() { changed(a) }) })
		}},
		{"subscribes after the first hints", "subscribed", "another hint",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				for _, a := range addrs {
					changed(a)
				}
				first := map[secret.Address]bool{}
				return good.Watch(ctx, addrs, func(a secret.Address) {
					if first[a] {
						changed(a)
					}
					first[a] = true
				})
			}},
		{"first hints in the first Watch alone", "gap", "first hint", func() watch {
			again := false
			return func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				quiet := again
				again = true
				first := map[secret.Address]bool{}
				return good.Watch(ctx, addrs, func(a secret.Address) {
					if !quiet || first[a] {
						changed(a)
					}
					first[a] = true
				})
			}
		}()},
		{"one at a time", "several", "first hint", func() watch {
			var one sync.Mutex
			return func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				for !one.TryLock() {
					select {
					case <-ctx.Done():
						return context.Cause(ctx)
					case <-time.After(time.Second):
					}
				}
				defer one.Unlock()
				return good.Watch(ctx, addrs, changed)
			}
		}()},
		{"returns nil", "end", "returned nil", func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			_ = good.Watch(ctx, addrs, changed)
			return nil
		}},
		{"loses the cause", "end", "cause", func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			_ = good.Watch(ctx, addrs, changed)
			return ctx.Err()
		}},
		{"is late to return", "end", "did not return", func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			err := good.Watch(ctx, addrs, changed)
			time.Sleep(time.Minute)
			return err
		}},
		{"calls after it returned", "end", "after Watch had returned",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				defer time.AfterFunc(time.Second, func() { changed(addrs[0]) })
				return good.Watch(ctx, addrs, changed)
			}},
		{"watches the derived names", "binding", "take the name from secret.BindingOf(ctx, addr)",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				return good.Watch(naming(ctx, watchNone, watchNone.Binding()), addrs, changed)
			}},
		{"runs hot", "quiet", "in which nothing changed",
			func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error {
				for {
					bounded, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
					_ = good.Watch(bounded, addrs, changed)
					cancel()
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
				}
			}},
		{"leaves a goroutine", "leak", "goroutines", func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			go time.Sleep(time.Hour)
			return good.Watch(ctx, addrs, changed)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := watchedMemory()
				s.w = watchFunc{s.store.(*secret.Memory), tc.watch}
				for _, c := range watchChecks {
					if c.name == tc.check {
						require.ErrorContains(t, c.run(s), tc.says)
					}
				}
				time.Sleep(2 * time.Hour) // all goroutines left behind end within the bubble
			})
		})
	}
}

// TestWatchNeedsGetToKeepUp: a hint is useless if Get still returns the state
// before.
func TestWatchNeedsGetToKeepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchedMemory()
		s.store = watchStale{s.store}
		for _, c := range watchChecks {
			if c.name == "change" || c.name == "burst" || c.name == "several" {
				require.ErrorContains(t, c.run(s), `Get returned "first a"`, c.name)
			}
		}
	})
}

// watchStale always returns the first state.
type watchStale struct{ secret.Store }

func (watchStale) Get(context.Context, secret.Address) (string, error) { return "first a", nil }
