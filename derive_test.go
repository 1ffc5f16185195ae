package secret_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// join is a function for Derive: it joins the current texts, and counts its
// calls. A text that begins with "bad" makes it fail.
type join struct {
	calls atomic.Int32
	step  func() // runs in each call
}

var errBad = errors.New("a half does not fit")

func (j *join) of(docs ...*secret.Document) (string, error) {
	j.calls.Add(1)
	if j.step != nil {
		j.step()
	}
	text := ""
	for _, doc := range docs {
		if current := doc.Current().Text(); len(current) >= 3 && current[:3] == "bad" {
			return "no value", errBad
		}
		text += doc.Current().Text() + ";"
	}
	return text, nil
}

func requireDerived(t testing.TB, want string, d *secret.Derived[string]) {
	t.Helper()
	got, err := d.Get(context.Background())
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// derivedFails returns the error of a Get, which has no value.
func derivedFails(t testing.TB, d *secret.Derived[string]) error {
	t.Helper()
	got, err := d.Get(context.Background())
	require.Error(t, err)
	require.Empty(t, got)
	var e *secret.Error
	require.ErrorAs(t, err, &e)
	return err
}

func oneRefresh(t testing.TB, app *secret.App) {
	t.Helper()
	require.NoError(t, app.Refresh(context.Background()))
}

// TestDerivedIsComputedOncePerDocuments: also for a document that comes back,
// and for a text that the store has confirmed.
func TestDerivedIsComputedOncePerDocuments(t *testing.T) {
	p, a, b, j := newProbe(), static("a"), static("b"), new(join)
	p.set(a, "a1")
	p.set(b, "b1")
	d := secret.Derive(j.of, a, b)
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b)
	requireStart(t, app)
	require.Zero(t, j.calls.Load(), "Derive and Start call nothing")
	for range 3 {
		requireDerived(t, "a1;b1;", d)
		oneRefresh(t, app)
	}
	require.EqualValues(t, 1, j.calls.Load())
	p.set(b, "b2")
	oneRefresh(t, app)
	for range 3 {
		requireDerived(t, "a1;b2;", d)
	}
	require.EqualValues(t, 2, j.calls.Load())
	p.set(b, "b1")
	oneRefresh(t, app)
	requireDerived(t, "a1;b1;", d)
	require.EqualValues(t, 3, j.calls.Load(), "values of older documents are not kept")

	p.set(b, "b3")
	oneRefresh(t, app)
	p.set(b, "b1")
	oneRefresh(t, app)
	requireDerived(t, "a1;b1;", d)
	require.EqualValues(t, 3, j.calls.Load(), "there was no read in between, and the content is the same")
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = d.Get(context.Background()) }))

	p.set(b, `{"current":"v1","versions":{"v1":{"value":"b1"}}}`)
	oneRefresh(t, app)
	requireDerived(t, "a1;b1;", d)
	require.EqualValues(t, 4, j.calls.Load(), "StoredAs returns another format")
}

// TestDerivedReadsShareOneCall: one that gives up leaves the others alone, the
// first of all included.
func TestDerivedReadsShareOneCall(t *testing.T) {
	for _, apps := range []bool{true, false} {
		t.Run(fmt.Sprintf("App %v", apps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				p, a, b, j := newProbe(), static("a"), static("b"), &join{step: func() { <-gate }}
				p.set(a, "a1")
				p.set(b, "b1")
				if apps {
					requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b))
				} else {
					a, b = a.With(p), b.With(p)
				}
				d := secret.Derive(j.of, a, b)
				impatient := errors.New("the caller has gone")
				first, leave := context.WithCancelCause(context.Background())
				left := make(chan error, 1)
				go func() {
					_, err := d.Get(first)
					left <- err
				}()
				synctest.Wait()
				var others sync.WaitGroup
				for range 50 {
					others.Go(func() {
						text, err := d.Get(context.Background())
						assert.NoError(t, err)
						assert.Equal(t, "a1;b1;", text)
					})
				}
				synctest.Wait()
				leave(impatient)
				err := <-left
				require.ErrorIs(t, err, impatient)
				require.ErrorIs(t, err, context.Canceled)
				require.EqualError(t, err, "secret: derive $SECRET.app.a: with $SECRET.app.b: the caller has gone")
				short, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, err = d.Get(short)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "gave up waiting for the function given to Derive: context deadline exceeded")
				close(gate)
				others.Wait()
				require.EqualValues(t, 1, j.calls.Load())
				if apps {
					text, err := d.Get(first)
					require.NoError(t, err, "a value in memory needs no context")
					require.Equal(t, "a1;b1;", text)
				}
			})
		})
	}
}

