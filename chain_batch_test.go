package secret_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// addressesOf returns n addresses.
func addressesOf(n int) (addrs []secret.Address) {
	for i := range n {
		addrs = append(addrs, secret.Address{Namespace: "app", Name: "n" + strconv.Itoa(i)})
	}
	return addrs
}

// manyWith returns a store with text for each of addrs.
func manyWith(text string, addrs ...secret.Address) *many {
	m := newMany()
	for _, a := range addrs {
		m.texts.Set(a.String(), text)
	}
	return m
}

func TestChainIsABatchStoreIfOneOfItsStoresIs(t *testing.T) {
	memory, plain, batch := secret.NewMemory(nil), plainStore{}, newMany()
	for name, c := range map[string]struct {
		store          secret.Store
		batch, watcher bool
	}{
		"one":                    {secret.Chain(batch), true, false},
		"the first":              {secret.Chain(batch, plain), true, false},
		"the last":               {secret.Chain(plain, batch), true, false},
		"none":                   {secret.Chain(memory, secret.Env()), false, true},
		"nothing":                {secret.Chain(plain), false, false},
		"a Watcher, too":         {secret.Chain(secret.Env(), memory, watched{batch}), true, true},
		"not a Watcher":          {secret.Chain(memory, batch), true, false},
		"in a Chain in it":       {secret.Chain(plain, secret.Chain(memory, batch)), true, false},
		"no store":               {secret.Chain(), false, false},
		"nil":                    {secret.Chain(batch, nil), false, false},
		"invalid Chain in Chain": {secret.Chain(batch, secret.Chain()), false, false},
	} {
		_, is := c.store.(secret.BatchStore)
		require.Equal(t, c.batch, is, name)
		_, is = c.store.(secret.Watcher)
		require.Equal(t, c.watcher, is, name)
		require.NotPanics(t, func() { _ = c.store == secret.Chain(batch) }, name) // an App compares stores
	}
}

// TestChainAsksEachStoreForTheRest: in order, in one request where the store is a
// BatchStore.
func TestChainAsksEachStoreForTheRest(t *testing.T) {
	addrs := addressesOf(10)
	first, third := manyWith("first", addrs[0], addrs[1]), manyWith("third", append(addrs[1:8:8], secret.Address{Namespace: "default", Name: "n4"})...)
	second, last := newProbe(), newMany()
	second.texts.Set(addrs[0].String(), "second")
	second.texts.Set(addrs[2].String(), "second")
	second.texts.Set(addrs[3].String(), "")
	chain := secret.Chain(secret.Env(), first, second, secret.Chain(third, last)).(secret.BatchStore)
	given := slices.Concat(addrs, addrs[:4])
	given[4] = secret.Address{Name: "n4"} // in the default namespace
	texts, err := chain.GetAll(t.Context(), given)
	require.NoError(t, err)
	want := map[secret.Address]string{given[4]: "third", addrs[0]: "first", addrs[1]: "first", addrs[2]: "second",
		addrs[3]: "", addrs[5]: "third", addrs[6]: "third", addrs[7]: "third"}
	require.Equal(t, want, texts)
	require.Equal(t, []int{10}, first.asked())
	require.Equal(t, 8, second.gets())
	require.Equal(t, []int{6}, third.asked())
	require.Equal(t, []int{2}, last.asked())
	require.Zero(t, first.gets()+third.gets()+last.gets())
	texts, err = chain.GetAll(t.Context(), addrs[:2])
	require.NoError(t, err)
	require.Len(t, texts, 2)
	require.Empty(t, third.asked(), "the first has them all")
	require.Equal(t, 8, second.gets())

}

// errorOf returns the error of one address.
func errorOf(t *testing.T, err error, addr secret.Address) error {
	t.Helper()
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		if e := one.(*secret.Error); e.Address == addr {
			return e.Err
		}
	}
	return nil
}

