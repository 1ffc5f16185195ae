package secret

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// Cache keeps the texts that stores confirmed last, for a Start while a store is
// out of reach: see AppOptions.Cache. [DirCache] is one; keyring.SealCache encrypts
// the entries of another. A Cache is no [Store]: its entries are not stored
// texts, and Start refuses one of these two as a store.
//
// A Cache must be safe for concurrent use, must return soon after ctx has
// ended, and must not put any part of an entry into an error. A Put replaces the
// whole entry: a Get returns one that was put, never a part or a mixture. A Get
// for an address without an entry returns an error that wraps [ErrNotFound].
type Cache interface {
	Get(ctx context.Context, addr Address) (string, error)
	Put(ctx context.Context, addr Address, text string) error
}

// ownCache is a Cache of this module. It is an interface so that an App does
// not link a Cache that the program does not use.
type ownCache interface {
	Cache
	// CacheKey returns the secret that encrypts the entries, or nil.
	CacheKey() *Secret
}

const (
	cacheTimeout  = 5 * time.Second // for one entry, read and written
	cacheWriters  = 8
	cacheAtMost   = 5 * time.Minute // between two writes of an entry that has not changed
	longestRetry  = 5 * time.Second // of Start
	clockTolerant = time.Minute     // an entry may be this much ahead of the clock
)

// cacheQueue has the entries that wait to be written.
type cacheQueue struct {
	mu      sync.Mutex
	waiting []*appSecret
	writers int
	hung    int                     // calls that have not returned in time
	failing map[*appSecret]struct{} // their entries could not be read or written
	drained time.Time               // when writing ends after Close; zero: the App is open
}

// cachePlace is the entry of one secret. The queue's lock guards it.
type cachePlace struct {
	kept    cacheEntry  // the last one known to be in the cache
	want    *cacheEntry // the one to write next
	writing *cacheEntry // the one whose write has not returned yet
}

// cacheEntry is a text, or its absence, that the store confirmed at a time.
type cacheEntry struct {
	at      time.Time
	doc     *Document // nil: the store confirmed that there is none
	text    string
	missing bool
}

// same reports whether both hold the same text. A text that has not changed has
// the same document.
func (e cacheEntry) same(other cacheEntry) bool {
	return e.doc == other.doc && e.missing == other.missing
}

// due reports whether e must be written: it is another one than the last, or
// the last one was confirmed long ago.
func (p *cachePlace) due(e cacheEntry, every time.Duration) bool {
	last := p.kept
	if p.writing != nil {
		last = *p.writing
	}
	age := e.at.Sub(last.at)
	return !e.same(last) || age >= every || age < 0 // less than 0: the clock was set back
}

// secretCache is the part of an appSecret that only an App with a Cache needs.
type secretCache struct {
	text  atomic.Pointer[documentText]
	place cachePlace // guarded by the lock of the queue

	// Guarded by the lock of the appSecret.
	at    time.Time // when the store confirmed the document; zero: this process loaded it
	tried *flight   // the last good load of a Start that failed
}

// documentText is a document with its text, which the document does not always
// hold.
type documentText struct {
	doc  *Document
	text string
}

// useCache prepares sec for AppOptions.Cache. The environment is never out of
// reach, so its values are not copied.
func (sec *appSecret) useCache() {
	_, local := sec.store.(*envStore)
	if !timeout.Timers || sec.app.options.Cache == nil || local {
		return
	}
	sec.cache = new(secretCache)
}

func (sec *appSecret) keepText(text string, doc *Document) {
	if sec.cache != nil {
		sec.cache.text.Store(&documentText{doc, text})
	}
}

// replaced records which document reads return now.
func (c *secretCache) replaced(f *flight) {
	if c != nil {
		c.at, c.tried = time.Time{}, nil
		if f.cached {
			c.at = f.confirmed
		}
	}
}

// confirmed returns when the store confirmed a document from the cache, else
// zero.
func (c *secretCache) confirmed() time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.at
}

