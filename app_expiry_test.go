package secret_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// accepted is a set of ids that follows the Changes as the documentation of
// Change says: add Added, then drop Ended.
type accepted map[string]bool

func (ids accepted) follow(changes ...secret.Change) accepted {
	ids = maps.Clone(ids)
	for _, c := range changes {
		for _, id := range c.Added {
			ids[id] = true
		}
		for _, id := range c.Ended {
			delete(ids, id)
		}
	}
	return ids
}

func activeIDs(t *testing.T, s *secret.Secret) accepted {
	t.Helper()
	active, err := s.Active()
	require.NoError(t, err)
	ids := accepted{}
	for _, v := range active {
		ids[v.ID] = true
	}
	return ids
}

// TestExpiryIsSentAtItsTime, however the App refreshes, and once.
func TestExpiryIsSentAtItsTime(t *testing.T) {
	for name, o := range map[string]secret.AppOptions{
		"never refreshed": {Refresh: -1},
		"by polling":      {Store: onlyGet{}},
		"by hints":        {},
		"rarely":          {Refresh: 1000 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := secret.NewMemory(map[string]string{"$SECRET.app.key": "current=v3;v1=a;v1_expires=2000-01-01T00:00:00.5Z;" +
					"v2=b;v2_expires=2000-01-11T00:00:00Z;v3=c;v3_expires=2000-01-11T00:00:00Z;v4=d;v4_expires=9999-12-31T00:00:00Z"})
				o.Logger = silence
				if o.Store == nil {
					o.Store = m
				} else {
					o.Store = onlyGet{m}
				}
				s := static("key")
				app := secret.NewApp(o).Use(s)
				requireStart(t, app)
				began := time.Now()
				type sent struct {
					after time.Duration
					c     secret.Change
				}
				changes := make(chan sent, 100)
				app.OnChange(func(c secret.Change) {
					require.Equal(t, time.Now().Before(began.Add(time.Second)), activeIDs(t, s)["v2"], "reads have changed by then")
					changes <- sent{time.Since(began), c}
				})
				time.Sleep(20 * 24 * time.Hour)
				close(changes)
				var got []sent
				for c := range changes {
					got = append(got, c)
				}
				change := func(ended ...string) secret.Change {
					return secret.Change{Address: s.Address(), Old: "v3", New: "v3", Ended: ended}
				}
				require.Equal(t, []sent{{time.Second / 2, change("v1")}, {10 * 24 * time.Hour, change("v2", "v3")}}, got)
			})
		})
	}
}

// TestOneTimerServesAllSecrets: each expiry is sent at its time, in any order
// of the documents, also for a later document and for a secret given to Use
// after Start.
func TestOneTimerServesAllSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		began := time.Now()
		text := func(after time.Duration) string {
			return "current=v2;v1=a;v1_expires=" + began.Add(after).UTC().Format(time.RFC3339) + ";v2=b"
		}
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence})
		want := map[string]time.Duration{}
		add := func(i int, after time.Duration) {
			s := static(fmt.Sprintf("key%d", i))
			p.set(s, text(after))
			want[s.Address().String()] = after
			app.Use(s)
		}
		for i := range 200 {
			add(i, time.Duration((i*7919)%200+1)*time.Hour)
		}
		requireStart(t, app)
		got := map[string]time.Duration{}
		app.OnChange(func(c secret.Change) {
			require.Equal(t, []string{"v1"}, c.Ended)
			require.NotContains(t, got, c.Address.String())
			got[c.Address.String()] = time.Since(began)
		})
		time.Sleep(30 * time.Minute)
		add(200, 45*time.Minute)
		require.NoError(t, app.Refresh(context.Background()))
		time.Sleep(300 * time.Hour)
		synctest.Wait()
		require.Equal(t, want, got)
	})
}

// TestNoExpiryIsSentAfterStopOrClose: neither after stop nor after Close.
func TestNoExpiryIsSentAfterStopOrClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{})
		put("current=v2;v1=a;v1_expires=2000-01-02T00:00:00Z;v2=b;v2_expires=2000-01-03T00:00:00Z")
		require.NoError(t, app.Start(context.Background()))
		var stopped, closed told
		stop := app.OnChange(stopped.hear)
		stop()
		app.OnChange(closed.hear)
		time.Sleep(36 * time.Hour)
		require.NoError(t, app.Close())
		time.Sleep(36 * time.Hour)
		require.Empty(t, stopped.all())
		require.Len(t, closed.all(), 1)
	})
}

