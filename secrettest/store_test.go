package secrettest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestMemoryIsAStore(t *testing.T) {
	TestStore(t, func(_ *testing.T, values map[secret.Address]string) secret.Store { return memory(values) })
}

func memory(values map[secret.Address]string) *secret.Memory {
	m := secret.NewMemory(nil)
	for a, text := range values {
		m.Set(a.String(), text)
	}
	return m
}

func TestEnvIsAStore(t *testing.T) {
	TestStore(t, func(t *testing.T, values map[secret.Address]string) secret.Store {
		for a, text := range values {
			if runtime.GOOS == "windows" && len(text) > 32_000 {
				t.Skip("an environment variable of Windows holds 32,767 characters")
			}
			t.Setenv(a.Binding(), text)
		}
		return secret.Env()
	})
}

func TestDirIsAStore(t *testing.T) {
	TestStore(t, func(t *testing.T, values map[secret.Address]string) secret.Store {
		dir := t.TempDir()
		for a, text := range values {
			require.NoError(t, os.WriteFile(filepath.Join(dir, a.Binding()), []byte(text), 0o600))
		}
		return secret.Dir(dir)
	})
}

// Dir drops a trailing newline, and a NUL ends an environment variable.
func TestTextsSuitEveryPlace(t *testing.T) {
	for _, c := range checks {
		for a, text := range c.values {
			require.False(t, strings.HasSuffix(text, "\n"), a.String())
			require.NotContains(t, text, "\x00", a.String())
			require.NotEmpty(t, text, a.String())
		}
	}
	require.Len(t, large(), 1<<20)
}

// Two addresses with one binding name could not both be stored.
func TestNoTwoAddressesShareABinding(t *testing.T) {
	for _, c := range checks {
		seen := map[string]bool{}
		for a := range c.values {
			require.False(t, seen[a.Binding()], a.String())
			seen[a.Binding()] = true
			parsed, err := secret.ParseAddress(a.String())
			require.NoError(t, err)
			require.Equal(t, a, parsed)
		}
	}
}

// broken is a store of one function around a good one.
type broken struct {
	good *secret.Memory
	get  func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error)
}

func (b broken) Get(ctx context.Context, a secret.Address) (string, error) {
	return b.get(ctx, b.good, a)
}

// changed is a store that changes the texts on the way.
func changed(change func(string) string) func(map[secret.Address]string) secret.Store {
	return around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
		text, err := good.Get(ctx, a)
		return change(text), err
	})
}

// refusing is a store that answers with another error, where the good one has
// one.
func refusing(other func(a secret.Address, err error) error) func(map[secret.Address]string) secret.Store {
	return around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
		text, err := good.Get(ctx, a)
		if err != nil {
			err = other(a, err)
		}
		return text, err
	})
}

func around(get func(context.Context, *secret.Memory, secret.Address) (string,
	error)) func(map[secret.Address]string) secret.Store {
	return func(values map[secret.Address]string) secret.Store { return broken{memory(values), get} }
}

type mapStore map[secret.Address]string

func (m mapStore) Get(ctx context.Context, a secret.Address) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	name := secret.BindingOf(ctx, a)
	for k, text := range m {
		if k.Binding() == name {
			return text, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, secret.ErrNotFound)
}

type pointerStore struct{ mapStore }

// shyStore hides its values from fmt where fmt asks.
type shyStore struct{ mapStore }

func (shyStore) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte("store")) }
func (shyStore) MarshalText() ([]byte, error) { return []byte("store"), nil }

// formattedStore forgets encoding/json, loggedStore log/slog; both are
// pointers, whose fields fmt does not show.
type formattedStore struct{ Values map[string]string }

func (*formattedStore) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("store")) }
func (s *formattedStore) Get(ctx context.Context, a secret.Address) (string, error) {
	return getFrom(ctx, s.Values, a)
}

type loggedStore struct{ values map[string]string }

func (*loggedStore) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("store")) }
func (s *loggedStore) LogValue() slog.Value     { return slog.AnyValue(s.values) }
func (s *loggedStore) Get(ctx context.Context, a secret.Address) (string, error) {
	return getFrom(ctx, s.values, a)
}

// locatingStore shows a value as its place.
type locatingStore struct{ *secret.Memory }

func (s locatingStore) Locate(a secret.Address) string {
	text, _ := s.Get(context.Background(), a)
	return "memory: " + text
}

func getFrom(ctx context.Context, values map[string]string, a secret.Address) (string, error) {
	byAddress := mapStore{}
	for k, v := range values {
		if parsed, err := secret.ParseAddress(k); err == nil {
			byAddress[parsed] = v
		}
	}
	return byAddress.Get(ctx, a)
}

func byText(values map[secret.Address]string) map[string]string {
	m := map[string]string{}
	for a, text := range values {
		m[a.String()] = text
	}
	return m
}

