package drivertest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// MemoryPublisher is a [driver.Publisher] for tests. It lasts as long as the
// process, and readers see a change at once. It names values by their binding,
// and is also a [secret.Store] and a [secret.Watcher], so that a program's
// tests read the published texts through package secret.
//
// The zero MemoryPublisher is empty and ready for use; it must not be copied.
// It is safe for concurrent use, and shows no value under any verb of fmt, in
// JSON or in a log.
type MemoryPublisher struct {
	mu     sync.Mutex
	writes int
	fail   error
	values map[string]memoryValue
	store  secret.Memory // the same texts, for readers
}

type memoryValue struct {
	text driver.Value
	driver.Published
}

// Publish implements [driver.Publisher].
func (m *MemoryPublisher) Publish(ctx context.Context, items []driver.Item) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := 0
	return each(items, func(item driver.Item) error {
		done++
		defer driver.Progress(ctx, done)
		if err := m.out(ctx); err != nil {
			return err
		}
		m.put(item)
		return nil
	})
}

// put stores an item under a new Modified. The caller holds mu.
func (m *MemoryPublisher) put(item driver.Item) {
	if m.values == nil {
		m.values = map[string]memoryValue{}
	}
	m.writes++
	m.values[item.Name] = memoryValue{item.Text, driver.Published{Note: item.Note, Modified: strconv.Itoa(m.writes)}}
	m.store.Set(item.Name, item.Text.Reveal())
}

// out returns the reason why no value can be changed now, or nil. The caller
// holds mu.
func (m *MemoryPublisher) out(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return driver.NotApplied(err)
	}
	return m.fail
}

// Inspect implements [driver.Publisher].
func (m *MemoryPublisher) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if m.fail != nil {
		return nil, m.fail
	}
	found := map[string]driver.Published{}
	for _, name := range names {
		if v, ok := m.values[name]; ok {
			found[name] = v.Published
		}
	}
	return found, nil
}

// Remove implements [driver.Remover].
func (m *MemoryPublisher) Remove(ctx context.Context, names []string) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return each(names, func(name string) error {
		if err := m.out(ctx); err != nil {
			return err
		}
		delete(m.values, name)
		m.store.Delete(name)
		return nil
	})
}

// NameOf implements [driver.Namer]: it returns the binding.
func (m *MemoryPublisher) NameOf(names driver.Names) string { return names.Binding }

// Text returns the text stored under a name, and whether there is one.
func (m *MemoryPublisher) Text(name string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[name]
	return v.text.Reveal(), ok
}

// Names returns the names that have a value, sorted.
func (m *MemoryPublisher) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.values))
}

// Set writes a text like a person in a dashboard: an existing note beside it
// does not change.
func (m *MemoryPublisher) Set(name, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(driver.Item{Name: name, Text: driver.NewValue(text), Note: m.values[name].Note})
}

// Fail makes every Publish, Inspect and Remove do nothing and return err, like
// a target that is down. The caller chooses whether err wraps
// [driver.ErrNotApplied]. Nil ends the failures. Readers are not affected.
func (m *MemoryPublisher) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Get implements [secret.Store].
func (m *MemoryPublisher) Get(ctx context.Context, addr secret.Address) (string, error) {
	return m.store.Get(ctx, addr)
}

// Locate implements [secret.Locator].
func (m *MemoryPublisher) Locate(addr secret.Address) string { return m.store.Locate(addr) }

// Watch implements [secret.Watcher]: an App sees every publish at once.
func (m *MemoryPublisher) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	return m.store.Watch(ctx, addrs, changed)
}

// String returns the same text independent of the publisher's values.
func (m *MemoryPublisher) String() string { return "memory publisher" }

// Format writes the result of String under every verb and flag.
func (m *MemoryPublisher) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, m.String())
}

// MarshalText returns the result of String, for encoding/json and log/slog.
func (m *MemoryPublisher) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// each calls do for every item. It returns the errors at their item's index, or
// nil if there are none.
func each[T any](items []T, do func(T) error) []error {
	var errs []error
	for i, item := range items {
		if err := do(item); err != nil {
			if errs == nil {
				errs = make([]error, len(items))
			}
			errs[i] = err
		}
	}
	return errs
}

var (
	_ driver.Publisher = (*MemoryPublisher)(nil)
	_ driver.Remover   = (*MemoryPublisher)(nil)
	_ driver.Namer     = (*MemoryPublisher)(nil)
	_ secret.Watcher   = (*MemoryPublisher)(nil)
	_ secret.Locator   = (*MemoryPublisher)(nil)
)
