package secret_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

const marker = "Jx5Vq2Lm9Zt" // a part of every value, and so of no message

// TestStartReportsAllProblems: one error with a line for each problem: the
// secret, the place, the fault and the next step. It wraps each cause and shows
// no part of a value.
func TestStartReportsAllProblems(t *testing.T) {
	p := newProbe()
	random := func(name string) *secret.Secret {
		return secret.Random(secret.Options{Namespace: "app", Name: name, Bytes: 16, Encoding: secret.EncodingRaw})
	}
	good, older := static("good"), random("older")
	missing, unmade, empty, malformed := static("missing"), random("unmade"), static("empty"), static("malformed")
	large, short, broken := static("large"), random("short"), static("broken")
	first, second := static("twice"), secret.Static(secret.Options{Namespace: "app", Name: "twice",
		Format: secret.FormatPlain})
	left, right := secret.Static(secret.Options{Namespace: "app",
		Name: "one-two"}), secret.Static(secret.Options{Namespace: "app-one", Name: "two"})
	taken := static("taken")
	for _, s := range []*secret.Secret{good, first, left, taken, broken} {
		p.set(s, marker)
	}
	p.set(older, "current=v2;v1="+marker+";v2="+marker+"12345") // an older version may have had another length
	p.set(empty, " \n")
	p.set(malformed, `{"current":"v1","versions":{"v1":{"value":"`+marker)
	p.set(large, strings.Repeat(marker, 100_000))
	p.set(short, "current=v2;v1="+marker+"12345;v2="+marker)
	p.before = func(_ context.Context, addr secret.Address) error {
		if addr == broken.Address() {
			return errRefused
		}
		return nil
	}
	requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(taken))

	err := secret.NewApp(secret.AppOptions{Store: placedProbe{p}, Refresh: -1}).Use(good, older, missing, unmade, empty,
		malformed, large, short,
		broken, first, second, left, right, taken, secret.Static(secret.Options{Name: "Not A Name"}),
		nil).Start(context.Background())
	require.Error(t, err)
	for _, want := range []error{secret.ErrNotFound, secret.ErrEmpty, secret.ErrMalformed, secret.ErrTooLarge,
		secret.ErrEncoding,
		secret.ErrInvalid, errRefused} {
		require.ErrorIs(t, err, want)
	}
	require.NotContains(t, err.Error(), marker)
	require.Equal(t, strings.Split(`secret: start: 12 problems with the App's 16 secrets:
  $SECRET.app.twice: invalid: declared twice, differently: Format; declare it once and share the variable
  $SECRET.app-one.two: invalid: has the binding name of $SECRET.app.one-two, LAYERON_SECRET_APP_ONE_TWO: one would read the other's value; rename one of them
  $SECRET.app.taken: invalid: in use by another App; close that one first, or give this one a copy made by With
  $SECRET.app.missing: not found: memory store, LAYERON_SECRET_APP_MISSING is not set; supply it with: layer secret set '$SECRET.app.missing'
  $SECRET.app.unmade: not found: memory store, LAYERON_SECRET_APP_UNMADE is not set; create it with: layer secret apply
  $SECRET.app.empty from shelf app/empty: empty: nothing is stored but white space; store a value there
  $SECRET.app.malformed from shelf app/malformed, at byte 54: malformed: a JSON version document with a syntax error here; was it cut off?; store it again, whole
  $SECRET.app.large from shelf app/large: too large: the text is over 1 MiB; store it again, whole
  $SECRET.app.short from shelf app/short, version v2: wrong encoding: the text is 11 bytes long, declared are 16 raw bytes; store a key of the declared length, or correct the declaration
  $SECRET.app.broken from shelf app/broken: connection refused; see whether the store can be reached, then start again
  $SECRET.default.Not A Name: invalid: Name is "Not A Name", allowed is `, "\n"),
		cutAt(strings.Split(err.Error(), "\n"), 11, "allowed is ")[:12])
	require.Equal(t, "  (undeclared): invalid: a Secret that was not made by Static, Random or Generated",
		strings.Split(err.Error(), "\n")[12])
	require.Len(t, strings.Split(err.Error(), "\n"), 13)
}

// cutAt cuts one line off behind mark.
func cutAt(lines []string, i int, mark string) []string {
	before, _, _ := strings.Cut(lines[i], mark)
	lines[i] = before + mark
	return lines
}