// TestDerivedReadOfAValueInMemoryAllocatesNothing: also with versions that have
// an end.
func TestDerivedReadOfAValueInMemoryAllocatesNothing(t *testing.T) {
	p, a, b := newProbe(), static("a"), static("b")
	p.set(a, "current=v1;v1=a1;v1_expires=2999-01-01T00:00:00Z")
	p.set(b, "b1")
	type pair struct{ a, b string }
	d := secret.Derive(func(docs ...*secret.Document) (pair, error) {
		return pair{docs[0].Current().Text(), docs[1].Current().Text()}, nil
	}, a, b)
	requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(a, b))
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if got, err := d.Get(ctx); err != nil || got != (pair{"a1", "b1"}) {
			panic(err)
		}
	}))
}

// TestDerivedValueMayBeAnything: nil, an interface, an empty struct.
func TestDerivedValueMayBeAnything(t *testing.T) {
	s := static("a").With(secret.NewMemory(map[string]string{"$SECRET.app.a": "a1"}))
	var none fmt.Stringer
	got, err := secret.Derive(func(...*secret.Document) (fmt.Stringer, error) { return nil, nil }, s).Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, none, got)
	_, err = secret.Derive(func(...*secret.Document) (struct{}, error) { return struct{}{}, nil }, s).Get(t.Context())
	require.NoError(t, err)
}

// TestDerivedFunctionCannotChangeTheDocuments that later reads compare.
func TestDerivedFunctionCannotChangeTheDocuments(t *testing.T) {
	p, a, b := newProbe(), static("a"), static("b")
	p.set(a, "a1")
	p.set(b, "b1")
	secrets, calls := []*secret.Secret{a, b}, 0
	d := secret.Derive(func(docs ...*secret.Document) (string, error) {
		calls++
		text := docs[0].Current().Text()
		clear(docs)
		return text, nil
	}, secrets...)
	clear(secrets)
	requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(a, b))
	requireDerived(t, "a1", d)
	requireDerived(t, "a1", d)
	require.Equal(t, 1, calls)
}

// TestDerivedFailureIsRemembered: without a last value, under an App and
// without one.
func TestDerivedFailureIsRemembered(t *testing.T) {
	for _, apps := range []bool{true, false} {
		p, s, j := newProbe(), static("a"), new(join)
		p.set(s, "bad a1")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence})
		if apps {
			requireStart(t, app.Use(s))
		} else {
			s = s.With(p)
		}
		d := secret.Derive(j.of, s)
		for range 3 {
			err := derivedFails(t, d)
			require.ErrorIs(t, err, errBad)
			require.EqualError(t, err, "secret: derive $SECRET.app.a: a half does not fit")
		}
		require.EqualValues(t, 1, j.calls.Load())
		p.set(s, "a2")
		oneRefresh(t, app)
		requireDerived(t, "a2;", d)
	}
}

// TestDerivedFunctionThatCrashes is an error that shows no value.
func TestDerivedFunctionThatCrashes(t *testing.T) {
	const value = "Qz7kWv2mXt9RbLp4nHc8"
	s := static("a").With(secret.NewMemory(map[string]string{"$SECRET.app.a": value}))
	for want, f := range map[string]func(string) error{
		"panicked with a value of type *errors.errorString, not shown since it may hold a secret": func(text string) error {
			panic(errors.New(text))
		},
		"panicked with a value of type string, not shown since it may hold a secret": func(text string) error { panic(text) },
		"panicked with a value of type runtime.boundsError": func(text string) error {
			_ = text[len(text)]
			return nil
		},
		"ended its goroutine": func(string) error { runtime.Goexit(); return nil },
		"panicked with a value of type secret_test.crashingError": func(string) error { return crashingError{} },
	} {
		calls := 0
		d := secret.Derive(func(docs ...*secret.Document) (string, error) {
			calls++
			return "", f(docs[0].Current().Text())
		}, s)
		for range 2 {
			err := derivedFails(t, d)
			require.ErrorContains(t, err, "secret: derive $SECRET.app.a: the function given to Derive "+want)
			require.NotContains(t, err.Error(), value[:8])
		}
		require.Equal(t, 1, calls)
	}
}

type crashingError struct{}

func (c crashingError) Error() string { panic(c) }

// TestDerivedThatIsInvalid is an error of each Get, never a panic.
func TestDerivedThatIsInvalid(t *testing.T) {
	s := static("a").With(secret.NewMemory(map[string]string{"$SECRET.app.a": "a1"}))
	f := func(...*secret.Document) (string, error) { return "value", nil }
	for name, d := range map[string]*secret.Derived[string]{
		"nil":               nil,
		"zero":              new(secret.Derived[string]),
		"no secrets":        secret.Derive(f),
		"nil function":      secret.Derive[string](nil, s),
		"nil secret":        secret.Derive(f, s, nil),
		"undeclared secret": secret.Derive(f, new(secret.Secret), s),
		"wrong declaration": secret.Derive(f, secret.Static(secret.Options{Name: "A"})),
		"nothing at all":    secret.Derive[string](nil),
	} {
		for range 2 {
			require.ErrorIs(t, derivedFails(t, d), secret.ErrInvalid, name)
		}
		require.Contains(t, d.String(), "derived from ", name)
	}
}

