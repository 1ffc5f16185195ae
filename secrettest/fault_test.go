package secrettest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// faultyStores have one fault each, which several checks find.
var faultyStores = map[string]struct {
	open  func(map[secret.Address]string) secret.Store
	cures []string // of the reported faults, in their order
}{
	"none": {func(v map[secret.Address]string) secret.Store { return memory(v) }, nil},
	"always fails": {around(func(_ context.Context, _ *secret.Memory, a secret.Address) (string, error) {
		return "", fmt.Errorf("dial 10.0.0.1:%d for %s: connection refused", 40000+len(a.Name), a.Binding())
	}), []string{cureStored}},
	"trims": {changed(strings.TrimSpace), []string{exact.cure}},
	"one line": {changed(func(s string) string { first, _, _ := strings.Cut(s, "\n"); return first }),
		[]string{whole.cure}},
	"no sentinel": {refusing(func(a secret.Address, err error) error {
		if errors.Is(err, secret.ErrNotFound) {
			return fmt.Errorf("%s: no such key", a.Binding())
		}
		return err
	}), []string{wrapped.cure}},
	"no error": {around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
		text, err := good.Get(ctx, a)
		if errors.Is(err, secret.ErrNotFound) {
			err = nil
		}
		return text, err
	}), []string{absent.cure}},
	"a text with the error": {around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
		text, err := good.Get(ctx, a)
		if err != nil {
			text = "?"
		}
		return text, err
	}), []string{noTextBeside.cure}},
	"no context": {around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
		return good.Get(context.WithoutCancel(ctx), a)
	}), []string{ends.cure}},
	"no declared names": {around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
		return good.Get(naming(ctx, a, a.Binding()), a)
	}), []string{bound.cure}},
	"panics": {around(func(context.Context, *secret.Memory, secret.Address) (string, error) { panic(markers[0]) }),
		[]string{panics.cure}},
	"hangs": {around(func(context.Context, *secret.Memory, secret.Address) (string, error) {
		time.Sleep(hanging)
		return "", nil
	}), []string{returns.cure}},
	"shown": {func(v map[secret.Address]string) secret.Store { return mapStore(v) }, []string{hidden.cure}},
	"in errors": {func(v map[secret.Address]string) secret.Store { return leakyMemory{memory(v)} },
		[]string{silence.cure}},
	"namespaces": {around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
		if a == addr("near", "key") {
			a = addr("default", "key")
		}
		return good.Get(ctx, a)
	}), []string{apart.cure}},
	"not concurrent": {func(v map[secret.Address]string) secret.Store { return &busy{good: memory(v)} },
		[]string{cureConcurrent}},
}

// leakyMemory shows values only in its errors.
type leakyMemory struct{ *secret.Memory }

func (s leakyMemory) Get(ctx context.Context, a secret.Address) (string, error) {
	text, err := s.Memory.Get(ctx, a)
	if errors.Is(err, secret.ErrNotFound) {
		return "", fmt.Errorf("%w, but there is %s", err, markers[0])
	}
	return text, err
}

// busy refuses a Get while another one is under way.
type busy struct {
	good *secret.Memory
	now  atomic.Int32
}

func (s *busy) Get(ctx context.Context, a secret.Address) (string, error) {
	defer s.now.Add(-1)
	if s.now.Add(1) > 1 {
		return "", errBusy
	}
	time.Sleep(time.Millisecond) // of a bubble: another Get begins meanwhile
	return s.good.Get(ctx, a)
}

// TestOneFaultIsReportedOnce, with its cure, although up to all checks find it.
func TestOneFaultIsReportedOnce(t *testing.T) {
	for name, c := range faultyStores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reports reports
				var lines []string
				for _, check := range checks {
					problems := check.run(c.open(maps.Clone(check.values)), check.values)
					found, by := reports.once(check.name, problems)
					require.Equal(t, len(problems) > 0 && len(found) == 0, by != "" && len(found) == 0)
					lines = append(lines, found...)
				}
				require.Len(t, lines, len(c.cures), strings.Join(lines, "\n"))
				for i, cure := range c.cures {
					require.Contains(t, lines[i], cure)
				}
				time.Sleep(2 * hanging)
			})
		})
	}
}