// TestLateFunctionMissesNothing: it is called once for each secret that has
// changed since Start, also for a version that expired under the document of
// Start, and for a version that came and went.
func TestLateFunctionMissesNothing(t *testing.T) {
	const soon = "2000-01-01T01:00:00Z"
	ids := func(ids ...string) []string { return ids }
	for name, c := range map[string]struct {
		start string
		puts  []string
		want  *secret.Change
	}{
		"unchanged":     {start: "current=v1;v1=a"},
		"the same text": {start: "current=v1;v1=a", puts: []string{"current=v1;v1=a"}},
		"expired": {start: "current=v2;v1=a;v1_expires=" + soon + ";v2=b",
			want: &secret.Change{Old: "v2", New: "v2", Ended: ids("v1")}},
		"changed twice": {start: "current=v1;v1=a", puts: []string{"current=v1;v1=a;v2=b", "current=v2;v2=b;v3=c"},
			want: &secret.Change{Old: "v1", New: "v2", CurrentChanged: true, Added: ids("v2", "v3"), Removed: ids("v1"),
				Ended: ids("v1")}},
		"changed, then expired": {start: "current=v1;v1=a", puts: []string{"current=v2;v1=a;v1_expires=" + soon + ";v2=b"},
			want: &secret.Change{Old: "v1", New: "v2", CurrentChanged: true, Added: ids("v2"), Ended: ids("v1")}},
		"came and went": {start: "current=v1;v1=a", puts: []string{"current=v1;v1=a;v2=b", "current=v1;v1=a"},
			want: &secret.Change{Old: "v1", New: "v1", Removed: ids("v2"), Ended: ids("v2")}},
		"went and came": {start: "current=v1;v1=a;v2=b", puts: []string{"current=v1;v1=a", "current=v1;v1=a;v2=b"},
			want: &secret.Change{Old: "v1", New: "v1", Added: ids("v2")}},
		"expired, then left": {start: "current=v2;v1=a;v1_expires=" + soon + ";v2=b", puts: []string{"current=v2;v2=b"},
			want: &secret.Change{Old: "v2", New: "v2", Removed: ids("v1"), Ended: ids("v1")}},
		"another value for a while": {start: "one", puts: []string{"two", "one"},
			want: &secret.Change{Old: "v1", New: "v1", CurrentChanged: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app, s, put := changing(t, secret.AppOptions{})
				put("current=v0;v0=before the start")
				put(c.start)
				requireStart(t, app)
				for _, text := range c.puts {
					put(text)
				}
				time.Sleep(2 * time.Hour)
				var want []secret.Change
				if c.want != nil {
					c.want.Address = s.Address()
					want = append(want, *c.want)
				}
				for range 2 { // the first call is not the only one
					var late told
					app.OnChange(late.hear)
					synctest.Wait()
					require.Equal(t, want, late.all())
				}
			})
		})
	}
}

// TestLateFunctionBeginsWithStart: a change between a read before Start and
// Start itself is sent to a function that was registered by then, and not to a
// later one.
func TestLateFunctionBeginsWithStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "current=v1;v1=a")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
		requireRead(t, "a", s)
		var early, late told
		app.OnChange(early.hear)
		p.set(s, "current=v2;v2=b")
		requireStart(t, app)
		app.OnChange(late.hear)
		synctest.Wait()
		require.Len(t, early.all(), 1)
		require.Empty(t, late.all())
	})
}

// TestLateFunctionIsCalledForEachSecretThatChanged, if it asked for the secret.
func TestLateFunctionIsCalledForEachSecretThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		a, b, c, d := static("a"), static("b"), static("c"), static("d")
		for _, s := range []*secret.Secret{a, b, c, d} {
			p.set(s, "one")
		}
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b, c)
		requireStart(t, app)
		app.Use(d)
		requireRead(t, "one", d)
		names := func(secrets ...*secret.Secret) []string {
			var heard told
			app.OnChange(heard.hear, secrets...)
			synctest.Wait()
			var names []string
			for _, change := range heard.all() {
				names = append(names, change.Address.Name)
			}
			slices.Sort(names)
			return names
		}
		require.Empty(t, names())
		p.set(a, "two")
		p.set(b, "two")
		p.set(d, "two")
		require.NoError(t, app.Refresh(context.Background()))
		require.Equal(t, []string{"a", "b", "d"}, names())
		require.Equal(t, []string{"b"}, names(b))
		require.Equal(t, []string{"a", "d"}, names(a, c, d, a))
		require.Equal(t, []string{"b"}, names(b.With(p)), "secrets are compared by address")
		require.Empty(t, names(c))
		require.Empty(t, names(nil, new(secret.Secret)), "a list of no secret of the App is not all")
	})
}