// cacheEvery is the time between two writes of an entry that has not changed.
func (a *App) cacheEvery() time.Duration { return max(cacheAtMost, a.options.MaxStale/4) }

// cacheLimit bounds a call of the cache. Close waits for at most two such
// limits.
func (a *App) cacheLimit() time.Duration { return min(cacheTimeout, a.options.Timeout/2) }

// save writes the document of f to the cache, in the background.
func (sec *appSecret) save(f *flight) {
	if sec.cache == nil || f.cached {
		return
	}
	// A later load has replaced the text: it saves its own.
	if last := sec.cache.text.Load(); last != nil && last.doc == f.doc {
		sec.enqueue(cacheEntry{at: cmp.Or(f.confirmed, time.Now()), doc: f.doc, text: last.text})
	}
}

// saveMissing writes to the cache that the store has no value, if err says that
// and the declaration allows it.
func (sec *appSecret) saveMissing(err error) {
	if sec.cache != nil && absenceAllowed(sec.decl) && stateOf(err) == ErrNotFound {
		sec.enqueue(cacheEntry{at: time.Now(), missing: true})
	}
}

// absenceAllowed reports whether a store may have no value for a secret of this
// declaration.
func absenceAllowed(*declaration) bool { return false }

func (sec *appSecret) enqueue(e cacheEntry) {
	a, q := sec.app, &sec.app.cache
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == appClosed {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.hung >= cacheWriters || !sec.cache.place.due(e, a.cacheEvery()) {
		return
	}
	if sec.cache.place.want == nil && sec.cache.place.writing == nil {
		q.waiting = append(q.waiting, sec)
	}
	sec.cache.place.want = &e
	if q.writers < cacheWriters && len(q.waiting) > 0 {
		q.writers++
		a.running.Go(a.writeCache)
	}
}

// writeCache writes entries until none waits.
func (a *App) writeCache() {
	for {
		sec, e := a.nextToCache()
		if sec == nil {
			return
		}
		err := a.writeEntry(sec, e)
		a.cacheFailed(sec, err)
	}
}

// nextToCache takes an entry out of the queue. After Close it does so for a
// limited time.
func (a *App) nextToCache() (*appSecret, *cacheEntry) {
	q := &a.cache
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.lifetime.Err() != nil {
		if q.drained.IsZero() {
			q.drained = time.Now().Add(a.cacheLimit())
		}
		if time.Now().After(q.drained) {
			q.drop()
		}
	}
	if len(q.waiting) == 0 {
		q.writers--
		return nil, nil
	}
	sec := q.waiting[0]
	q.waiting = q.waiting[1:]
	sec.cache.place.writing, sec.cache.place.want = sec.cache.place.want, nil
	return sec, sec.cache.place.writing
}

// drop empties the queue. A later confirmation fills it again. The caller holds
// the lock.
func (q *cacheQueue) drop() {
	for _, sec := range q.waiting {
		sec.cache.place.want = nil
	}
	q.waiting = nil
}

// writeEntry writes e, unless the cache holds a later confirmation, perhaps of
// another process, or the same text from a moment ago. Until the calls have
// returned, no other entry of the secret is written: a late one would be
// replaced by it.
func (a *App) writeEntry(sec *appSecret, e *cacheEntry) error {
	cache, addr := a.options.Cache, sec.decl.addr
	ctx, cancel := context.WithTimeoutCause(context.Background(), a.cacheLimit(), cacheSlow{})
	defer cancel()
	kept := *e
	returned, err := askCache(ctx, func() error {
		if text, err := cache.Get(ctx, addr); err == nil {
			now := time.Now()
			there, fault := sec.decode(text, now)
			equal := there.text == e.text && there.missing == e.missing
			if fault == "" && (there.at.After(e.at) || equal && e.at.Sub(there.at) < a.cacheEvery()) {
				kept.at = there.at
				return nil
			}
		}
		if ctx.Err() != nil {
			return endOf(ctx)
		}
		return cache.Put(ctx, addr, sec.encode(*e))
	})
	q := &a.cache
	q.mu.Lock()
	if ctx.Err() != nil { // the others would wait as long
		q.drop()
	}
	if returned != nil {
		q.hung++
	}
	q.mu.Unlock()
	if returned == nil {
		a.wroteEntry(sec, kept, err)
		return err
	}
	go func() {
		late := <-returned
		q.mu.Lock()
		q.hung--
		q.mu.Unlock()
		a.wroteEntry(sec, kept, late)
	}()
	return err
}

// wroteEntry records the end of a write, and continues with the entry that came
// meanwhile.
func (a *App) wroteEntry(sec *appSecret, kept cacheEntry, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := &a.cache
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil {
		kept.text = "" // only its time and its document are compared
		sec.cache.place.kept = kept
	}
	sec.cache.place.writing = nil
	if sec.cache.place.want == nil {
		return
	}
	q.waiting = append(q.waiting, sec)
	if q.writers == 0 && a.state != appClosed { // a writer that wrote this entry goes on by itself
		q.writers++
		a.running.Go(a.writeCache)
	}
}

// cacheSlow is the error of a cache that takes too long. It is no variable,
// because a Worker would link that.
type cacheSlow struct{}

func (cacheSlow) Error() string { return "the cache has not answered in time" }

// askCache calls f, which calls the cache, and waits for it until ctx ends.
// Then returned is not nil, and receives the error of f when f returns. A panic
// is an error.
func askCache(ctx context.Context, f func() error) (returned <-chan error, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		c := guard(func() {
			if err = f(); err != nil {
				_ = errors.Is(err, ErrNotFound) // these methods may panic, too
				_ = err.Error()
			}
		})
		if c != nil {
			err = errors.New(c.why("the cache"))
		}
		done <- err
	}()
	select {
	case err := <-done:
		return nil, err
	case <-ctx.Done():
		return done, endOf(ctx)
	}
}

