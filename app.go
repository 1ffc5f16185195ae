package secret

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// AppOptions are the settings of an App. Every field may be zero.
type AppOptions struct {
	// Store is the store for secrets that have no Options.Store. Nil: the
	// environment.
	Store Store
	// Refresh is the time between two loads of a secret from the store, give or
	// take 10 %. Zero: a minute. Negative: never; the App then also ignores the
	// changes that a Watcher reports. On js/wasm it must be negative.
	Refresh time.Duration
	// MaxStale bounds how long reads return a value after the store last confirmed
	// it; after that time reads fail. Zero: for ever.
	MaxStale time.Duration
	// Timeout bounds one request to a store: the load of one secret, or of all
	// secrets of a BatchStore. Zero: 10 seconds.
	Timeout time.Duration
	// Cache keeps the texts that the App loads, for a Start while a store is out of
	// reach: see App.Start. Nil: none. The App writes an entry in the background
	// after each change, and otherwise at most every five minutes or every quarter
	// of MaxStale, whichever is longer. It writes no entry of a secret whose store is
	// Env. A cache that fails is logged and changes nothing else. An entry counts
	// only for the same Workspace, Project, Environment, address and binding. Each
	// App needs a cache of its own, such as a folder: entries are found by the
	// address alone. Not allowed on js/wasm.
	Cache Cache
	// Concurrency bounds the number of requests at a time. Zero: 64.
	Concurrency int
	// Logger receives failures, recoveries and new versions, by id, never a value.
	// Nil: slog.Default().
	Logger *slog.Logger
	// Workspace, Project and Environment are written to the Spec. The name of a
	// value in a secrets store is derived from them, unless Options.SecretName is
	// set.
	Workspace, Project, Environment string
}

// App holds the secrets of one program. It loads all secrets at once, reports
// every problem in one error, and keeps the secrets fresh. Its methods may be
// called concurrently. Make one with [NewApp]: Start, Refresh and Close of the
// zero App return an error that wraps [ErrInvalid], and its other methods do
// nothing.
type App struct {
	options *AppOptions // behind a pointer: a store may be a map of values, which fmt would print

	// Locks are taken in this order: claims, mu, the lock of an appSecret, the lock
	// of changes.
	mu       sync.Mutex
	secrets  []*appSecret // in the order of Use
	byAddr   map[Address]*appSecret
	batches  map[BatchStore]*batch
	state    appState
	lifetime context.Context // the parent context of loads; it ends with Close
	end      context.CancelCauseFunc
	starting context.Context // the parent context of Start's loads
	running  sync.WaitGroup
	wake     chan struct{} // signals that a hint has come
	holds    bool          // guarded by claims: this App's secrets are its own
	changes  changeFeed
	left     atomic.Bool   // a Close has left a load behind: later ones do not wait for it
	watches  []*watchGroup // of Watchers that are comparable, the largest of each first
	late     lateSecrets
	derived  []derivedEntry // guarded by mu
	cache    cacheQueue

	healthy, failing chan struct{} // limit the loads that run at a time: see app_refresh.go
}

type appState uint8

const (
	appNew appState = iota
	appStarting
	appStarted
	appClosed
)

// NewApp returns an App with these options. Start reports invalid options.
func NewApp(o AppOptions) *App {
	a := &App{options: &o, byAddr: map[Address]*appSecret{}, wake: make(chan struct{}, 1)}
	a.lifetime, a.end = context.WithCancelCause(context.Background())
	a.options.Refresh = min(cmp.Or(o.Refresh, time.Minute), forever)
	a.options.Timeout = min(cmp.Or(o.Timeout, 10*time.Second), forever)
	a.options.Concurrency = cmp.Or(o.Concurrency, 64)
	a.healthy = make(chan struct{}, max(1, a.options.Concurrency))
	a.failing = make(chan struct{}, max(1, a.options.Concurrency/4))
	return a
}

// made reports whether NewApp made a.
func (a *App) made() bool { return a != nil && a.options != nil }

func unmadeError(op string) error {
	return &Error{Op: op, Err: because(ErrInvalid, "an App that NewApp did not make; make one with NewApp")}
}

// forever is the upper limit for durations: adding a longer one to a time would
// overflow.
const forever = 100 * 365 * day

// log writes a record. If the Logger panics, only the record is lost.
func (a *App) log(level slog.Level, text string, args ...any) {
	logger := a.options.Logger
	if logger == nil {
		logger = slog.Default()
	}
	guard(func() { logger.Log(context.Background(), level, text, args...) })
}

func (a *App) closed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state == appClosed
}

// Refresh loads every secret from the store now, several at a time, and waits
// for the answers or for ctx. Every secret that was loaded is then up to date.
// The error lists the others, one line each; they keep their last documents. An
// optional secret without a value is no error.
func (a *App) Refresh(ctx context.Context) error {
	if !a.made() {
		return unmadeError("refresh")
	}
	secrets := a.used()
	_, errs := a.loadEach(ctx, secrets, toRefresh)
	var found []problem
	for i, sec := range secrets {
		if errs[i] != nil && !sec.lacks(errs[i]) {
			found = append(found, sec.problem(errs[i]))
		}
	}
	if len(found) > 0 {
		return problemsError("refresh", found, len(secrets), "; their last values stay")
	}
	return nil
}

// each calls f for every number below n, with up to Concurrency calls at a time.
func (a *App) each(n int, f func(int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, a.options.Concurrency) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	workers.Wait()
}

// Close stops refreshing and gives up the secrets: reads return the last
// documents, and another App may use the secrets. Close waits for the loads and
// Watchers in the background, for writes to AppOptions.Cache, and for running
// calls of functions given to OnChange; no new ones begin. If one does not end
// within AppOptions.Timeout, Close returns an error. A second Close only waits,
// but not for those that an earlier one has left behind.
//
// A function given to OnChange may call Close, of its own App or another one.
// Such a Close waits neither for that call nor for other calls that wait in
// Close, so functions that close their Apps do not wait for each other. A
// function must not wait for a Close that another goroutine makes.
func (a *App) Close() error {
	if !a.made() {
		return unmadeError("close")
	}
	a.release(appClosed)
	underWay, waited := a.changes.close()
	defer waited()
	a.end(errClosed)
	return a.wait(underWay)
}
