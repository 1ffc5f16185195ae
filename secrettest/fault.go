package secrettest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/layeron-hq/secret"
)

// promise is a promise of a store or a Watcher. Faults of one promise are one
// fault, whichever check finds it.
type promise struct{ kind, cure string }

// fault is a broken promise in one call.
type fault struct {
	promise
	what error
}

func (f *fault) Error() string { return f.what.Error() + ": " + f.cure }
func (f *fault) Unwrap() error { return f.what }

func (p promise) broken(format string, args ...any) error {
	return &fault{p, fmt.Errorf(format, args...)}
}

// under returns a problem that a check found under conditions of its own. It is
// the same fault as without them, but if it was not found without them, the
// cure is another one.
func under(problem error, cure, format string) error {
	var f *fault
	if !errors.As(problem, &f) {
		f = &fault{promise{problem.Error(), cure}, problem}
	}
	return &fault{promise{f.kind, cure}, fmt.Errorf(format, f.what)}
}

// failing returns the promise that Get breaks by an error for a. One reason is
// one fault, although the names and numbers in the error differ.
func failing(a secret.Address, err error, cure string, declared ...string) promise {
	reason := err.Error()
	for _, name := range append(declared, a.String(), a.Binding(), a.Namespace+"/"+a.Name) {
		reason = strings.ReplaceAll(reason, name, "")
	}
	return promise{"fails: " + strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, reason), cure}
}

// reports holds the faults that subtests have reported.
type reports struct {
	mu      sync.Mutex
	subtest map[string]string // by kind of fault
}

// once returns a line for each fault among the problems that no other subtest
// has reported, and the subtest that has reported another one.
func (r *reports) once(subtest string, problems []error) (lines []string, by string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.subtest == nil {
		r.subtest = map[string]string{}
	}
	found := map[string][]error{}
	var kinds []string
	for _, problem := range problems {
		kind := problem.Error()
		var f *fault
		if errors.As(problem, &f) {
			kind = f.kind
		}
		if other, known := r.subtest[kind]; known && other != subtest {
			by = other
			continue
		}
		r.subtest[kind] = subtest
		if found[kind] == nil {
			kinds = append(kinds, kind)
		}
		found[kind] = append(found[kind], problem)
	}
	for _, kind := range kinds {
		line := found[kind][0].Error()
		if more := len(found[kind]) - 1; more > 0 {
			line += fmt.Sprintf(" (found %d times more)", more)
		}
		lines = append(lines, line)
	}
	return lines, by
}

// report fails t for each fault that no other subtest has reported. If all were
// reported, it skips t.
func (r *reports) report(t *testing.T, subtest string, problems []error) {
	t.Helper()
	lines, by := r.once(subtest, problems)
	for _, line := range lines {
		t.Error(line)
	}
	if len(lines) == 0 && by != "" {
		t.Skipf("the subtest %q has reported this fault", by)
	}
}

// Promises of a store. For one without a kind the error decides: see failing.
var (
	returns = promise{"hangs", "return as soon as the context ends, and bound every request"}
	panics  = promise{"panics", "return an error instead"}
	whole   = promise{"cut", "return the whole text, up to 1 MiB"}
	exact   = promise{"text", "return the stored text unchanged: trim, convert and expand nothing"}
	apart   = promise{"mixed up", "find the text by the whole binding name, secret.BindingOf(ctx, addr)"}
	absent  = promise{"missing", "return an error that wraps secret.ErrNotFound"}
	wrapped = promise{"not found", `wrap the sentinel, as in fmt.Errorf("%s is not set: %w", place, ` +
		`secret.ErrNotFound)`}
	located = promise{"place", "name the place in the error: the binding name, secret.BindingOf(ctx, addr), or the " +
		"address"}
	noTextBeside = promise{"text and error", `return "" with an error`}
	ends         = promise{"context", "return the context's error if it has ended, and pass the context to every request"}
	cause        = promise{"context's error", "return context.Cause(ctx), or wrap it"}
	bound        = promise{"binding", "take the name from secret.BindingOf(ctx, addr), not from addr.Binding()"}
	silence      = promise{"error shown", "keep values out of errors and places"}
	hidden       = promise{"store shown", "keep no values in the store, or keep them where reflection does not look, " +
		"such as behind an atomic.Pointer, with the methods Format and MarshalText"}
)

// Further promises of a BatchStore.
var (
	mapWhole  = promise{"map", "return every text under the given address, or an error beside the texts that were found"}
	mapAbsent = promise{"map of missing", "an address without a text is no error: leave it out of the map"}
	mapAsked  = promise{"map of others", "return only addresses that were asked for"}
	listKept  = promise{"list", "leave the list unchanged: the caller may use it"}
)

const (
	cureStored     = "the value given to open is stored under addr.Binding(): find it by secret.BindingOf(ctx, addr)"
	cureConcurrent = "make Get safe for concurrent use"
	cureOthers     = "let the end of one caller's context not affect another's read: keep no error, share no request"
)

// Promises of a Watcher.
var (
	firstHint  = promise{"first hint", "call changed once for every address when Watch begins, with a value or without"}
	laterHint  = promise{"hint", "call changed after every change, a deletion too"}
	current    = promise{"hint", "call changed only when Get returns the new state, and read no older copy in Get"}
	subscribed = promise{"hint", "subscribe, and only then call changed for every address"}
	only       = promise{"others", "call changed only for the addresses given to Watch"}
	serial     = promise{"serial", "call changed from one goroutine, or under a lock"}
	stays      = promise{"gives up", "return only when the context ends or delivery cannot be promised"}
	stops      = promise{"late", "return when the context ends, and make no call after that: wait for every goroutine"}
	ended      = promise{"cause", "return context.Cause(ctx)"}
	quiet      = promise{"quiet", "call changed only for changes"}
	leaves     = promise{"leak", "end every goroutine before Watch returns"}
)
