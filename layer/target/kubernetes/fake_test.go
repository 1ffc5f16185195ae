package kubernetes

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/layeron-hq/secret/driver"
)

// fakeServer is an API server with one namespace, for the faults that a real one
// cannot be made to have. server_test.go tests the real one.
type fakeServer struct {
	t       *testing.T
	mu      sync.Mutex
	secrets map[string]map[string]any
	version int
	asked   []*http.Request
	bodies  []string
	// before may answer a request itself: it then returns true. Nil: none.
	before func(w http.ResponseWriter, r *http.Request) bool
}

var object0 = Object{Namespace: "prod", Name: "app"}

// newFake returns a Publisher on a new fake server.
func newFake(t *testing.T) (*fakeServer, *Publisher) {
	t.Helper()
	f := &fakeServer{t: t, secrets: map[string]map[string]any{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	p, err := open(Options{Object: object0}, &rest.Config{Host: s.URL, BearerToken: "token-of-the-fake"})
	require.NoError(t, err)
	p.pause = func(ctx context.Context, _ time.Duration) error { return driver.Stopped(ctx) }
	return f, p
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body strings.Builder
	if r.Body != nil {
		b := make([]byte, 1<<20)
		for {
			n, err := r.Body.Read(b)
			body.Write(b[:n])
			if err != nil {
				break
			}
		}
	}
	f.mu.Lock()
	f.asked, f.bodies = append(f.asked, r), append(f.bodies, body.String())
	before := f.before
	f.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	const collection = "/api/v1/namespaces/prod/secrets"
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, collection), "/")
	found, exists := f.secrets[name]
	var sent map[string]any
	if body.Len() > 0 && json.Unmarshal([]byte(body.String()), &sent) != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", "the body is no JSON")
		return
	}
	switch {
	case !strings.HasPrefix(r.URL.Path, collection):
		refuse(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
		return
	case r.Method == http.MethodPost:
		name = sent["metadata"].(map[string]any)["name"].(string)
		if _, exists := f.secrets[name]; exists {
			refuse(w, http.StatusConflict, "AlreadyExists", "secrets \""+name+"\" already exists")
			return
		}
		found = map[string]any{"metadata": map[string]any{"uid": "uid-" + name}}
	case !exists:
		refuse(w, http.StatusNotFound, "NotFound", "secrets \""+name+"\" not found")
		return
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") != "application/merge-patch+json":
		refuse(w, http.StatusUnsupportedMediaType, "UnsupportedMediaType", "not this type")
		return
	}
	if r.Method == http.MethodPatch {
		asked, _ := sent["metadata"].(map[string]any)["resourceVersion"].(string)
		if now := found["metadata"].(map[string]any)["resourceVersion"]; asked != "" && asked != now {
			refuse(w, http.StatusConflict, "Conflict", "the object has been modified; please apply your changes to the latest version")
			return
		}
	}
	if sent != nil {
		found = merged(found, sent)
		f.version++
		found["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(f.version)
		if r.URL.Query().Get("dryRun") == "" {
			f.secrets[name] = found
		}
	}
	require.NoError(f.t, json.NewEncoder(w).Encode(found))
}

// merged applies a JSON merge patch (RFC 7396).
func merged(to, patch map[string]any) map[string]any {
	to = maps.Clone(to)
	if to == nil {
		to = map[string]any{}
	}
	for key, value := range patch {
		deeper, isObject := value.(map[string]any)
		old, _ := to[key].(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case isObject:
			to[key] = merged(old, deeper)
		default:
			to[key] = value
		}
	}
	return to
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "status": "Failure", "reason": reason,
		"message": message, "code": code})
}

// put stores an object, as another client would.
func (f *fakeServer) put(name, content string) {
	f.t.Helper()
	var o map[string]any
	require.NoError(f.t, json.Unmarshal([]byte(content), &o))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	o["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(f.version)
	f.secrets[name] = o
}

// patch changes an object, as another client would.
func (f *fakeServer) patch(name, content string) {
	f.t.Helper()
	var change map[string]any
	require.NoError(f.t, json.Unmarshal([]byte(content), &change))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	f.secrets[name] = merged(merged(f.secrets[name], change), map[string]any{
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(f.version)}})
}

// object returns the stored object.
func (f *fakeServer) object(name string) (object, bool) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := json.Marshal(f.secrets[name])
	require.NoError(f.t, err)
	var o object
	require.NoError(f.t, json.Unmarshal(content, &o))
	_, ok := f.secrets[name]
	return o, ok
}

// methods returns the methods of the requests so far, a dry run in lower case.
func (f *fakeServer) methods() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.asked {
		method := r.Method
		if r.URL.Query().Get("dryRun") != "" {
			method = strings.ToLower(method)
		}
		list = append(list, method)
	}
	return list
}