// cacheFailed logs when a cache begins to fail, for any secret, and when it
// fails for none any more.
func (a *App) cacheFailed(sec *appSecret, err error) {
	q := &a.cache
	q.mu.Lock()
	before := len(q.failing)
	switch {
	case err == nil:
		delete(q.failing, sec)
	case before == 0:
		q.failing = map[*appSecret]struct{}{sec: {}}
	default:
		q.failing[sec] = struct{}{}
	}
	after := len(q.failing)
	q.mu.Unlock()
	switch {
	case before == 0 && after > 0:
		a.log(slog.LevelWarn, "secret cache fails, the App works without it", "address", sec.decl.addr.String(),
			"error", err.Error())
	case before > 0 && after == 0:
		a.log(slog.LevelInfo, "secret cache works again")
	}
}

// reach returns the context of Start's first loads. With a cache they end in
// time to use it.
func (a *App) reach(ctx context.Context) (context.Context, context.CancelFunc) {
	if !timeout.Timers || a.options.Cache == nil {
		return ctx, func() {}
	}
	limit := a.options.Timeout
	if end, ok := ctx.Deadline(); ok {
		rest := time.Until(end)
		limit = min(limit, rest-rest/10)
	}
	return timeout.Context(ctx, limit)
}

// outOfReach reports whether err says that the store could not be asked. All
// other errors are its answers.
func isOutOfReach(err error) bool {
	return stateOf(err) == errUnavailable && !errors.Is(err, fs.ErrPermission)
}

// retriable returns the secrets whose stores are out of reach. all is false if
// there is a problem that waiting does not solve.
func retriable(secrets []*appSecret, errs []error) (which []int, all bool) {
	for i, err := range errs {
		switch {
		case err == nil:
		case isOutOfReach(err):
			which = append(which, i)
		case !errors.Is(err, ErrNotFound) || !absenceAllowed(secrets[i].decl):
			return nil, false
		}
	}
	return which, true
}

