package secret_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func optional(name string) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "app", Name: name, Optional: true})
}

// requireMissing checks each way to read a secret that is not set.
func requireMissing(t testing.TB, s *secret.Secret) {
	t.Helper()
	ctx := context.Background()
	_, load := s.Load(ctx)
	_, get := s.Current().Get(ctx)
	_, text := s.Current().Text()
	_, bytes := s.Current().Bytes()
	_, version := s.Version("v1").Text()
	_, at := s.At(time.Now()).Text()
	_, activeVersion := s.ActiveVersion("v1").Text()
	_, active := s.Active()
	_, activeAt := s.ActiveAt(time.Now())
	for _, err := range []error{load, get, text, bytes, s.Current().JSON(new(any)), version, at, activeVersion, active,
		activeAt} {
		require.ErrorIs(t, err, secret.ErrNotFound)
		require.ErrorContains(t, err, s.Address().String())
		require.ErrorContains(t, err, s.Binding(), "the error contains the place")
	}
}

func statusOf(t testing.TB, app *secret.App, s *secret.Secret) secret.SecretStatus {
	t.Helper()
	for _, one := range app.Status().Secrets {
		if one.Address == s.Address() {
			return one
		}
	}
	t.Fatal("the secret has no status")
	return secret.SecretStatus{}
}

// requireNotSet checks the status of an optional secret without a value.
func requireNotSet(t testing.TB, app *secret.App, s *secret.Secret) {
	t.Helper()
	require.True(t, app.Status().OK)
	st := statusOf(t, app, s)
	require.True(t, st.Optional)
	require.False(t, st.Failing)
	require.False(t, st.NeedsPerson)
	require.Empty(t, st.Current)
	require.Empty(t, st.LastError)
	require.Zero(t, st.StaleSince)
	require.False(t, st.LastSuccess.IsZero(), "the store has answered")
}

func TestOptionalSecretMayBeMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, required, log := newProbe(), optional("webhook"), static("key"), new(logged)
		p.set(required, "k")
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: log.logger()}).Use(s, required)
		requireMissing(t, s)
		require.Equal(t, 1, p.gets(s), "also before Start the App keeps the answer")
		requireStart(t, app)
		asked := p.gets(s)
		requireMissing(t, s)
		require.Equal(t, asked, p.gets(s), "reads return from memory")
		requireNotSet(t, app, s)
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = s.Current().Text() }))

		time.Sleep(3 * time.Minute)
		require.GreaterOrEqual(t, p.gets(s), asked+2, "the rounds ask for it")
		requireMissing(t, s)
		requireNotSet(t, app, s)
		require.NoError(t, app.Refresh(context.Background()), "a missing value is no failure of the App")
		require.ErrorIs(t, s.Refresh(context.Background()), secret.ErrNotFound, "a load of the secret itself has no result")
		requireNotSet(t, app, s)
		require.Zero(t, statusOf(t, app, s).FailedLoads)
		require.Empty(t, log.lines())

		var changes told
		app.OnChange(changes.hear)
		p.set(s, "one")
		time.Sleep(2 * time.Minute)
		requireRead(t, "one", s)
		st := statusOf(t, app, s)
		require.Equal(t, "v1", st.Current)
		require.True(t, st.Optional)
		require.Len(t, changes.all(), 1)
		require.Equal(t, s.Address(), changes.all()[0].Address)
		require.Empty(t, changes.all()[0].Old)
		require.Equal(t, "v1", changes.all()[0].New)
	})
}

func TestHintFindsAnOptionalSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, s := secret.NewMemory(nil), optional("webhook")
		app := secret.NewApp(secret.AppOptions{Store: store, Refresh: time.Hour, Logger: silence}).Use(s)
		requireStart(t, app)
		time.Sleep(10 * time.Minute)
		requireMissing(t, s)
		require.LessOrEqual(t, statusOf(t, app, s).Loads, uint64(3), "a hint about a missing value is not repeated")
		store.Set(s.Address().String(), "one")
		time.Sleep(2 * time.Second)
		requireRead(t, "one", s)
	})
}

