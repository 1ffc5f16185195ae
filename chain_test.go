package secret_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// plainStore is a store that can change and does not report it. It is a map,
// which fmt would print.
type plainStore map[secret.Address]string

func (s plainStore) Get(_ context.Context, addr secret.Address) (string, error) {
	if text, ok := s[addr]; ok {
		return text, nil
	}
	return "", errors.Join(secret.ErrNotFound, errors.New("no "+addr.Binding()))
}

// brokenStore fails with an error, also in Watch.
type brokenStore struct{ err error }

func (s brokenStore) Get(context.Context, secret.Address) (string, error) { return "", s.err }
func (s brokenStore) Watch(context.Context, []secret.Address, func(secret.Address)) error {
	return s.err
}

// watcherOf is a Watcher made of a function.
type watcherOf func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error

func (watcherOf) Get(context.Context, secret.Address) (string, error) { return "", secret.ErrNotFound }
func (f watcherOf) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	return f(ctx, addrs, changed)
}

func TestChainStopsAtTheFirstThatHasIt(t *testing.T) {
	first, second, third := oneSecret("one"), oneSecret("two"), oneSecret("three")
	for name, c := range map[string]struct {
		store secret.Store
		want  string
	}{
		"the first":             {secret.Chain(first, second), "one"},
		"the second":            {secret.Chain(secret.NewMemory(nil), second, third), "two"},
		"the last":              {secret.Chain(secret.Env(), plainStore{}, third), "three"},
		"a Chain in a Chain":    {secret.Chain(secret.Chain(secret.Env(), second), first), "two"},
		"a failure after it":    {secret.Chain(first, brokenStore{errRefused}), "one"},
		"an empty text is one":  {secret.Chain(oneSecret(""), second), ""},
		"one store":             {secret.Chain(third), "three"},
		"the same store, twice": {secret.Chain(first, first), "one"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, addr := range []secret.Address{authKey} {
				got, err := c.store.Get(t.Context(), addr)
				require.NoError(t, err)
				require.Equal(t, c.want, got)
			}
		})
	}
}

func TestChainEndsAtAFailure(t *testing.T) {
	second := oneSecret("two")
	secondFails := secret.NewMemory(nil)
	secondFails.Fail(errRefused)
	file := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.MkdirAll(filepath.Join(file, authBinding), 0o700))
	for name, c := range map[string]struct {
		store secret.Store
		err   error
		text  string
	}{
		"without a place": {secret.Chain(brokenStore{errRefused}, second), errRefused,
			"store 1 of 2 in the Chain (secret_test.brokenStore): connection refused"},
		"with a place": {secret.Chain(secret.Env(), secondFails, second), errRefused,
			"store 2 of 3 in the Chain (memory store, " + authBinding + "): connection refused"},
		"in a Chain in it": {secret.Chain(secret.Env(), secret.Chain(plainStore{}, secondFails), second), errRefused,
			"store 3 of 4 in the Chain (memory store, " + authBinding + "): connection refused"},
		"the error has the place": {secret.Chain(secret.Dir(file), second), nil, "store 1 of 2 in the Chain: "},
		"too large":               {secret.Chain(brokenStore{secret.ErrTooLarge}, second), secret.ErrTooLarge, "store 1 of 2"},
		"nil":                     {secret.Chain(second, nil), secret.ErrInvalid, "store 2 of the Chain is nil"},
		"none":                    {secret.Chain(), secret.ErrInvalid, "the Chain has no store"},
		"none in it":              {secret.Chain(second, secret.Chain()), secret.ErrInvalid, "the Chain has no store"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.store.Get(t.Context(), authKey)
			require.Empty(t, got)
			require.NotErrorIs(t, err, secret.ErrNotFound)
			require.ErrorContains(t, err, c.text)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
			}
			err = sessionKey(c.store).Refresh(t.Context())
			require.ErrorContains(t, err, c.text)
		})
	}
}

func TestChainNamesEachPlaceOfAMissingValue(t *testing.T) {
	dir := t.TempDir()
	_, err := secret.Chain(secret.Env(), secret.Dir(dir)).Get(t.Context(), authKey)
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.EqualError(t, err, "not found: environment variable "+authBinding+" is not set, and file "+
		filepath.Join(dir, authBinding)+" does not exist")
}

