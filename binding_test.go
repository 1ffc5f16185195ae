package secret_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// bound declares a static secret with a binding name of its own.
func bound(name, binding string) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "app", Name: name, Binding: binding})
}

func TestDeclaredBindingFollowsTheRule(t *testing.T) {
	for _, binding := range []string{"DATABASE_URL", "db_password", "tls.crt", "a", "_", "0", "A-b", "x..y", "layer",
		"layers.x", "note", "a.notes", strings.Repeat("x", 128), "LAYERON_SECRET_OTHER_KEY", "LAYERON_SECRET_APP_DB"} {
		s := bound("db", binding)
		require.NoError(t, s.Err(), binding)
		require.Equal(t, binding, s.Binding())
		require.Equal(t, binding, s.With(secret.NewMemory(nil)).Binding(), "a copy keeps it")
	}
	for _, binding := range []string{".hidden", "-flag", "a/b", "../x", "a b", "é", "a\n", "a=b", "a\x00",
		strings.Repeat("x", 129), "layer.seen", "layer.", "X.note", ".note"} {
		err := bound("db", binding).Err()
		require.ErrorIs(t, err, secret.ErrInvalid, binding)
		require.ErrorContains(t, err, "Binding is ")
		var e *secret.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "Binding", e.Member)
	}
	require.Equal(t, "LAYERON_SECRET_APP_DB", bound("db", "").Binding())
}

// TestDeclaredBindingIsReadFromEveryStore: under the declared name, and under no
// other; errors name the real place.
func TestDeclaredBindingIsReadFromEveryStore(t *testing.T) {
	folder := t.TempDir()
	memory := secret.NewMemory(nil)
	for name, c := range map[string]struct {
		store secret.Store
		place string
		put   func(name, text string)
	}{
		"environment": {secret.Env(), "environment variable ", func(name, text string) { t.Setenv(name, text) }},
		"directory": {secret.Dir(folder), "file " + folder + string(filepath.Separator), func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
		}},
		"memory": {memory, "memory store, ", memory.Set},
	} {
		t.Run(name, func(t *testing.T) {
			c.put("LAYERON_SECRET_APP_DB", "another program's")
			c.put("DATABASE_URL_2", "postgres://")
			c.put("DAMAGED", `{"current":"v1","versions":{`)

			requireRead(t, "postgres://", bound("db", "DATABASE_URL_2").With(c.store))
			requireRead(t, "another program's", bound("db", "").With(c.store))

			_, err := bound("db", "NOT_THERE").With(c.store).Current().Text()
			require.ErrorIs(t, err, secret.ErrNotFound)
			require.ErrorContains(t, err, c.place+"NOT_THERE")

			_, err = bound("db", "DAMAGED").With(c.store).Current().Text()
			require.ErrorIs(t, err, secret.ErrMalformed)
			require.ErrorContains(t, err, " from "+c.place+"DAMAGED, at byte")

			app := secret.NewApp(secret.AppOptions{Store: c.store, Refresh: -1})
			err = app.Use(bound("db", "DATABASE_URL_2"), bound("damaged", "DAMAGED"), bound("missing", "NOT_THERE")).
				Start(t.Context())
			require.ErrorContains(t, err, "2 problems")
			require.ErrorContains(t, err, "$SECRET.app.damaged from "+c.place+"DAMAGED")
			require.ErrorContains(t, err, c.place+"NOT_THERE")
		})
	}
}

// TestVariablesHaveVariableNames: a file may be named tls.crt, a variable may
// not.
func TestVariablesHaveVariableNames(t *testing.T) {
	for _, name := range []string{"tls.crt", "db-password", "0day"} {
		_, err := bound("tls", name).With(secret.Env()).Current().Text()
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.ErrorContains(t, err, "environment variable "+name+": such a name has only letters, digits and _")
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "tls.crt"), []byte("certificate\n"), 0o600))
	requireRead(t, "certificate", bound("tls", "tls.crt").With(secret.Dir(folder)))
}

