package secret_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// counting counts the Gets of a store.
type counting struct {
	secret.Store
	gets atomic.Int64
}

func (c *counting) Get(ctx context.Context, addr secret.Address) (string, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, addr)
}

func sessionKey(s secret.Store) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: s})
}

func oneSecret(text string) *secret.Memory {
	return secret.NewMemory(map[string]string{"$SECRET.auth.session-key": text})
}

func requireText(t *testing.T, want string, r secret.Ref) {
	t.Helper()
	got, err := r.Text()
	require.NoError(t, err)
	require.True(t, got == want, "another text: %d bytes instead of %d", len(got), len(want))
}

func TestWhichStoreIsRead(t *testing.T) {
	t.Setenv("LAYERON_SECRET_AUTH_SESSION_KEY", "from the environment")
	requireText(t, "from the environment", sessionKey(nil).Current())
	requireText(t, "from Options", sessionKey(oneSecret("from Options")).Current())

	t.Run("the environment as it is now", func(t *testing.T) {
		s := sessionKey(nil)
		t.Setenv("LAYERON_SECRET_AUTH_SESSION_KEY", "first")
		requireText(t, "first", s.Current())
		t.Setenv("LAYERON_SECRET_AUTH_SESSION_KEY", "second")
		requireText(t, "second", s.Current())
	})
	t.Run("Options.Store is not a first choice among many", func(t *testing.T) {
		_, err := sessionKey(secret.NewMemory(nil)).Current().Text()
		require.ErrorIs(t, err, secret.ErrNotFound)
	})
	t.Run("With", func(t *testing.T) {
		s := sessionKey(oneSecret("declared"))
		tenant := s.With(oneSecret("tenant"))
		require.NotSame(t, s, tenant)
		requireText(t, "tenant", tenant.Current())
		requireText(t, "declared", s.Current())
		requireText(t, "from the environment", s.With(nil).Current())
		require.Equal(t, s.Address(), tenant.Address())
		require.Equal(t, s.Binding(), tenant.Binding())
		require.Equal(t, s.Kind(), tenant.Kind())
		require.NoError(t, tenant.Err())
	})
	t.Run("With keeps the declaration", func(t *testing.T) {
		key := secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 16, Format: secret.FormatPlain})
		b, err := key.With(oneSecret("000102030405060708090a0b0c0d0e0f")).Current().Bytes()
		require.NoError(t, err)
		require.Len(t, b, 16)
		requireText(t, "v1=a;v2=b", key.With(oneSecret("v1=a;v2=b")).Current())
	})
	t.Run("With does not inherit what was read", func(t *testing.T) {
		s := sessionKey(oneSecret("same"))
		a, err := s.Load(context.Background())
		require.NoError(t, err)
		b, err := s.With(oneSecret("same")).Load(context.Background())
		require.NoError(t, err)
		require.NotSame(t, a, b)
	})
}

// The store is asked for the address with its namespace filled in: it may use
// it as a key.
func TestStoreIsAskedForTheWholeAddress(t *testing.T) {
	var asked []secret.Address
	s := secret.Static(secret.Options{Name: "key", Store: askFunc(func(_ context.Context, addr secret.Address) (string,
		error) {
		asked = append(asked, addr)
		return "x", nil
	})})
	_, err := s.Current().Text()
	require.NoError(t, err)
	require.Equal(t, []secret.Address{{Namespace: "default", Name: "key"}}, asked)
}

func TestEveryReadAsksTheStore(t *testing.T) {
	store := &counting{Store: oneSecret("current=v1;v1=x")}
	s := sessionKey(store)
	errs := allReads(s)
	require.EqualValues(t, len(errs), store.gets.Load())
}

func TestRefIsLazyAndReadsAnew(t *testing.T) {
	memory := oneSecret("first")
	store := &counting{Store: memory}
	ref := sessionKey(store).Current()
	require.Zero(t, store.gets.Load())
	requireText(t, "first", ref)
	memory.Set("$SECRET.auth.session-key", "second")
	requireText(t, "second", ref)
	memory.Delete("$SECRET.auth.session-key")
	_, err := ref.Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	memory.Set("$SECRET.auth.session-key", "third")
	requireText(t, "third", ref)
}

func TestUnchangedTextIsTheSameDocument(t *testing.T) {
	ctx := context.Background()
	memory := oneSecret("current=v1;v1=first")
	s := sessionKey(memory)
	first, err := s.Load(ctx)
	require.NoError(t, err)
	again, err := s.Load(ctx)
	require.NoError(t, err)
	require.Same(t, first, again)

	// Equal in length and but for one character.
	memory.Set("$SECRET.auth.session-key", "current=v1;v1=firsT")
	changed, err := s.Load(ctx)
	require.NoError(t, err)
	require.NotSame(t, first, changed)
	require.Equal(t, "firsT", changed.Current().Text())
	require.Equal(t, "first", first.Current().Text(), "a document never changes")

	// A failure in between costs nothing that was good.
	memory.Fail(errors.New("out of order"))
	_, err = s.Load(ctx)
	require.Error(t, err)
	memory.Fail(nil)
	memory.Set("$SECRET.auth.session-key", "current=v1;")
	_, err = s.Load(ctx)
	require.ErrorIs(t, err, secret.ErrMalformed)
	memory.Set("$SECRET.auth.session-key", "current=v1;v1=firsT")
	after, err := s.Load(ctx)
	require.NoError(t, err)
	require.Same(t, changed, after)
}

