package secrettest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// TestStore runs a subtest for each promise of a [secret.Store]:
//
//   - text: a text is returned whole and unchanged, for any content, and
//     similar addresses are kept apart;
//   - large: the same for a text of 1 MiB (1,048,576 bytes), the most that
//     package secret reads;
//   - missing: a secret without a value is an error that wraps
//     [secret.ErrNotFound], contains the place where the store looked (the
//     address or the binding name), and shows nothing of other values;
//   - binding: a secret with an Options.Binding is found under that name alone, as
//     [secret.BindingOf] returns it, and an error contains that name;
//   - context: Get returns at once when its context has ended, with the
//     context's error;
//   - concurrent: concurrent Gets return the same (run the test with -race);
//   - shown: no verb of fmt, encoding/json or log/slog shows a value that the
//     store holds, nor does a struct with the store in one of its fields. A
//     store that keeps no values meets this without work;
//   - batch: GetAll of a [secret.BatchStore] returns the texts that Get would: of
//     hundreds of addresses, of some that have no text, of none, of one given
//     twice, under the declared names, and beside other calls. It ends with its
//     context.
//
// It calls open once in each subtest, with that subtest's t. open returns a new
// store that holds exactly these values; put clean-up into t.Cleanup. If the
// place behind the store cannot hold a text of such a size, open may call
// t.Skip in the subtest "large".
//
// A fault is reported once, with its cure. A subtest that finds only faults that
// an earlier one has reported is skipped.
//
// No text is empty, ends in a newline or holds a NUL byte or invalid UTF-8,
// because some places cannot hold these ([secret.Dir] drops one trailing
// newline, an environment variable ends at a NUL).
func TestStore(t *testing.T, open func(t *testing.T, values map[secret.Address]string) secret.Store) {
	t.Helper()
	var reports reports
	no := false // the store is no BatchStore
	for _, c := range checks {
		if c.name == "batch" && no {
			continue // spare open the many values
		}
		t.Run(c.name, func(t *testing.T) {
			s := open(t, maps.Clone(c.values))
			_, batch := s.(secret.BatchStore)
			no = !batch
			reports.report(t, c.name, c.run(s, c.values))
		})
	}
}

// check is one promise. It reports problems instead of failing a test, so that
// tests can run it on stores that break it.
type check struct {
	name   string
	values map[secret.Address]string
	run    func(s secret.Store, values map[secret.Address]string) []error
}

var checks = []check{
	{"text", texts, checkText},
	{"large", map[secret.Address]string{addr("size", "large"): large()}, checkText},
	{"missing", texts, checkMissing},
	{"binding", texts, checkBinding},
	{"context", texts, checkContext},
	{"concurrent", texts, checkConcurrent},
	{"shown", marked, checkShown},
	{"batch", hundreds(), checkBatch},
}

func addr(namespace, name string) secret.Address {
	return secret.Address{Namespace: namespace, Name: name}
}

var texts = map[secret.Address]string{
	addr("text", "token"):         "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
	addr("text", "one"):           "x",
	addr("text", "inner-space"):   "correct  horse\tbattery staple",
	addr("text", "outer-space"):   "  \t padded on both sides \t ",
	addr("text", "newline-first"): "\n\r\nafter empty lines",
	addr("text", "crlf"):          "first\r\nsecond\nthird\rfourth",
	addr("text", "utf-8"):         "pässwörd ☃ \U0001f511 e\u0301 \ufeff\u00a0",
	addr("text", "control"):       "\x01\x1b[0m\x7f",
	addr("text", "quotes"):        `"it's" \"quoted\" \n $HOME ${HOME} %PATH% %s $(id) <&>` + "`",
	addr("text", "base64"):        "3q2+7wAAAP//+w==",
	addr("text", "url"):           "postgres://user:p%40ss@db.internal:5432/app?sslmode=require#frag",
	addr("text",
		"json"): `{ "clientId": "a", "clientSecret": "b\u00e9\/", "n": 1.0e3, "n2": 12345678901234567890 }`,
	addr("text", "versions-json"): `{"current":"v2","versions":{"v2":{"value":"second"},"v1":{"value":"first"}}}`,
	addr("text", "compact"):       "current=v3;v2=old;v2_expires=2026-06-01T00:00:00.000Z;v3=new",
	addr("text", "pem"): "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHRoaXMgaXMgbm8ga2V5LCBvbmx5IGEgdGVz\n" +
		"dCB0ZXh0AAAAAAAA\n-----END PRIVATE KEY-----",
	// Addresses that a careless prefix, separator or default would confuse.
	addr("near", "key"):                "near/key",
	addr("near", "key-2"):              "near/key-2",
	addr("near", "key-22"):             "near/key-22",
	addr("nea", "r"):                   "nea/r",
	addr("near2", "key"):               "near2/key",
	addr("key", "near"):                "key/near",
	addr("default", "key"):             "default/key",
	addr("default", "near"):            "default/near",
	addr("0", "9"):                     "0/9",
	addr(longName('n'), longName('m')): "the longest address",
	addr("shown", "first"):             markers[0],
}