// TestChainAsksBehindANameThatIsNoVariable: Env cannot have it, so no older copy
// is read in its stead. Without another store it is a mistake.
func TestChainAsksBehindANameThatIsNoVariable(t *testing.T) {
	dir := t.TempDir()
	s := func(store secret.Store) *secret.Secret {
		return secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Binding: "tls.crt", Store: store})
	}
	for name, store := range map[string]secret.Store{
		"one by one": secret.Chain(secret.Env(), secret.Dir(dir)),
		"several":    secret.Chain(secret.Env(), secret.Dir(dir), newMany()),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "tls.crt")
			require.NoError(t, os.RemoveAll(file))
			err := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(s(store)).Start(t.Context())
			require.ErrorIs(t, err, secret.ErrNotFound)
			require.NotErrorIs(t, err, secret.ErrInvalid)
			require.ErrorContains(t, err, "not found: environment variable tls.crt: ")
			require.ErrorContains(t, err, ", and file "+file+" does not exist")
			write(t, file, "certificate")
			read := s(store)
			app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: silence}).Use(read)
			requireStart(t, app)
			requireRead(t, "certificate", read)
			requireRead(t, "certificate", s(store))
		})
	}
	_, err := s(secret.Chain(secret.Env())).Current().Text()
	require.ErrorIs(t, err, secret.ErrInvalid)
	refused := brokenStore{secret.ErrInvalid}
	_, err = s(secret.Chain(refused, secret.Dir(dir))).Current().Text()
	require.ErrorIs(t, err, secret.ErrInvalid, "of another store it ends the search")
}

// TestChainLocatesTheStoreThatHasIt: a message about a text that is present but
// wrong has the text's place, with the declared name.
func TestChainLocatesTheStoreThatHasIt(t *testing.T) {
	dir, memory := t.TempDir(), secret.NewMemory(nil)
	chain := secret.Chain(secret.Env(), secret.Dir(dir), memory)
	locate := func() string { return chain.(secret.Locator).Locate(authKey) }
	require.Empty(t, locate(), "not read yet")
	s := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Binding: "KEY", Store: chain})
	memory.Set("KEY", " ")
	_, err := s.Current().Text()
	require.ErrorIs(t, err, secret.ErrEmpty)
	require.ErrorContains(t, err, "from memory store, KEY:")
	write(t, filepath.Join(dir, "KEY"), " ")
	_, err = s.Current().Text()
	require.ErrorContains(t, err, "from file "+filepath.Join(dir, "KEY")+":")
	require.Equal(t, "file "+filepath.Join(dir, authBinding), locate())

	memory.Delete("KEY")
	require.NoError(t, os.Remove(filepath.Join(dir, "KEY")))
	_, err = s.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.Empty(t, locate(), "no store has it")

	memory.Fail(errRefused)
	_, err = s.Current().Text()
	require.ErrorContains(t, err, "store 3 of 3 in the Chain (memory store, KEY): connection refused")
	require.Empty(t, secret.Chain(plainStore{authKey: "x"}).(secret.Locator).Locate(authKey))
}

// TestChainPassesTheContextOn: also when it ends within a store.
func TestChainPassesTheContextOn(t *testing.T) {
	cause := errors.New("the caller has gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	chain := secret.Chain(secret.Env(), watcherOf(nil), endingStore(func() { cancel(cause) }),
		plainStore{authKey: "text"})
	_, err := chain.Get(ctx, authKey)
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, secret.ErrNotFound)

	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		p.step(hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := sessionKey(secret.Chain(secret.Env(), p)).Load(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "store 2 of 2 in the Chain (*secret_test.probe): gave up waiting for the store")
	})
}

// endingStore has nothing, and ends the caller's context.
type endingStore func()

func (s endingStore) Get(context.Context, secret.Address) (string, error) {
	s()
	return "", secret.ErrNotFound
}