// A malformed text is an error each time, not only when it is new.
func TestMalformedTextStaysAnError(t *testing.T) {
	memory := oneSecret("good")
	s := sessionKey(memory)
	requireText(t, "good", s.Current())
	memory.Set("$SECRET.auth.session-key", `{"current":"v1","versions":{`)
	for range 3 {
		_, err := s.Current().Text()
		require.ErrorIs(t, err, secret.ErrMalformed)
	}
}

func TestLoadIsOneConsistentView(t *testing.T) {
	memory := oneSecret("current=v2;v1=one;v2=two")
	store := &counting{Store: memory}
	doc, err := sessionKey(store).Load(context.Background())
	require.NoError(t, err)
	memory.Set("$SECRET.auth.session-key", "current=v3;v2=two;v3=three")
	now := time.Unix(1e9, 0)
	require.Equal(t, "v2", doc.Current().ID)
	require.Equal(t, "two", doc.Current().Text())
	require.Len(t, doc.Active(now), 2)
	_, err = doc.Version("v1")
	require.NoError(t, err)
	_, err = doc.ActiveVersion("v3", now)
	require.ErrorIs(t, err, secret.ErrVersionNotFound)
	require.EqualValues(t, 1, store.gets.Load())
}

// The value belongs to its document, even after the secret has read another
// one.
func TestVersionsOutliveTheirText(t *testing.T) {
	memory := oneSecret("current=v1;v1=one")
	s := sessionKey(memory)
	v, err := s.Current().Get(context.Background())
	require.NoError(t, err)
	memory.Set("$SECRET.auth.session-key", "current=v1;v1=another")
	requireText(t, "another", s.Current())
	require.Equal(t, "one", v.Text())
}

func TestConcurrentReads(t *testing.T) {
	memory := oneSecret("current=v1;v1=one;v2=two")
	s := sessionKey(memory)
	texts := []string{"current=v1;v1=one;v2=two", "current=v2;v1=two;v2=one", "plain"}
	var wg sync.WaitGroup
	for r := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if r == 0 {
					memory.Set("$SECRET.auth.session-key", texts[i%len(texts)])
				}
				doc, err := s.Load(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				// Whatever was read, it is one of the texts and not a mixture of two.
				switch id, text := doc.Current().ID, doc.Current().Text(); {
				case doc.StoredAs() == secret.FormatPlain && text == "plain", id == "v1" && text == "one", id == "v2" &&
					text == "one":
				default:
					t.Error("a mixture of two texts")
				}
			}
		})
	}
	wg.Wait()
}

// storeFault is an error of a store's own type.
type storeFault struct{ Code int }

func (f *storeFault) Error() string { return fmt.Sprintf("the store answers %d", f.Code) }

func TestStoreErrorsAreKept(t *testing.T) {
	fault := &storeFault{503}
	s := sessionKey(askFunc(func(context.Context, secret.Address) (string, error) {
		return "", fmt.Errorf("get: %w, %w", fault, fs.ErrPermission)
	}))
	for read, err := range allReads(s) {
		require.ErrorIs(t, err, fs.ErrPermission, read)
		require.NotErrorIs(t, err, secret.ErrNotFound, read)
		var own *storeFault
		require.ErrorAs(t, err, &own, read)
		require.Same(t, fault, own, read)
		var e *secret.Error
		require.ErrorAs(t, err, &e, read)
		require.Equal(t, "load", e.Op, read)
		require.Equal(t, s.Address(), e.Address, read)
		require.Equal(t, -1, offsetOf(e), read)
		require.EqualError(t, err, "secret: load $SECRET.auth.session-key: get: the store answers 503, "+
			fs.ErrPermission.Error(), read)
	}
}

func TestMissingValueNamesItsPlace(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		store secret.Store
		place string
	}{
		"environment": {secret.Env(), "environment variable LAYERON_SECRET_AUTH_SESSION_KEY"},
		"memory":      {secret.NewMemory(nil), "memory store, LAYERON_SECRET_AUTH_SESSION_KEY"},
		"directory":   {secret.Dir(dir), "file " + filepath.Join(dir, "LAYERON_SECRET_AUTH_SESSION_KEY")},
	} {
		t.Run(name, func(t *testing.T) {
			for read, err := range allReads(sessionKey(tc.store)) {
				require.ErrorIs(t, err, secret.ErrNotFound, read)
				require.Equal(t, 1, strings.Count(err.Error(), tc.place), "%s: %v", read, err)
				require.ErrorContains(t, err, "load $SECRET.auth.session-key", read)
			}
		})
	}
}

