package secret

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// reach returns the context of Start's first loads. With a cache they end in
// time to use it.
func (a *App) reach(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !timeout.Timers || a.options.Cache == nil || !ok {
		return ctx, func() {}
	}
	rest := time.Until(end)
	return timeout.Context(ctx, rest-rest/10)
}

// firstLoads is loadEach for Start. With a cache it asks a store that is out of
// reach for no more secrets after the time of one request: their turns would take
// as long each. A queue that takes longer says nothing about its store.
func (a *App) firstLoads(ctx context.Context, secrets []*appSecret) ([]*flight, []error) {
	if !timeout.Timers || a.options.Cache == nil {
		return a.loadEach(ctx, secrets, toStart)
	}
	began := time.Now()
	var mu sync.Mutex
	outages := map[any]error{} // by store
	return a.eachRequest(secrets, func(r request) ([]*flight, []error) {
		store := r.secrets[0].identity()
		if time.Since(began) >= r.batch.patience(r.secrets[0].limit) {
			mu.Lock()
			outage := outages[store]
			mu.Unlock()
			if outage != nil {
				return r.unasked(outage)
			}
		}
		loads, errs := r.first(ctx)
		for _, err := range errs {
			if err != nil && isOutOfReach(err) {
				mu.Lock()
				outages[store] = err
				mu.Unlock()
			}
		}
		return loads, errs
	})
}

// identity is equal for secrets of one store. Stores that cannot be compared
// count as one if they have the same type.
func (sec *appSecret) identity() any {
	if isComparable(sec.store) {
		return sec.store
	}
	return reflect.TypeOf(sec.store)
}

// unasked is the result of a request that Start did not make, because of the
// outage that another request has found.
func (r request) unasked(outage error) ([]*flight, []error) {
	if e, ok := outage.(*Error); ok {
		outage = e.Err // the address is that of another secret
	}
	errs := make([]error, len(r.secrets))
	for i, sec := range r.secrets {
		errs[i] = sec.fail(notAsked{outage})
		if sec.decl.err != nil {
			errs[i] = sec.decl.err
		}
	}
	return make([]*flight, len(r.secrets)), errs
}

// notAsked is an outage that the load of another secret has found.
type notAsked struct{ outage error }

func (e notAsked) Error() string { return "not asked for after another secret: " + e.outage.Error() }

func (e notAsked) Unwrap() error { return e.outage }

// patience returns the longest time that Start waits for one request for these
// secrets.
func (a *App) patience(secrets []*appSecret) time.Duration {
	limit := a.options.Timeout
	for _, sec := range secrets {
		limit = max(limit, sec.batch.patience(sec.limit))
	}
	return limit
}

// isOutOfReach reports whether err says that the store could not be asked. All
// other errors are its answers.
func isOutOfReach(err error) bool {
	return stateOf(err) == errUnavailable && !errors.Is(err, fs.ErrPermission)
}

// retriable returns the secrets whose stores are out of reach. all is false if
// there is a problem that waiting does not solve.
func retriable(errs []error) (which []int, all bool) {
	for i, err := range errs {
		switch {
		case err == nil:
		case isOutOfReach(err):
			which = append(which, i)
		default:
			return nil, false
		}
	}
	return which, true
}

