package kubernetes

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// between runs change once, as another client, at the moment that is named: before
// the Publisher reads the object for its change, or after.
func (f *fakeServer) between(moment string, change func()) {
	done := false
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if !done && (r.Method == http.MethodGet) == (moment == "before the read") {
			done = true
			change()
		}
		return false
	}
}

// A value that another client writes after the inspection is never replaced,
// whenever it comes. Every other change of others stays too.
func TestChangesOfOthersStay(t *testing.T) {
	theirs := base64.StdEncoding.EncodeToString([]byte("theirs"))
	for name, c := range map[string]struct {
		change  string // a patch; empty: the object is deleted; another object: it is replaced
		refused []string
		want    string
	}{
		"label":         {`{"metadata":{"labels":{"team":"b"}}}`, nil, ""},
		"another key":   {`{"data":{"other":"` + theirs + `"}}`, nil, ""},
		"key created":   {`{"data":{"NEW":"` + theirs + `"}}`, []string{"NEW"}, "another client changed NEW after this run had read it"},
		"key changed":   {`{"data":{"OLD":"` + theirs + `"}}`, []string{"OLD"}, "another client changed OLD"},
		"note changed":  {`{"metadata":{"annotations":{"secret.layeron.dev/OLD":"x"}}}`, []string{"OLD"}, "another client changed OLD"},
		"key removed":   {`{"data":{"OLD":null}}`, []string{"OLD"}, "another client changed OLD"},
		"same change":   {`{"data":{"OLD":"MQ=="},"metadata":{"annotations":{"secret.layeron.dev/OLD":"` + noteText + `"}}}`, nil, ""},
		"made fixed":    {`{"immutable":true}`, []string{"NEW", "OLD"}, "it is immutable"},
		"object filled": {`{"data":{"other":"` + base64.StdEncoding.EncodeToString(make([]byte, maxValues-3)) + `"}}`, []string{"NEW"}, "several objects"},
		"deleted":       {"", []string{"NEW", "OLD"}, "the object was deleted after this run had read it: run again"},
		"replaced":      {`{"metadata":{"uid":"u2"}}`, []string{"NEW", "OLD"}, "the object was deleted after this run had read it"},
	} {
		for _, moment := range []string{"before the read", "after the read"} {
			t.Run(name+" "+moment, func(t *testing.T) {
				f, p := newFake(t)
				f.put("app", `{"metadata":{"uid":"u"}}`)
				require.Nil(t, p.Publish(t.Context(), []driver.Item{item("OLD", "0")}))
				_, err := p.Inspect(t.Context(), []string{"OLD", "NEW"})
				require.NoError(t, err)
				var after object
				f.between(moment, func() {
					if c.change == "" {
						f.mu.Lock()
						delete(f.secrets, "app")
						f.mu.Unlock()
					} else {
						f.patch("app", c.change)
					}
					after, _ = f.object("app")
				})
				errs := p.Publish(t.Context(), []driver.Item{item("NEW", "new"), item("OLD", "1")})
				o, exists := f.object("app")
				require.Equal(t, c.change != "", exists)
				for i, name := range []string{"NEW", "OLD"} {
					if len(c.refused) == 0 || c.refused[0] != name && c.refused[len(c.refused)-1] != name {
						require.Equal(t, []string{"new", "1"}[i], string(o.Data[name]))
						continue
					}
					require.ErrorIs(t, errs[i], driver.ErrNotApplied)
					require.ErrorContains(t, errs[i], c.want)
					require.Empty(t, redacttest.Check(errs[i], "theirs"))
					require.Equal(t, after.Data[name], o.Data[name])
					require.Equal(t, after.Metadata.Annotations[annotation(name)], o.Metadata.Annotations[annotation(name)])
				}
				require.Equal(t, after.Data["other"], o.Data["other"])
				if c.refused != nil {
					return
				}
				require.Nil(t, errs)
				require.Nil(t, p.Publish(t.Context(), []driver.Item{item("NEW", "newer"), item("OLD", "2")}), "its own change is none of others")
			})
		}
	}
}

func TestRemoveKeepsWhatOthersChanged(t *testing.T) {
	for _, moment := range []string{"before the read", "after the read"} {
		f, p := newFake(t)
		require.Nil(t, p.Publish(t.Context(), []driver.Item{item("A", "1"), item("B", "2")}))
		_, err := p.Inspect(t.Context(), []string{"A", "B"})
		require.NoError(t, err)
		f.between(moment, func() { f.patch("app", `{"data":{"A":"aGFuZA=="}}`) })
		errs := p.Remove(t.Context(), []string{"A", "B"})
		require.ErrorIs(t, errs[0], driver.ErrNotApplied)
		require.ErrorContains(t, errs[0], "another client changed A")
		require.NoError(t, errs[1])
		require.ErrorContains(t, p.Remove(t.Context(), []string{"A"})[0], "another client changed A", "until the next Inspect")
		o, _ := f.object("app")
		require.Len(t, o.Data, 1)
		require.Equal(t, "hand", string(o.Data["A"]))
		f.mu.Lock()
		delete(f.secrets, "app")
		f.mu.Unlock()
		require.Nil(t, p.Remove(t.Context(), []string{"A"}), "it is gone with its object")
	}
}

