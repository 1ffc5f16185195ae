package kubernetes

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/internal/redacttest"
)

const (
	marker   = "Qz7kWv2mXt9RbLp4nHc8"
	noteText = "sv1 gen=17 cur=v3 fp=00112233445566778899aabbccddeeff by=0011223344556677"
)

func item(name, text string) driver.Item {
	return driver.Item{Name: name, Text: driver.NewValue(text), Note: noteText}
}

func TestPublisherConformance(t *testing.T) {
	drivertest.TestPublisher(t, func(t *testing.T) (driver.Publisher, func(string) (string, bool)) {
		f, p := newFake(t)
		return p, func(name string) (string, bool) {
			o, _ := f.object("app")
			value, ok := o.Data[name]
			return text(value), ok
		}
	})
}

// A Secret of others keeps all that is not ours.
func TestPublishChangesNothingElse(t *testing.T) {
	f, p := newFake(t)
	f.put("app", `{"metadata":{"uid":"u1","labels":{"team":"a"},"annotations":{"other":"kept"},
		"ownerReferences":[{"uid":"o"}]},"type":"kubernetes.io/tls","data":{"tls.crt":"b2xk"}}`)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "first")}))
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("C", "second")}))
	require.Nil(t, p.Remove(t.Context(), []string{"B", "never"}))

	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.secrets["app"]
	meta := o["metadata"].(map[string]any)
	require.Equal(t, map[string]any{"team": "a"}, meta["labels"])
	require.Equal(t, map[string]any{"other": "kept", "secret.layeron.dev/C": noteText}, meta["annotations"])
	require.Len(t, meta["ownerReferences"], 1)
	require.Equal(t, "kubernetes.io/tls", o["type"])
	require.Equal(t, map[string]any{"tls.crt": "b2xk", "C": base64.StdEncoding.EncodeToString([]byte("second"))}, o["data"])
}

// Text and note are in one request, and so are all items of a call.
func TestPublishSendsOneRequest(t *testing.T) {
	f, p := newFake(t)
	var items []driver.Item
	for i := range 60 {
		items = append(items, item(fmt.Sprintf("K%d", i), "text"))
	}
	require.Nil(t, p.Publish(t.Context(), items))
	require.Equal(t, []string{"GET", "POST"}, f.methods())
	require.Nil(t, p.Publish(t.Context(), items))
	require.Equal(t, []string{"GET", "POST", "GET", "PATCH"}, f.methods())
}

// Another writer creates the object between the requests.
func TestPublishAfterACreationByOthers(t *testing.T) {
	f, p := newFake(t)
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			f.put("app", `{"metadata":{"uid":"u1"},"data":{"other":"b2xk"}}`)
		}
		return false
	}
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "text")}))
	require.Equal(t, []string{"GET", "POST", "GET", "PATCH"}, f.methods())
	o, _ := f.object("app")
	require.Len(t, o.Data, 2)
}

func TestPublishRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		object string
		items  []driver.Item
		want   string
	}{
		"immutable": {`{"metadata":{"uid":"u"},"immutable":true}`, []driver.Item{item("B", "x")},
			"secret/app in namespace prod: .*immutable: delete it and run again, or choose another NAME"},
		"deleted": {`{"metadata":{"uid":"u","deletionTimestamp":"2026-01-01T00:00:00Z"}}`, []driver.Item{item("B", "x")},
			"it is being deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			f, p := newFake(t)
			f.put("app", c.object)
			errs := p.Publish(t.Context(), c.items)
			require.Len(t, errs, len(c.items))
			for _, err := range errs {
				require.ErrorIs(t, err, driver.ErrNotApplied)
				require.Regexp(t, c.want, err.Error())
			}
			require.Equal(t, []string{"GET"}, f.methods(), "nothing is written")
			require.Regexp(t, c.want, p.Check(t.Context(), []string{"B"}))
			require.Regexp(t, c.want, p.Fits(t.Context(), map[string]int{"B": 1}))
		})
	}
}

