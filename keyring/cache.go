package keyring

import (
	"context"

	"github.com/layeron-hq/secret"
)

// SealCache returns a Cache that encrypts the entries of cache, as a [Sealer]
// does, under the versions of key. Each entry opens for the address that it was
// put for, and for no other. An older entry of the same address opens as well,
// for as long as AppOptions.MaxStale allows.
//
// The key must be readable while the App's store is out of reach: declare it
// with [secret.Random] and a store of its own, such as [secret.Env] or a mounted
// file. It must not belong to the App that uses the cache: [secret.App.Start]
// then fails with [secret.ErrInvalid], as for a key whose declaration is wrong.
//
// New entries are sealed under the current version of the key. Entries of older
// versions open for as long as the store of the key holds these; an App writes
// its entries anew every few minutes. A Get of an entry that does not open fails
// with [ErrOpen]. If cache or key is nil, each call fails with
// [secret.ErrInvalid]. The result is safe for concurrent use if cache is.
//
// It panics under GODEBUG=fips140=only, as a Sealer does.
func SealCache(cache secret.Cache, key *secret.Secret) secret.Cache {
	return &sealedCache{cache: cache, key: key, sealer: NewSealer(key, "entries of a secret.Cache")}
}

type sealedCache struct {
	cache  secret.Cache
	key    *secret.Secret
	sealer *Sealer
}

// CacheKey implements an interface of the App, which refuses a key of its own.
func (c *sealedCache) CacheKey() *secret.Secret {
	if c.key == nil {
		return new(secret.Secret) // invalid, not absent
	}
	return c.key
}

func (c *sealedCache) Get(ctx context.Context, addr secret.Address) (string, error) {
	if c.cache == nil {
		return "", errNoCache()
	}
	sealed, err := c.cache.Get(ctx, addr)
	if err != nil {
		return "", err
	}
	entry, err := c.sealer.OpenText(ctx, sealed, []byte(addr.String()))
	return string(entry), err
}

func (c *sealedCache) Put(ctx context.Context, addr secret.Address, text string) error {
	if c.cache == nil {
		return errNoCache()
	}
	sealed, err := c.sealer.seal(ctx, []byte(text), []byte(addr.String()))
	if err != nil {
		return err
	}
	return c.cache.Put(ctx, addr, base64url.EncodeToString(sealed))
}

func errNoCache() error {
	return wrap("keyring", because(secret.ErrInvalid, "SealCache got no cache to encrypt"))
}
