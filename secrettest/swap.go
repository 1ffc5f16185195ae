package secrettest

import (
	"strings"
	"sync"
	"testing"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/swap"
)

// Set makes s, a declaration that another package holds, read text until the
// test ends. It returns the store that holds the text, to change it. It touches
// no environment and no file.
//
// The next test reads nothing of this one: afterwards s reads as before, even
// if the test gave s to an [secret.App] and did not close it, and package
// keyring asks the store for an unknown version again. So call Set or [Swap]
// first, then start the App. An App that is given s without them leaves its
// last document in s, also after Close, because a program that shuts down still
// reads. The next tests read that document until one of them swaps s, or gives
// it to another App.
//
// Only one test at a time can swap a secret: parallel tests use
// [secret.Secret.With]. A second test that tries ends with t.Fatal, and so does
// a test whose secret a running App holds. A subtest may swap a secret again
// that its parent swapped.
func Set(t testing.TB, s *secret.Secret, text string) *secret.Memory {
	t.Helper()
	store := secret.NewMemory(map[string]string{s.Address().String(): text})
	Swap(t, store, s)
	return store
}

// Swap makes all given secrets read from store until the test ends, by the
// rules of [Set]. A nil store means the default store of a declaration without
// a store. On js/wasm Swap ends the test: use [secret.Secret.With] there.
func Swap(t testing.TB, store secret.Store, secrets ...*secret.Secret) {
	t.Helper()
	if swap.Secret == nil {
		t.Fatal("secrettest: a declaration cannot be swapped on js/wasm; use With")
	}
	for _, s := range secrets {
		if other := swapped.take(s, t.Name()); other != "" {
			t.Fatalf("secrettest: %v is swapped by %s already; tests that run in parallel use With", s, other)
		}
		t.Cleanup(func() { swapped.giveBack(s) })
		restore, err := swap.Secret(s, store)
		if err != nil {
			t.Fatalf("secrettest: %v", err)
		}
		t.Cleanup(restore)
	}
}

// holders records the tests that hold a secret: a test, then the subtest in it
// that swapped again, and so on.
type holders struct {
	mu    sync.Mutex
	tests map[*secret.Secret][]string
}

var swapped = holders{tests: map[*secret.Secret][]string{}}

// take records test as the holder of s, or returns the other test that holds
// it.
func (h *holders) take(s *secret.Secret, test string) (other string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	stack := h.tests[s]
	if n := len(stack); n > 0 && test != stack[n-1] && !strings.HasPrefix(test, stack[n-1]+"/") {
		return stack[n-1]
	}
	h.tests[s] = append(stack, test)
	return ""
}

func (h *holders) giveBack(s *secret.Secret) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if stack := h.tests[s]; len(stack) > 1 {
		h.tests[s] = stack[:len(stack)-1]
	} else {
		delete(h.tests, s)
	}
}