// withstand completes the first loads of Start where stores are out of reach:
// from the cache, and until ctx ends by more loads, if ctx has a deadline. It
// does nothing if Start has a problem of another kind.
func (a *App) withstand(ctx, reach context.Context, secrets []*appSecret, loads []*flight, errs []error) {
	which, all := a.unready(loads, errs)
	if !timeout.Timers || !all || len(which) == 0 {
		return
	}
	defer a.refuseOutdated(ctx, secrets, loads, errs)
	if ctx.Err() != nil {
		return
	}
	flights := underWay(secrets)
	if a.options.Cache != nil {
		bounded, cancel := context.WithTimeoutCause(ctx, a.cacheLimit(), cacheSlow{})
		a.each(len(which), func(n int) {
			i := which[n]
			if errs[i] == nil {
				return // the store is not out of reach for it
			}
			loads[i], errs[i] = secrets[i].recall(bounded, loads[i], errs[i])
		})
		cancel()
		which, all = a.unready(loads, errs)
	}
	_, deadline := ctx.Deadline()
	// The first loads may have been cut short: for the cache, or in the queue for a
	// place.
	cut := deadline && reach.Err() != nil
	for _, i := range which {
		asked := !errors.As(errs[i], new(notAsked))
		cut = cut || !asked || deadline && a.options.Cache != nil && flights[i] != nil
	}
	told := false
	for pause := shortestRestart; all && len(which) > 0 && (cut || deadline); pause = min(2*pause, longestRetry) {
		// The stores of loads that are only outdated are healthy: there is no pause.
		if first := errs[which[0]]; !cut && first != nil {
			if !told {
				told = true
				a.log(slog.LevelWarn, "secrets cannot be loaded, Start tries again until its context ends",
					"secrets", len(which), "error", first.Error())
			}
			if !sleep(ctx, pause/2+rand.N(pause/2+1)) {
				break
			}
		}
		rest := chosen(secrets, which)
		load := func() ([]*flight, []error) { return a.loadEach(ctx, rest, toStart) }
		if cut {
			load = func() ([]*flight, []error) { return a.resume(ctx, rest, chosen(flights, which)) }
		}
		cut = false
		some, failed := load()
		for n, i := range which {
			if failed[n] != nil && errs[i] != nil && ctx.Err() != nil && errors.Is(failed[n], ctx.Err()) {
				continue // the last answer says more
			}
			loads[i], errs[i] = some[n], failed[n]
		}
		which, all = a.unready(loads, errs)
	}
	if ctx.Err() == nil {
		return
	}
	for _, i := range which {
		if e, ok := errs[i].(*Error); ok && !errors.Is(e, ctx.Err()) {
			located := *e
			located.Err = &ended{cause: e.Err, err: endOf(ctx)}
			errs[i] = &located
		}
	}
}

// unready returns the secrets of retriable, and then those of outdated.
func (a *App) unready(loads []*flight, errs []error) (which []int, all bool) {
	which, all = retriable(errs)
	return append(which, a.outdated(loads, errs)...), all
}

// refuseOutdated makes outdated loads problems of Start: reads of their values
// would fail at once.
func (a *App) refuseOutdated(ctx context.Context, secrets []*appSecret, loads []*flight, errs []error) {
	for _, i := range a.outdated(loads, errs) {
		cause := loads[i].outage
		if cause == nil {
			cause = errors.New("Start took longer to load all secrets")
		}
		if ctx.Err() != nil {
			cause = &ended{cause: cause, err: endOf(ctx)}
		}
		errs[i] = secrets[i].fail(&staleError{a.options.MaxStale, cause})
	}
}

// outdated returns the good loads that MaxStale has passed for while Start was
// waiting for others.
func (a *App) outdated(loads []*flight, errs []error) (which []int) {
	for i, f := range loads {
		if errs[i] == nil && f != nil && a.tooOld(f.confirmed, time.Now()) {
			which = append(which, i)
		}
	}
	return which
}

// underWay returns the loads for Start that are under way, of each secret.
func underWay(secrets []*appSecret) []*flight {
	flights := make([]*flight, len(secrets))
	for i, sec := range secrets {
		sec.mu.Lock()
		if sec.flight != nil && sec.flight.purpose == toStart {
			flights[i] = sec.flight
		}
		sec.mu.Unlock()
	}
	return flights
}

// resume is loadEach for Start, where Start stopped waiting for these flights. It
// waits for all of them together, for the time of one request.
func (a *App) resume(ctx context.Context, secrets []*appSecret, flights []*flight) ([]*flight, []error) {
	loads, errs := make([]*flight, len(secrets)), make([]error, len(secrets))
	bounded, cancel := timeout.Context(ctx, a.patience(secrets))
	defer cancel()
	var rest []int
	for i, f := range flights {
		switch {
		case f == nil:
			rest = append(rest, i)
		case f.landed(bounded):
			loads[i], errs[i] = f, secrets[i].accepted(f, f.err)
		default:
			errs[i] = secrets[i].fail(gaveUp(bounded))
		}
	}
	some, failed := a.loadEach(ctx, chosen(secrets, rest), toStart)
	for n, i := range rest {
		loads[i], errs[i] = some[n], failed[n]
	}
	return loads, errs
}

func chosen[T any](all []T, which []int) []T {
	some := make([]T, len(which))
	for n, i := range which {
		some[n] = all[i]
	}
	return some
}