// placedProbe is a probe that is a Locator.
type placedProbe struct{ *probe }

func (placedProbe) Locate(addr secret.Address) string {
	return "shelf " + addr.Namespace + "/" + addr.Name
}

// TestStartIsBoundedByItsContext: by its deadline, its cancellation and its
// cause, also where the store takes no notice.
func TestStartIsBoundedByItsContext(t *testing.T) {
	for name, heeds := range map[string]bool{"store heeds its context": true, "store ignores it": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s := newProbe(), static("key")
				p.set(s, "one")
				gate := make(chan struct{})
				p.before = until(gate)
				if heeds {
					p.before = hang
				}
				app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
				defer app.Close()

				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				began := time.Now()
				err := app.Start(ctx)
				require.Equal(t, 3*time.Second, time.Since(began))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err,
					"$SECRET.app.key: gave up waiting for the store: context deadline exceeded; see whether the store can be reached")

				impatient := errors.New("the operator has pressed ^C")
				why, stop := context.WithCancelCause(context.Background())
				time.AfterFunc(time.Second, func() { stop(impatient) })
				began = time.Now()
				err = app.Start(why)
				require.Equal(t, time.Second, time.Since(began))
				require.ErrorIs(t, err, impatient)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorContains(t, err, impatient.Error())

				began = time.Now()
				err = app.Start(context.Background())
				require.Equal(t, 10*time.Second, time.Since(began), "AppOptions.Timeout")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "no answer from the store within 10s")

				close(gate)
				p.step(nil)
				require.NoError(t, app.Start(context.Background()))
				requireRead(t, "one", s)
			})
		})
	}
}

// TestStartLoadsManyAtOnce: 1,000 secrets take 16 times the store's latency
// with 64 places.
func TestStartLoadsManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = 20 * time.Millisecond
		p := newProbe()
		p.before = func(context.Context, secret.Address) error { time.Sleep(latency); return nil }
		secrets := make([]*secret.Secret, 1000)
		for i := range secrets {
			secrets[i] = static("n" + strconv.Itoa(i))
			p.set(secrets[i], strconv.Itoa(i))
		}
		app := secret.NewApp(secret.AppOptions{Store: p}).Use(secrets...)
		began := time.Now()
		requireStart(t, app)
		require.LessOrEqual(t, time.Since(began), 20*latency)
		require.Equal(t, 64, p.most)
		require.Equal(t, 1000, p.gets())
		for i, s := range secrets {
			requireRead(t, strconv.Itoa(i), s)
		}
	})
}

// TestStartIsCalledOnce: not beside itself, not again, not after Close. After
// an error it may be called again.
func TestStartIsCalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
		require.ErrorIs(t, app.Start(context.Background()), secret.ErrNotFound)
		p.set(s, "one")
		p.step(func(context.Context, secret.Address) error { time.Sleep(time.Second); return nil })
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			both.Go(func() { errs[i] = app.Start(context.Background()) })
		}
		both.Wait()
		if errs[0] != nil {
			errs[0], errs[1] = errs[1], errs[0]
		}
		require.NoError(t, errs[0])
		require.ErrorIs(t, errs[1], secret.ErrInvalid)
		require.ErrorContains(t, errs[1], "Start was called before")
		require.ErrorIs(t, app.Start(context.Background()), secret.ErrInvalid)
		require.NoError(t, app.Close())
		require.ErrorContains(t, app.Start(context.Background()), "the App was closed")
	})
}

func TestStartRefusesOptions(t *testing.T) {
	for _, o := range []secret.AppOptions{{MaxStale: -1}, {Timeout: -1}, {Concurrency: -1}} {
		s := static("key")
		o.Store = secret.NewMemory(map[string]string{"$SECRET.app.key": "one"})
		err := secret.NewApp(o).Use(s).Start(context.Background())
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.ErrorContains(t, err, "AppOptions.")
		other := secret.NewApp(secret.AppOptions{Store: o.Store}).Use(s)
		require.NoError(t, other.Start(context.Background()), "the secret is not held")
		require.NoError(t, other.Close())
	}
}