// TestChainEndsTheSearchForOneAddress: an error that is not ErrNotFound ends the
// search for its address alone, and is the one that Get returns.
func TestChainEndsTheSearchForOneAddress(t *testing.T) {
	addrs := addressesOf(5)
	present, denied, missing, other, nowhere := addrs[0], addrs[1], addrs[2], addrs[3], addrs[4]
	of := func(addr secret.Address, err error) error { return &secret.Error{Op: "load", Address: addr, Err: err} }
	for name, answer := range map[string]func() error{
		"an error each": func() error {
			return errors.Join(of(denied, errRefused), of(missing, secret.ErrNotFound), of(other, errRefused),
				of(nowhere, secret.ErrNotFound))
		},
		"one error for the rest": func() error {
			return errors.Join(of(missing, secret.ErrNotFound), of(nowhere, secret.ErrNotFound), errRefused)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMany()
			m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) {
				return map[secret.Address]string{present: "new"}, answer()
			})
			old := manyWith("old", addrs[:4]...)
			texts, err := secret.Chain(m, old).(secret.BatchStore).GetAll(t.Context(), addrs)
			require.Equal(t, map[secret.Address]string{present: "new", missing: "old"}, texts)
			for _, addr := range []secret.Address{denied, other} {
				require.ErrorIs(t, errorOf(t, err, addr), errRefused)
				require.NotErrorIs(t, errorOf(t, err, addr), secret.ErrNotFound)
				require.EqualError(t, errorOf(t, err, addr), "store 1 of 2 in the Chain (*secret_test.many): connection refused")
			}
			require.ErrorIs(t, errorOf(t, err, nowhere), secret.ErrNotFound)
			require.Equal(t, []int{2}, old.asked(), "not for those that failed")
		})
	}
	t.Run("an error of another address alone", func(t *testing.T) {
		m := newMany()
		m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return nil, of(missing, secret.ErrNotFound)
		})
		old := manyWith("old", addrs...)
		texts, err := secret.Chain(m, old).(secret.BatchStore).GetAll(t.Context(), addrs[:3])
		require.Equal(t, map[secret.Address]string{missing: "old"}, texts)
		require.NotErrorIs(t, err, secret.ErrNotFound)
		require.Error(t, errorOf(t, err, present))
	})
	t.Run("not found, for all of them", func(t *testing.T) {
		m := newMany()
		m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) {
			return nil, secret.ErrNotFound
		})
		texts, err := secret.Chain(m, manyWith("old", addrs...)).(secret.BatchStore).GetAll(t.Context(), addrs)
		require.NoError(t, err)
		require.Len(t, texts, 5)
	})
	t.Run("of a store that is no BatchStore", func(t *testing.T) {
		p := newProbe()
		p.step(func(_ context.Context, addr secret.Address) error {
			switch addr {
			case denied:
				return errRefused
			case other:
				panic("Jx5Vq2Lm9Zt")
			}
			return nil
		})
		batch := manyWith("old", addrs...)
		texts, err := secret.Chain(p, batch).(secret.BatchStore).GetAll(t.Context(), addrs)
		require.Len(t, texts, 3)
		require.EqualError(t, errorOf(t, err, denied), "store 1 of 2 in the Chain (*secret_test.probe): connection refused")
		require.EqualError(t, errorOf(t, err, other), "store 1 of 2 in the Chain (*secret_test.probe): the store panicked "+
			"with a value of type string, not shown since it may hold a secret")
		require.Equal(t, []int{3}, batch.asked())
	})
	t.Run("a panic in GetAll", func(t *testing.T) {
		m, first := newMany(), manyWith("first", present)
		m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) { panic("Jx5Vq2Lm9Zt") })
		texts, err := secret.Chain(first, m).(secret.BatchStore).GetAll(t.Context(), addrs)
		require.Equal(t, map[secret.Address]string{present: "first"}, texts)
		require.ErrorContains(t, errorOf(t, err, denied), "store 2 of 2 in the Chain (*secret_test.many): the store panicked")
		require.NotContains(t, err.Error(), "Jx5Vq2Lm9Zt")
	})
}