// TestRemovedOptionalValueStays: as for every secret the last good value stays.
// But waiting for it needs no person.
func TestRemovedOptionalValueStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, log := newProbe(), optional("webhook"), new(logged)
		p.set(s, "one")
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: log.logger()}).Use(s)
		requireStart(t, app)
		p.texts.Delete(s.Address().String())
		time.Sleep(3 * time.Hour)
		requireRead(t, "one", s)
		require.True(t, app.Status().OK)
		st := statusOf(t, app, s)
		require.Equal(t, "v1", st.Current)
		require.False(t, st.Failing)
		require.False(t, st.NeedsPerson)
		require.Contains(t, st.LastError, "not found")
		require.False(t, st.StaleSince.IsZero(), "reads return an old document")
		require.Zero(t, st.FailedLoads)
		require.NoError(t, app.Refresh(context.Background()))
		require.Len(t, log.lines(), 1, "logged once")
		p.set(s, "two")
		require.NoError(t, app.Refresh(context.Background()))
		requireRead(t, "two", s)
		require.Zero(t, statusOf(t, app, s).StaleSince)
	})
}

func TestMaxStaleOfAnOptionalSecret(t *testing.T) {
	options := func(store secret.Store) secret.AppOptions {
		return secret.AppOptions{Store: store, MaxStale: 10 * time.Minute, Logger: silence}
	}
	t.Run("an answer without a value confirms", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := optional("webhook")
			app := secret.NewApp(options(newProbe())).Use(s)
			requireStart(t, app)
			time.Sleep(time.Hour)
			requireMissing(t, s)
			requireNotSet(t, app, s)
		})
	})
	t.Run("a store out of reach confirms nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, s := newProbe(), optional("webhook")
			app := secret.NewApp(options(p)).Use(s)
			requireStart(t, app)
			p.step(func(context.Context, secret.Address) error { return errRefused })
			time.Sleep(5 * time.Minute)
			requireMissing(t, s)
			require.True(t, app.Status().OK)
			time.Sleep(6 * time.Minute)
			_, err := s.Current().Text()
			require.ErrorIs(t, err, errRefused)
			require.NotErrorIs(t, err, secret.ErrNotFound, "the value may exist by now")
			require.True(t, statusOf(t, app, s).Failing)
			p.step(nil)
			time.Sleep(6 * time.Minute)
			requireMissing(t, s)
			requireNotSet(t, app, s)
		})
	})
	t.Run("a removed value ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, s := newProbe(), optional("webhook")
			p.set(s, "one")
			app := secret.NewApp(options(p)).Use(s)
			requireStart(t, app)
			var mu sync.Mutex
			var sent []secret.Change
			app.OnChange(func(c secret.Change) {
				mu.Lock()
				defer mu.Unlock()
				sent = append(sent, c)
			})
			changes := func() []secret.Change {
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(sent)
			}
			p.texts.Delete(s.Address().String())
			time.Sleep(9 * time.Minute)
			requireRead(t, "one", s)
			require.Empty(t, changes())
			time.Sleep(5 * time.Minute)
			requireMissing(t, s)
			requireNotSet(t, app, s)
			v1 := []string{"v1"}
			require.Equal(t, []secret.Change{
				{Address: s.Address(), Old: "v1", CurrentChanged: true, Removed: v1, Ended: v1}}, changes(),
				"a program that keeps the keys of Active drops this one")
			p.set(s, "two")
			time.Sleep(6 * time.Minute)
			requireRead(t, "two", s)
			require.Len(t, changes(), 2)
			require.Equal(t, secret.Change{Address: s.Address(), New: "v1", CurrentChanged: true, Added: v1}, changes()[1])
			var late []secret.Change
			app.OnChange(func(c secret.Change) { late = append(late, c) })
			synctest.Wait()
			require.Equal(t, []secret.Change{{Address: s.Address(), Old: "v1", New: "v1", CurrentChanged: true, Added: v1}}, late)
		})
	})
	t.Run("a value that was removed while the store was out of reach", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, s := newProbe(), optional("webhook")
			p.set(s, "one")
			app := secret.NewApp(options(p)).Use(s)
			requireStart(t, app)
			p.step(func(context.Context, secret.Address) error { return errRefused })
			time.Sleep(12 * time.Minute)
			_, err := s.Current().Text()
			require.ErrorIs(t, err, errRefused)
			p.texts.Delete(s.Address().String())
			p.step(nil)
			time.Sleep(6 * time.Minute)
			requireMissing(t, s)
			requireNotSet(t, app, s)
		})
	})
}