// TestBindingOfBelongsToOneRead: a store may read another secret in its Get, and
// that read has its own name. A secret without a declared name gets the caller's
// context itself.
func TestBindingOfBelongsToOneRead(t *testing.T) {
	ctx := context.WithValue(t.Context(), authKey, "a value of the caller")
	var names []string
	var given context.Context
	note := askFunc(func(ctx context.Context, addr secret.Address) (string, error) {
		given = ctx
		require.Equal(t, "a value of the caller", ctx.Value(authKey))
		names = append(names, secret.BindingOf(ctx, addr))
		return "text", nil
	})
	derived, other := bound("token", "").With(note), bound("other", "TOKEN").With(note)
	nested := askFunc(func(ctx context.Context, addr secret.Address) (string, error) {
		for _, s := range []*secret.Secret{derived, other} {
			_, err := s.Load(ctx)
			require.NoError(t, err)
		}
		return note(ctx, addr)
	})
	_, err := bound("db", "DATABASE_URL").With(nested).Load(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"LAYERON_SECRET_APP_TOKEN", "TOKEN", "DATABASE_URL"}, names)

	_, err = derived.Load(ctx)
	require.NoError(t, err)
	require.Equal(t, ctx, given)
	require.Equal(t, "LAYERON_SECRET_AUTH_SESSION_KEY", secret.BindingOf(ctx, authKey))
	require.Equal(t, "LAYERON_SECRET_DEFAULT_A", secret.BindingOf(ctx, secret.Address{Name: "a"}))
}

// TestReadWithoutADeclaredBindingAllocatesNoMore: the name alone.
func TestReadWithoutADeclaredBindingAllocatesNoMore(t *testing.T) {
	m := secret.NewMemory(map[string]string{authBinding: "text"})
	ctx := t.Context()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = m.Get(ctx, authKey) }), 1.0)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = secret.BindingOf(ctx, authKey) }), 1.0)
}

// TestContextOfADeclaredBindingEnds as that of its caller.
func TestContextOfADeclaredBindingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := bound("db", "DATABASE_URL").With(askFunc(func(ctx context.Context, _ secret.Address) (string, error) {
			at, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Second, time.Until(at))
			inner, cancel := context.WithCancel(ctx)
			defer cancel()
			<-inner.Done()
			return "", ctx.Err()
		}))
		_, err := s.Load(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestAppRefusesBindingsThatCollide(t *testing.T) {
	for want, secrets := range map[string][]*secret.Secret{
		"$SECRET.app.b: invalid: has the binding name of $SECRET.app.a, DB: one would read the other's value": {
			bound("a", "DB"), bound("b", "DB")},
		"$SECRET.app.b: invalid: has the binding name of $SECRET.app.a, LAYERON_SECRET_APP_A": {
			bound("a", ""), bound("b", "LAYERON_SECRET_APP_A")},
		"$SECRET.app.b: invalid: has a binding name that differs from the one of $SECRET.app.a only in case, db and DB": {
			bound("a", "DB"), bound("b", "db")},
		"$SECRET.app.a: invalid: declared twice, differently: Binding": {bound("a", "DB"), bound("a", "OTHER")},
	} {
		err := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(nil)}).Use(secrets...).Start(t.Context())
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
	// The derived name, written out, is the same declaration; and an override makes
	// room for two addresses with one derived name.
	store := secret.NewMemory(map[string]string{"LAYERON_SECRET_APP_A": "one", "AUTH": "two",
		"LAYERON_SECRET_APP_A_B": "three"})
	first, second := bound("a", ""), bound("a", "LAYERON_SECRET_APP_A")
	ab, a := bound("a-b", "AUTH"), secret.Static(secret.Options{Namespace: "app-a", Name: "b"})
	requireStart(t, secret.NewApp(secret.AppOptions{Store: store, Refresh: -1}).Use(first, second, ab, a))
	for want, s := range map[string]*secret.Secret{"one": first, "two": ab, "three": a} {
		requireRead(t, want, s)
	}
	requireRead(t, "one", second)
}

// TestWatchKnowsDeclaredBindings: one Watch follows secrets with and without
// names of their own.
func TestWatchKnowsDeclaredBindings(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	memory := secret.NewMemory(nil)
	for name, c := range map[string]struct {
		store secret.Store
		put   func(name, text string)
	}{"memory": {memory, memory.Set}, "directory": {secret.Dir(folder), write}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				own, derived := bound("own", "db_password"), bound("derived", "")
				c.put("db_password", "one")
				c.put("LAYERON_SECRET_APP_OWN", "another program's")
				c.put("LAYERON_SECRET_APP_DERIVED", "one")
				app := secret.NewApp(secret.AppOptions{Store: c.store, Refresh: time.Hour, Logger: silence}).
					Use(own, derived)
				require.NoError(t, app.Start(t.Context()))
				time.Sleep(5 * time.Second)
				c.put("db_password", "two")
				c.put("LAYERON_SECRET_APP_DERIVED", "two")
				time.Sleep(5 * time.Second)
				requireRead(t, "two", own)
				requireRead(t, "two", derived)
				require.NoError(t, app.Close())
			})
		})
	}
}