// leaky puts all that it holds into its error.
type leaky struct{ mapStore }

func (s leaky) Get(ctx context.Context, a secret.Address) (string, error) {
	text, err := s.mapStore.Get(ctx, a)
	if errors.Is(err, secret.ErrNotFound) {
		return "", fmt.Errorf("%s is not among %v: %w", a, s.mapStore, secret.ErrNotFound)
	}
	return text, err
}

// hiddenLeak is an error whose text is harmless, but whose %+v is not.
type hiddenLeak struct{ text string }

func (hiddenLeak) Error() string { return "LAYERON_SECRET_ $SECRET. not found" }
func (hiddenLeak) Unwrap() error { return secret.ErrNotFound }

// alone refuses to answer two at a time: a Get waits for a second one, and then
// both fail. It shows that the check has more than one under way, without a
// race that the detector would end the test for.
type alone struct {
	good *secret.Memory
	mu   sync.Mutex
	both chan struct{}
	n    int
}

var errBusy = errors.New("busy")

func (s *alone) Get(context.Context, secret.Address) (string, error) {
	s.mu.Lock()
	s.n++
	if s.n == 2 {
		close(s.both)
	}
	s.mu.Unlock()
	select {
	case <-s.both:
	case <-time.After(hanging):
	}
	return "", errBusy
}