func TestOptionalSecretStillHasProblems(t *testing.T) {
	malformed := `{"current":"v1","versions":{`
	for name, c := range map[string]struct {
		text string
		err  error
	}{
		"empty":     {" ", secret.ErrEmpty},
		"malformed": {malformed, secret.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := newProbe(), optional("webhook")
			p.set(s, c.text)
			app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
			require.ErrorIs(t, app.Start(context.Background()), c.err)
			require.False(t, app.Status().OK)
			p.texts.Delete(s.Address().String())
			requireStart(t, app)
			requireMissing(t, s)
			p.set(s, c.text)
			require.ErrorIs(t, app.Refresh(context.Background()), c.err)
			requireMissing(t, s)
			require.True(t, statusOf(t, app, s).NeedsPerson)
		})
	}
	t.Run("store out of reach", func(t *testing.T) {
		p, s := newProbe(), optional("webhook")
		p.step(func(context.Context, secret.Address) error { return errRefused })
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
		require.ErrorIs(t, app.Start(context.Background()), errRefused)
	})
	t.Run("wrong length", func(t *testing.T) {
		p, s := newProbe(), secret.Random(secret.Options{Name: "key", Optional: true})
		p.set(s, "short")
		require.ErrorIs(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s).
			Start(context.Background()), secret.ErrEncoding)
	})
	t.Run("a required one beside it", func(t *testing.T) {
		p, s, required := newProbe(), optional("webhook"), static("key")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s, required)
		err := app.Start(context.Background())
		require.ErrorContains(t, err, "1 problem ")
		require.NotContains(t, err.Error(), s.Address().String())
	})
}

// TestOutageOfAMissingSecretNeedsAPersonLater: as for every secret.
func TestOutageOfAMissingSecretNeedsAPersonLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), optional("webhook")
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
		requireStart(t, app)
		p.step(func(context.Context, secret.Address) error { return errRefused })
		time.Sleep(30 * time.Minute)
		require.True(t, app.Status().OK)
		require.False(t, statusOf(t, app, s).StaleSince.IsZero())
		time.Sleep(time.Hour)
		require.False(t, app.Status().OK)
		requireMissing(t, s)
	})
}

// TestValueReadBeforeStartStays: Start finds no value any more.
func TestValueReadBeforeStartStays(t *testing.T) {
	p, s := newProbe(), optional("webhook")
	p.set(s, "one")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
	requireRead(t, "one", s)
	p.texts.Delete(s.Address().String())
	requireStart(t, app)
	requireRead(t, "one", s)
	require.True(t, app.Status().OK)
}

func TestOptionalWithoutAnApp(t *testing.T) {
	p, s := newProbe(), optional("webhook")
	c := s.With(p)
	requireMissing(t, c)
	p.set(s, "one")
	requireRead(t, "one", c)
	app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(c)
	requireStart(t, app)
	require.True(t, statusOf(t, app, c).Optional, "With keeps Optional")
}

func TestOptionalInASpec(t *testing.T) {
	app := secret.NewApp(secret.AppOptions{}).Use(optional("a"), static("b"))
	text, err := json.Marshal(app.Spec())
	require.NoError(t, err)
	parsed, err := secret.ParseSpec(text)
	require.NoError(t, err)
	require.Equal(t, app.Spec(), parsed)
	require.True(t, parsed.Secrets[0].Optional)
	require.False(t, parsed.Secrets[1].Optional)
	one, err := json.Marshal(parsed.Secrets)
	require.NoError(t, err)
	require.Contains(t, string(one), `,"optional":true},`, "the last member")
	for _, bad := range []string{`"yes"`, "null", "1"} {
		_, err := secret.ParseSpec([]byte(`{"secrets":[{"kind":"static","name":"a","optional":` + bad + `}]}`))
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.ErrorContains(t, err, "secrets[0].optional")
	}
	err = secret.NewApp(secret.AppOptions{Refresh: -1, Logger: silence}).Use(optional("a"), static("a")).
		Start(context.Background())
	require.ErrorContains(t, err, "declared twice, differently: Optional")
}

// TestStartKeepsItsOwnEarlierValue, not that of an App that has served the
// secret meanwhile.
func TestStartKeepsItsOwnEarlierValue(t *testing.T) {
	first, second, s := newProbe(), newProbe(), optional("webhook")
	first.set(s, "of the first")
	second.set(s, "of the second")
	a := secret.NewApp(secret.AppOptions{Store: first, Refresh: -1, Logger: silence}).Use(s)
	requireRead(t, "of the first", s)
	b := secret.NewApp(secret.AppOptions{Store: second, Refresh: -1, Logger: silence}).Use(s)
	requireRead(t, "of the second", s)
	require.NoError(t, b.Close())
	first.texts.Delete(s.Address().String())
	requireStart(t, a)
	requireRead(t, "of the first", s)
}
