package secrettest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// batch is a BatchStore of one function around a good one.
type batch struct {
	*secret.Memory
	all func(ctx context.Context, good *secret.Memory, addrs []secret.Address) (map[secret.Address]string, error)
}

func (b batch) GetAll(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
	return b.all(ctx, b.Memory, addrs)
}

// oneByOne is a good GetAll.
func oneByOne(ctx context.Context, good *secret.Memory, addrs []secret.Address) (map[secret.Address]string, error) {
	found := map[secret.Address]string{}
	for _, a := range addrs {
		text, err := good.Get(ctx, a)
		switch {
		case err == nil:
			found[a] = text
		case !errors.Is(err, secret.ErrNotFound):
			return found, err
		}
	}
	return found, ctx.Err()
}

func TestMemoryWithGetAllIsAStore(t *testing.T) {
	TestStore(t, func(_ *testing.T, values map[secret.Address]string) secret.Store {
		return batch{memory(values), oneByOne}
	})
}

// TestBatchCheckCatches: each fault of a GetAll is reported, and by this check
// alone.
func TestBatchCheckCatches(t *testing.T) {
	type all = func(context.Context, *secret.Memory, []secret.Address) (map[secret.Address]string, error)
	after := func(change func(found map[secret.Address]string, addrs []secret.Address)) all {
		return func(ctx context.Context, good *secret.Memory, addrs []secret.Address) (map[secret.Address]string, error) {
			found, err := oneByOne(ctx, good, addrs)
			change(found, addrs)
			return found, err
		}
	}
	var mu sync.Mutex
	running := 0
	for _, tc := range []struct {
		name string
		all  all
		says string
	}{
		{"nothing", func(context.Context, *secret.Memory, []secret.Address) (map[secret.Address]string, error) {
			return nil, nil
		}, "returns no text for an address that has one"},
		{"an error for a missing one", func(ctx context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			found, err := oneByOne(ctx, good, addrs)
			if err == nil && len(found) < len(addrs) {
				err = secret.ErrNotFound
			}
			return found, err
		}, "an address without a text is no error"},
		{"an empty text for a missing one", after(func(found map[secret.Address]string, addrs []secret.Address) {
			for _, a := range addrs {
				found[a] += ""
			}
		}), "returns a text for an address that has none"},
		{"texts of others", after(func(found map[secret.Address]string, _ []secret.Address) {
			found[addr("text", "other")] = "x"
		}), "returns an address that was not asked for"},
		{"trimmed", after(func(found map[secret.Address]string, _ []secret.Address) {
			for a, text := range found {
				found[a] = strings.TrimSpace(text)
			}
		}), "returns another text than was stored"},
		{"at most 100", after(func(found map[secret.Address]string, _ []secret.Address) {
			for _, a := range slices.Collect(maps.Keys(found))[min(100, len(found)):] {
				delete(found, a)
			}
		}), "returns no text for an address that has one"},
		{"sorted in place", func(ctx context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			slices.SortFunc(addrs, func(a, b secret.Address) int { return strings.Compare(a.String(), b.String()) })
			return oneByOne(ctx, good, addrs)
		}, "changes the list of addresses"},
		{"no declared names", func(ctx context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			found := map[secret.Address]string{}
			for _, a := range addrs {
				if text, err := good.Get(naming(ctx, a, a.Binding()), a); err == nil {
					found[a] = text
				}
			}
			return found, ctx.Err()
		}, "take the name from secret.BindingOf(ctx, addr)"},
		{"no context", func(_ context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			return oneByOne(context.Background(), good, addrs)
		}, "does not mind that its context was cancelled"},
		{"another error than the context's", func(ctx context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			found, err := oneByOne(ctx, good, addrs)
			if err != nil {
				err = errors.New("request failed")
			}
			return found, err
		}, "another error than the context's"},
		{"values in the context's error", func(ctx context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			found, err := oneByOne(ctx, good, addrs)
			if err != nil {
				err = errors.Join(err, errors.New("beside "+markers[0]))
			}
			return found, err
		}, "shows a value"},
		{"hangs when cancelled", func(ctx context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			if ctx.Err() != nil {
				time.Sleep(hanging)
			}
			return oneByOne(ctx, good, addrs)
		}, "has not come back"},
		{"panics", func(context.Context, *secret.Memory, []secret.Address) (map[secret.Address]string, error) {
			panic(markers[0])
		}, "GetAll panicked with a string"},
		{"one at a time", func(ctx context.Context, good *secret.Memory,
			addrs []secret.Address) (map[secret.Address]string, error) {
			mu.Lock()
			running++
			busy := running > 1
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
			if busy && ctx.Err() == nil {
				return nil, errBusy
			}
			return oneByOne(ctx, good, addrs)
		}, "beside other calls fails"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				for _, c := range checks {
					problems := c.run(batch{memory(c.values), tc.all}, c.values)
					require.Equal(t, c.name == "batch", len(problems) > 0, c.name)
					for _, p := range problems {
						said.WriteString(p.Error() + "\n")
					}
				}
				require.Contains(t, said.String(), tc.says)
				for _, marker := range markers {
					require.False(t, strings.Contains(said.String(), marker), "a report shows a value")
				}
				time.Sleep(2 * hanging)
			})
		})
	}
}