// TestFunctionGetsTheChangesOfItsSecrets alone.
func TestFunctionGetsTheChangesOfItsSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		a, b, c := static("a"), static("b"), static("c")
		texts := func(text string) {
			for _, s := range []*secret.Secret{a, b, c} {
				p.set(s, text)
			}
		}
		texts("current=v2;v1=a;v1_expires=2000-01-02T00:00:00Z;v2=b")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b, c)
		var all, some told
		app.OnChange(all.hear)
		app.OnChange(some.hear, a, b)
		requireStart(t, app)
		time.Sleep(25 * time.Hour)
		texts("current=v2;v2=b")
		require.NoError(t, app.Refresh(context.Background()))
		synctest.Wait()
		require.Len(t, all.all(), 6)
		require.Len(t, some.all(), 4)
		for _, change := range some.all() {
			require.NotEqual(t, c.Address(), change.Address)
		}
	})
}

// TestListsBelongToTheFunction that gets them.
func TestListsBelongToTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{})
		requireStart(t, app)
		var heard [3]told
		writing := func(i int) {
			app.OnChange(func(c secret.Change) {
				heard[i].hear(secret.Change{Added: slices.Clone(c.Added), Removed: slices.Clone(c.Removed),
					Ended: slices.Clone(c.Ended)})
				for _, list := range [][]string{c.Added, c.Removed, c.Ended} {
					list[0] = "overwritten"
				}
			})
		}
		writing(0)
		writing(1)
		put("current=v1;v1=text")
		synctest.Wait()
		writing(2)
		synctest.Wait()
		for i := range heard {
			require.Equal(t, []secret.Change{{Added: []string{"v1"}, Removed: []string{"v0"}, Ended: []string{"v0"}}},
				heard[i].all())
		}
	})
}

// TestChangesFollowActive: for random documents and times, a set of ids that
// follows the Changes is always the ids of Active. It may be made at any time
// after Start, before or after the function is registered.
func TestChangesFollowActive(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			app, s, put := changing(t, secret.AppOptions{})
			document := func() string {
				var text strings.Builder
				all := r.Perm(6)[:1+r.IntN(6)]
				fmt.Fprintf(&text, "current=v%d", all[r.IntN(len(all))])
				for _, n := range all {
					fmt.Fprintf(&text, ";v%d=text%d", n, n)
					if r.IntN(3) > 0 {
						ends := time.Now().Add(time.Duration(r.IntN(40)-10) * time.Minute)
						fmt.Fprintf(&text, ";v%d_expires=%s", n, ends.UTC().Format(time.RFC3339))
					}
				}
				return text.String()
			}
			put(document())
			requireStart(t, app)
			var early told
			app.OnChange(early.hear)
			set := activeIDs(t, s)
			var snapshots []accepted
			for range 40 {
				snapshots = append(snapshots, activeIDs(t, s))
				if r.IntN(2) == 0 {
					put(document())
				}
				time.Sleep(time.Duration(r.IntN(20)) * time.Minute)
				synctest.Wait()
				require.Equal(t, activeIDs(t, s), set.follow(early.all()...), "seed %d", seed)
			}
			var late told
			stop := app.OnChange(late.hear)
			synctest.Wait()
			stop()
			require.LessOrEqual(t, len(late.all()), 1)
			for i, snapshot := range snapshots {
				require.Equal(t, activeIDs(t, s), snapshot.follow(late.all()...), "seed %d, snapshot %d", seed, i)
			}
		})
	}
}

// TestChangesBeforeStartAreNoneForALateFunction, also where Start keeps the
// document that a read before it has loaded.
func TestChangesBeforeStartAreNoneForALateFunction(t *testing.T) {
	optional := secret.Options{Namespace: "app", Name: "key", Optional: true}
	for name, atStart := range map[string]string{
		"the same text": "current=v2;v2=b;v3=c;v3_expires=2000-01-02T00:00:00Z",
		"another text":  "current=v3;v3=c",
		"removed":       "",
		"cut off":       "current=v4;v2=b",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s := newProbe(), secret.Static(optional)
				app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
				for _, text := range []string{"current=v1;v1=a", "current=v2;v2=b;v3=c;v3_expires=2000-01-02T00:00:00Z"} {
					p.set(s, text)
					require.NoError(t, s.Refresh(t.Context()))
				}
				p.texts.Delete(s.Address().String())
				if atStart != "" {
					p.set(s, atStart)
				}
				requireStart(t, app)
				started, err := s.Current().Get(t.Context())
				require.NoError(t, err)
				var late, later told
				app.OnChange(late.hear)
				synctest.Wait()
				require.Empty(t, late.all())
				p.set(s, "current=v5;v5=e")
				require.NoError(t, app.Refresh(t.Context()))
				app.OnChange(later.hear)
				synctest.Wait()
				require.Len(t, late.all(), 1)
				require.Equal(t, late.all(), later.all())
				require.Equal(t, started.ID, late.all()[0].Old)
			})
		})
	}
}
