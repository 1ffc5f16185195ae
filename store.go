package secret

import "context"

// Store hands out stored texts. [NewMemory], [Env] and [Dir] are stores; writing one's own takes one method, and
// secrettest.TestStore tells whether it behaves.
//
// A Store must be safe for concurrent use, must come back soon after ctx has ended, and must put nothing of a value into
// an error.
//
// In the background, as under an App, a Get that panics or calls
// [runtime.Goexit] is a failed load, and the error gives the type of the panic's
// value alone. A panic in a goroutine that the store started ends the program.
type Store interface {
	// Get returns the text stored for addr, whole and unchanged, or an error that wraps [ErrNotFound] and says where it
	// looked.
	Get(ctx context.Context, addr Address) (string, error)
}

// Locator is an optional interface of a [Store]: it names the place where the store looks for a secret, such as a variable
// or a file, for messages about a value that is there but wrong.
type Locator interface {
	Locate(addr Address) string
}

// locate asks the store for the place, and returns "" where it does not tell.
func locate(s Store, addr Address) string {
	if l, ok := s.(Locator); ok {
		return l.Locate(addr)
	}
	return ""
}

// Watcher is an optional interface of a [Store] that can report changes. An App
// follows it.
//
// Watch calls changed for an address whose value may have changed since the
// last call, until ctx ends or delivery can't be promised any more. A call is a
// hint and carries no value: the App calls Get, which after a hint must return
// the state at the hint or a later one.
//
// Watch subscribes first, then calls changed once for every address, which
// closes the gap, then on changes; a deletion is a change. It may join hints,
// but one call always follows the last change. Calls are serial, and changed
// never blocks. Watch notices a dead peer within 30 seconds, and never retries
// in silence across a gap: it returns a non-nil error, ctx's cause or why
// delivery stopped. It leaves nothing running then, and the App starts it
// again.
//
// secrettest.TestWatcher tests a Watcher.
type Watcher interface {
	Watch(ctx context.Context, addrs []Address, changed func(Address)) error
}
