package secret_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// brokenError is an error of a store whose methods panic.
type brokenError struct{ error, is, unwrap bool }

func (e *brokenError) Error() string {
	if e.error {
		panic(marker)
	}
	return "broken"
}

func (e *brokenError) Is(error) bool {
	if e.is {
		panic(marker)
	}
	return false
}

func (e *brokenError) Unwrap() error {
	if e.unwrap {
		panic(marker)
	}
	return nil
}

// crashes are the ways in which a caller's code may end without a result. Each
// text would show a value.
var crashes = map[string]struct {
	crash func(context.Context, secret.Address) error
	says  string
}{
	"panics with a text": {func(context.Context, secret.Address) error { panic(marker) },
		"the store panicked with a value of type string"},
	"panics with an error": {func(context.Context, secret.Address) error { panic(errors.New(marker)) },
		"the store panicked with a value of type *errors.errorString"},
	"panics with nil": {func(context.Context, secret.Address) error { panic(nil) },
		"the store panicked with a value of type *runtime.PanicNilError"},
	"follows a nil pointer": {func(context.Context, secret.Address) error { var p *string; return errors.New(*p) },
		"the store panicked with a value of type runtime.errorString"},
	"ends its goroutine": {func(context.Context, secret.Address) error { runtime.Goexit(); return nil },
		"the store ended its goroutine"},
	"an error that panics": {func(context.Context, secret.Address) error { return &brokenError{error: true} },
		"the store panicked with a value of type string"},
	"an error with a bad Is": {func(context.Context, secret.Address) error { return &brokenError{is: true} },
		"the store panicked with a value of type string"},
	"an error, bad unwrapped": {func(context.Context, secret.Address) error { return &brokenError{unwrap: true} },
		"the store panicked with a value of type string"},
	"an error that is nil": {func(context.Context, secret.Address) error { return (*brokenError)(nil) },
		"the store panicked with a value of type runtime.errorString"},
}

// TestCrashOfStoreIsAFailedLoad: at Start, under every kind of refresh and at a
// first read. The last value stays, the other secrets are loaded, and the next
// load goes on.
func TestCrashOfStoreIsAFailedLoad(t *testing.T) {
	for name, c := range crashes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s, other := newProbe(), static("key"), static("other")
				p.set(s, "one")
				p.set(other, "one")
				crash := func(ctx context.Context, addr secret.Address) error {
					if addr == s.Address() {
						return c.crash(ctx, addr)
					}
					return nil
				}
				var log logged
				app := secret.NewApp(secret.AppOptions{Store: p, Logger: log.logger()}).Use(s, other)
				says := func(err error) {
					t.Helper()
					require.ErrorContains(t, err, c.says)
					require.NotContains(t, err.Error(), marker)
				}
				p.step(crash)
				_, err := s.Load(context.Background())
				says(err)
				says(app.Start(context.Background()))
				says(s.Refresh(context.Background()))
				says(s.With(p).Refresh(context.Background()))
				p.step(nil)
				requireStart(t, app)
				requireRead(t, "one", s)

				p.step(crash)
				p.set(s, "two")
				p.set(other, "two")
				says(app.Refresh(context.Background()))
				log.lines()
				time.Sleep(10 * time.Minute)
				requireRead(t, "one", s)
				requireRead(t, "two", other)
				require.Contains(t, app.Status().Secrets[0].LastError, c.says)
				require.NotContains(t, strings.Join(log.lines(), "\n"), marker)

				p.step(nil)
				time.Sleep(10 * time.Minute)
				requireRead(t, "two", s)
				require.True(t, app.Status().OK)
			})
		})
	}
}

// TestPanicReachesTheCaller where no goroutine of this package is between: it
// is the caller's own.
func TestPanicReachesTheCaller(t *testing.T) {
	p, s := newProbe(), static("key")
	p.step(func(context.Context, secret.Address) error { panic(errRefused) })
	require.PanicsWithValue(t, errRefused, func() { _, _ = s.With(p).Load(context.Background()) })
}

// TestCrashIsLogged by its type.
func TestCrashIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		var log logged
		requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Logger: log.logger()}).Use(s))
		p.step(func(context.Context, secret.Address) error { panic(marker) })
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{`level=WARN msg="secret cannot be loaded" address=$SECRET.app.key kept=v1 ` +
			`error="secret: load $SECRET.app.key: the store panicked with a value of type string, not shown since it may hold a secret"`}, log.lines())
	})
}

