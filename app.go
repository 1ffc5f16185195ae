package secret

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
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
	// Cache keeps the documents that the App loads, for a Start while a store is out
	// of reach: see App.Start. Nil: none. Each App needs a cache of its own, such as
	// a folder: entries are found by the address of the secret alone. Not allowed on
	// js/wasm.
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

// Use adds secrets to the App and returns a. It does not read a store. Before
// Start, the first read of each secret loads it, and later reads return the
// same document. The same secret may be given twice. Reads of a secret that
// belonged to another App, one that has been closed or has not started, come
// from this App from now on. A secret that another App holds stays there.
//
// A secret that is given to Use after Start was called is not checked by Start.
// Its first read loads it, and from then on the App keeps it fresh like the
// others: a Watcher reports its changes at the latest some seconds after Use.
// After Close, Use does nothing. A [Literal] is left out: it has no store.
func (a *App) Use(secrets ...*Secret) *App {
	if !a.made() {
		return a
	}
	claims.Lock()
	defer claims.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == appClosed {
		return a
	}
	known := len(a.secrets)
	for _, s := range secrets {
		s = s.declared()
		if d := s.declaration(); d.isLiteral() && d.err == nil {
			continue // a Literal: there is nothing to load
		}
		sec := a.secretFor(s)
		if s == undeclared {
			continue // shared by all Secrets that no constructor made: no App can hold it
		}
		if !slices.Contains(sec.readers, s) {
			sec.readers = append(sec.readers, s)
		}
		if !s.held(a) {
			sec.take(s)
		}
	}
	a.followLater(a.secrets[known:])
	return a
}

// used returns the secrets given to Use so far.
func (a *App) used() []*appSecret {
	if !a.made() {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.secrets)
}

// secretFor returns the appSecret of s. Each declaration has one.
func (a *App) secretFor(s *Secret) *appSecret {
	d := s.declaration()
	first := a.byAddr[d.addr]
	if first != nil && first.decl.same(d) {
		return first
	}
	if first != nil { // a second, different declaration of the address; Start refuses it
		for _, sec := range a.secrets {
			if sec.decl.same(d) {
				return sec
			}
		}
	}
	sec := newAppSecret(a, d)
	a.secrets = append(a.secrets, sec)
	if first == nil {
		a.byAddr[d.addr] = sec
	}
	return sec
}

// regroup gives the secrets that were swapped to another store since Use
// appSecrets of their own. The caller holds claims and mu.
func (a *App) regroup() {
	var swapped []*Secret
	a.secrets = slices.DeleteFunc(a.secrets, func(sec *appSecret) bool {
		had := len(sec.readers)
		sec.readers = slices.DeleteFunc(sec.readers, func(s *Secret) bool {
			if s.declaration().same(sec.decl) {
				return false
			}
			swapped = append(swapped, s)
			return true
		})
		emptied := had > 0 && len(sec.readers) == 0
		if emptied && a.byAddr[sec.decl.addr] == sec {
			delete(a.byAddr, sec.decl.addr)
		}
		return emptied
	})
	for _, s := range swapped {
		sec := a.secretFor(s)
		sec.readers = append(sec.readers, s)
	}
}

// claims guards the fields that say which App a secret belongs to: App.holds
// and Secret.loader.
var claims sync.Mutex

// held reports whether an App other than besides has claimed s. The caller
// holds claims.
func (s *Secret) held(besides any) bool {
	keep := s.loader.Load().owner
	return keep != nil && keep.holds(besides)
}

