package secrettest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/binding"
)

// hundreds are the texts of other checks, and more.
func hundreds() map[secret.Address]string {
	values := maps.Clone(texts)
	for i := range 400 {
		n := strconv.Itoa(i)
		values[addr("batch", "n"+n)] = "text " + n
	}
	return values
}

// getAll is get for GetAll.
func getAll(ctx context.Context, s secret.BatchStore, addrs []secret.Address) (texts map[secret.Address]string,
	err, problem error) {
	type answer struct {
		texts        map[secret.Address]string
		err, problem error
	}
	done := make(chan answer, 1)
	go func() {
		var got answer
		defer func() {
			if p := recover(); p != nil {
				got = answer{problem: panics.broken("GetAll panicked with a %T", p)}
			}
			done <- got
		}()
		got.texts, got.err = s.GetAll(ctx, addrs)
	}()
	timer := time.NewTimer(getTimeout)
	defer timer.Stop()
	select {
	case got := <-done:
		return got.texts, got.err, got.problem
	case <-timer.C:
		return nil, nil, returns.broken("GetAll has not come back after %v", getTimeout)
	}
}

// checkBatch reports nothing for a store that is no BatchStore.
func checkBatch(s secret.Store, values map[secret.Address]string) []error {
	b, ok := s.(secret.BatchStore)
	if !ok {
		return nil
	}
	all, missing := sorted(values), []secret.Address{addr("text", "missing"), addr("near", "ke"), addr("batch", "n400")}
	problems := slices.Concat(
		allBack("of all", b, all, values),
		allBack("of one", b, all[:1], values),
		allBack("of no address", b, nil, values),
		allBack("of addresses without a text", b, missing, values),
		allBack("of addresses with and without a text", b, slices.Concat(missing[:2], all[:9], missing[2:], all[40:]),
			values),
		allBack("of an address twice", b, slices.Concat(all[:3], missing[:1], all[:3], missing[:1]), values),
		checkBatchBinding(b, values),
		checkBatchContext(b, all, values),
	)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			found := allBack("beside other calls", b, all[i*len(all)/16:], values)
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, found...)
		})
	}
	wg.Wait()
	return problems
}

// allBack reports the differences between values and the result of GetAll.
func allBack(what string, b secret.BatchStore, addrs []secret.Address, values map[secret.Address]string) []error {
	given := slices.Clone(addrs)
	got, err, problem := getAll(context.Background(), b, given)
	problems := compare(what, got, err, problem, addrs, func(a secret.Address) (string, bool) {
		text, found := values[a]
		return text, found
	})
	if problem == nil && !slices.Equal(given, addrs) {
		problems = append(problems, listKept.broken("GetAll %s changes the list of addresses", what))
	}
	return problems
}

// compare reports each broken promise once.
func compare(what string, got map[secret.Address]string, err, problem error, addrs []secret.Address,
	want func(secret.Address) (string, bool)) (problems []error) {
	add := func(p promise, a secret.Address, difference string) {
		if !slices.ContainsFunc(problems, func(err error) bool { return err.(*fault).promise == p }) {
			problems = append(problems, p.broken("GetAll %s %s (%s)", what, difference, a))
		}
	}
	switch {
	case problem != nil:
		return []error{problem}
	case err != nil:
		return append([]error{mapAbsent.broken("GetAll %s fails: %w", what, err)},
			silent(silence, "the error of GetAll", err)...)
	}
	for _, a := range addrs {
		text, present := want(a)
		found, is := got[a]
		switch {
		case present && !is:
			add(mapWhole, a, "returns no text for an address that has one")
		case !present && is:
			add(mapAbsent, a, "returns a text for an address that has none")
		case found != text:
			add(exact, a, "returns another text than was stored")
		}
	}
	for a := range got {
		if !slices.Contains(addrs, a) {
			add(mapAsked, a, "returns an address that was not asked for")
		}
	}
	return problems
}

func checkBatchBinding(b secret.BatchStore, values map[secret.Address]string) []error {
	token, missing, key, none := addr("text", "token"), addr("text", "missing"), addr("near", "key"), addr("near", "ke")
	ctx := &binding.Names{In: context.Background(), Of: map[string]string{
		token.String(): key.Binding(), missing.String(): addr("key", "near").Binding(),
		none.String(): "secrettest_missing_1"}}
	addrs := []secret.Address{token, missing, none, key}
	got, err, problem := getAll(ctx, b, addrs)
	problems := compare("with an Options.Binding", got, err, problem, addrs, func(a secret.Address) (string, bool) {
		switch a {
		case token:
			a = key
		case missing:
			a = addr("key", "near")
		case none:
			return "", false
		}
		return values[a], true
	})
	for i, p := range problems {
		problems[i] = under(p, bound.cure, "%w")
	}
	return problems
}

func checkBatchContext(b secret.BatchStore, all []secret.Address, values map[secret.Address]string) (problems []error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("the caller has gone"))
	_, err, problem := getAll(ctx, b, all)
	switch {
	case problem != nil:
		problems = append(problems, under(problem, ends.cure, "with a context that was cancelled before, %w"))
	case err == nil:
		problems = append(problems, ends.broken("GetAll does not mind that its context was cancelled before"))
	case !endedBy(ctx, err):
		problems = append(problems, cause.broken("GetAll with a context that was cancelled before gives another error "+
			"than the context's: %w", err))
	}
	if err != nil {
		problems = append(problems, silent(silence, "the error of GetAll with an ended context", err)...)
	}
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		got, err, problem := getAll(ctx, b, all[:30])
		cancel()
		for a, text := range got {
			if text != values[a] {
				return append(problems, exact.broken("GetAll, cancelled meanwhile, returns another text than was stored"))
			}
		}
		switch {
		case problem != nil:
			return append(problems, under(problem, ends.cure, "after its context has ended, %w"))
		case err == nil && len(got) < 30:
			return append(problems, mapWhole.broken("GetAll, cancelled meanwhile, leaves out texts and returns no error"))
		}
	}
	return problems
}
