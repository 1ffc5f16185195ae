package secret

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// BatchStore is an optional interface of a [Store] that answers for many secrets
// in one request. An App uses it for all its secrets that have this store, from
// AppOptions or from Options: it calls GetAll once in Start and in each of its
// retries, once for each refresh, and after many changes. It calls Get for one
// secret and for a few changes. A store that is not comparable is never asked
// for several.
//
// GetAll returns the texts of addrs, as Get would return them, by the given
// addresses. An address without a text is not found. Texts of other addresses are
// ignored, and a nil map is an empty one.
//
// A map may come with an error: the texts in the map count, and all other
// addresses failed with the error. If it is an [*Error] or joins several
// ([errors.Join]), an address that is named in one fails with it alone. So an
// error without an address may wrap [ErrNotFound] only if every absent address is
// not found.
//
// AppOptions.Timeout bounds the call, whose ctx has the declared binding names of
// all addrs, for [BindingOf]. The caller may change addrs afterwards, and the
// store the map. What holds for Get holds for GetAll: it is called concurrently,
// returns soon after ctx has ended, and puts no part of a value into an error. A
// GetAll that panics is a failed load of every address.
//
// A type that embeds a BatchStore and has a Get of its own needs a GetAll of its
// own, too.
//
// [Env], [Dir] and [NewMemory] return no BatchStore, and [Chain] returns one if
// one of its stores is. secrettest.TestStore tests one.
type BatchStore interface {
	Store
	GetAll(ctx context.Context, addrs []Address) (map[Address]string, error)
}

// outcome is what a BatchStore returned for one address.
type outcome struct {
	text  string
	found bool
	err   error // if none was found; nil: the store has no text
}

// askAll calls GetAll and returns the outcome for each address. If GetAll does not
// return, or its error cannot be read, that is the error of every address.
func askAll(ctx context.Context, s BatchStore, addrs []Address) []outcome {
	outcomes := make([]outcome, len(addrs))
	c := guard(func() {
		texts, err := getAll(ctx, s, slices.Clone(addrs)) // the store may keep the list
		for i, addr := range addrs {
			outcomes[i].text, outcomes[i].found = texts[addr]
		}
		if err == nil {
			return
		}
		// Call the methods of the store's error here, since they may panic too.
		own := map[Address]error{}
		rest := restOf(err, own)
		_ = errors.Is(err, errUnavailable)
		_ = err.Error()
		for i, addr := range addrs {
			outcomes[i].fail(ctx, cmp.Or(own[addr], rest))
		}
	})
	if c != nil {
		for i := range outcomes {
			outcomes[i].fail(ctx, errors.New(c.why("the store")))
		}
	}
	return outcomes
}

// getAll calls GetAll, or for a Chain the method that returns the reason for every
// address without a text.
func getAll(ctx context.Context, s BatchStore, addrs []Address) (map[Address]string, error) {
	c, is := s.(interface {
		getAll(context.Context, []Address) (map[Address]string, []error)
	})
	if !is {
		return s.GetAll(ctx, addrs)
	}
	texts, errs := c.getAll(ctx, addrs)
	return texts, errors.Join(errs...)
}

// fail sets the error, unless a text was found.
func (r *outcome) fail(ctx context.Context, err error) {
	switch {
	case r.found:
	case err == ctx.Err():
		r.err = gaveUp(ctx)
	default:
		r.err = err
	}
}

// restOf returns the error of the addresses that have none of their own, and
// fills in the errors that err joins for single addresses.
func restOf(err error, own map[Address]error) error {
	rest := collectErrors(err, own)
	if len(own) == 0 {
		return err
	}
	if len(rest) > 0 {
		return errors.Join(rest...)
	}
	// It does not say that any other address is not found.
	return errors.New(err.Error())
}

// collectErrors fills in the errors that err joins for single addresses, and
// returns the others.
func collectErrors(err error, own map[Address]error) (rest []error) {
	switch e := err.(type) {
	case *Error:
		if e.Address == (Address{}) {
			return []error{e}
		}
		own[e.Address] = e.Err
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			rest = append(rest, collectErrors(one, own)...)
		}
	default:
		rest = append(rest, err)
	}
	return rest
}