// The address and the declared name are keys of one secret: the last call counts.
func TestMemoryKeysOfADeclaredBinding(t *testing.T) {
	m := secret.NewMemory(map[string]string{"$SECRET.app.db": "by address"})
	s := bound("db", "DATABASE_URL").With(m)
	requireNone := func() {
		t.Helper()
		_, err := s.Current().Text()
		require.ErrorIs(t, err, secret.ErrNotFound)
		require.ErrorContains(t, err, "memory store, DATABASE_URL is not set")
	}
	requireRead(t, "by address", s)
	m.Set("DATABASE_URL", "by name")
	requireRead(t, "by name", s)
	m.Set("$SECRET.app.db", "by address again")
	requireRead(t, "by address again", s)
	m.Delete("DATABASE_URL")
	requireNone()
	m.Set("DATABASE_URL", "by name")
	m.Delete("$SECRET.app.db")
	requireNone()
	m.Delete("DATABASE_URL")
	m.Set("$SECRET.app.db", "by address")
	m.Set("LAYERON_SECRET_APP_DB", "of the derived name")
	requireNone() // the derived name and the address are one key
	m.Set("LAYERON_SECRET_APP_DB", "of the derived name")
	m.Delete("LAYERON_SECRET_APP_DB")
	_, err := bound("db", "").With(m).Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)

	for range 10 { // maps have no order
		m = secret.NewMemory(map[string]string{"DATABASE_URL": "by name", "$SECRET.app.db": "by address"})
		requireRead(t, "by name", s.With(m))
	}

	// An address and its derived name are one key; the name is the later call.
	for range 10 { // maps have no order
		m = secret.NewMemory(map[string]string{"LAYERON_SECRET_APP_DB": "by name", "$SECRET.app.db": "by address"})
		requireRead(t, "by name", bound("db", "").With(m))
	}

	// Two addresses with one derived name are two keys.
	for range 10 { // maps have no order
		m = secret.NewMemory(map[string]string{"$SECRET.app.a-b": "one", "$SECRET.app-a.b": "two"})
		requireRead(t, "one", bound("a-b", "OTHER").With(m))
		requireRead(t, "two", secret.Static(secret.Options{Namespace: "app-a", Name: "b", Store: m}))
	}

	m = secret.NewMemory(map[string]string{"DATABASE_URL": "x", "DATABASE_URI": "y"})
	requireRead(t, "x", s.With(m))
	_, err = bound("other", "OTHER").With(m).Current().Text()
	require.ErrorContains(t, err, "OTHER is not set (1 given keys are neither addresses nor binding names)",
		"DATABASE_URI")
}

func TestSpecHasDeclaredBindings(t *testing.T) {
	app := secret.NewApp(secret.AppOptions{}).Use(bound("db", "DATABASE_URL"), bound("tls", "tls.crt"), bound("key", ""))
	spec := app.Spec()
	data, err := json.Marshal(spec)
	require.NoError(t, err)
	parsed, err := secret.ParseSpec(data)
	require.NoError(t, err)
	require.Equal(t, spec, parsed)
	var names []string
	for _, s := range parsed.Secrets {
		names = append(names, s.Binding)
	}
	require.Equal(t, []string{"DATABASE_URL", "LAYERON_SECRET_APP_KEY", "tls.crt"}, names)
	require.Contains(t, parsed.Graph.Nodes, secret.Node{ID: "binding:tls.crt", Kind: "binding"})

	// A derived name may be longer than a declared one.
	long := secret.Address{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("m", 63)}
	text := `{"secrets":[{"kind":"static","namespace":"` + long.Namespace + `","name":"` + long.Name + `","binding":"` +
		long.Binding() + `"}]}`
	parsed, err = secret.ParseSpec([]byte(text))
	require.NoError(t, err)
	require.Equal(t, long.Binding(), parsed.Secrets[0].Binding)
}
