package secret

import (
	"context"
	"strconv"
	"strings"
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
	values map[string]memoryText // by binding name; of a text with an address, by the derived one
	byAddr map[Address]addressed // the texts with an address as key
	turn   int                   // counts Set and Delete
	asked  map[string]bool       // the declared binding names that were asked for
	misfit int                   // the number of keys that no secret can have
	fail   error
	feeds  map[*memoryFeed]struct{} // one for each running Watch
}

var (
	_ Store   = (*Memory)(nil)
	_ Locator = (*Memory)(nil)
	_ Watcher = (*Memory)(nil)
)

// memoryText is the result of the last Set or Delete of a key. A secret may have
// both its address and a declared binding name as a key: the later call decides.
type memoryText struct {
	text    string
	deleted bool
	derived bool // of values: the key was an address, and the name follows from it
	turn    int
}

// addressed is a text with an address as key, and the derived binding name. Two
// addresses may have one derived name.
type addressed struct {
	memoryText
	name string // derived
}

// memoryFeed holds the addresses that a Watch has not reported yet.
type memoryFeed struct {
	due   map[Address]bool   // guarded by memory.mu
	names map[Address]string // binding names
	wake  chan struct{}
}

// notify records a change of the texts that changed accepts, or of all if it is
// nil. The caller holds mu.
func (d *memory) notify(changed func(addr Address, name string) bool) {
	for f := range d.feeds {
		for addr := range f.due {
			if changed == nil || changed(addr, f.names[addr]) {
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
// (LAYERON_SECRET_AUTH_SESSION_KEY, or the Options.Binding of a secret). If a
// secret has a text under both, the one under its binding name counts. The map
// is copied and may be nil.
func NewMemory(values map[string]string) *Memory {
	m := new(Memory)
	d := m.data()
	for key, text := range values {
		d.put(key, memoryText{text: text})
	}
	return m
}

func (m *Memory) data() *memory {
	if d := m.p.Load(); d != nil {
		return d
	}
	m.p.CompareAndSwap(nil, &memory{values: map[string]memoryText{}, byAddr: map[Address]addressed{},
		asked: map[string]bool{}, feeds: map[*memoryFeed]struct{}{}})
	return m.p.Load()
}

// memoryKey is a parsed key: an address and its derived binding name, or a
// binding name alone.
type memoryKey struct {
	addr Address // zero: the key is a binding name
	name string
}

func parseMemoryKey(key string) (k memoryKey, ok bool) {
	if a, err := ParseAddress(key); err == nil {
		return memoryKey{a, a.Binding()}, true
	}
	return memoryKey{name: key}, isBinding(key) || validBinding(key)
}

// names reports whether the key is that of a secret: its address, or its binding
// name.
func (k memoryKey) names(addr Address, name string) bool { return name == k.name || addr == k.addr }

// Set stores text under key, an address or a binding name. A secret has the text
// of the last call, under either key. A text under any other key can never be
// read. If a read finds nothing, its error reports how many such keys the store
// holds.
func (m *Memory) Set(key, text string) { m.data().change(key, memoryText{text: text}) }

// Delete removes the text of the secret with this key, if any.
func (m *Memory) Delete(key string) { m.data().change(key, memoryText{deleted: true}) }

func (d *memory) change(key string, t memoryText) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turn++
	t.turn = d.turn
	d.put(key, t)
}

// put stores the result of a Set or a Delete.
func (d *memory) put(key string, t memoryText) {
	k, ok := parseMemoryKey(key)
	if !ok {
		if !t.deleted {
			d.misfit++
		}
		return
	}
	if other, ok := d.values[k.name]; ok && k.addr != (Address{}) && !other.derived && other.turn == t.turn {
		return // both are keys of NewMemory's map, which has no order: the name decides
	}
	d.forget(k)
	if k.addr != (Address{}) {
		d.byAddr[k.addr] = addressed{t, k.name}
	}
	if t.derived = k.addr != (Address{}); !t.derived || !t.deleted {
		d.values[k.name] = t
	}
	d.notify(k.names)
}

// forget removes the text under a key. An address and its derived binding name
// are one key.
func (d *memory) forget(k memoryKey) {
	delete(d.values, k.name)
	if k.addr != (Address{}) {
		delete(d.byAddr, k.addr)
		return
	}
	for addr, a := range d.byAddr { // several addresses may have the name
		if a.name == k.name {
			delete(d.byAddr, addr)
		}
	}
}

// Fail makes every Get return err, to simulate a store that is out of order.
// Nil ends that.
func (m *Memory) Fail(err error) {
	d := m.data()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
	d.notify(nil)
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, addr Address) (string, error) {
	if ctx.Err() != nil {
		return "", endOf(ctx)
	}
	d, name := m.data(), BindingOf(ctx, addr)
	d.mu.RLock()
	fail, known := d.fail, d.asked[name]
	t, ok := d.values[name]
	// If the declared name is the derived name of another address, the text of that
	// address counts, not that of addr: secrettest.TestStore requires it.
	if a, given := d.byAddr[addr.withDefault()]; given && (!ok || a.name == name || !t.derived && a.turn > t.turn) {
		t, ok = a.memoryText, true
	}
	d.mu.RUnlock()
	if !known && !strings.HasPrefix(name, bindingPrefix) {
		d.mu.Lock()
		d.asked[name] = true
		d.mu.Unlock()
	}
	switch {
	case fail != nil:
		return "", fail
	case !ok || t.deleted:
		why := memoryPlace + name + " is not set"
		if n := d.misfits(); n > 0 {
			why += " (" + strconv.Itoa(n) + " given keys are neither addresses nor binding names)"
		}
		return "", because(ErrNotFound, why)
	}
	return t.text, nil
}

// misfits returns the number of keys under which no text can be found: neither
// an address, nor a derived binding name, nor one under which a secret has been
// read.
func (d *memory) misfits() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := d.misfit
	for name, t := range d.values {
		if !t.deleted && !isBinding(name) && !d.asked[name] {
			n++
		}
	}
	return n
}

// Locate implements [Locator].
func (m *Memory) Locate(addr Address) string { return memoryPlace + addr.Binding() }

const memoryPlace = "memory store, "

// Watch implements [Watcher]: an App sees each Set, Delete and Fail at once.
func (m *Memory) Watch(ctx context.Context, addrs []Address, changed func(Address)) error {
	d := m.data()
	feed := &memoryFeed{due: make(map[Address]bool, len(addrs)), names: make(map[Address]string, len(addrs)),
		wake: make(chan struct{}, 1)}
	for _, addr := range addrs {
		feed.due[addr], feed.names[addr] = true, BindingOf(ctx, addr)
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