// After an answer that is no success, ErrNotApplied is right.
func TestPublishAfterAnErrorOfTheServer(t *testing.T) {
	const full = "etcdserver: mvcc: database space exceeded"
	for name, c := range map[string]struct {
		code            int
		reason, message string
		applied         bool // or may be
		want            string
	}{
		"no login": {401, "Unauthorized", "Unauthorized", false, "Unauthorized: log in again"},
		"no right": {403, "Forbidden", `secrets "app" is forbidden: User "layer" cannot patch resource "secrets"`, false,
			"needs a Role with the verbs get and patch on secret/app"},
		"too many requests": {429, "TooManyRequests", "please try again later", false, "run again in a minute"},
		"webhook":           {400, "", `admission webhook "w" denied the request: labels are missing`, false, "labels are missing"},
		"webhook that shows the value": {400, "", `admission webhook "w" denied the request: ` + marker + ` is weak`, false,
			"HTTP status 400"},
		"webhook that shows base64": {400, "", `denied: ` + base64.StdEncoding.EncodeToString([]byte(marker)), false,
			"HTTP status 400"},
		"etcd is full": {500, "InternalError", full, true, "etcd behind the API server is full"},
		"too large":    {500, "", "etcdserver: request is too large", false, "takes a smaller request: publish to several"},
		"no leader":    {500, "", "etcdserver: request timed out", true, "run again: then layer finds out"},
		"unavailable":  {503, "ServiceUnavailable", "the server is currently unable", true, "run again"},
		"timeout":      {504, "Timeout", "request did not complete within the allotted timeout", true, "run again"},
		"redirect":     {307, "", "", true, "HTTP status 307"},
	} {
		t.Run(name, func(t *testing.T) {
			f, p := newFake(t)
			f.put("app", `{"metadata":{"uid":"u"}}`)
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch {
					w.Header().Set("Location", "http://192.0.2.1/")
					refuse(w, c.code, c.reason, c.message)
				}
				return r.Method == http.MethodPatch
			}
			err := p.Publish(t.Context(), []driver.Item{item("B", marker)})[0]
			require.ErrorContains(t, err, c.want)
			require.Equal(t, !c.applied, errors.Is(err, driver.ErrNotApplied))
			require.Empty(t, redacttest.Check(err, marker))
			require.NotContains(t, err.Error(), marker[:8])
			require.Equal(t, []string{"GET", "PATCH"}, f.methods(), "each request is sent once")
		})
	}
}

// One item that admission refuses does not prevent the others.
func TestPublishSendsTheOthersOfARefusedRequest(t *testing.T) {
	f, p := newFake(t)
	f.put("app", `{"metadata":{"uid":"u"}}`)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		f.mu.Lock()
		body := f.bodies[len(f.bodies)-1]
		f.mu.Unlock()
		if strings.Contains(body, `"BAD"`) {
			refuse(w, 400, "", `admission webhook "w" denied the request: no`)
			return true
		}
		return false
	}
	errs := p.Publish(t.Context(), []driver.Item{item("A", "one"), item("BAD", "two"), item("C", "three")})
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], driver.ErrNotApplied)
	require.NoError(t, errs[2])
	o, _ := f.object("app")
	require.Len(t, o.Data, 2)
}

// A webhook that changes a value is no success.
func TestPublishDetectsAChangedValue(t *testing.T) {
	f, p := newFake(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		fmt.Fprint(w, `{"metadata":{"uid":"u"},"data":{"B":"b3RoZXI="}}`)
		return true
	}
	err := p.Publish(t.Context(), []driver.Item{item("B", marker)})[0]
	require.ErrorContains(t, err, "the cluster changed the value or its note")
	require.NotErrorIs(t, err, driver.ErrNotApplied)
}

// A connection that ends without an answer leaves the outcome unknown, and the
// request is not sent again.
func TestPublishWithoutAnAnswer(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"lost": func(w http.ResponseWriter) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				c.Close()
			}
		},
		"cut":          func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, `{"meta`) },
		"another kind": func(w http.ResponseWriter) { fmt.Fprint(w, `<html>log in</html>`) },
		"no object":    func(w http.ResponseWriter) { fmt.Fprint(w, `{}`) },
	} {
		t.Run(name, func(t *testing.T) {
			f, p := newFake(t)
			f.put("app", `{"metadata":{"uid":"u"}}`)
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPatch {
					return false
				}
				answer(w)
				return true
			}
			err := p.Publish(t.Context(), []driver.Item{item("B", marker)})[0]
			require.Error(t, err)
			require.NotErrorIs(t, err, driver.ErrNotApplied)
			require.Empty(t, redacttest.Check(err, marker))
			require.Equal(t, []string{"GET", "PATCH"}, f.methods())
		})
	}
}