func longName(c byte) string { return strings.Repeat(string(c), 63) }

// large returns a text of 1 MiB without repetition, so that a lost or repeated
// part is found.
func large() string {
	// every program that imports this package builds it: fmt would take 13 ms
	b := make([]byte, 0, 1<<20+16)
	for i := int64(1_000_000); len(b) < 1<<20; i++ {
		b = strconv.AppendInt(append(b, "line "...), i, 10)
		b = append(b, '\n')
	}
	return string(b[:1<<20-1]) + "."
}

// markers are the values that must not be shown: no output contains them by
// chance.
var markers = []string{"Qz7kWv2mXt9RbLp4nHc8sJ1dFg6yTe3u", "hB5rNx8wKq3vMz6tYc1pLd9s"}

var marked = map[secret.Address]string{
	addr("shown", "first"):  markers[0],
	addr("shown", "second"): `{"current":"v1","versions":{"v1":{"value":"` + markers[1] + `"}}}`,
}

// getTimeout is the limit for a Get that should return at once.
const getTimeout = 10 * time.Second

// get calls s.Get but always returns: problem reports that Get did not return,
// or panicked.
func get(ctx context.Context, s secret.Store, a secret.Address) (text string, err, problem error) {
	type answer struct {
		text         string
		err, problem error
	}
	done := make(chan answer, 1)
	go func() {
		var got answer
		defer func() {
			if p := recover(); p != nil {
				got = answer{problem: panics.broken("Get(%s) panicked with a %T", a, p)}
			}
			done <- got
		}()
		got.text, got.err = s.Get(ctx, a)
	}()
	timer := time.NewTimer(getTimeout)
	defer timer.Stop()
	select {
	case got := <-done:
		return got.text, got.err, got.problem
	case <-timer.C:
		return "", nil, returns.broken("Get(%s) has not come back after %v", a, getTimeout)
	}
}

func checkText(s secret.Store, values map[secret.Address]string) (problems []error) {
	for _, a := range sorted(values) {
		if problem := readBack(s, a, values[a]); problem != nil {
			problems = append(problems, problem)
		}
	}
	return problems
}

// readBack returns the fault of the text that s returns for a, or nil.
func readBack(s secret.Store, a secret.Address, want string) error {
	got, err, problem := get(context.Background(), s, a)
	switch {
	case problem != nil:
		return problem
	case err != nil:
		return failing(a, err, cureStored).broken("Get(%s) fails: %w", a, err)
	case got != want:
		return differs(a, got, want)
	}
	return nil
}

// differs returns the fault of a wrong text.
func differs(a secret.Address, got, want string) error {
	for other, text := range texts {
		if got == text {
			return apart.broken("Get(%s) returns another text, that of %s", a, other)
		}
	}
	broken := exact
	if strings.HasPrefix(want, got) && strings.TrimSpace(want) != got {
		broken = whole
	}
	return broken.broken("Get(%s) returns another text: %d bytes instead of %d, and different from byte %d on",
		a, len(got), len(want), firstDifference(got, want))
}

