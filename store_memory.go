package secret

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
)

// Memory is a store for tests and small programs. It is safe for concurrent use
// and shows no value under any verb of fmt, in JSON or in a log. The zero
// Memory is an empty store.
type Memory struct {
	p atomic.Pointer[memory] // hides values from reflection
}

type memory struct {
	mu     sync.RWMutex
	values map[string]string // by binding
	misfit int               // the number of keys that are neither addresses nor bindings
	fail   error
	feeds  map[*memoryFeed]struct{} // one for each running Watch
}

var (
	_ Store   = (*Memory)(nil)
	_ Locator = (*Memory)(nil)
	_ Watcher = (*Memory)(nil)
)

// memoryFeed holds the addresses that a Watch has not reported yet.
type memoryFeed struct {
	due  map[Address]bool // guarded by memory.mu
	wake chan struct{}
}

// notify records a change of one binding, or of all if binding is empty. The
// caller holds mu.
func (d *memory) notify(binding string) {
	for f := range d.feeds {
		for addr := range f.due {
			if binding == "" || addr.Binding() == binding {
				f.due[addr] = true
			}
		}
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// NewMemory returns a store of the given texts. Keys are addresses
// ($SECRET.auth.session-key) or binding names
// (LAYERON_SECRET_AUTH_SESSION_KEY). The map is copied and may be nil.
func NewMemory(values map[string]string) *Memory {
	m := new(Memory)
	for key, text := range values {
		m.Set(key, text)
	}
	return m
}

func (m *Memory) data() *memory {
	if d := m.p.Load(); d != nil {
		return d
	}
	m.p.CompareAndSwap(nil, &memory{values: map[string]string{}, feeds: map[*memoryFeed]struct{}{}})
	return m.p.Load()
}

// memoryKey returns the binding that key names, or "".
func memoryKey(key string) string {
	if a, err := ParseAddress(key); err == nil {
		return a.Binding()
	}
	if isBinding(key) {
		return key
	}
	return ""
}

// Set stores text under key, an address or a binding name. A text under any
// other key can never be read. If a read finds nothing, its error reports how
// many such keys the store holds.
func (m *Memory) Set(key, text string) {
	d := m.data()
	d.mu.Lock()
	defer d.mu.Unlock()
	if binding := memoryKey(key); binding != "" {
		d.values[binding] = text
		d.notify(binding)
	} else {
		d.misfit++
	}
}

// Delete removes the text under key, if any.
func (m *Memory) Delete(key string) {
	d := m.data()
	d.mu.Lock()
	defer d.mu.Unlock()
	if binding := memoryKey(key); binding != "" {
		delete(d.values, binding)
		d.notify(binding)
	}
}

// Fail makes every Get return err, to simulate a store that is out of order.
// Nil ends that.
func (m *Memory) Fail(err error) {
	d := m.data()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
	d.notify("")
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, addr Address) (string, error) {
	if ctx.Err() != nil {
		return "", endOf(ctx)
	}
	d := m.data()
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.fail != nil {
		return "", d.fail
	}
	text, ok := d.values[addr.Binding()]
	if !ok {
		why := m.Locate(addr) + " is not set"
		if d.misfit > 0 {
			why += " (" + strconv.Itoa(d.misfit) + " given keys are neither addresses nor binding names)"
		}
		return "", because(ErrNotFound, why)
	}
	return text, nil
}

// Locate implements [Locator].
func (m *Memory) Locate(addr Address) string { return "memory store, " + addr.Binding() }

// Watch implements [Watcher]: an App sees each Set, Delete and Fail at once.
func (m *Memory) Watch(ctx context.Context, addrs []Address, changed func(Address)) error {
	d := m.data()
	feed := &memoryFeed{due: make(map[Address]bool, len(addrs)), wake: make(chan struct{}, 1)}
	for _, addr := range addrs {
		feed.due[addr] = true
	}
	d.mu.Lock()
	d.feeds[feed] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.feeds, feed)
		d.mu.Unlock()
	}()
	for {
		for _, addr := range addrs {
			d.mu.Lock()
			due := feed.due[addr]
			feed.due[addr] = false
			d.mu.Unlock()
			if due {
				changed(addr)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-feed.wake:
		}
	}
}