func TestChecksCatch(t *testing.T) {
	for _, tc := range []struct {
		name  string
		store func(map[secret.Address]string) secret.Store
		want  []string // the checks that must report something; no other may
		says  string   // a part of the reported problem
	}{
		{"a good one", func(v map[secret.Address]string) secret.Store { return memory(v) }, nil, ""},
		{"wrong error", refusing(func(a secret.Address, err error) error {
			if errors.Is(err, secret.ErrNotFound) {
				return fmt.Errorf("%s: no such key", a.Binding())
			}
			return err
		}), []string{"missing", "concurrent", "binding"}, "does not wrap secret.ErrNotFound"},
		{"no place", refusing(func(_ secret.Address, err error) error {
			if errors.Is(err, secret.ErrNotFound) {
				return secret.ErrNotFound
			}
			return err
		}), []string{"missing"}, "does not say where"},
		{"an empty text for a missing one", around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string,
			error) {
			text, err := good.Get(ctx, a)
			if errors.Is(err, secret.ErrNotFound) {
				err = nil
			}
			return text, err
		}), []string{"missing", "concurrent"}, "gives no error"},
		{"a text beside the error", around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
			text, err := good.Get(ctx, a)
			if err != nil {
				text = "?"
			}
			return text, err
		}), []string{"missing", "context"}, "a text beside the error"},
		{"white space trimmed", changed(strings.TrimSpace), []string{"text", "concurrent"}, "returns another text"},
		{"line ends changed", changed(func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }),
			[]string{"text", "concurrent"}, "returns another text"},
		{"only the first line", changed(func(s string) string { first, _, _ := strings.Cut(s, "\n"); return first }),
			[]string{"text", "large", "concurrent", "context"}, "returns another text"},
		{"expanded variables", changed(os.ExpandEnv), []string{"text", "concurrent"}, "returns another text"},
		{"a limit of 64 KiB", changed(func(s string) string { return s[:min(len(s), 1<<16)] }), []string{"large"},
			"65536 bytes instead of 1048576"},
		{"a newline added", changed(func(s string) string { return s + "\n" }),
			[]string{"text", "large", "missing", "context", "concurrent", "shown"}, "returns another text"},
		{"names mixed up", func(v map[secret.Address]string) secret.Store {
			return broken{nil, func(ctx context.Context, _ *secret.Memory, a secret.Address) (string, error) {
				for _, k := range sorted(v) {
					if strings.HasPrefix(k.String(), a.String()) {
						return mapStore(v).Get(ctx, k)
					}
				}
				return mapStore(v).Get(ctx, a)
			}}
		}, []string{"missing"}, "gives no error"},
		{"all namespaces in one", func(v map[secret.Address]string) secret.Store {
			return broken{nil, func(ctx context.Context, _ *secret.Memory, a secret.Address) (string, error) {
				for _, k := range sorted(v) {
					if k.Name == a.Name {
						return mapStore(v).Get(ctx, k)
					}
				}
				return mapStore(v).Get(ctx, a)
			}}
		}, []string{"text", "missing", "concurrent"}, "returns another text"},
		{"values in the error", func(v map[secret.Address]string) secret.Store { return &leaky{v} },
			[]string{"missing", "shown"}, "shows a value"},
		{"values in what the error wraps", refusing(func(a secret.Address, err error) error {
			if errors.Is(err, secret.ErrNotFound) {
				return fmt.Errorf("%s: %w", a, &hiddenLeak{markers[1]})
			}
			return err
		}), []string{"missing"}, "shows a value"}, // a wrong verb expands a pointer
		{"values in the error's own fields", refusing(func(a secret.Address, err error) error {
			if errors.Is(err, secret.ErrNotFound) {
				return placed{a.String(), markers[1]}
			}
			return err
		}), []string{"missing"}, "shows a value"},
		{"no context", around(func(_ context.Context, good *secret.Memory, a secret.Address) (string, error) {
			return good.Get(context.Background(), a)
		}), []string{"context", "binding"}, "does not mind"},
		{"no declared names", around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
			return good.Get(naming(ctx, a, a.Binding()), a)
		}), []string{"binding"}, "take the name from secret.BindingOf(ctx, addr), not from addr.Binding()"},
		{"one declared name for all", around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string,
			error) {
			if missing := addr("text", "missing"); secret.BindingOf(ctx, missing) != missing.Binding() {
				a = missing
			}
			return good.Get(ctx, a)
		}), []string{"binding"}, "fails where another address has an Options.Binding"},
		{"another error than the context's", refusing(func(a secret.Address, err error) error {
			if errors.Is(err, secret.ErrNotFound) {
				return err
			}
			return errors.New("request failed")
		}), []string{"context"}, "another error than the context's"},
		{"values in the context's error", refusing(func(a secret.Address, err error) error {
			if errors.Is(err, secret.ErrNotFound) {
				return err
			}
			return fmt.Errorf("while holding %s: %w", markers[0], err)
		}), []string{"context"}, "shows a value"},
		{"hangs when cancelled", around(func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
			if ctx.Err() != nil {
				time.Sleep(hanging)
			}
			return good.Get(ctx, a)
		}), []string{"context"}, "has not come back"},
		{"one caller's cancellation is everybody's", func(v map[secret.Address]string) secret.Store {
			var mu sync.Mutex
			var ended error
			return broken{memory(v), func(ctx context.Context, good *secret.Memory, a secret.Address) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				if ended == nil {
					ended = ctx.Err()
				}
				if ended != nil {
					return "", ended
				}
				return good.Get(ctx, a)
			}}
		}, []string{"context"}, "fails"},
		{"one at a time", func(v map[secret.Address]string) secret.Store {
			return &alone{good: memory(v), both: make(chan struct{})}
		}, []string{"text", "large", "missing", "binding", "context", "concurrent", "shown"}, ""},
		{"panics", around(func(context.Context, *secret.Memory, secret.Address) (string, error) {
			panic(markers[0])
		}), []string{"text", "large", "missing", "binding", "context", "concurrent", "shown"},
			"panicked with a string"},
		{"a map", func(v map[secret.Address]string) secret.Store { return mapStore(v) }, []string{"shown"},
			"the store shows a value: %v"},
		{"a pointer to a map", func(v map[secret.Address]string) secret.Store { return &pointerStore{v} }, []string{"shown"},
			"the store shows a value: %v"},
		{"a map that hides, by value", func(v map[secret.Address]string) secret.Store { return shyStore{v} },
			[]string{"shown"}, "the store in an unexported field shows"},
		{"a map that hides, by pointer", func(v map[secret.Address]string) secret.Store { return &shyStore{v} },
			[]string{"shown"}, "the store in an unexported field shows a value: %s"},
		{"a map in JSON", func(v map[secret.Address]string) secret.Store { return &formattedStore{byText(v)} },
			[]string{"shown"}, "encoding/json"},
		{"a map in the log", func(v map[secret.Address]string) secret.Store { return &loggedStore{byText(v)} },
			[]string{"shown"}, "slog"},
		{"a place that tells too much", func(v map[secret.Address]string) secret.Store { return locatingStore{memory(v)} },
			[]string{"shown"}, "Locate shows"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reported []string
				var said strings.Builder
				for _, c := range checks {
					problems := c.run(tc.store(maps.Clone(c.values)), c.values)
					if len(problems) > 0 {
						reported = append(reported, c.name)
					}
					for _, p := range problems {
						said.WriteString(p.Error() + "\n")
					}
					if tc.name == "one at a time" && c.name == "concurrent" {
						require.ErrorIs(t, errors.Join(problems...), errBusy, "no two at a time")
						require.NotContains(t, errors.Join(problems...).Error(), "has not come back", "no two at a time")
					}
				}
				require.ElementsMatch(t, tc.want, reported, "checks that report something")
				require.Condition(t, func() bool { return strings.Contains(said.String(), tc.says) }, "no report says %q", tc.says)
				time.Sleep(2 * hanging) // every call ends within the bubble
			})
		})
	}
}

// hanging is the time that a call takes which should not return, in the clock
// of a synctest bubble: a bubble has to end.
const hanging = time.Hour

// placed is an error with a value in a field, where %+v and %#v find it.
type placed struct{ Place, Value string }

func (p placed) Error() string { return p.Place + " not found" }
func (placed) Unwrap() error   { return secret.ErrNotFound }