// TestTwoFaultsAreReportedBoth, also if one check finds both.
func TestTwoFaultsAreReportedBoth(t *testing.T) {
	var reports reports
	lines, by := reports.once("a", []error{exact.broken("one"), whole.broken("two"), exact.broken("three")})
	require.Equal(t, []string{"one: " + exact.cure + " (found 1 times more)", "two: " + whole.cure}, lines)
	require.Empty(t, by)
	lines, by = reports.once("b", []error{exact.broken("four"), absent.broken("five")})
	require.Equal(t, []string{"five: " + absent.cure}, lines)
	require.Equal(t, "a", by)
	lines, by = reports.once("c", []error{under(exact.broken("six"), "lock", "beside, %w")})
	require.Empty(t, lines)
	require.Equal(t, "a", by)
	lines, _ = reports.once("d", []error{under(apart.broken("seven"), "lock", "beside, %w"), errors.New("eight")})
	require.Equal(t, []string{"beside, seven: lock", "eight"}, lines)
}

// TestFaultyWatcherIsReportedOnce: checks after the first that fails would wait
// for half a minute each.
func TestFaultyWatcherIsReportedOnce(t *testing.T) {
	type watch = func(ctx context.Context, good secret.Watcher, addrs []secret.Address, changed func(secret.Address)) error
	for name, c := range map[string]struct {
		watch watch
		cure  string
	}{
		"silent after the first hints": {func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			first := map[secret.Address]bool{}
			return good.Watch(ctx, addrs, func(a secret.Address) {
				if !first[a] {
					changed(a)
				}
				first[a] = true
			})
		}, laterHint.cure},
		"returns nil": {func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			_ = good.Watch(ctx, addrs, changed)
			return nil
		}, ended.cure},
		"derived names": {func(ctx context.Context, good secret.Watcher, addrs []secret.Address,
			changed func(secret.Address)) error {
			return good.Watch(naming(ctx, watchNone, watchNone.Binding()), addrs, changed)
		}, bound.cure},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reports reports
				var lines []string
				for _, check := range watchChecks {
					s := watchedMemory()
					s.w = watchFunc{s.store.(*secret.Memory), c.watch}
					if err := check.run(s); err != nil {
						found, _ := reports.once(check.name, []error{err})
						lines = append(lines, found...)
					}
				}
				require.Len(t, lines, 1, strings.Join(lines, "\n"))
				require.True(t, strings.HasSuffix(lines[0], c.cure), lines[0])
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// faultyEnv makes TestFaulty run, in a process of its own: it has to fail.
const faultyEnv = "SECRETTEST_FAULTY"

func TestFaulty(t *testing.T) {
	switch name := os.Getenv(faultyEnv); name {
	case "":
		t.Skip("TestFaultsInTheOutput runs it")
	case "watcher":
		TestWatcher(t, func(*testing.T) (secret.Store, func(secret.Address, string), func(secret.Address)) {
			m := secret.NewMemory(nil)
			w := watchFunc{m, func(context.Context, secret.Watcher, []secret.Address, func(secret.Address)) error {
				return errors.New("no connection")
			}}
			return struct {
				secret.Store
				secret.Watcher
			}{m, w}, func(a secret.Address, text string) { m.Set(a.String(), text) }, func(secret.Address) {}
		})
	default:
		TestStore(t, func(_ *testing.T, v map[secret.Address]string) secret.Store { return faultyStores[name].open(v) })
	}
}

// TestFaultsInTheOutput runs the real TestStore and TestWatcher on a fault.
func TestFaultsInTheOutput(t *testing.T) {
	for name, c := range map[string]struct{ says, in string }{
		"trims":   {exact.cure, "text"},
		"shown":   {hidden.cure, "shown"},
		"watcher": {stays.cure, "initial"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFaulty$", "-test.v")
			cmd.Env = append(os.Environ(), faultyEnv+"="+name)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Equal(t, 1, strings.Count(string(out), c.says), string(out))
			require.Contains(t, string(out), "--- FAIL: TestFaulty/"+c.in+" ")
			require.Equal(t, 1, strings.Count(string(out), "--- FAIL: TestFaulty/"), string(out))
		})
	}
}
