package secret

import "context"

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
// [Env], [Dir], [NewMemory] and [Chain] return no BatchStore. secrettest.TestStore
// tests one.
type BatchStore interface {
	Store
	GetAll(ctx context.Context, addrs []Address) (map[Address]string, error)
}
