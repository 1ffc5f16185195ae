package secret

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// Cache keeps the texts that stores confirmed last, for a Start while a store is
// out of reach: see AppOptions.Cache. [DirCache] returns one, and
// keyring.SealCache encrypts the entries of another. A Cache is no [Store]: an
// entry is not the stored text alone, and Start refuses the Caches of these two
// functions as a store.
//
// A Cache must be safe for concurrent use, must return soon after ctx has
// ended, and must not put any part of an entry into an error. ctx ends after at
// most 5 seconds, or half of AppOptions.Timeout if that is less. A Put replaces the
// whole entry: a Get returns one that was put, never a part or a mixture. A Get
// for an address without an entry returns an error that wraps [ErrNotFound].
type Cache interface {
	Get(ctx context.Context, addr Address) (string, error)
	Put(ctx context.Context, addr Address, text string) error
}

// ownCache is a Cache of this module. It is an interface so that an App does
// not link a Cache that the program does not use.
type ownCache interface {
	Cache
	// CacheKey returns the secret that encrypts the entries, or nil.
	CacheKey() *Secret
}

const (
	cacheTimeout  = 5 * time.Second // for one entry, read and written
	cacheWriters  = 8
	cacheAtMost   = 5 * time.Minute // between two writes of an entry that has not changed
	longestRetry  = 5 * time.Second // of Start
	clockTolerant = time.Minute     // an entry may be this much ahead of the clock
)

// secretCache is the part of an appSecret that only an App with a Cache needs.
type secretCache struct {
	text  atomic.Pointer[documentText]
	place cachePlace // guarded by the lock of the queue

	// Guarded by the lock of the appSecret.
	at    time.Time // when the store confirmed the document; zero: this process loaded it
	tried *flight   // the last good load of a Start that failed
}

// documentText is a document with its text, which the document does not always
// hold.
type documentText struct {
	doc  *Document
	text string
}

// useCache prepares sec for AppOptions.Cache. The environment is never out of
// reach, so its values are not copied.
func (sec *appSecret) useCache() {
	_, local := sec.store.(*envStore)
	if !timeout.Timers || sec.app.options.Cache == nil || local {
		return
	}
	sec.cache = new(secretCache)
}

func (sec *appSecret) keepText(text string, doc *Document) {
	if sec.cache != nil {
		sec.cache.text.Store(&documentText{doc, text})
	}
}

// replaced records which document reads return now.
func (c *secretCache) replaced(f *flight) {
	if c != nil {
		c.at, c.tried = time.Time{}, nil
		if f.cached {
			c.at = f.confirmed
		}
	}
}

// confirmed returns when the store confirmed a document from the cache, else
// zero.
func (c *secretCache) confirmed() time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.at
}

// cacheSlow is the error of a cache that takes too long. It is no variable,
// because a Worker would link that.
type cacheSlow struct{}

func (cacheSlow) Error() string { return "the cache has not answered in time" }

// askCache calls f, which calls the cache, and waits for it until ctx ends.
// Then returned is not nil, and receives the error of f when f returns. A panic
// is an error.
func askCache(ctx context.Context, f func() error) (returned <-chan error, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		c := guard(func() {
			if err = f(); err != nil {
				_ = errors.Is(err, ErrNotFound) // these methods may panic, too
				_ = err.Error()
			}
		})
		if c != nil {
			err = errors.New(c.why("the cache"))
		}
		done <- err
	}()
	select {
	case err := <-done:
		return nil, err
	case <-ctx.Done():
		return done, endOf(ctx)
	}
}

// cacheFailed logs when a cache begins to fail, for any secret, and when it
// fails for none any more.
func (a *App) cacheFailed(sec *appSecret, err error) {
	q := &a.cache
	q.mu.Lock()
	before := len(q.failing)
	switch {
	case err == nil:
		delete(q.failing, sec)
	case before == 0:
		q.failing = map[*appSecret]struct{}{sec: {}}
	default:
		q.failing[sec] = struct{}{}
	}
	after := len(q.failing)
	q.mu.Unlock()
	switch {
	case before == 0 && after > 0:
		a.log(slog.LevelWarn, "secret cache fails, the App works without it", "address", sec.decl.addr.String(),
			"error", err.Error())
	case before > 0 && after == 0:
		a.log(slog.LevelInfo, "secret cache works again")
	}
}

// refuseCache returns an error for a Cache that cannot serve this App, and for
// a store that is a Cache. The caller holds claims and mu.
func (a *App) refuseCache() error {
	if !timeout.Timers {
		if a.options.Cache != nil {
			return appError("on js/wasm nothing can run in the background: AppOptions.Cache must be nil")
		}
		return nil
	}
	var key *Secret
	if own, ok := a.options.Cache.(ownCache); ok {
		key = own.CacheKey()
	}
	if key != nil && key.Err() != nil {
		return appError("the key of AppOptions.Cache: " + key.Err().Error())
	}
	for _, sec := range a.secrets {
		if slices.ContainsFunc(storesOf(sec.store), isCache) {
			return appError("the store of " + sec.decl.addr.String() + " is a Cache, which is no store; " +
				"give the store as Store, and the Cache as AppOptions.Cache")
		}
		if key != nil && (slices.Contains(sec.readers, key) || sec.decl.same(key.declaration())) {
			return appError("AppOptions.Cache is sealed under " + key.String() + ", which this App loads: it could not be " +
				"read while the store is out of reach; take a secret of its own, in the environment or a file, and do not " +
				"give it to Use")
		}
	}
	return nil
}

// storesOf returns the stores of a Chain, or s.
func storesOf(s Store) []Store {
	if c, ok := s.(interface{ links() *links }); ok {
		return c.links().stores
	}
	return []Store{s}
}

func isCache(s Store) bool {
	_, ok := s.(ownCache)
	return ok
}