// Start loads every secret, several at a time, and reports all problems in one
// error, one line each: a declaration that breaks a rule; a value that is
// missing (unless Options.Optional), is malformed or does not have the declared
// length; two secrets with one address, or with binding names that are equal or
// differ only in case; a secret that another open App holds. The error wraps
// the error of each problem and contains no part of a value. ctx bounds only
// the loading.
//
// A store is out of reach if it returns any other error than a fault of the
// stored text, [ErrNotFound], [ErrInvalid] or a refused access, which wraps
// [io/fs.ErrPermission]. If AppOptions.Cache has the text that such a store
// confirmed last, and AppOptions.MaxStale has not passed since then, Start uses
// it: see SecretStatus.CachedAt. If a secret has no such entry and ctx has a
// deadline, Start loads the secret again, with growing pauses, until ctx ends.
// Then the error has the last reason for each secret. Without a deadline, and on
// js/wasm, Start loads once. A problem of another kind ends Start at once.
//
// After Start returns nil, reads return from memory: no I/O, no lock, and for
// Text no allocation. The App refreshes its secrets until Close. After an error
// the App holds no secret, and Start may be called again.
func (a *App) Start(ctx context.Context) error {
	if !a.made() {
		return unmadeError("start")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	secrets, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(a.lifetime, func() { cancel(errClosed) })()
	found := a.conflicts(secrets)
	found = append(found, a.claim(secrets)...)
	reach, cut := a.reach(ctx)
	defer cut()
	loads, errs := a.loadEach(reach, secrets, toStart)
	if len(found) == 0 {
		a.withstand(ctx, reach, secrets, loads, errs)
	}
	if a.closed() {
		return closedError()
	}
	for i, sec := range secrets {
		if errs[i] != nil {
			sec.notStarted(errs[i])
			found = append(found, sec.problem(errs[i]))
		}
	}
	if len(found) > 0 {
		a.keepTried(secrets, loads, errs)
		a.release(appNew)
		return problemsError("start", found, len(secrets), "")
	}
	for i, sec := range secrets {
		sec.start(loads[i])
	}
	a.startedFromCache(secrets, loads)
	return a.run()
}

// begin changes the state to starting and returns the secrets to load.
func (a *App) begin(ctx context.Context) ([]*appSecret, error) {
	claims.Lock()
	defer claims.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.state == appClosed:
		return nil, closedError()
	case a.state != appNew:
		return nil, appError("Start was called before; make a new App")
	case a.options.Refresh >= 0 && !timeout.Timers:
		return nil, appError("on js/wasm nothing can run in the background: " +
			"set AppOptions.Refresh to -1, and call Refresh where a request needs it")
	case a.options.MaxStale != 0 && !timeout.Timers:
		return nil, appError("on js/wasm nothing can run in the background: AppOptions.MaxStale must be 0")
	case a.options.MaxStale < 0:
		return nil, appError("AppOptions.MaxStale is " + a.options.MaxStale.String() + ", allowed is 0 (none) or more")
	case a.options.Timeout < 0:
		return nil, appError("AppOptions.Timeout is " + a.options.Timeout.String() + ", allowed is 0 (10s) or more")
	case a.options.Concurrency < 1:
		return nil, appError("AppOptions.Concurrency is " + strconv.Itoa(a.options.Concurrency) +
			", allowed is 0 (64) or more")
	}
	a.regroup()
	if err := a.refuseCache(); err != nil {
		return nil, err
	}
	a.state, a.starting = appStarting, ctx
	return slices.Clone(a.secrets), nil
}

func closedError() error { return &Error{Op: "start", Err: errClosed} }

func appError(why string) error {
	return &Error{Op: "start", Err: because(ErrInvalid, why)}
}

// conflicts returns the declarations that one App cannot serve together.
func (a *App) conflicts(secrets []*appSecret) (found []problem) {
	bindings, addresses := map[string]*declaration{}, map[Address]*declaration{}
	for _, sec := range secrets {
		d := sec.decl
		if d.err != nil {
			continue // its load reports the error
		}
		first := addresses[d.addr]
		if first != nil {
			found = append(found, problem{decl: d, err: first.declaredTwice(d)})
			continue
		}
		addresses[d.addr] = d
		switch other := bindings[lowerCase(d.binding)]; {
		case other == nil:
			bindings[lowerCase(d.binding)] = d
		case other.binding == d.binding:
			found = append(found, problem{decl: d, err: because(ErrInvalid,
				"has the binding name of "+other.addr.String()+", "+d.binding+
					": one would read the other's value; rename one of them")})
		default:
			found = append(found, problem{decl: d, err: because(ErrInvalid,
				"has a binding name that differs from the one of "+other.addr.String()+" only in case, "+d.binding+" and "+
					other.binding+": some systems have one file for both; rename one of them")})
		}
	}
	return found
}

// claim claims all secrets for this App and returns a problem for each secret
// that another App holds.
func (a *App) claim(secrets []*appSecret) (found []problem) {
	claims.Lock()
	defer claims.Unlock()
	for _, sec := range secrets {
		for _, s := range sec.readers {
			if s.held(a) {
				found = append(found, problem{decl: sec.decl, err: because(ErrInvalid,
					"in use by another App; close that one first, or give this one a copy made by With")})
				continue
			}
			s.loader.Store(&sec.loader)
		}
	}
	a.holds = !a.closed()
	return found
}

func (a *App) closed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state == appClosed
}

// release gives up all secrets; they keep their documents. It reports whether
// the App was open until now.
func (a *App) release(next appState) bool {
	claims.Lock()
	defer claims.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holds = false
	if a.state == appClosed {
		return false
	}
	a.state = next
	if next == appNew {
		a.dropOthers()
	}
	return true
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
// calls of functions given to OnChange; no new ones begin. If one of them does
// not end within AppOptions.Timeout, Close returns an error. A second Close only waits, but not
// for those that an earlier one has left behind.
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
