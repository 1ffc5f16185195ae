package secret

import (
	"context"
	"errors"
	"reflect"
)

// crash is the end of a call that did not return: a panic, or
// [runtime.Goexit], as in a failing test's store.
type crash struct {
	_    uncomparable
	kind string // the type of the panic's value; its text may hold a secret
}

// guard calls f, which runs a caller's code, and waits for its end. f has a
// goroutine of its own, so neither a panic nor runtime.Goexit in it ends the
// goroutine that waits. A nil crash means that f has returned.
func guard(f func()) (c *crash) {
	done := make(chan struct{})
	c = new(crash) // stays where f calls runtime.Goexit
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

// why returns the reason for an error or a log.
func (c *crash) why(who string) string {
	if c.kind == "" {
		return who + " ended its goroutine"
	}
	return who + " panicked with a value of type " + c.kind + ", not shown since it may hold a secret"
}

// guarded is a store for a goroutine of ours, where a panic would end the
// program. In Get it is an error, in Locate it loses the place.
type guarded struct{ store Store }

func (g guarded) Get(ctx context.Context, addr Address) (text string, err error) {
	c := guard(func() {
		if text, err = g.store.Get(ctx, addr); err != nil {
			// The methods of the store's error run here once, since they may panic too.
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
	guard(func() { where = locate(g.store, addr) })
	return where
}