// lost is a store whose Locate panics.
type lost struct {
	*probe
	locate func()
}

func (l lost) Locate(secret.Address) string {
	l.locate()
	return "nowhere"
}

// TestCrashOfLocateLosesThePlaceAlone: the error says the rest.
func TestCrashOfLocateLosesThePlaceAlone(t *testing.T) {
	for name, locate := range map[string]func(){"panic": func() { panic(marker) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := lost{newProbe(), locate}
				s := secret.Random(secret.Options{Namespace: "app", Name: "key"})
				p.set(s, "too short")
				for _, get := range []func() error{
					func() error {
						return secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s).Start(context.Background())
					},
					func() error {
						app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
						defer app.Close()
						_, err := s.Current().Bytes()
						return err
					},
				} {
					err := get()
					require.ErrorIs(t, err, secret.ErrEncoding)
					require.NotContains(t, err.Error(), marker)
				}
				p.set(s, `{"current":"v`)
				require.ErrorIs(t, s.With(p).Refresh(context.Background()), secret.ErrMalformed)
			})
		})
	}
}

// TestCrashOfWatchIsBegunAgain as after an error: polling goes on meanwhile,
// and the log says why.
func TestCrashOfWatchIsBegunAgain(t *testing.T) {
	for name, c := range crashes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newTelling(), static("key")
				w.set(s, "one")
				watch := w.watch
				w.tell(func(ctx context.Context, addrs []secret.Address, _ func(secret.Address)) error {
					return c.crash(ctx, addrs[0])
				})
				var log logged
				requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Logger: log.logger()}).Use(s))
				time.Sleep(10 * time.Minute)
				require.Greater(t, len(w.begun()), 20)
				lines := log.lines()
				require.Len(t, lines, 1)
				require.NotContains(t, lines[0], marker)
				if !strings.Contains(name, "bad") { // Watch's own error is asked for its text alone
					require.Contains(t, lines[0], strings.Replace(c.says, "the store", "Watch", 1))
				}
				w.set(s, "two")
				time.Sleep(2 * time.Minute)
				requireRead(t, "two", s)

				w.tell(watch)
				time.Sleep(time.Minute)
				begun := len(w.begun())
				w.set(s, "three")
				time.Sleep(2 * time.Second)
				requireRead(t, "three", s)
				time.Sleep(10 * time.Minute)
				require.Len(t, w.begun(), begun)
			})
		})
	}
}

// crashing is a handler that panics, or ends its goroutine, at each record.
type crashing struct {
	slog.Handler
	crash func()
}

func (c crashing) Handle(context.Context, slog.Record) error {
	c.crash()
	return nil
}

// TestCrashOfLoggerStopsNothing: not the loads, the clock, the Watcher or the
// calls to OnChange.
func TestCrashOfLoggerStopsNothing(t *testing.T) {
	for name, crash := range map[string]func(){"panic": func() { panic(marker) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newTelling(), static("key")
				w.set(s, " one")
				w.tell(func(context.Context, []secret.Address, func(secret.Address)) error { return errRefused })
				logger := slog.New(crashing{silenceHandlerEnabled{}, crash})
				app := secret.NewApp(secret.AppOptions{Store: w, Logger: logger, MaxStale: 5 * time.Minute}).Use(s)
				requireStart(t, app)
				calls := 0
				app.OnChange(func(secret.Change) {
					calls++
					panic(marker)
				})
				for range 3 { // a failure, the end of the stale value, a recovery, a change
					w.step(func(context.Context, secret.Address) error { return errRefused })
					time.Sleep(20 * time.Minute)
					_, err := s.Current().Text()
					require.ErrorIs(t, err, errRefused)
					w.step(nil)
					w.set(s, time.Now().String())
					time.Sleep(20 * time.Minute)
					requireRead(t, w.textOf(t, s), s)
				}
				synctest.Wait()
				require.Equal(t, 3, calls)
				require.NotEmpty(t, w.begun())
			})
		})
	}
}

// silenceHandlerEnabled takes records of every level.
type silenceHandlerEnabled struct{}

func (silenceHandlerEnabled) Enabled(context.Context, slog.Level) bool  { return true }
func (silenceHandlerEnabled) Handle(context.Context, slog.Record) error { return nil }
func (h silenceHandlerEnabled) WithAttrs([]slog.Attr) slog.Handler      { return h }
func (h silenceHandlerEnabled) WithGroup(string) slog.Handler           { return h }