func firstDifference(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func checkMissing(s secret.Store, _ map[secret.Address]string) (problems []error) {
	for _, a := range []secret.Address{
		addr("text", "missing"), addr("missing", "token"), addr("near", "ke"), addr("near", "key-222"),
		addr("default", "token"),
	} {
		add := func(p promise, format string, args ...any) {
			problems = append(problems, p.broken("Get(%s), which is missing, "+format, append([]any{a}, args...)...))
		}
		text, err, problem := get(context.Background(), s, a)
		switch {
		case problem != nil:
			problems = append(problems, problem)
			continue
		case err == nil:
			add(absent, "gives no error")
			continue
		case !errors.Is(err, secret.ErrNotFound):
			add(failing(a, err, wrapped.cure), "gives an error that does not wrap secret.ErrNotFound: %v", err)
		case !strings.Contains(err.Error(), a.Binding()) && !strings.Contains(err.Error(), a.String()):
			add(located, "gives an error that does not say where the store looked: it names neither %s nor the address",
				a.Binding())
		}
		if text != "" {
			add(noTextBeside, "returns a text beside the error")
		}
		problems = append(problems, silent(silence, fmt.Sprintf("the error of Get(%s)", a), err)...)
	}
	return problems
}

// readMissing returns the fault of the answer for a, which has no value, or nil.
func readMissing(s secret.Store, a secret.Address) error {
	switch _, err, problem := get(context.Background(), s, a); {
	case problem != nil:
		return problem
	case err == nil:
		return absent.broken("Get(%s), which is missing, gives no error", a)
	case !errors.Is(err, secret.ErrNotFound):
		return failing(a, err, wrapped.cure).broken("Get(%s), which is missing, does not give secret.ErrNotFound: %w", a, err)
	}
	return nil
}

func checkContext(s secret.Store, values map[secret.Address]string) (problems []error) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancelLate := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancelLate()
	caused, giveUp := context.WithCancelCause(context.Background())
	giveUp(errors.New("the caller has gone"))
	for _, a := range []secret.Address{addr("text", "token"), addr("text", "missing")} {
		for _, c := range []struct {
			name string
			ctx  context.Context
		}{{"cancelled", cancelled}, {"late", late}, {"cancelled with a cause", caused}} {
			text, err, problem := get(c.ctx, s, a)
			switch {
			case problem != nil:
				problems = append(problems,
					under(problem, returns.cure, "with a context that was "+c.name+" before, %w"))
			case err == nil:
				problems = append(problems, ends.broken("Get(%s) does not mind that its context was %s before", a, c.name))
			case !endedBy(c.ctx, err):
				broken := failing(a, err, cause.cure)
				if errors.Is(err, secret.ErrNotFound) {
					broken = ends
				}
				problems = append(problems,
					broken.broken("Get(%s) with a context that was %s before gives another error than the context's: %w",
						a, c.name, err))
			}
			if err != nil && text != "" {
				problems = append(problems, noTextBeside.broken("Get(%s) returns a text beside the error", a))
			}
			if err != nil {
				problems = append(problems, silent(silence, fmt.Sprintf("the error of Get(%s) with an ended context", a), err)...)
			}
		}
	}
	problems = append(problems, checkEndMeanwhile(s, values)...)
	// The end of one caller's context must not affect another's read.
	if problem := readBack(s, addr("text", "token"), values[addr("text", "token")]); problem != nil {
		problems = append(problems, under(problem, cureOthers, "after other callers' contexts have ended, %w"))
	}
	return problems
}

// checkEndMeanwhile ends the context while Get may be running: then Get may
// return either result, but nothing else.
func checkEndMeanwhile(s secret.Store, values map[secret.Address]string) (problems []error) {
	a := addr("text", "pem")
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		text, err, problem := get(ctx, s, a)
		cancel()
		switch {
		case problem != nil:
			return append(problems, under(problem, returns.cure, "after its context has ended, %w"))
		case err != nil && !endedBy(ctx, err):
			return append(problems, failing(a, err, cause.cure).broken("Get(%s), cancelled meanwhile, gives another "+
				"error than the context's: %w", a, err))
		case err == nil && text != values[a]:
			return append(problems, under(differs(a, text, values[a]), ends.cure, "cancelled meanwhile, %w, and no error"))
		}
	}
	return nil
}

func endedBy(ctx context.Context, err error) bool {
	return errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))
}

func checkConcurrent(s secret.Store, values map[secret.Address]string) (problems []error) {
	const readers = 8
	addrs := sorted(values)
	start := make(chan struct{})
	found := make([][]error, readers)
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			<-start
			for i := range addrs {
				a := addrs[(i+r)%len(addrs)] // each goroutine reads another address at a time
				if problem := readBack(s, a, values[a]); problem != nil {
					found[r] = append(found[r], under(problem, cureConcurrent, "beside other calls, %w"))
				}
				if problem := readMissing(s, addr("text", "missing")); problem != nil {
					found[r] = append(found[r], under(problem, cureConcurrent, "beside other calls, %w"))
				}
			}
		})
	}
	close(start)
	wg.Wait()
	return slices.Concat(found...)
}

func checkShown(s secret.Store, values map[secret.Address]string) (problems []error) {
	// A store may cache its reads: read all values.
	problems = checkText(s, values)
	problems = append(problems, silent(hidden, "the store", s)...)
	problems = append(problems, silent(hidden, "the store in an exported field", struct{ Store secret.Store }{s})...)
	// fmt calls no methods on a value in an unexported field.
	problems = append(problems, silent(hidden, "the store in an unexported field", struct{ store secret.Store }{s})...)
	if l, ok := s.(secret.Locator); ok {
		for _, a := range sorted(values) {
			problems = append(problems, silent(silence, "Locate", l.Locate(a))...)
		}
	}
	return problems
}

// silent reports each way of printing v that shows a part of a value.
func silent(p promise, what string, v any) (problems []error) {
	for _, shown := range redacttest.Check(v, markers...) {
		problems = append(problems, p.broken("%s shows a value: %s", what, shown))
	}
	return problems
}

func sorted(values map[secret.Address]string) []secret.Address {
	return slices.SortedFunc(maps.Keys(values), func(a, b secret.Address) int {
		return strings.Compare(a.String(), b.String())
	})
}