// Others that change the object all the time end in an error, and no value is
// published then.
func TestConflictsAreBounded(t *testing.T) {
	f, p := newFake(t)
	f.put("app", `{"metadata":{"uid":"u"}}`)
	conflicts := maxAttempts - 1
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch && conflicts > 0 {
			conflicts--
			f.patch("app", `{"metadata":{"labels":{"at":"`+time.Now().String()+`"}}}`)
		}
		return false
	}
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "1")}))
	require.Len(t, f.methods(), 2*maxAttempts)
	conflicts = maxAttempts
	err := p.Publish(t.Context(), []driver.Item{item("B", marker)})[0]
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "another client changed the object during each of 200 attempts: stop it, and run "+
		"again. `kubectl -n prod get secret app -o jsonpath='{.metadata.managedFields[*].manager}'` lists the clients")
	require.Empty(t, redacttest.Check(err, marker))
	o, _ := f.object("app")
	require.Equal(t, "1", string(o.Data["B"]))

	// The operator stops it earlier.
	stop, cancel := context.WithCancel(t.Context())
	conflicts = maxAttempts
	cancel()
	err = p.Publish(driver.WithStop(t.Context(), stop), []driver.Item{item("B", "2")})[0]
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, maxAttempts-1, conflicts)
}

// A server with too many requests names the time after which it takes one.
func TestTooManyRequests(t *testing.T) {
	for name, c := range map[string]struct {
		after    string
		refusals int
		waits    []time.Duration
		done     bool
	}{
		"once":                {"1", 1, []time.Duration{time.Second}, true},
		"some time":           {"3", 2, []time.Duration{3 * time.Second, 3 * time.Second}, true},
		"at once":             {"0", 1, []time.Duration{time.Second}, true},
		"for ever":            {"1", 1000, []time.Duration{time.Second, time.Second, time.Second, time.Second, time.Second}, false},
		"without a time":      {"", 1, nil, false},
		"too long":            {"60", 1, nil, false},
		"a date":              {"Fri, 31 Dec 2027 23:59:59 GMT", 1, nil, false},
		"the operator stops":  {"1", 1, []time.Duration{time.Second}, false},
		"below zero: no time": {"-1", 1, nil, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPatch} {
			t.Run(name+" "+method, func(t *testing.T) {
				f, p := newFake(t)
				f.put("app", `{"metadata":{"uid":"u"}}`)
				refusals := c.refusals
				f.before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method != method || refusals == 0 {
						return false
					}
					refusals--
					w.Header().Set("Retry-After", c.after)
					refuse(w, http.StatusTooManyRequests, "TooManyRequests", "please try again later")
					return true
				}
				var waits []time.Duration
				p.pause = func(_ context.Context, d time.Duration) error {
					waits = append(waits, d)
					if name == "the operator stops" {
						return errors.New("stopped")
					}
					return nil
				}
				errs := p.Publish(t.Context(), []driver.Item{item("B", marker)})
				require.Equal(t, c.waits, waits)
				o, _ := f.object("app")
				if c.done {
					require.Nil(t, errs)
					require.Equal(t, marker, string(o.Data["B"]))
					return
				}
				require.ErrorIs(t, errs[0], driver.ErrNotApplied)
				require.ErrorContains(t, errs[0], "the API server has too many requests: run again in a minute")
				require.Empty(t, o.Data)
			})
		}
	}
}

func TestWaitEndsWithTheOperator(t *testing.T) {
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, wait(driver.WithStop(t.Context(), stop), time.Hour), context.Canceled)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, wait(ended, time.Hour), context.Canceled)
	require.NoError(t, wait(t.Context(), time.Millisecond))
}

// A request that is too large for etcd is refused, and the smaller ones of the
// same call are stored.
func TestPublishSendsSmallerRequestsThanEtcdRefuses(t *testing.T) {
	f, p := newFake(t)
	f.put("app", `{"metadata":{"uid":"u"}}`)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch && r.ContentLength > 5000 {
			refuse(w, http.StatusInternalServerError, "InternalError", "etcdserver: request is too large")
			return true
		}
		return false
	}
	errs := p.Publish(t.Context(), []driver.Item{item("A", strings.Repeat("a", 3000)), item("B", "b"),
		item("C", strings.Repeat("c", 5000))})
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	require.ErrorIs(t, errs[2], driver.ErrNotApplied)
	require.ErrorContains(t, errs[2], "publish to several objects")
	o, _ := f.object("app")
	require.Len(t, o.Data, 2)
}