// TestDerivedWithoutAnApp loads the documents at each Get, all at a time, and
// keeps no last value.
func TestDerivedWithoutAnApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, j := newProbe(), new(join)
		a, b, c := static("a").With(p), static("b").With(p), static("c").With(p)
		for _, s := range []*secret.Secret{a, b, c} {
			p.set(s, s.Address().Name+"1")
		}
		p.before = func(context.Context, secret.Address) error { time.Sleep(time.Second); return nil }
		d := secret.Derive(j.of, a, b, c)
		began := time.Now()
		requireDerived(t, "a1;b1;c1;", d)
		require.Equal(t, time.Second, time.Since(began))
		requireDerived(t, "a1;b1;c1;", d)
		require.Equal(t, 6, p.gets())
		require.EqualValues(t, 1, j.calls.Load())

		p.set(b, "bad b2")
		require.ErrorIs(t, derivedFails(t, d), errBad)
		p.set(b, "b1")
		requireDerived(t, "a1;b1;c1;", d)
		p.texts.Delete(c.Address().String())
		require.ErrorIs(t, derivedFails(t, d), secret.ErrNotFound)
		p.set(c, "c1")

		p.step(hang)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := d.Get(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		p.step(func(_ context.Context, addr secret.Address) error {
			if addr == b.Address() {
				panic("b1")
			}
			return nil
		})
		require.ErrorContains(t, derivedFails(t, d),
			"secret: load $SECRET.app.b: the store panicked with a value of type string")
	})
}

// TestDerivedRecomputesWhenAVersionStartsOrEnds: f sees the documents, and what
// is active in them changes then.
func TestDerivedRecomputesWhenAVersionStartsOrEnds(t *testing.T) {
	for _, apps := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p, a, b := newProbe(), static("a"), static("b")
			in := func(hours int) string {
				return time.Now().Add(time.Duration(hours) * time.Hour).UTC().Format(time.RFC3339)
			}
			p.set(a, "current=v1;v1=a1;v1_expires="+in(2)+";v2=a2;v2_active="+in(1)+";v3=a3;v3_expires="+in(4))
			p.set(b, "current=v1;v1=b1;v2=b2;v2_expires="+in(3))
			if apps {
				requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b))
			} else {
				a, b = a.With(p), b.With(p)
			}
			calls := 0
			d := secret.Derive(func(docs ...*secret.Document) (string, error) {
				calls++
				text := ""
				for _, doc := range docs {
					for _, v := range doc.ActiveAt(time.Now()) {
						text += v.Text() + ";"
					}
				}
				return text, nil
			}, a, b)
			requireDerived(t, "a1;a3;b1;b2;", d)
			for i, want := range []string{"a1;a2;a3;b1;b2;", "a2;a3;b1;b2;", "a2;a3;b1;", "a2;b1;", "a2;b1;"} {
				time.Sleep(time.Hour - 1)
				calls = 0
				_, err := d.Get(context.Background())
				require.NoError(t, err)
				require.Zero(t, calls, "not before the instant")
				time.Sleep(time.Nanosecond)
				for range 2 {
					requireDerived(t, want, d)
				}
				require.Equal(t, min(1, 4-i), calls, "once at each of the four instants")
			}
		})
	}
}

// TestDerivedNeverFollowsNewDocumentsWithOldOnes: a reader that is late with an
// old document gets the value for the new one.
func TestDerivedNeverFollowsNewDocumentsWithOldOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("a")
		p.set(s, "a1")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
		requireStart(t, app)
		gate := make(chan struct{})
		j := &join{step: func() { <-gate }}
		d := secret.Derive(j.of, s)
		var readers sync.WaitGroup
		read := func(want string) {
			readers.Go(func() {
				text, err := d.Get(context.Background())
				assert.NoError(t, err)
				assert.Equal(t, want, text)
			})
		}
		read("a1;")
		synctest.Wait()
		p.set(s, "a2")
		oneRefresh(t, app)
		for range 10 {
			read("a2;")
		}
		synctest.Wait()
		require.EqualValues(t, 1, j.calls.Load(), "one call at a time")
		close(gate)
		readers.Wait()
		requireDerived(t, "a2;", d)
		require.EqualValues(t, 2, j.calls.Load())
	})
}
