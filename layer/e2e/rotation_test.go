package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

const (
	sessionKey = "LAYERON_SECRET_AUTH_SESSION_KEY"
	recordKey  = "LAYERON_SECRET_STORAGE_ENCRYPTION_KEY"
)

func newKey() string {
	key := make([]byte, 32)
	rand.Read(key)
	return base64.RawURLEncoding.EncodeToString(key)
}

func document(t testing.TB, current string, versions ...secret.Version) string {
	t.Helper()
	doc, err := secret.NewDocument(current, versions...)
	require.NoError(t, err)
	text, err := doc.Encode(secret.FormatJSON)
	require.NoError(t, err)
	return text
}

// ask is get for a test's own goroutine. It returns the body without its
// newline.
func (w *worker) ask(t testing.TB, path string) (status int, body string) {
	t.Helper()
	status, body, err := w.get(path)
	require.NoError(t, err)
	return status, strings.TrimSuffix(body, "\n")
}

func (w *worker) login(t testing.TB) (token string) {
	t.Helper()
	status, token := w.ask(t, "/session/new?user=ann")
	require.Equal(t, http.StatusOK, status, token)
	return token
}

func (w *worker) signedBy(t testing.TB, token string) string {
	t.Helper()
	_, body := w.ask(t, "/session?token="+url.QueryEscape(token))
	return body
}

// TestServerSessionsThroughARotation follows one key from its creation through
// both phases of a rotation to its end.
func TestServerSessionsThroughARotation(t *testing.T) {
	w := newHarness(t).start(t, program(t, exampleGlue, "examples/worker"), nil)
	status, body := w.ask(t, "/session/new?user=ann")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "try again later", body)

	w.put(t, sessionKey, newKey())
	token := w.login(t)
	require.Equal(t, "ann, signed by v1", w.signedBy(t, token))

	first, second := newKey(), newKey()
	w.put(t, sessionKey, first)
	require.Equal(t, "log in first", w.signedBy(t, token), "the value was replaced, not rotated")
	token = w.login(t)

	v1 := secret.NewVersion("v1", first, time.Time{}, time.Time{})
	v2 := secret.NewVersion("v2", second, time.Now().Add(time.Hour), time.Time{})
	w.put(t, sessionKey, document(t, "v1", v1, v2))
	require.Equal(t, "ann, signed by v1", w.signedBy(t, token), "a signature by the plain value counts as v1's")
	require.Equal(t, "ann, signed by v1", w.signedBy(t, w.login(t)), "v2 is announced only")
	require.Equal(t, "ann, signed by v2", w.signedBy(t, forge(t, second, "v2")), "another place may use it already")
	require.Equal(t, "log in first", w.signedBy(t, forge(t, newKey(), "v2")))

	v2.ActiveFrom, v1.ExpiresAt = time.Now(), time.Now().Add(2*time.Second)
	w.put(t, sessionKey, document(t, "v2", v1, v2))
	require.Equal(t, "ann, signed by v2", w.signedBy(t, w.login(t)))
	accepted := 0
	for {
		began := time.Now()
		answer := w.signedBy(t, token)
		ended := time.Now()
		if answer == "log in first" {
			require.False(t, ended.Before(v1.ExpiresAt.Truncate(time.Millisecond)), "refused too early")
			break
		}
		require.Equal(t, "ann, signed by v1", answer)
		require.True(t, began.Before(v1.ExpiresAt), "accepted after its end")
		accepted++
	}
	require.NotZero(t, accepted)
	require.Equal(t, "ann, signed by v2", w.signedBy(t, w.login(t)))

	w.put(t, sessionKey, "current=v2;v1=cut o;v2")
	status, _ = w.ask(t, "/session/new?user=ann")
	require.Equal(t, http.StatusServiceUnavailable, status)
	w.delete(t, sessionKey)
	status, _ = w.ask(t, "/session?token="+token)
	require.Equal(t, http.StatusServiceUnavailable, status)
	w.put(t, sessionKey, newKey())
	require.Equal(t, "ann, signed by v1", w.signedBy(t, w.login(t)), "created again")
	require.Contains(t, w.h.log.String(),
		"load $SECRET.auth.session-key from Worker binding LAYERON_SECRET_AUTH_SESSION_KEY, at byte 20: malformed")
	require.NotContains(t, w.h.log.String(), "cut o")
}

// forge signs a session as another program with the key does.
func forge(t testing.TB, key, id string) string {
	t.Helper()
	there := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})
	there = there.With(secret.NewMemory(map[string]string{there.Binding(): "current=" + id + ";" + id + "=" + key}))
	token, err := keyring.NewSigner(there, "session").Sign([]byte("ann"), time.Now().Add(time.Hour))
	require.NoError(t, err)
	return token
}

