package secret

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/layeron-hq/secret/internal/binding"
	"github.com/layeron-hq/secret/internal/timeout"
)

// batch is a BatchStore of an App. One request loads its secrets.
type batch struct {
	store BatchStore
	hints time.Time // guarded by App.mu: when the App follows the hints that come until then
}

// batchOf returns the batch of a store, or nil if every secret needs a request of
// its own. The caller holds mu.
func (a *App) batchOf(s Store) *batch {
	store, ok := s.(BatchStore)
	if !ok || !isComparable(store) {
		return nil
	}
	if a.batches == nil {
		a.batches = map[BatchStore]*batch{}
	}
	if a.batches[store] == nil {
		a.batches[store] = &batch{store: store}
	}
	return a.batches[store]
}

// spread returns the time at which the App follows a hint that comes now: at, or
// for a batch the random time that an earlier hint got, so that one request
// serves both.
func (b *batch) spread(at time.Time) time.Time {
	if b == nil {
		return at
	}
	if !b.hints.After(time.Now()) {
		b.hints = at
	}
	return b.hints
}

// patience returns how long Start waits for a request that has this limit. A
// batch gets a tenth more, for the texts that GetAll returns when its limit ends.
func (b *batch) patience(limit time.Duration) time.Duration {
	if b == nil {
		return limit
	}
	return limit + limit/10
}

// request is the secrets that are loaded by one request to a store.
type request struct {
	batch   *batch // nil: one secret, by Get
	secrets []*appSecret
	index   []int // of each secret in the list given to requests
}

// requests distributes secrets among as few requests as possible. Secrets out of
// reach have a request of their own, which can hang without delaying the others.
// So has a second, different declaration of one address.
func requests(secrets []*appSecret) (list []request) {
	type key struct {
		batch      *batch
		outOfReach bool
	}
	at := map[key]int{}
	seen := map[Address]bool{}
	for i, sec := range secrets {
		own := request{secrets: []*appSecret{sec}, index: []int{i}}
		if sec.batch == nil || sec.decl.err != nil || seen[sec.decl.addr] {
			list = append(list, own)
			continue
		}
		seen[sec.decl.addr] = true
		k := key{sec.batch, sec.outOfReach()}
		n, found := at[k]
		if !found {
			own.batch, at[k] = sec.batch, len(list)
			list = append(list, own)
			continue
		}
		list[n].secrets, list[n].index = append(list[n].secrets, sec), append(list[n].index, i)
	}
	return list
}

// outOfReach reports whether the store gave no answer about sec at the last load.
func (sec *appSecret) outOfReach() bool {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	return sec.state == errUnavailable
}

// hintRequests returns the requests for secrets whose hints are due. The caller
// holds mu.
func (a *App) hintRequests(due []*appSecret) (list []request) {
	if len(due) == 0 {
		return nil
	}
	all := map[*batch]int{}
	for _, sec := range a.secrets {
		all[sec.batch]++
	}
	for _, r := range requests(due) {
		if r.batch == nil || !fewHints(len(r.secrets), all[r.batch]) {
			list = append(list, r)
			continue
		}
		for _, sec := range r.secrets {
			list = append(list, request{secrets: []*appSecret{sec}})
		}
	}
	return list
}

// fewHints reports whether Get is better for n of the of secrets of a batch.
// GetAll may read the whole batch: for 1,000 secrets in etcd that takes as long as
// 12 to 40 Gets.
func fewHints(n, of int) bool { return n == 1 || n <= max(4, of/100) && n < of/2 }

// loadEach loads secrets for Start or Refresh, with up to Concurrency requests at
// a time. It returns the load or the error of each.
func (a *App) loadEach(ctx context.Context, secrets []*appSecret, p purpose) ([]*flight, []error) {
	return a.eachRequest(secrets, func(r request) ([]*flight, []error) {
		if p == toStart {
			return r.first(ctx)
		}
		return r.refresh(ctx)
	})
}

// eachRequest is loadEach with any load.
func (a *App) eachRequest(secrets []*appSecret, load func(request) ([]*flight, []error)) ([]*flight, []error) {
	loads, errs := make([]*flight, len(secrets)), make([]error, len(secrets))
	list := requests(secrets)
	a.each(len(list), func(n int) {
		r := list[n]
		some, failed := load(r)
		for j, i := range r.index {
			loads[i], errs[i] = some[j], failed[j]
		}
	})
	return loads, errs
}

// first is the load for Start. It waits for any load that began earlier, keeps no
// result, and requires the declared length.
func (r request) first(ctx context.Context) ([]*flight, []error) {
	ctx, cancel := timeout.Context(ctx, r.batch.patience(r.secrets[0].limit))
	defer cancel()
	r.awaitFlights(ctx)
	loads, errs := r.join(ctx, toStart)
	for i, sec := range r.secrets {
		errs[i] = sec.accepted(loads[i], errs[i])
	}
	return loads, errs
}

