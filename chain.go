package secret

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Chain returns a store that asks the given stores in order and returns the
// first text that it finds: an override in the environment before a mounted
// folder, the new store before the old one during a move.
//
// Only [ErrNotFound] leads to the next store, and a binding name that no variable
// of [Env] can have, such as tls.crt. Any other error ends the search, and names
// the store: a Chain never falls back to an older copy because the store before
// is out of reach. A text that is empty or malformed was found, so it ends the
// search too. The first store that has a text decides, also if a
// later store has a newer one: a stale copy in an early store hides each later
// rotation, so remove such copies, or put the store that `layer secret`
// publishes to first.
//
// The Chain is a [Watcher] only if every store that can change is one. [Env]
// cannot change. A store of your own that cannot change says so as a Watcher
// that calls changed once for each address and then waits for the end of ctx.
// The Watch of a Chain runs those of its stores. If one ends, it ends the others
// and returns, and the error names the store.
//
// The Chain is a [BatchStore] if one of its stores is. GetAll asks the stores in
// order, each for the addresses that the stores before do not have. It calls Get
// of a store that is no BatchStore, for up to 64 addresses at a time.
// AppOptions.Timeout bounds all that together.
//
// A nil store, or none at all, makes every read fail with [ErrInvalid]. A Chain
// within a Chain is the same as its stores in that place. Two Chains are never
// equal: make one, and share it between declarations. The Chain passes ctx on, so
// each store finds the name of [BindingOf]. It is safe for concurrent use, and
// shows no text under any verb of fmt.
func Chain(stores ...Store) Store {
	c := new(chain)
	l := newLinks(stores)
	c.p.Store(l)
	switch watched, batch := l.watched(), l.batch(); {
	case watched && batch:
		return &watchedBatchChain{watchedChain{c}}
	case watched:
		return &watchedChain{c}
	case batch:
		return &batchChain{c}
	}
	return c
}

// chain is a Chain. A type for each set of optional interfaces embeds it, as
// watchedChain does: the methods of a store say what it can do.
type chain struct {
	p atomic.Pointer[links] // hides the stores from reflection: one may be a map of values
}

var (
	_ Locator = (*chain)(nil)
	_ Locator = (*watchedChain)(nil)
	_ Watcher = (*watchedChain)(nil)
)

// links are the stores of a Chain, in order.
type links struct {
	stores  []Store
	err     error    // if set, every read fails with it
	holders sync.Map // Address to int: the store that returned the last text
}

func newLinks(stores []Store) *links {
	l := new(links)
	for _, s := range stores {
		switch s := s.(type) {
		case nil:
			l.err = because(ErrInvalid, "store "+strconv.Itoa(len(l.stores)+1)+" of the Chain is nil")
			return l
		case interface{ links() *links }:
			if l.err = s.links().err; l.err != nil {
				return l
			}
			l.stores = append(l.stores, s.links().stores...)
		default:
			l.stores = append(l.stores, s)
		}
	}
	if len(l.stores) == 0 {
		l.err = because(ErrInvalid, "the Chain has no store")
	}
	return l
}

func (c *chain) links() *links { return c.p.Load() }

// Get implements [Store].
func (c *chain) Get(ctx context.Context, addr Address) (string, error) {
	l := c.links()
	if l.err != nil {
		return "", l.err
	}
	addr = addr.withDefault()
	var looked []string
	for i, s := range l.stores {
		if ctx.Err() != nil {
			return "", endOf(ctx)
		}
		text, err := s.Get(ctx, addr)
		if err == nil {
			l.holders.Store(addr, i)
			return text, nil
		}
		if !l.lacks(i, err) {
			l.holders.Delete(addr)
			return "", l.failure(ctx, i, addr, err)
		}
		looked = append(looked, whereNot(err))
	}
	l.holders.Delete(addr)
	return "", nowhere(looked)
}

// lacks reports whether a store has no text, by its error. No variable has a name
// such as tls.crt, so Env has none, and the error of Env counts only if no other
// store can have the text.
func (l *links) lacks(i int, err error) bool {
	_, isEnv := l.stores[i].(*envStore)
	return errors.Is(err, ErrNotFound) || isEnv && len(l.stores) > 1 && errors.Is(err, ErrInvalid)
}

// whereNot returns the reason of an error for which lacks is true.
func whereNot(err error) string {
	text := strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": ")
	return strings.TrimPrefix(text, ErrNotFound.Error()+": ")
}

// nowhere is the error of a Chain whose stores have no text, each for its reason.
func nowhere(looked []string) error { return because(ErrNotFound, strings.Join(looked, ", and ")) }

// Locate implements [Locator] with the place in the store that returned the last
// text.
func (c *chain) Locate(addr Address) string {
	if s, ok := c.holder(addr).(Locator); ok {
		return s.Locate(addr)
	}
	return ""
}

// holder returns the store that returned the last text, or nil.
func (c *chain) holder(addr Address) Store {
	l := c.links()
	if i, ok := l.holders.Load(addr.withDefault()); ok {
		return l.stores[i.(int)]
	}
	return nil
}

// failure returns err with the store that returned it, and the place unless err
// contains it.
func (l *links) failure(ctx context.Context, i int, addr Address, err error) error {
	if err == ctx.Err() {
		err = gaveUp(ctx)
	}
	if _, is := l.stores[i].(Locator); !is {
		return l.named(i, l.typeOf(i), err)
	}
	place := l.place(ctx, i, addr)
	if strings.Contains(err.Error(), place) {
		place = ""
	}
	return l.named(i, place, err)
}

// place returns the place where a store looks, with the declared binding name, or
// "" if the store names none.
func (l *links) place(ctx context.Context, i int, addr Address) string {
	s, is := l.stores[i].(Locator)
	if !is {
		return ""
	}
	place := s.Locate(addr)
	if name := BindingOf(ctx, addr); name != addr.Binding() {
		if folder, ok := strings.CutSuffix(place, addr.Binding()); ok {
			place = folder + name
		}
	}
	return place
}

func (l *links) typeOf(i int) string { return reflect.TypeOf(l.stores[i]).String() }

func (l *links) named(i int, detail string, err error) error {
	name := "store " + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(l.stores)) + " in the Chain"
	if detail != "" {
		name += " (" + detail + ")"
	}
	return &linkError{name: name, err: err}
}

// linkError is an error of one store of a Chain.
type linkError struct {
	_    uncomparable
	name string
	err  error
}

func (e *linkError) Error() string { return e.name + ": " + e.err.Error() }
func (e *linkError) Unwrap() error { return e.err }
