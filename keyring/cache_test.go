package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// plainCache is a Cache in memory.
type plainCache map[secret.Address]string

func (c plainCache) Get(_ context.Context, addr secret.Address) (string, error) {
	text, ok := c[addr]
	if !ok {
		return "", fmt.Errorf("%w: no entry", secret.ErrNotFound)
	}
	return text, nil
}

func (c plainCache) Put(_ context.Context, addr secret.Address, text string) error {
	c[addr] = text
	return nil
}

// bootstrap declares the key of a cache, with the store that has it.
func bootstrap(text string) (*secret.Memory, *secret.Secret) {
	m := secret.NewMemory(map[string]string{"$SECRET.bootstrap.cache-key": text})
	return m, secret.Random(secret.Options{Namespace: "bootstrap", Name: "cache-key", Store: m})
}

var (
	stripeAddr = secret.Address{Namespace: "billing", Name: "stripe-secret"}
	otherAddr  = secret.Address{Namespace: "billing", Name: "other"}
)

// TestSealCacheHidesEntries, and opens each for its own address, key and
// purpose alone.
func TestSealCacheHidesEntries(t *testing.T) {
	const value = "Qz7kWv2mXt9RbLp4nHc8"
	plain := plainCache{}
	_, key := bootstrap(hexKey(1))
	sealed := keyring.SealCache(plain, key)
	_, err := sealed.Get(ctx, stripeAddr)
	require.ErrorIs(t, err, secret.ErrNotFound)
	for _, text := range []string{"", value, strings.Repeat(value, 50_000)} {
		require.NoError(t, sealed.Put(ctx, stripeAddr, text))
		got, err := sealed.Get(ctx, stripeAddr)
		require.NoError(t, err)
		require.True(t, got == text)
		require.NotContains(t, plain[stripeAddr], value)
	}

	entry := plain[stripeAddr]
	plain[otherAddr] = entry
	_, err = sealed.Get(ctx, otherAddr)
	require.ErrorIs(t, err, keyring.ErrOpen, "moved to another address")
	for _, damaged := range []string{"", "x", entry[:len(entry)-4], entry + "AAAA", strings.ToUpper(entry)} {
		plain[otherAddr] = damaged
		_, err = sealed.Get(ctx, otherAddr)
		require.ErrorIs(t, err, keyring.ErrOpen)
		require.NotContains(t, err.Error(), value)
	}
	_, other := bootstrap(hexKey(2))
	_, err = keyring.SealCache(plain, other).Get(ctx, stripeAddr)
	require.ErrorIs(t, err, keyring.ErrOpen, "another key")
	own, err := keyring.NewSealer(key, "another purpose").SealText([]byte("x"), []byte(stripeAddr.String()))
	require.NoError(t, err)
	plain[stripeAddr] = own
	_, err = sealed.Get(ctx, stripeAddr)
	require.ErrorIs(t, err, keyring.ErrOpen, "another purpose")
}

// TestSealCacheFollowsItsKey: entries of older versions open, new ones are of
// the current version.
func TestSealCacheFollowsItsKey(t *testing.T) {
	plain := plainCache{}
	store, key := bootstrap("current=v1;v1=" + hexKey(1))
	sealed := keyring.SealCache(plain, key)
	require.NoError(t, sealed.Put(ctx, stripeAddr, "old"))
	store.Set("$SECRET.bootstrap.cache-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
	require.NoError(t, sealed.Put(ctx, otherAddr, "new"))
	for addr, want := range map[secret.Address]string{stripeAddr: "old", otherAddr: "new"} {
		got, err := sealed.Get(ctx, addr)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	store.Set("$SECRET.bootstrap.cache-key", "current=v2;v2="+hexKey(2))
	_, err := sealed.Get(ctx, stripeAddr)
	require.ErrorIs(t, err, keyring.ErrOpen)
	got, err := sealed.Get(ctx, otherAddr)
	require.NoError(t, err)
	require.Equal(t, "new", got)
}

// TestSealCacheRefusesItsAppsOwnKey, and a key that is none, at Start.
func TestSealCacheRefusesItsAppsOwnKey(t *testing.T) {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	values := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk",
		"$SECRET.bootstrap.cache-key": hexKey(1)})
	_, key := bootstrap(hexKey(1))
	equal := secret.Random(secret.Options{Namespace: "auth", Name: "cache-key"})
	for name, tc := range map[string]struct {
		key  *secret.Secret
		use  []*secret.Secret
		says string
	}{
		"own": {key, []*secret.Secret{stripe, key}, "AppOptions.Cache is sealed under $SECRET.bootstrap.cache-key"},
		"declared alike": {equal, []*secret.Secret{secret.Random(secret.Options{Namespace: "auth", Name: "cache-key"})},
			"AppOptions.Cache is sealed under $SECRET.auth.cache-key"},
		"wrong": {secret.Random(secret.Options{Name: "Not A Name"}), []*secret.Secret{stripe}, "Name is"},
		"nil":   {nil, []*secret.Secret{stripe}, "that was not made by"},
		"zero":  {new(secret.Secret), []*secret.Secret{stripe}, "that was not made by"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := keyring.SealCache(plainCache{}, tc.key)
			app := secret.NewApp(secret.AppOptions{Store: values, Cache: cache}).Use(tc.use...)
			err := app.Start(ctx)
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.ErrorContains(t, err, tc.says)
			require.ErrorIs(t, secret.NewApp(secret.AppOptions{Store: cache}).Use(stripe).Start(ctx), secret.ErrInvalid,
				"a Cache is no store")
		})
	}
	none := keyring.SealCache(nil, key)
	_, err := none.Get(ctx, stripeAddr)
	require.ErrorIs(t, err, secret.ErrInvalid)
	require.ErrorIs(t, none.Put(ctx, stripeAddr, "x"), secret.ErrInvalid)
	// The key may belong to another App.
	app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(key)
	require.NoError(t, app.Start(ctx))
	defer app.Close()
	ran := secret.NewApp(secret.AppOptions{Store: values, Refresh: -1, Cache: keyring.SealCache(plainCache{}, key)}).
		Use(stripe)
	require.NoError(t, ran.Start(ctx))
	require.NoError(t, ran.Close())
}