// TestChainAsksAPlainStoreForSeveralAtATime: not one after another, not for all.
func TestChainAsksAPlainStoreForSeveralAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addrs, p := addressesOf(640), newProbe()
		p.step(func(context.Context, secret.Address) error { time.Sleep(time.Second); return nil })
		began := time.Now()
		texts, err := secret.Chain(p, manyWith("text", addrs...)).(secret.BatchStore).GetAll(t.Context(), addrs)
		require.NoError(t, err)
		require.Len(t, texts, 640)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, 64, p.most)
	})
}

// TestChainAnswersForAllWhenItsContextEnds: the texts until then count.
func TestChainAnswersForAllWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addrs, hanging, last := addressesOf(3), newMany(), newMany()
		hanging.answers(func(ctx context.Context, _ []secret.Address) (map[secret.Address]string, error) {
			<-ctx.Done()
			return map[secret.Address]string{addrs[1]: "second"}, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		chain := secret.Chain(manyWith("first", addrs[0]), hanging, last).(secret.BatchStore)
		texts, err := chain.GetAll(ctx, addrs)
		require.Equal(t, map[secret.Address]string{addrs[0]: "first", addrs[1]: "second"}, texts)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "store 2 of 3 in the Chain (*secret_test.many): gave up waiting for the store")
		texts, err = chain.GetAll(ctx, addrs)
		require.Empty(t, texts)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, secret.ErrNotFound)
		require.Empty(t, last.asked())
		texts, _ = secret.Chain(plainStore{addrs[0]: "old"}, last).(secret.BatchStore).GetAll(ctx, addrs[:1])
		require.Empty(t, texts, "no store is asked")
	})
}

// TestChainLocatesTheStoreThatHadIt in a GetAll.
func TestChainLocatesTheStoreThatHadIt(t *testing.T) {
	memory, addrs := secret.NewMemory(nil), addressesOf(2)
	chain := secret.Chain(newMany(), memory).(secret.BatchStore)
	locate := func() string {
		_, err := chain.GetAll(t.Context(), addrs)
		require.NoError(t, err)
		return chain.(secret.Locator).Locate(addrs[1])
	}
	require.Empty(t, locate())
	memory.Set(addrs[1].String(), "text")
	require.Equal(t, "memory store, "+addrs[1].Binding(), locate())
	memory.Delete(addrs[1].String())
	require.Empty(t, locate())
}

// TestAppAsksTheBatchStoreInAChainOnce in Start, for a Refresh and for each round.
func TestAppAsksTheBatchStoreInAChainOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, override := newMany(), secret.NewMemory(nil)
		secrets := m.declared(300)
		secrets = append(secrets, secret.Static(secret.Options{Namespace: "own", Name: "key", Binding: "API_KEY"}))
		m.texts.Set("API_KEY", "one")
		override.Set(secrets[0].Address().String(), "by hand")
		app := secret.NewApp(secret.AppOptions{Store: secret.Chain(secret.Env(), override, m), Logger: silence}).Use(secrets...)
		requireStart(t, app)
		require.Equal(t, []int{300}, m.asked(), "Start")
		requireRead(t, "by hand", secrets[0])
		for _, s := range secrets[1:] {
			requireRead(t, "one", s)
		}
		require.NoError(t, app.Refresh(t.Context()))
		require.Equal(t, []int{300}, m.asked(), "Refresh")
		m.set(secrets[7], "two")
		time.Sleep(67 * time.Second)
		require.Equal(t, []int{300}, m.asked(), "a round")
		requireRead(t, "two", secrets[7])
		require.Zero(t, m.gets(), "no Get")
	})
}