// TestHugeDurationsDoNotOverflow: the largest duration means never, and causes
// no loop without a pause.
func TestHugeDurationsDoNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const never = time.Duration(1<<63 - 1)
		for range 20 { // jitter decides
			p, s := newProbe(), static("key")
			p.set(s, "one")
			var log logged
			app := secret.NewApp(secret.AppOptions{Store: p, Refresh: never, Logger: log.logger()}).Use(s)
			require.NoError(t, app.Start(context.Background()))
			time.Sleep(time.Hour)
			require.Equal(t, 1, p.gets())
			require.NoError(t, app.Close())

			app = secret.NewApp(secret.AppOptions{Store: p, Timeout: never, MaxStale: never, Logger: log.logger()}).Use(s)
			require.NoError(t, app.Start(context.Background()))
			require.Empty(t, log.lines())
			p.set(s, "two")
			time.Sleep(67 * time.Second)
			requireRead(t, "two", s)
			require.NoError(t, app.Close())
		}
	})
}

// TestUseTwiceIsOne: the same secret, and another variable with the same
// declaration, share one load; both are served.
func TestUseTwiceIsOne(t *testing.T) {
	p := newProbe()
	rotation := func() *secret.Rotation { return &secret.Rotation{EveryDays: 30} }
	declare := func() *secret.Secret {
		return secret.Random(secret.Options{Namespace: "app", Name: "key", Bytes: 16, Encoding: secret.EncodingRaw,
			Rotation: rotation(), Store: p})
	}
	s, again := declare(), declare()
	p.set(s, "0123456789abcdef")
	app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(s, s).Use(s, again).Use(again)
	requireStart(t, app)
	require.Equal(t, 1, p.gets())
	require.Len(t, app.Status().Secrets, 1)
	p.set(s, "another-one-here")
	require.NoError(t, s.Refresh(context.Background()))
	for _, one := range []*secret.Secret{s, again} {
		requireRead(t, "another-one-here", one)
	}
	require.Equal(t, 2, p.gets())
}

// TestEveryDifferenceIsRefused: two declarations of one address that differ in
// any option would not read the same.
func TestEveryDifferenceIsRefused(t *testing.T) {
	store := secret.NewMemory(map[string]string{"$SECRET.app.key": "0123456789abcdef"})
	base := secret.Options{Namespace: "app", Name: "key", Bytes: 16, Encoding: secret.EncodingRaw, Generator: "test/one",
		Store: store}
	for want, change := range map[string]func(*secret.Options){
		"Bytes":      func(o *secret.Options) { o.Bytes = 17 },
		"Encoding":   func(o *secret.Options) { o.Encoding = secret.EncodingAuto },
		"Format":     func(o *secret.Options) { o.Format = secret.FormatPlain },
		"Rotation":   func(o *secret.Options) { o.Rotation = &secret.Rotation{EveryDays: 30} },
		"Generator":  func(o *secret.Options) { o.Generator = "test/two" },
		"Params":     func(o *secret.Options) { o.Params = map[string]string{"a": "b"} },
		"SecretName": func(o *secret.Options) { o.SecretName = "other" },
		"Binding":    func(o *secret.Options) { o.Binding = "API_KEY" },
		"Store":      func(o *secret.Options) { o.Store = secret.NewMemory(nil) },
	} {
		other := base
		change(&other)
		err := secret.NewApp(secret.AppOptions{}).Use(secret.Generated(base),
			secret.Generated(other)).Start(context.Background())
		require.ErrorIs(t, err, secret.ErrInvalid, want)
		require.ErrorContains(t, err, "declared twice, differently: "+want+";")
	}
	err := secret.NewApp(secret.AppOptions{}).Use(static("key"),
		secret.Generated(secret.Options{Namespace: "app", Name: "key"})).Start(context.Background())
	require.ErrorContains(t, err, "kind, static and generated")
}

// holding is a store whose type has ==, which panics for some of its contents.
type holding struct{ secret.Store }

// TestStoresWithoutEquality: a store may be of a type that Go cannot compare,
// or hold one.
func TestStoresWithoutEquality(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, store := range []secret.Store{
			askFunc(func(context.Context, secret.Address) (string, error) { return "one", nil }),
			holding{askFunc(func(context.Context, secret.Address) (string, error) { return "one", nil })},
		} {
			s := secret.Static(secret.Options{Namespace: "app", Name: "key", Store: store})
			app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(s, s)
			require.NoError(t, app.Start(context.Background()))
			requireRead(t, "one", s)
			require.NoError(t, app.Close())

			// Go cannot compare these two stores.
			other := secret.Static(secret.Options{Namespace: "app", Name: "key", Store: store})
			err := secret.NewApp(secret.AppOptions{}).Use(s, other).Start(context.Background())
			require.ErrorContains(t, err, "declared twice, differently: Store")
		}
	})
}

