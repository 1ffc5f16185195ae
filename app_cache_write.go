package secret

import (
	"cmp"
	"context"
	"sync"
	"time"
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

// cacheEvery is the time between two writes of an entry that has not changed.
func (a *App) cacheEvery() time.Duration { return max(cacheAtMost, a.options.MaxStale/4) }

// cacheLimit bounds a call of the cache. Close waits for at most two such
// limits.
func (a *App) cacheLimit() time.Duration { return min(cacheTimeout, a.options.Timeout/2) }

// save writes the answer of f to the cache, in the background: its document, or
// that the store has no value for an optional secret.
func (sec *appSecret) save(f *flight) {
	if sec.cache == nil || f.outage != nil || !f.missing && sec.overridden() {
		return
	}
	// Without a monotonic clock reading, the ages of entries follow a clock that is
	// set, as the next process does.
	e := cacheEntry{at: cmp.Or(f.confirmed, time.Now()).Round(0), missing: f.missing}
	if !f.missing {
		last := sec.cache.text.Load()
		if last == nil || last.doc != f.doc {
			return // a later load has replaced the text: it saves its own
		}
		e.doc, e.text = f.doc, last.text
	}
	sec.enqueue(e)
}

// overridden reports whether the last text is a variable, which comes before the
// other stores of a Chain. Like those of [Env] alone it is not copied.
func (sec *appSecret) overridden() bool {
	c, ok := sec.store.(interface{ holder(Address) Store })
	if !ok {
		return false
	}
	_, is := c.holder(sec.decl.addr).(*envStore)
	return is
}

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

// writeEnds returns when a write that begins now must end.
func (a *App) writeEnds() time.Time {
	a.cache.mu.Lock()
	defer a.cache.mu.Unlock()
	ends := time.Now().Add(a.cacheLimit())
	if drained := a.cache.drained; !drained.IsZero() && drained.Before(ends) {
		return drained
	}
	return ends
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
	ctx, cancel := context.WithDeadlineCause(context.Background(), a.writeEnds(), cacheSlow{})
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