// TestAppFollowsAChainOfBatchStores: the hints of its stores arrive.
func TestAppFollowsAChainOfBatchStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(20)
		app := secret.NewApp(secret.AppOptions{Store: secret.Chain(secret.Env(), watched{m}), Refresh: time.Hour,
			Logger: silence}).Use(secrets...)
		requireStart(t, app)
		time.Sleep(2 * time.Second)
		m.asked()
		for _, s := range secrets {
			m.set(s, "two")
		}
		time.Sleep(2 * time.Second)
		for _, s := range secrets {
			requireRead(t, "two", s)
		}
		require.Equal(t, []int{20}, m.asked())
	})
}

// TestAppNamesEachPlaceOfAChain where no store of many has a value, or one fails.
func TestAppNamesEachPlaceOfAChain(t *testing.T) {
	secrets := []*secret.Secret{static("in"), static("out"),
		secret.Static(secret.Options{Namespace: "app", Name: "key", Binding: "API_KEY"})}
	m, addrOut := newMany(), secrets[1].Address()
	m.set(secrets[0], "one")
	start := func() error {
		app := secret.NewApp(secret.AppOptions{Store: secret.Chain(secret.Env(), m, secret.NewMemory(nil)), Logger: silence})
		return app.Use(secrets...).Start(t.Context())
	}
	err := start()
	require.ErrorContains(t, err, "$SECRET.app.out: not found: environment variable LAYERON_SECRET_APP_OUT is not set, and "+
		"LAYERON_SECRET_APP_OUT does not exist, and memory store, LAYERON_SECRET_APP_OUT is not set;")
	require.ErrorContains(t, err, "$SECRET.app.key: not found: environment variable API_KEY is not set, and API_KEY does not exist")
	m.answers(func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
		texts, err := m.present(ctx, addrs)
		return texts, errors.Join(err, &secret.Error{Address: addrOut, Err: errRefused},
			&secret.Error{Address: secrets[2].Address(), Err: secret.ErrNotFound})
	})
	err = start()
	require.ErrorContains(t, err, "$SECRET.app.out: store 2 of 3 in the Chain (*secret_test.many): connection refused;")
	require.ErrorContains(t, err, "$SECRET.app.key: not found: environment variable API_KEY is not set")
}

// TestMissingOptionalSecretInAChainIsNoFailure while the store fails for others.
func TestMissingOptionalSecretInAChainIsNoFailure(t *testing.T) {
	m := newMany()
	secrets := append(m.declared(2), secret.Static(secret.Options{Namespace: "app", Name: "out", Optional: true}))
	app := secret.NewApp(secret.AppOptions{Store: secret.Chain(secret.Env(), m), Refresh: -1, Logger: silence}).Use(secrets...)
	requireStart(t, app)
	require.True(t, app.Status().OK)
	out := secrets[2].Address()
	m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) {
		return nil, errors.Join(&secret.Error{Address: out, Err: secret.ErrNotFound}, errRefused)
	})
	require.ErrorContains(t, app.Refresh(t.Context()), "2 problems")
	requireMissing(t, secrets[2])
	m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) { return nil, errRefused })
	require.ErrorContains(t, app.Refresh(t.Context()), "3 problems")
}

func TestBatchChainShowsNoValue(t *testing.T) {
	const mark = "Zq8vLw3nXr6tKp1sYb5m"
	addrs := addressesOf(2)
	for _, chain := range []secret.Store{secret.Chain(plainStore{addrs[0]: mark}, manyWith(mark, addrs...)),
		secret.Chain(secret.NewMemory(map[string]string{addrs[0].String(): mark}), watched{manyWith(mark, addrs...)})} {
		texts, err := chain.(secret.BatchStore).GetAll(t.Context(), addrs)
		require.NoError(t, err)
		require.Len(t, texts, 2)
		require.Empty(t, redacttest.Check(chain, mark))
		require.Empty(t, redacttest.Check(struct{ S secret.Store }{chain}, mark))
	}
}