// TestStartPublishesNothingOlder: a Refresh may replace a document that Start
// loaded while Start waits for the others.
func TestStartPublishesNothingOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, slow := newProbe(), static("key"), static("slow")
		p.set(s, "one")
		p.set(slow, "slow")
		gate := make(chan struct{})
		p.before = func(_ context.Context, addr secret.Address) error {
			if addr == slow.Address() {
				<-gate
			}
			return nil
		}
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s, slow)
		var changes []secret.Change
		app.OnChange(func(c secret.Change) { changes = append(changes, c) })
		started := make(chan error)
		go func() { started <- app.Start(context.Background()) }()
		synctest.Wait()
		p.set(s, "two")
		require.NoError(t, s.Refresh(context.Background()))
		requireRead(t, "two", s)
		close(gate)
		require.NoError(t, <-started)
		requireRead(t, "two", s)
		synctest.Wait()
		require.Empty(t, changes, "Start is no change")
		require.NoError(t, app.Close())
	})
}

// TestStartTrustsNoEarlierLook: a first read may be at the store since before
// Start was called.
func TestStartTrustsNoEarlierLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		gate := make(chan struct{})
		p.after = until(gate)
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
		go s.Load(context.Background())
		synctest.Wait()
		p.set(s, "two")
		started := make(chan error)
		go func() { started <- app.Start(context.Background()) }()
		synctest.Wait()
		close(gate)
		require.NoError(t, <-started)
		requireRead(t, "two", s)
		require.NoError(t, app.Close())
	})
}

// TestCloseEndsStart: an App that is closed while it starts does not come to
// life later.
func TestCloseEndsStart(t *testing.T) {
	for name, step := range map[string]func(context.Context, secret.Address) error{
		"while it loads": hang,
		"just before its end": func(context.Context, secret.Address) error {
			time.Sleep(time.Second)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s := newProbe(), static("key")
				p.set(s, "one")
				p.before = step
				app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
				started := make(chan error)
				go func() { started <- app.Start(context.Background()) }()
				time.Sleep(time.Second)
				began := time.Now()
				require.NoError(t, app.Close())
				err := <-started
				require.Zero(t, time.Since(began))
				if err != nil {
					require.ErrorContains(t, err, "the App was closed")
				}
				before := p.gets()
				time.Sleep(time.Hour)
				require.Equal(t, before, p.gets(), "nothing refreshes")
				p.step(nil)
				other := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(s)
				require.NoError(t, other.Start(context.Background()), "the secret is not held")
				require.NoError(t, other.Close())
			})
		})
	}
}

// TestCloseDuringTheLastStepOfStart: a logger calls Close when Start logs a
// value with white space around it.
func TestCloseDuringTheLastStepOfStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, " one ")
		var app *secret.App
		logger := slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
			return len(line), app.Close()
		}), nil))
		app = secret.NewApp(secret.AppOptions{Store: p, Logger: logger}).Use(s)
		require.ErrorContains(t, app.Start(context.Background()), "the App was closed")
		time.Sleep(time.Hour)
		require.Equal(t, 1, p.gets())
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestContextOfStartIsStartsAlone: a reader during Start does not get
// "canceled" because Start was given up, or because its context ended after
// Start had returned.
func TestContextOfStartIsStartsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		p.before = func(ctx context.Context, _ secret.Address) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(2 * time.Second):
				return nil
			}
		}
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(s)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		started := make(chan error)
		go func() { started <- app.Start(ctx) }()
		synctest.Wait()
		began := time.Now()
		text, err := s.Current().Text() // shares the load that Start has begun
		require.NoError(t, err)
		require.Equal(t, "one", text)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.ErrorIs(t, <-started, context.DeadlineExceeded)
		require.Equal(t, 2, p.gets())

		ctx, cancel = context.WithCancel(context.Background())
		require.NoError(t, app.Start(ctx))
		cancel()
		p.set(s, "two")
		require.NoError(t, s.Refresh(context.Background()))
		requireRead(t, "two", s)
		require.NoError(t, app.Close())
	})
}