func (p *probe) textOf(t *testing.T, s *secret.Secret) string {
	text, err := p.texts.Get(context.Background(), s.Address())
	require.NoError(t, err)
	return text
}

// TestFunctionThatEndsItsGoroutineIsCalledAgain: with the next change, and with
// those that wait.
func TestFunctionThatEndsItsGoroutineIsCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		app, _, put := changing(t, secret.AppOptions{Logger: log.logger()})
		requireStart(t, app)
		calls := 0
		app.OnChange(func(secret.Change) {
			time.Sleep(time.Second)
			calls++
			runtime.Goexit()
		})
		put("current=v1;v1=text")
		put("current=v2;v2=text")
		time.Sleep(time.Minute)
		put("current=v3;v3=text")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 3, calls)
		require.Equal(t, 3, strings.Count(strings.Join(log.lines(), "\n"),
			"a function given to OnChange ended its goroutine"))
	})
}

// TestCloseWaitsForRunningCallbacks: for those of a stopped function too, but
// not for the changes that wait.
func TestCloseWaitsForRunningCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{})
		require.NoError(t, app.Start(context.Background()))
		var mu sync.Mutex
		ended := map[string]int{}
		slow := func(name string, takes time.Duration) func(secret.Change) {
			return func(secret.Change) {
				time.Sleep(takes)
				mu.Lock()
				defer mu.Unlock()
				ended[name]++
			}
		}
		app.OnChange(slow("long", 3*time.Second))
		stop := app.OnChange(slow("stopped", 2*time.Second))
		app.OnChange(slow("crashed", time.Second))
		app.OnChange(func(secret.Change) { time.Sleep(time.Second); runtime.Goexit() })
		put("current=v1;v1=text")
		put("current=v2;v2=text")
		synctest.Wait()
		stop()
		began := time.Now()
		require.NoError(t, app.Close())
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, map[string]int{"long": 1, "stopped": 1, "crashed": 1}, ended)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, map[string]int{"long": 1, "stopped": 1, "crashed": 1}, ended)
	})
}

// TestCloseLeavesACallbackThatHangs after AppOptions.Timeout.
func TestCloseLeavesACallbackThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{Timeout: 7 * time.Second})
		require.NoError(t, app.Start(context.Background()))
		gate := make(chan struct{})
		defer close(gate)
		app.OnChange(func(secret.Change) { <-gate })
		put("current=v1;v1=text")
		synctest.Wait()
		began := time.Now()
		require.EqualError(t, app.Close(),
			"secret: close: a function given to OnChange has not returned; its goroutine is left behind")
		require.Equal(t, 7*time.Second, time.Since(began))
		require.NoError(t, app.Close(), "a second Close does nothing")
	})
}

// TestCallbackMayCloseItsApp: it waits for the other functions, not for itself;
// two that close at once do not wait for each other.
func TestCallbackMayCloseItsApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{})
		require.NoError(t, app.Start(context.Background()))
		other, _, putOther := changing(t, secret.AppOptions{})
		require.NoError(t, other.Start(context.Background()))
		var took []time.Duration
		closing := func(app *secret.App) func(secret.Change) {
			return func(secret.Change) {
				time.Sleep(time.Millisecond) // the other call has begun
				began := time.Now()
				require.NoError(t, app.Close())
				took = append(took, time.Since(began))
			}
		}
		app.OnChange(closing(app))
		app.OnChange(func(secret.Change) { time.Sleep(time.Second) })
		put("current=v1;v1=text")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second - time.Millisecond}, took)

		// A function of one App that closes another waits for that one's functions.
		third, _, putThird := changing(t, secret.AppOptions{})
		require.NoError(t, third.Start(context.Background()))
		other.OnChange(func(secret.Change) { time.Sleep(2 * time.Second) })
		third.OnChange(closing(other))
		putOther("current=v1;v1=text")
		putThird("current=v1;v1=text")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second - time.Millisecond, 2*time.Second - time.Millisecond}, took)
		require.NoError(t, third.Close())

		app, _, put = changing(t, secret.AppOptions{})
		require.NoError(t, app.Start(context.Background()))
		both := func(secret.Change) {
			time.Sleep(time.Second)
			_ = app.Close()
		}
		app.OnChange(both)
		app.OnChange(both)
		put("current=v1;v1=text")
		synctest.Wait()
		began := time.Now()
		require.NoError(t, app.Close())
		require.Equal(t, time.Second, time.Since(began))
	})
}
