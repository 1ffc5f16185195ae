package secret

import (
	"context"
	"errors"
	"reflect"
)

// crash describes a call that did not return: it panicked, or called
// [runtime.Goexit], as a failing test's store does.
type crash struct {
	_    uncomparable
	kind string // the type of the panic's value; the value itself may hold a secret
}

// guard calls f, which runs a caller's code, and waits for its end. f has its
// own goroutine, so neither a panic nor runtime.Goexit in it ends the waiting
// goroutine. A nil crash means that f returned.
func guard(f func()) (c *crash) {
	done := make(chan struct{})
	c = new(crash) // remains if f calls runtime.Goexit
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				c.kind = reflect.TypeOf(p).String()
			}
		}()
		f()
		c = nil
	}()
	<-done
	return c
}

// why returns the reason for an error or a log record.
func (c *crash) why(who string) string {
	if c.kind == "" {
		return who + " ended its goroutine"
	}
	return who + " panicked with a value of type " + c.kind + ", not shown since it may hold a secret"
}

// guarded wraps a store for a goroutine of this package, where a panic would
// end the program. A panic in Get becomes an error, and a panic in Locate
// leaves the place unknown.
type guarded struct{ store Store }

func (g guarded) Get(ctx context.Context, addr Address) (text string, err error) {
	c := guard(func() {
		if text, err = g.store.Get(ctx, addr); err != nil {
			// Call the methods of the store's error here once, since they may panic too.
			_ = errors.Is(err, errUnavailable)
			_ = err.Error()
		}
	})
	if c != nil {
		return "", errors.New(c.why("the store"))
	}
	return text, err
}

func (g guarded) Locate(addr Address) (where string) {
	guard(func() {
		if l, ok := g.store.(Locator); ok {
			where = l.Locate(addr)
		}
	})
	return where
}