func TestServerOutOfReach(t *testing.T) {
	p, err := open(Options{Object: object0, Timeout: time.Second}, &rest.Config{Host: "http://127.0.0.1:1"})
	require.NoError(t, err)
	err = p.Publish(t.Context(), []driver.Item{item("B", marker)})[0]
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, "the API server cannot be reached")
	_, err = p.Inspect(t.Context(), []string{"B"})
	require.ErrorContains(t, err, "secret/app in namespace prod: the API server cannot be reached")
}

// The label of an object changes its resourceVersion, and no Modified.
func TestModifiedIsThatOfTheValue(t *testing.T) {
	f, p := newFake(t)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", "text\n"), item("C", "other")}))
	inspect := func() driver.Published {
		found, err := p.Inspect(t.Context(), []string{"B"})
		require.NoError(t, err)
		return found["B"]
	}
	first := inspect()
	require.Equal(t, p.ModifiedOf(driver.NewValue("text\n")), first.Modified)
	o, _ := f.object("app")
	require.Equal(t, "text\n\n", string(o.Data["B"]), "secret.Dir drops one newline")
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("C", "changed")}))
	require.Equal(t, first, inspect())
}

func TestPlace(t *testing.T) {
	f, p := newFake(t)
	place, err := p.Place(t.Context())
	require.NoError(t, err)
	require.Empty(t, place)
	f.put("app", `{"metadata":{"uid":"u1"}}`)
	place, err = p.Place(t.Context())
	require.NoError(t, err)
	require.Equal(t, "u1", place)
}

func TestVersions(t *testing.T) {
	f, p := newFake(t)
	doc, err := secret.NewDocument("v2", secret.NewVersion("v1", "a", time.Time{}, time.Time{}),
		secret.NewVersion("v2", "b", time.Time{}, time.Time{}))
	require.NoError(t, err)
	encoded, err := doc.Encode(secret.FormatJSON)
	require.NoError(t, err)
	ids, err := p.Versions(t.Context(), "B")
	require.NoError(t, err)
	require.Empty(t, ids)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", encoded)}))
	ids, err = p.Versions(t.Context(), "B")
	require.NoError(t, err)
	require.Equal(t, []string{"v1", "v2"}, ids)
	_, exists := f.object("app")
	require.True(t, exists)
}

// Check asks the server without a change, and without a value.
func TestCheck(t *testing.T) {
	f, p := newFake(t)
	require.NoError(t, p.Check(t.Context(), nil))
	require.Empty(t, f.methods())
	require.NoError(t, p.Check(t.Context(), []string{"B"}))
	require.Equal(t, []string{"GET", "patch", "post"}, f.methods())
	_, exists := f.object("app")
	require.False(t, exists)
	require.ErrorContains(t, p.Check(t.Context(), []string{"../B"}), "cannot be a key of a Secret")

	// Another client creates the object in the meantime.
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			f.put("app", `{"metadata":{"uid":"u"}}`)
		}
		return false
	}
	require.NoError(t, p.Check(t.Context(), []string{"B"}))

	for message, want := range map[string]string{
		`admission webhook "w" does not support dry run`:                 "",
		`admission webhook "w" denied the request: this object is fixed`: "this object is fixed",
	} {
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				refuse(w, 400, "BadRequest", message)
			}
			return r.Method != http.MethodGet
		}
		err := p.Check(t.Context(), []string{"B"})
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

func TestEndedContext(t *testing.T) {
	f, p := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return false
	}
	_, err := p.Inspect(ctx, []string{"B"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestPublisherShowsNothing(t *testing.T) {
	_, p := newFake(t)
	require.Nil(t, p.Publish(t.Context(), []driver.Item{item("B", marker)}))
	require.Empty(t, redacttest.Check(p, marker, "token-of-the-fake"))
	require.Equal(t, "kubernetes secret/app in namespace prod", fmt.Sprint(p))
}
