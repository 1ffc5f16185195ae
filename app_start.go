package secret

import (
	"context"
	"slices"
	"strconv"

	"github.com/layeron-hq/secret/internal/timeout"
)

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
// [io/fs.ErrPermission]. If AppOptions.Cache has the answer that such a store
// gave last, a text or that an optional secret has none, and AppOptions.MaxStale
// has not passed since then, Start uses it: see SecretStatus.CachedAt. If a
// secret has no such entry and ctx has a deadline, Start loads the secret again,
// with growing pauses, until ctx ends. Then the error has the last reason for
// each secret. Without a deadline, and on js/wasm, Start loads once. A problem of
// another kind ends Start at once.
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
	loads, errs := a.firstLoads(reach, secrets)
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
		if !sec.start(loads[i]) {
			loads[i] = nil
		}
		sec.beginChanges()
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