// sleep reports whether d has passed before the end of ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// recall returns the last confirmed answer: the one that this process has
// loaded before, else the entry of the cache. Its outage is err, the error of
// the store. Without either, recall returns failed and err.
func (sec *appSecret) recall(ctx context.Context, failed *flight, err error) (*flight, error) {
	if sec.cache == nil {
		return failed, err
	}
	if f := sec.earlier(); f != nil {
		if sec.app.tooOld(f.confirmed, time.Now()) {
			return failed, err // so is any entry
		}
		answer := &flight{purpose: toStart, number: f.number, doc: f.doc, confirmed: f.confirmed, outage: err}
		if f.missing {
			sec.recallMissing(answer)
		}
		return answer, nil
	}
	if ctx.Err() != nil {
		return failed, err // another secret has waited for the cache in vain
	}
	var text string
	_, asked := askCache(ctx, func() error {
		found, err := sec.app.options.Cache.Get(ctx, sec.decl.addr)
		text = found
		return err
	})
	if errors.Is(asked, ErrNotFound) {
		return failed, err
	}
	sec.app.cacheFailed(sec, asked)
	if asked != nil {
		return failed, err
	}
	entry, fault := sec.decode(text, time.Now())
	if fault == "" && sec.app.tooOld(entry.at, time.Now()) {
		fault = "AppOptions.MaxStale has passed since the store confirmed it"
	}
	answer := &flight{purpose: toStart, confirmed: entry.at, cached: true, outage: err}
	switch {
	case fault != "":
	case entry.missing && sec.decl.Optional:
		sec.recallMissing(answer)
	case entry.missing:
		fault = "it says that the store has no value"
	default:
		entry.doc, fault = sec.revive(entry.text)
		answer.doc = entry.doc
	}
	if fault != "" {
		sec.app.log(slog.LevelWarn, "cached secret is not used", "address", sec.decl.addr.String(), "reason", fault)
		return failed, err
	}
	sec.app.cache.mu.Lock()
	sec.cache.place.kept = entry
	sec.cache.place.kept.text = ""
	sec.app.cache.mu.Unlock()
	return answer, nil
}

// recallMissing makes f the answer that an optional secret has no value.
func (sec *appSecret) recallMissing(f *flight) {
	f.missing = true
	f.err = sec.fail(because(ErrNotFound, cmp.Or(sec.place(), sec.decl.binding)+" did not exist at "+
		formatTime(utc(f.confirmed))+", and the store is out of reach now"))
}

// tooOld reports whether MaxStale has passed since a confirmation.
func (a *App) tooOld(confirmed, now time.Time) bool {
	return a.options.MaxStale > 0 && !now.Before(confirmed.Add(a.options.MaxStale))
}

// keepTried keeps the good loads of a Start that failed for other secrets.
func (a *App) keepTried(secrets []*appSecret, loads []*flight, errs []error) {
	for i, sec := range secrets {
		if f := loads[i]; errs[i] == nil && f != nil && f.outage == nil && sec.cache != nil {
			sec.mu.Lock()
			sec.cache.tried = f
			sec.mu.Unlock()
			sec.save(f)
		}
	}
}

// earlier returns the last good load of this process: that of a read, or of a
// Start that failed. No entry of the cache may replace it.
func (sec *appSecret) earlier() *flight {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	f := sec.cache.tried
	if sec.known() != nil && sec.cache.at.IsZero() && (f == nil || f.number < sec.published) {
		f = &flight{number: sec.published, doc: sec.doc, missing: sec.missing, confirmed: sec.lastSuccess}
	}
	return f
}

// revive parses the text of an entry.
func (sec *appSecret) revive(text string) (doc *Document, fault string) {
	data, err := parse(text, sec.decl.Format)
	if err != nil {
		return nil, "its text is " + stateOf(err).Error()
	}
	data.decl, data.print = sec.decl, fingerprintOf(text)
	doc, err = sec.checked(newDocument(data), nil)
	if err != nil {
		return nil, "its current version does not have the declared length"
	}
	return doc, ""
}

// startedFromCache logs which values came from the cache, and makes the App
// load these secrets within a second, not only in the next round.
func (a *App) startedFromCache(secrets []*appSecret, loads []*flight) {
	count, oldest := 0, time.Time{}
	a.mu.Lock()
	for i, f := range loads {
		if f == nil || f.outage == nil {
			continue
		}
		count++
		oldest = earlier(oldest, f.confirmed)
		if a.options.Refresh > 0 {
			secrets[i].hinted = secrets[i].batch.spread(time.Now().Add(rand.N(hintSpread)))
		}
	}
	a.mu.Unlock()
	if count > 0 {
		a.log(slog.LevelWarn, "App started without its store, with values that the store confirmed earlier",
			"secrets", count, "oldest", utc(oldest))
	}
}