// A record is read only by its time, after the key that sealed it was replaced.
func TestServerRecordsStayReadable(t *testing.T) {
	w := newHarness(t).start(t, program(t, exampleGlue, "examples/worker"), nil)
	seal := func() (at, sealed string) {
		status, body := w.ask(t, "/record/new?text=hello")
		require.Equal(t, http.StatusOK, status, body)
		at, sealed, _ = strings.Cut(body, " ")
		return at, sealed
	}
	open := func(at, sealed string) string {
		_, body := w.ask(t, "/record?"+url.Values{"at": {at}, "sealed": {sealed}}.Encode())
		return body
	}
	begin := time.Now().Add(-time.Hour)
	v1 := secret.NewVersion("v1", newKey(), begin, time.Time{})
	w.put(t, recordKey, document(t, "v1", v1))
	at1, sealed1 := seal()

	flip := time.Now()
	v2 := secret.NewVersion("v2", newKey(), flip, time.Time{})
	w.put(t, recordKey, document(t, "v2", v1, v2))
	at2, sealed2 := seal()
	require.Equal(t, "hello, sealed under v1, found by its time", open(at1, sealed1))
	require.Equal(t, "hello, sealed under v2, found by its time", open(at2, sealed2))
	require.Equal(t, "hello, sealed under v1, found by trying", open(at2, sealed1), "stamped by a clock that is ahead")
	require.Equal(t, "no version of the key opens the record", open(at1, sealed1[1:]))

	v1.ExpiresAt = flip
	w.put(t, recordKey, document(t, "v2", v1, v2))
	require.Equal(t, "hello, sealed under v1, found by its time", open(at1, sealed1), "expired, but kept")
	w.put(t, recordKey, document(t, "v2", v2))
	require.Equal(t, "no version of the key opens the record", open(at1, sealed1), "pruned")
	require.Equal(t, "hello, sealed under v2, found by its time", open(at2, sealed2))
}

// states are the stored documents, in order. A reader that works during a
// change may see any document from the last one that was certainly stored at
// its start to the last one that may have been stored at its end.
type states struct {
	mu    sync.Mutex
	all   []state
	there int // all up to this one have been stored
}

// state is the part of a document on which the answers depend.
type state struct {
	current  string
	accepted map[string]bool
}

func (s *states) begin() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.there
}

// seen returns the documents that a reader which began at from may have seen.
func (s *states) seen(from int) []state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[from:]
}

// publish stores a document. Expired versions ended long ago.
func (s *states) publish(t testing.TB, w *worker, current string, versions ...secret.Version) {
	next := state{current: current, accepted: map[string]bool{}}
	for _, v := range versions {
		next.accepted[v.ID] = v.ExpiresAt.IsZero()
	}
	s.mu.Lock()
	s.all = append(s.all, next)
	s.mu.Unlock()
	w.put(t, sessionKey, document(t, current, versions...))
	s.mu.Lock()
	s.there = len(s.all) - 1
	s.mu.Unlock()
}

// 32 requests run at a time, half logins and half checks, while the key
// rotates.
func TestServerThousandRequests(t *testing.T) {
	const requests, atATime = 1000, 32
	w := newHarness(t).start(t, program(t, exampleGlue, "examples/worker"), nil)
	var s states
	old := secret.NewVersion("v1", newKey(), time.Time{}, time.Time{})
	s.publish(t, w, "v1", old)

	var left atomic.Int64
	left.Store(requests)
	var clients sync.WaitGroup
	began := time.Now()
	for range atATime {
		clients.Go(func() {
			for left.Add(-2) >= 0 {
				if err := loginAndReturn(w, &s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	rotations := 0
	for running := true; running; rotations++ {
		id := fmt.Sprint("v", rotations+2)
		next := secret.NewVersion(id, newKey(), time.Time{}, time.Time{})
		s.publish(t, w, old.ID, old, next) // announced
		s.publish(t, w, id, old, next)     // current
		old.ExpiresAt = began.Add(-time.Hour)
		s.publish(t, w, id, old, next) // the old one has expired
		old = next
		select {
		case <-done:
			running = false
		default:
		}
	}
	t.Logf("%d requests, %d at a time, %d rotations: %v", requests, atATime, rotations,
		time.Since(began).Round(time.Millisecond))
	require.Greater(t, rotations, 1)
}

// loginAndReturn makes two requests, and returns an error for a wrong answer.
func loginAndReturn(w *worker, s *states) error {
	from := s.begin()
	status, token, err := w.get("/session/new?user=ann")
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("login: %d, %w", status, err)
	}
	token = strings.TrimSuffix(token, "\n")
	id := strings.Split(token, ".")[1] // s1.v2.…
	right := false
	for _, st := range s.seen(from) {
		right = right || st.current == id
	}
	if !right {
		return fmt.Errorf("signed by %s, which was not current", id)
	}

	from = s.begin()
	status, answer, err := w.get("/session?token=" + url.QueryEscape(token))
	if err != nil {
		return err
	}
	yes, no := false, false
	for _, st := range s.seen(from) {
		yes, no = yes || st.accepted[id], no || !st.accepted[id]
	}
	switch {
	case yes && status == http.StatusOK && answer == "ann, signed by "+id+"\n":
	case no && status == http.StatusUnauthorized:
	default:
		return fmt.Errorf("a session that %s signed: %d %q; acceptable %v, refusable %v", id, status, answer, yes, no)
	}
	return nil
}
