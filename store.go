package secret

import "context"

// Store returns stored texts. [Env], [Dir], [NewMemory] and [Chain] return stores.
// A store of your own needs one method; secrettest.TestStore tests it. It may
// also be a [BatchStore], a [Watcher] or a [Locator].
//
// A Store must be safe for concurrent use, must return soon after ctx has
// ended, and must not put any part of a value into an error.
//
// In the background, as under an App, a Get that panics or calls
// [runtime.Goexit] is a failed load, and the error contains only the type of
// the panic's value. A panic in a goroutine that the store started ends the
// program.
type Store interface {
	// Get returns the text stored for addr, whole and unchanged, or an error that
	// wraps [ErrNotFound] and contains the place where it looked. A store that finds
	// texts by binding name takes that name from [BindingOf]. If the store answers
	// that this program may not read the text, the error should wrap
	// [io/fs.ErrPermission], as those of [Dir] do. Start then reports it at once: see
	// [App.Start].
	Get(ctx context.Context, addr Address) (string, error)
}

// Locator is an optional interface of a [Store]. It names the place where the
// store looks for a secret, such as a variable or a file, for messages about a
// value that is present but wrong.
//
// The place should end with the result of [Address.Binding]: for a secret with
// an Options.Binding, messages have that name in its stead.
//
// App.Start gives advice that fits the place of a missing or wrong value: if
// the place begins with "environment variable " or "file ", like the places of
// [Env] and [Dir], the advice is for a variable or a file. For any other place
// it is to publish the value with `layer secret`.
type Locator interface {
	Locate(addr Address) string
}

// locate returns the place from the store, or "" if the store names none.
func locate(s Store, d *declaration) string {
	l, ok := s.(Locator)
	if !ok {
		return ""
	}
	where := l.Locate(d.addr)
	if where != "" && d.Binding != "" {
		return declaredPlace(where, d)
	}
	return where
}

// Watcher is an optional interface of a [Store] that can report changes. An App
// uses it.
//
// Watch calls changed for an address whose value may have changed since the
// last call, until ctx ends or Watch can no longer guarantee delivery. A call
// is a hint and carries no value: the App calls Get, which after a hint must
// return the state at the hint or a later one.
//
// Watch first subscribes. Then it calls changed once for every address, so that
// a change before the subscription is not missed. After that it calls changed
// for each change; a deletion is a change. It may merge hints, but a call
// always follows the last change. Calls are serial, and changed never blocks.
// Watch detects a dead peer within 30 seconds. If changes may have been missed,
// it does not reconnect silently: it returns a non-nil error, either ctx's
// cause or the reason why delivery stopped. It then leaves nothing running, and
// the App starts it again.
//
// ctx has the declared binding names of all addrs, for [BindingOf].
//
// secrettest.TestWatcher tests a Watcher.
type Watcher interface {
	Watch(ctx context.Context, addrs []Address, changed func(Address)) error
}