func TestChainIsAWatcherIfEachStoreThatCanChangeIs(t *testing.T) {
	memory, dir, plain := secret.NewMemory(nil), secret.Dir(t.TempDir()), plainStore{}
	for name, c := range map[string]struct {
		store secret.Store
		want  bool
	}{
		"one":                    {secret.Chain(memory), true},
		"all":                    {secret.Chain(memory, dir), true},
		"one cannot change":      {secret.Chain(secret.Env(), memory), true},
		"at the end":             {secret.Chain(memory, secret.Env()), true},
		"none can change":        {secret.Chain(secret.Env()), false},
		"one does not report":    {secret.Chain(memory, plain), false},
		"the first does not":     {secret.Chain(plain, memory), false},
		"in a Chain in it":       {secret.Chain(secret.Env(), secret.Chain(memory, dir)), true},
		"not in a Chain in it":   {secret.Chain(memory, secret.Chain(plain, dir)), false},
		"none":                   {secret.Chain(), false},
		"nil":                    {secret.Chain(memory, nil), false},
		"only Env in a Chain":    {secret.Chain(secret.Chain(secret.Env()), memory), true},
		"invalid Chain in Chain": {secret.Chain(memory, secret.Chain()), false},
	} {
		_, is := c.store.(secret.Watcher)
		require.Equal(t, c.want, is, name)
		require.NotPanics(t, func() { _ = c.store == secret.Chain(memory) }, name) // an App compares stores
	}
}

func TestWatchOfAChainEndsWithTheFirstOfItsStores(t *testing.T) {
	outOfOrder := errors.New("the stream broke")
	for name, c := range map[string]struct {
		fails watcherOf
		want  string
	}{
		"an error": {func(context.Context, []secret.Address, func(secret.Address)) error { return outOfOrder },
			"store 2 of 2 in the Chain (secret_test.watcherOf): the stream broke"},
		"no error": {func(context.Context, []secret.Address, func(secret.Address)) error { return nil },
			"store 2 of 2 in the Chain (secret_test.watcherOf): Watch returned without an error"},
		"a panic": {func(context.Context, []secret.Address, func(secret.Address)) error { panic("value") },
			"store 2 of 2 in the Chain (secret_test.watcherOf): Watch panicked with a value of type string"},
		"its goroutine": {func(context.Context, []secret.Address, func(secret.Address)) error { runtime.Goexit(); return nil },
			"store 2 of 2 in the Chain (secret_test.watcherOf): Watch ended its goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := false
				goesOn := watcherOf(func(ctx context.Context, _ []secret.Address, _ func(secret.Address)) error {
					<-ctx.Done()
					time.Sleep(time.Second)
					ended = true
					return context.Cause(ctx)
				})
				w := secret.Chain(goesOn, c.fails).(secret.Watcher)
				err := w.Watch(t.Context(), []secret.Address{authKey}, func(secret.Address) {})
				require.ErrorContains(t, err, c.want)
				require.True(t, ended, "it leaves nothing running")
			})
		})
	}
}

func TestAppFollowsAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		override, folder := secret.NewMemory(nil), oneSecret("old")
		s := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
		app := secret.NewApp(secret.AppOptions{Store: secret.Chain(secret.Env(), override, folder), Refresh: time.Hour,
			Logger: silence}).Use(s)
		requireStart(t, app)
		requireRead(t, "old", s)
		set := func(m *secret.Memory, text string) {
			if text == "" {
				m.Delete(s.Address().String())
			} else {
				m.Set(s.Address().String(), text)
			}
			time.Sleep(2 * time.Second)
		}
		set(folder, "new")
		requireRead(t, "new", s)
		set(override, "by hand")
		requireRead(t, "by hand", s)
		set(folder, "newer")
		requireRead(t, "by hand", s)
		set(override, "")
		requireRead(t, "newer", s)
		override.Fail(errRefused)
		time.Sleep(2 * time.Second)
		set(folder, "newest")
		requireRead(t, "newer", s)
		require.Contains(t, app.Status().Secrets[0].LastError, "store 2 of 3 in the Chain")
	})
}

func TestChainShowsNoValue(t *testing.T) {
	const mark = "Zq8vLw3nXr6tKp1sYb5m"
	chain := secret.Chain(plainStore{authKey: mark}, secret.Chain(plainStore{authKey: mark}))
	_, err := chain.Get(t.Context(), authKey)
	require.NoError(t, err)
	for _, v := range []any{chain, &chain, struct{ s secret.Store }{chain}, struct{ S secret.Store }{chain},
		secret.Chain(oneSecret(mark), secret.Env())} {
		require.Empty(t, redacttest.Check(v, mark))
	}
}