// accepted returns the error of Start for a load, or for a wait that has ended
// without one.
func (sec *appSecret) accepted(f *flight, err error) error {
	missing := f != nil && f.missing
	if err != nil && !missing {
		return err
	}
	f.confirmed = time.Now()
	if missing {
		return nil
	}
	if _, err = sec.checked(f.doc, nil); err != nil {
		sec.refused()
	}
	return err
}

// refresh is loader.refresh for every secret of the request.
func (r request) refresh(ctx context.Context) ([]*flight, []error) {
	r.awaitFlights(ctx, toRefresh)
	return r.join(ctx, toRefresh)
}

// awaitFlights waits for the loads under way, as loader.awaitFlight does.
func (r request) awaitFlights(ctx context.Context, except ...purpose) {
	for _, sec := range r.secrets {
		sec.awaitFlight(ctx, except...)
	}
}

// join is loader.join for every secret of the request: it joins the loads under
// way, and begins one for all the others. Errors include those of the loads.
func (r request) join(ctx context.Context, p purpose) ([]*flight, []error) {
	loads, errs := make([]*flight, len(r.secrets)), make([]error, len(r.secrets))
	if r.batch == nil {
		if loads[0], errs[0] = r.secrets[0].join(ctx, p); errs[0] == nil {
			errs[0] = loads[0].err
		}
		return loads, errs
	}
	for missing := true; missing; {
		if ctx.Err() == nil {
			r.begin(loads, p)
		}
		missing = false
		for i, sec := range r.secrets {
			switch f := loads[i]; {
			case f == nil || !f.landed(ctx): // its other fields are not set yet
				loads[i], errs[i] = nil, sec.fail(gaveUp(ctx))
			case f.cut && p != toStart: // it ended with the context of another caller
				loads[i], missing = nil, true
			default:
				errs[i] = f.err
			}
		}
	}
	return loads, errs
}

// landed waits for the end of the load or of ctx, and reports whether the load
// has ended.
func (f *flight) landed(ctx context.Context) bool {
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// begin fills in the loads under way for the secrets that have none in loads. It
// begins one request for those that are not under way.
func (r request) begin(loads []*flight, p purpose) {
	own := request{batch: r.batch}
	var flights []*flight
	for i, sec := range r.secrets {
		if loads[i] != nil {
			continue
		}
		f, first := sec.flightFor(p)
		loads[i] = f
		if first {
			own.secrets, flights = append(own.secrets, sec), append(flights, f)
		}
	}
	if len(flights) > 0 {
		own.secrets[0].begin(p, func(parent context.Context) { own.run(parent, flights) })
	}
}

// run is loader.run for every secret of the request. The loads end side by side,
// so that none waits for the Logger or the Locate of another.
func (r request) run(parent context.Context, flights []*flight) {
	answered := make(chan struct{})
	answers := make([]answer, len(r.secrets))
	var loads sync.WaitGroup
	for i, sec := range r.secrets {
		a := &answers[i]
		a.answered, a.sec = answered, sec
		loads.Go(func() { sec.run(parent, flights[i], a) })
	}
	ctx, cancel := timeout.Context(parent, r.secrets[0].limit)
	r.ask(boundAll(ctx, r.secrets), answers)
	cancel()
	close(answered)
	loads.Wait()
}

// answer is a store of one secret: of its outcome of GetAll.
type answer struct {
	answered chan struct{} // closed when the other fields are set
	sec      *appSecret
	outcome
}

func (a *answer) Get(context.Context, Address) (string, error) {
	<-a.answered
	if a.found || a.err != nil {
		return a.text, a.err
	}
	return "", because(ErrNotFound, cmp.Or(a.sec.place(), a.sec.decl.binding)+" does not exist")
}

func (a *answer) Locate(addr Address) string { return guarded{a.sec.store}.Locate(addr) }

// ask calls GetAll.
func (r request) ask(ctx context.Context, answers []answer) {
	addrs := make([]Address, len(r.secrets))
	for i, sec := range r.secrets {
		addrs[i] = sec.decl.addr
	}
	for i, one := range askAll(ctx, r.batch.store, addrs) {
		answers[i].outcome = one
	}
}

// boundAll returns ctx with the declared binding names of the secrets, if there
// are any.
func boundAll(ctx context.Context, secrets []*appSecret) context.Context {
	names := map[string]string{} // by address
	for _, sec := range secrets {
		if sec.decl.Binding != "" {
			names[sec.decl.addr.String()] = sec.decl.Binding
		}
	}
	if len(names) == 0 {
		return ctx
	}
	return &binding.Names{In: ctx, Of: names}
}
