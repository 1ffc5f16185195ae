package secret

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// batchChain is a Chain that is a BatchStore.
type batchChain struct{ *chain }

// watchedBatchChain is a Chain that is a Watcher and a BatchStore.
type watchedBatchChain struct{ watchedChain }

var (
	_ BatchStore = (*batchChain)(nil)
	_ BatchStore = (*watchedBatchChain)(nil)
	_ Watcher    = (*watchedBatchChain)(nil)
)

// batch reports whether a store of the Chain is a BatchStore.
func (l *links) batch() bool {
	return l.err == nil && slices.ContainsFunc(l.stores, func(s Store) bool { _, is := s.(BatchStore); return is })
}

// GetAll implements [BatchStore].
func (c *batchChain) GetAll(ctx context.Context, addrs []Address) (map[Address]string, error) {
	return c.texts(ctx, addrs)
}

// GetAll implements [BatchStore].
func (c *watchedBatchChain) GetAll(ctx context.Context, addrs []Address) (map[Address]string, error) {
	return c.texts(ctx, addrs)
}

// texts returns no error if every address without a text is not found.
func (c *chain) texts(ctx context.Context, addrs []Address) (map[Address]string, error) {
	texts, errs := c.getAll(ctx, addrs)
	if !slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, ErrNotFound) }) {
		return texts, nil
	}
	return texts, errors.Join(errs...)
}

// sought is an address that a Chain looks for.
type sought struct {
	addr    Address
	outcome          // err ended the search
	looked  []string // why each store so far has no text
}

// getAll returns an error for each address without a text, as Get would return
// it: without a failure, GetAll cannot say where each store has looked.
func (c *chain) getAll(ctx context.Context, addrs []Address) (map[Address]string, []error) {
	l := c.links()
	all := make(map[Address]*sought, len(addrs))
	var rest []*sought
	for _, addr := range addrs {
		if addr = addr.withDefault(); all[addr] == nil {
			all[addr] = &sought{addr: addr}
			rest = append(rest, all[addr])
		}
	}
	for i := range l.stores {
		if len(rest) == 0 {
			break
		}
		rest = l.ask(ctx, i, rest)
	}
	for _, s := range rest {
		s.err = nowhere(s.looked)
	}
	texts := make(map[Address]string, len(addrs))
	var errs []error
	for _, addr := range addrs {
		s := all[addr.withDefault()]
		if s.found {
			texts[addr] = s.text
			continue
		}
		l.holders.Delete(s.addr)
		errs = append(errs, &Error{Op: "load", Address: addr, Err: s.err})
	}
	return texts, errs
}

// ask asks one store, and returns the addresses that the next one is asked for.
func (l *links) ask(ctx context.Context, i int, all []*sought) (rest []*sought) {
	var outcomes []outcome
	if ctx.Err() == nil {
		outcomes = l.outcomes(ctx, i, all)
	}
	for j, s := range all {
		if outcomes == nil {
			s.err = endOf(ctx)
			continue
		}
		switch r := outcomes[j]; {
		case r.found:
			s.outcome = r
			l.holders.Store(s.addr, i)
		case r.err != nil && !l.lacks(i, r.err):
			s.err = l.failure(ctx, i, s.addr, r.err)
		case r.err != nil:
			s.looked, rest = append(s.looked, whereNot(r.err)), append(rest, s)
		default:
			where := cmp.Or(l.place(ctx, i, s.addr), BindingOf(ctx, s.addr))
			s.looked, rest = append(s.looked, where+" does not exist"), append(rest, s)
		}
	}
	return rest
}

// getsAtOnce is the number of Gets at a time of one GetAll, the same as that of an
// App without an AppOptions.Concurrency.
const getsAtOnce = 64

// outcomes returns the outcome of one store for each address.
func (l *links) outcomes(ctx context.Context, i int, all []*sought) []outcome {
	if s, is := l.stores[i].(BatchStore); is {
		addrs := make([]Address, len(all))
		for j, s := range all {
			addrs[j] = s.addr
		}
		return askAll(ctx, s, addrs)
	}
	outcomes := make([]outcome, len(all))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(all), getsAtOnce) {
		workers.Go(func() {
			for j := int(next.Add(1)) - 1; j < len(all); j = int(next.Add(1)) - 1 {
				r := &outcomes[j]
				r.text, r.err = guarded{l.stores[i]}.Get(ctx, all[j].addr)
				r.found = r.err == nil
			}
		})
	}
	workers.Wait()
	return outcomes
}