// A value that is present but wrong is corrected in its place, so the message
// names the place.
func TestWrongValueNamesItsPlace(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		store func(t *testing.T, text string) secret.Store
		where string
	}{
		"environment": {func(t *testing.T, text string) secret.Store {
			t.Setenv("LAYERON_SECRET_AUTH_SESSION_KEY", text)
			return secret.Env()
		}, "environment variable LAYERON_SECRET_AUTH_SESSION_KEY"},
		"memory": {func(_ *testing.T, text string) secret.Store { return oneSecret(text) },
			"memory store, LAYERON_SECRET_AUTH_SESSION_KEY"},
		"directory": {func(t *testing.T, text string) secret.Store {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "LAYERON_SECRET_AUTH_SESSION_KEY"), []byte(text), 0o600))
			return secret.Dir(dir)
		}, "file " + filepath.Join(dir, "LAYERON_SECRET_AUTH_SESSION_KEY")},
		"a store that does not tell": {func(_ *testing.T, text string) secret.Store {
			return askFunc(func(context.Context, secret.Address) (string, error) { return text, nil })
		}, ""},
	} {
		for _, wrong := range []struct {
			text string
			want error
			at   int
		}{
			{"", secret.ErrEmpty, -1}, {" \t ", secret.ErrEmpty, -1}, {"current=v1;v1=", secret.ErrMalformed, 11},
			{`{"versions":{"v1":{"value":1}}}`, secret.ErrMalformed, 27},
		} {
			t.Run(name+" "+wrong.text, func(t *testing.T) {
				s := sessionKey(tc.store(t, wrong.text))
				for read, err := range allReads(s) {
					require.ErrorIs(t, err, wrong.want, read)
					require.NotErrorIs(t, err, secret.ErrNotFound, read)
					var e *secret.Error
					require.ErrorAs(t, err, &e, read)
					require.Equal(t, "load", e.Op, read)
					require.Equal(t, s.Address(), e.Address, read)
					require.Equal(t, tc.where, e.Where, read)
					require.Equal(t, wrong.at, offsetOf(e), read)
				}
			})
		}
	}
}

func TestTooLargeText(t *testing.T) {
	limit := strings.Repeat("x", 1<<20)
	requireText(t, limit, sessionKey(oneSecret(limit)).Current())
	for _, format := range []secret.Format{secret.FormatAuto, secret.FormatPlain, secret.FormatJSON,
		secret.FormatCompact} {
		s := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Format: format,
			Store: oneSecret(limit + "x")})
		for read, err := range allReads(s) {
			require.ErrorIs(t, err, secret.ErrTooLarge, read)
			require.ErrorContains(t, err, "1 MiB", read)
		}
	}
}

func TestVersionErrorsNameTheSecret(t *testing.T) {
	s := sessionKey(oneSecret("current=v2;v1=one;v1_expires=2001-01-01T00:00:00Z;v2=two;v2_active=2001-01-01T00:00:00Z"))
	for _, tc := range []struct {
		ref     secret.Ref
		want    error
		op, id  string
		message string
	}{
		{s.Version("v9"), secret.ErrVersionNotFound, "version", "v9",
			"secret: version $SECRET.auth.session-key, version v9: version not found"},
		{s.ActiveVersion("v9"), secret.ErrVersionNotFound, "active version", "v9",
			"secret: active version $SECRET.auth.session-key, version v9: version not found"},
		{s.ActiveVersion("v1"), secret.ErrNotActive, "active version", "v1",
			"secret: active version $SECRET.auth.session-key, version v1: no version active: the version has expired"},
		{s.With(oneSecret("v2=two;v2_active=2001-01-01T00:00:00Z")).At(time.Unix(0, 0)), secret.ErrNotActive, "at", "",
			"secret: at $SECRET.auth.session-key: no version active"},
	} {
		v, err := tc.ref.Get(context.Background())
		require.ErrorIs(t, err, tc.want)
		require.Empty(t, v.ID)
		require.Empty(t, v.Text())
		var e *secret.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, tc.op, e.Op)
		require.Equal(t, s.Address(), e.Address)
		require.Equal(t, tc.id, e.Version)
		require.EqualError(t, err, tc.message)
		text, err := tc.ref.Text()
		require.ErrorIs(t, err, tc.want)
		require.Empty(t, text)
		b, err := tc.ref.Bytes()
		require.ErrorIs(t, err, tc.want)
		require.Nil(t, b)
	}
}

func TestContextReachesTheStore(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(context.Background(), key{}, "mine")
	var seen []any
	s := sessionKey(askFunc(func(ctx context.Context, _ secret.Address) (string, error) {
		seen = append(seen, ctx.Value(key{}))
		return "x", ctx.Err()
	}))
	_, err := s.Load(ctx)
	require.NoError(t, err)
	_, err = s.Current().Get(ctx)
	require.NoError(t, err)
	require.Equal(t, []any{"mine", "mine"}, seen)

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.Load(cancelled)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, secret.ErrNotFound)
	var e *secret.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, s.Address(), e.Address)
}
