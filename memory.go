package secret

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
)

// Memory is a store for tests and small programs. It is safe for concurrent use and shows no value under any verb of fmt,
// in JSON or in a log. The zero Memory is an empty store.
type Memory struct {
	p atomic.Pointer[memory] // out of reflection's sight
}

type memory struct {
	mu     sync.RWMutex
	values map[string]string // by binding
	misfit int               // keys given that are neither addresses nor bindings
	fail   error
}

// NewMemory makes a store of the given texts. Keys are addresses ($SECRET.auth.session-key) or binding names
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
	m.p.CompareAndSwap(nil, &memory{values: map[string]string{}})
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

// Set stores text under key, an address or a binding name. A key that is neither can never be read; the error of a read
// that finds nothing says that there is one.
func (m *Memory) Set(key, text string) {
	d := m.data()
	d.mu.Lock()
	defer d.mu.Unlock()
	if binding := memoryKey(key); binding != "" {
		d.values[binding] = text
	} else {
		d.misfit++
	}
}

// Delete removes what is stored under key, if anything is.
func (m *Memory) Delete(key string) {
	d := m.data()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.values, memoryKey(key))
}

// Fail makes every Get return err, as a store does that is out of order. Nil ends that.
func (m *Memory) Fail(err error) {
	d := m.data()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

// Get is [Store]'s.
func (m *Memory) Get(ctx context.Context, addr Address) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
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

// Locate is [Locator]'s.
func (m *Memory) Locate(addr Address) string { return "memory store, " + addr.Binding() }
