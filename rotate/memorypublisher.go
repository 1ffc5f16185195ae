package rotate

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/layeron-hq/secret"
)

// MemoryPublisher is a Publisher for tests: it lasts as long as the process, and everybody sees a change at once. It names
// values by their binding, and it is a [secret.Store] that tells of changes, so that a program's tests read what was published
// through package secret. The zero one is empty and ready for use; it must not be copied. It is safe for concurrent use and
// shows no value under any verb of fmt, in JSON or in a log.
type MemoryPublisher struct {
	mu     sync.Mutex
	writes int
	fail   error
	values map[string]memoryValue
	store  secret.Memory // the same texts, for readers
}

type memoryValue struct {
	text Value
	Published
}

// Publish is [Publisher]'s.
func (m *MemoryPublisher) Publish(ctx context.Context, items []Item) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return each(items, func(item Item) error {
		if err := m.out(ctx); err != nil {
			return err
		}
		m.put(item)
		return nil
	})
}

func (m *MemoryPublisher) put(item Item) {
	if m.values == nil {
		m.values = map[string]memoryValue{}
	}
	m.writes++
	m.values[item.Name] = memoryValue{item.Text, Published{Note: item.Note, Modified: strconv.Itoa(m.writes)}}
	m.store.Set(item.Name, item.Text.Reveal())
}

// out tells why nothing can be changed now; mu is held.
func (m *MemoryPublisher) out(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return notApplied(err)
	}
	return m.fail
}

// Inspect is [Publisher]'s.
func (m *MemoryPublisher) Inspect(ctx context.Context, names []string) (map[string]Published, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if m.fail != nil {
		return nil, m.fail
	}
	found := map[string]Published{}
	for _, name := range names {
		if v, ok := m.values[name]; ok {
			found[name] = v.Published
		}
	}
	return found, nil
}

// Remove is [Remover]'s.
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

// NameOf is [Namer]'s: the binding.
func (m *MemoryPublisher) NameOf(_ secret.Spec, s secret.SpecSecret) string { return s.Binding }

// Text returns the text that stands under a name.
func (m *MemoryPublisher) Text(name string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[name]
	return v.text.Reveal(), ok
}

// Set puts a text there as somebody would who knows of no notes: by hand, in the store's own dashboard. The note that stood
// there, if any, stays.
func (m *MemoryPublisher) Set(name, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(Item{Name: name, Text: NewValue(text), Note: m.values[name].Note})
}

// Fail makes every Publish, Inspect and Remove do nothing and return err, as a store does that is out of order; whether err
// wraps [ErrNotApplied] is the caller's choice. Nil ends that. Readers notice nothing.
func (m *MemoryPublisher) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Get is [secret.Store]'s.
func (m *MemoryPublisher) Get(ctx context.Context, addr secret.Address) (string, error) {
	return m.store.Get(ctx, addr)
}

// Locate is [secret.Locator]'s.
func (m *MemoryPublisher) Locate(addr secret.Address) string { return m.store.Locate(addr) }

// Watch is [secret.Watcher]'s: an App sees at once what was published.
func (m *MemoryPublisher) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	return m.store.Watch(ctx, addrs, changed)
}

// String tells that it is a publisher, and nothing of what it holds.
func (m *MemoryPublisher) String() string { return "memory publisher" }

// Format writes what String returns, under every verb and flag.
func (m *MemoryPublisher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// MarshalText returns what String does, for encoding/json and log/slog.
func (m *MemoryPublisher) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
