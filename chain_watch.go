package secret

import (
	"context"
	"errors"
	"sync"
)

// watchedChain is a Chain that is a Watcher.
type watchedChain struct{ *chain }

// watched reports whether the Chain is a Watcher: at least one of its stores can
// change, and each that can is a Watcher.
func (l *links) watched() (is bool) {
	for _, s := range l.stores {
		if _, fixed := s.(*envStore); fixed {
			continue
		}
		if _, is = s.(Watcher); !is {
			return false
		}
	}
	return is && l.err == nil
}

// Watch implements [Watcher].
func (c *watchedChain) Watch(ctx context.Context, addrs []Address, changed func(Address)) error {
	l := c.links()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	// Calls of changed are serial. A test's clock does not pass while a goroutine
	// waits for a Mutex, so this is a channel.
	turn := make(chan struct{}, 1)
	one := func(addr Address) {
		turn <- struct{}{}
		defer func() { <-turn }()
		changed(addr)
	}
	var running sync.WaitGroup
	for i, s := range l.stores {
		w, is := s.(Watcher)
		if !is {
			continue // it cannot change
		}
		running.Go(func() { end(l.named(i, l.typeOf(i), watchLink(ctx, w, addrs, one))) })
	}
	running.Wait()
	return context.Cause(ctx) // the first end counts: that of the caller's ctx, or a store's
}

// watchLink returns the reason why the Watch of one store ended.
func watchLink(ctx context.Context, w Watcher, addrs []Address, changed func(Address)) error {
	err := errors.New("Watch returned without an error")
	if c := guard(func() {
		if e := w.Watch(ctx, addrs, changed); e != nil {
			err = e
		}
	}); c != nil {
		return errors.New(c.why("Watch"))
	}
	return err
}