// TestAppStartsFromASealedDirectory: no file has a value, a file that was put in
// the place of another is ignored, and an entry survives a rotation of the key.
func TestAppStartsFromASealedDirectory(t *testing.T) {
	const value = "Qz7kWv2mXt9RbLp4nHc8"
	path := filepath.Join(t.TempDir(), "cache")
	bootstrapStore, key := bootstrap("current=v1;v1=" + hexKey(1))
	values := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": value,
		"$SECRET.billing.other": "other" + value})
	start := func(t *testing.T) (stripe *secret.Secret, app *secret.App, err error) {
		stripe = secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
		app = secret.NewApp(secret.AppOptions{Store: values, Logger: slog.New(slog.DiscardHandler),
			Cache: keyring.SealCache(secret.DirCache(path), key)}).
			Use(stripe, secret.Static(secret.Options{Namespace: "billing", Name: "other"}))
		err = app.Start(ctx)
		return stripe, app, err
	}
	_, app, err := start(t)
	require.NoError(t, err)
	require.NoError(t, app.Close())
	for _, name := range []string{"secret.billing.stripe-secret", "secret.billing.other"} {
		text, err := os.ReadFile(filepath.Join(path, name))
		require.NoError(t, err)
		require.NotContains(t, string(text), value)
	}

	down := errors.New("connection refused")
	values.Fail(down)
	bootstrapStore.Set("$SECRET.bootstrap.cache-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2))
	stripe, app, err := start(t)
	require.NoError(t, err)
	text, err := stripe.Current().Text()
	require.NoError(t, err)
	require.True(t, text == value)
	require.NoError(t, app.Close())

	require.NoError(t, os.Rename(filepath.Join(path, "secret.billing.other"),
		filepath.Join(path, "secret.billing.stripe-secret")))
	_, _, err = start(t)
	require.ErrorIs(t, err, down)
	require.ErrorContains(t, err, "2 problems")
}

// TestKeyOfACacheOutOfReach is a cache that fails, and no more.
func TestKeyOfACacheOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, key := bootstrap(hexKey(1))
		store.Fail(errors.New("connection refused"))
		stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret",
			Store: secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk"})})
		plain := plainCache{}
		app := secret.NewApp(secret.AppOptions{Cache: keyring.SealCache(plain, key),
			Logger: slog.New(slog.DiscardHandler)}).Use(stripe)
		require.NoError(t, app.Start(ctx))
		text, err := stripe.Current().Text()
		require.NoError(t, err)
		require.Equal(t, "sk", text)
		synctest.Wait()
		require.Empty(t, plain)
		store.Fail(nil)
		time.Sleep(12 * time.Minute) // a watched secret is loaded every tenth round, of 54 to 66 seconds
		require.NoError(t, app.Close())
		require.Len(t, plain, 1)
	})
}

// hungStore hangs until the context of a Get ends.
type hungStore struct{}

func (hungStore) Get(ctx context.Context, _ secret.Address) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

// TestSealCacheReturnsWithItsContext, also while the store of its key hangs.
func TestSealCacheReturnsWithItsContext(t *testing.T) {
	const limit = 2 * time.Second
	for name, call := range map[string]func(context.Context, secret.Cache) error{
		"Get": func(ctx context.Context, c secret.Cache) error { _, err := c.Get(ctx, stripeAddr); return err },
		"Put": func(ctx context.Context, c secret.Cache) error { return c.Put(ctx, stripeAddr, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, good := bootstrap(hexKey(1))
				plain := plainCache{}
				require.NoError(t, keyring.SealCache(plain, good).Put(ctx, stripeAddr, "before"))
				before := plain[stripeAddr]
				ctx, cancel := context.WithTimeout(ctx, limit)
				defer cancel()
				began := time.Now()
				err := call(ctx, keyring.SealCache(plain, good.With(hungStore{})))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "$SECRET.bootstrap.cache-key")
				require.Equal(t, limit, time.Since(began))
				require.Equal(t, before, plain[stripeAddr])
			})
		})
	}
}