// withstand completes the first loads of Start where stores are out of reach:
// from the cache, and until ctx ends by more loads, if ctx has a deadline. It
// does nothing if Start has a problem of another kind.
func (a *App) withstand(ctx, reach context.Context, secrets []*appSecret, loads []*flight, errs []error) {
	which, all := retriable(secrets, errs)
	if !timeout.Timers || !all || len(which) == 0 || ctx.Err() != nil {
		return
	}
	if a.options.Cache != nil {
		bounded, cancel := context.WithTimeoutCause(ctx, a.cacheLimit(), cacheSlow{})
		a.eachOf(secrets, which, func(i int, sec *appSecret) {
			loads[i], errs[i] = sec.recall(bounded, loads[i], errs[i])
		})
		cancel()
		which, all = retriable(secrets, errs)
	}
	_, deadline := ctx.Deadline()
	// The first loads may have been cut short: for the cache, or in the queue for a
	// place.
	cut := reach != ctx && reach.Err() != nil && (deadline || len(secrets) > a.options.Concurrency)
	for pause := shortestRestart; all && len(which) > 0 && (cut || deadline); pause = min(2*pause, longestRetry) {
		if !cut {
			if pause == shortestRestart {
				a.log(slog.LevelWarn, "secrets cannot be loaded, Start tries again until its context ends",
					"secrets", len(which), "error", errs[which[0]].Error())
			}
			if !sleep(ctx, pause/2+rand.N(pause/2+1)) {
				break
			}
		}
		load := (*appSecret).firstLoad
		if cut {
			load = (*appSecret).resumed
		}
		cut = false
		a.eachOf(secrets, which, func(i int, sec *appSecret) {
			f, err := load(sec, ctx)
			if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return // the last answer says more
			}
			loads[i], errs[i] = f, err
		})
		which, all = retriable(secrets, errs)
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

// resumed is firstLoad if Start stopped waiting for a load that is still under
// way.
func (sec *appSecret) resumed(ctx context.Context) (*flight, error) {
	sec.mu.Lock()
	f := sec.flight
	sec.mu.Unlock()
	if f != nil && f.purpose == toStart {
		select {
		case <-f.done:
			if _, err := sec.checked(f.doc, f.err); err == nil {
				f.confirmed = time.Now()
				return f, nil
			}
		case <-ctx.Done():
		}
	}
	return sec.firstLoad(ctx)
}

// eachOf is each for some of the secrets. f gets the index in secrets.
func (a *App) eachOf(secrets []*appSecret, which []int, f func(int, *appSecret)) {
	some := make([]*appSecret, len(which))
	for n, i := range which {
		some[n] = secrets[i]
	}
	a.each(some, func(n int, sec *appSecret) { f(which[n], sec) })
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

// recall returns the last confirmed document: the one that this process
// has loaded before, else the entry of the cache. The flight of such a document
// also has the error of the store. Without either, recall returns failed and
// err.
func (sec *appSecret) recall(ctx context.Context, failed *flight, err error) (*flight, error) {
	if sec.cache == nil {
		return failed, err
	}
	if f := sec.earlier(); f != nil {
		if sec.app.tooOld(f.confirmed, time.Now()) {
			return failed, err // so is any entry
		}
		return &flight{number: f.number, doc: f.doc, confirmed: f.confirmed, err: err}, nil
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
	if fault == "" && entry.missing {
		if absenceAllowed(sec.decl) {
			return failed, sec.fail(because(ErrNotFound, "confirmed at "+entry.at.Format(time.RFC3339)+", before the store failed"))
		}
		fault = "it says that the store has no value"
	}
	if fault == "" {
		entry.doc, fault = sec.revive(entry.text)
	}
	if fault != "" {
		sec.app.log(slog.LevelWarn, "cached secret is not used", "address", sec.decl.addr.String(), "reason", fault)
		return failed, err
	}
	sec.app.cache.mu.Lock()
	sec.cache.place.kept = entry
	sec.cache.place.kept.text = ""
	sec.app.cache.mu.Unlock()
	return &flight{doc: entry.doc, confirmed: entry.at, cached: true, err: err}, nil
}

// tooOld reports whether MaxStale has passed since a confirmation.
func (a *App) tooOld(confirmed, now time.Time) bool {
	return a.options.MaxStale > 0 && !now.Before(confirmed.Add(a.options.MaxStale))
}

// keepTried keeps the good loads of a Start that failed for other secrets.
func (a *App) keepTried(secrets []*appSecret, loads []*flight, errs []error) {
	for i, sec := range secrets {
		if f := loads[i]; errs[i] == nil && f != nil && f.err == nil && sec.cache != nil {
			sec.mu.Lock()
			sec.cache.tried = f
			sec.mu.Unlock()
			sec.save(f)
		}
	}
}

// earlier returns the last good load of this process: that of a read, or of a
// Start that failed. No entry of the cache may replace its document.
func (sec *appSecret) earlier() *flight {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	f := sec.cache.tried
	if sec.doc != nil && sec.cache.at.IsZero() && (f == nil || f.number < sec.published) {
		f = &flight{number: sec.published, doc: sec.doc, confirmed: sec.lastSuccess}
	}
	if f == nil || f.doc == nil {
		return nil
	}
	return f
}

// revive parses the text of an entry.
func (sec *appSecret) revive(text string) (doc *Document, fault string) {
	data, err := parse(text, sec.decl.Format)
	if err != nil {
		return nil, "its text is " + stateOf(err).Error()
	}
	data.decl = sec.decl
	doc, err = sec.checked(newDocument(data), nil)
	if err != nil {
		return nil, "its current version does not have the declared length"
	}
	// A load that finds the same text returns this document. So the text of the
	// entry is no change.
	if sec.loader.last.CompareAndSwap(nil, &loaded{fingerprintOf(text), doc}) {
		sec.keepText(text, doc)
	}
	return doc, ""
}

// startedFromCache logs which values came from the cache, and makes the App
// load these secrets within a second, not only in the next round.
func (a *App) startedFromCache(secrets []*appSecret, loads []*flight) {
	count, oldest := 0, time.Time{}
	a.mu.Lock()
	for i, f := range loads {
		if f == nil || f.err == nil {
			continue
		}
		count++
		oldest = earlier(oldest, f.confirmed)
		if a.options.Refresh > 0 {
			secrets[i].hinted = time.Now().Add(rand.N(hintSpread))
		}
	}
	a.mu.Unlock()
	if count > 0 {
		a.log(slog.LevelWarn, "App started without its store, with values that the store confirmed earlier",
			"secrets", count, "oldest", utc(oldest))
	}
}

// refuseCache returns an error for a Cache that cannot serve this App, and for
// a store that is a Cache. The caller holds claims and mu.
func (a *App) refuseCache() error {
	if !timeout.Timers {
		if a.options.Cache != nil {
			return appError("on js/wasm nothing can run in the background: AppOptions.Cache must be nil")
		}
		return nil
	}
	var key *Secret
	if own, ok := a.options.Cache.(ownCache); ok {
		key = own.CacheKey()
	}
	if key != nil && key.Err() != nil {
		return appError("the key of AppOptions.Cache: " + key.Err().Error())
	}
	for _, sec := range a.secrets {
		if _, ok := sec.store.(ownCache); ok {
			return appError("the store of " + sec.decl.addr.String() + " is a Cache, which is no store; " +
				"give the store as Store, and the Cache as AppOptions.Cache")
		}
		if key != nil && (slices.Contains(sec.readers, key) || sec.decl.same(key.declaration())) {
			return appError("AppOptions.Cache is sealed under " + key.String() + ", which this App loads: it could not be " +
				"read while the store is out of reach; take a secret of its own, in the environment or a file, and do not " +
				"give it to Use")
		}
	}
	return nil
}
