// Package cloudflarefake implements the part of Cloudflare's API that this
// module uses, with state: secrets stores, API tokens, and the faults of a
// network and of a busy service. Only tests use it.
//
// It follows the OpenAPI document of cloudflare-go v7.9.0. Errors that are not
// in that document are those that the API is known to return. Like the API it
// never returns a value; [Server.Value] reads one as a Worker would.
package cloudflarefake

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options are the options of a fake.
type Options struct {
	// Account is the account's id. Empty: [Account].
	Account string
	// Token is an API token with every permission. Empty: [Token].
	Token string
	// Stores are the names of the account's stores. Nil: default_secrets_store
	// alone.
	Stores []string
	// Quota is the largest number of secrets in the account. 0: 100.
	Quota int
	// PageCap is the largest page size, even if a request asks for more. 0: the
	// size that a request asks for.
	PageCap int
	// NoTotals leaves the total number of entries out of a list.
	NoTotals bool
	// Pending is the number of times that a secret is listed as pending after every
	// write.
	Pending int
	// Refuse is a name that no secret may have.
	Refuse string
	// Partial makes batches non-atomic: if the nth secret is refused, those before
	// it have been created.
	Partial bool
}

// Defaults of Options.
const (
	Account = "5f1e0c7a9b3d48e6a2c4d8f0b6e1a397"
	Token   = "made-up_Rk3vQz8LxT1nW6yBpD9sHf4jUc7aGm2e"
)

// Permission is the set of actions that an API token may perform.
type Permission int

// Values of [Permission].
const (
	ReadSecrets Permission = 1 << iota
	WriteSecrets
	WriteTokens
	Everything = ReadSecrets | WriteSecrets | WriteTokens
)

// Request is a logged request. The body is not kept, since it may contain
// values.
type Request struct {
	Method string
	Path   string // after the account's id, with the query
	Status int    // of the answer; 0 if there was none
}

// Writes reports whether the request could change any state.
func (r Request) Writes() bool { return r.Method != http.MethodGet }

// Server is the fake. It is safe for concurrent use.
type Server struct {
	o   Options
	mux *http.ServeMux

	mu       sync.Mutex
	allowed  map[string]Permission // by token
	stores   []*store
	tokens   []*APIToken
	faults   []*Fault
	late     []func()
	requests []Request
	last     time.Time
}

// New returns a fake.
func New(o Options) *Server {
	if o.Account == "" {
		o.Account = Account
	}
	if o.Token == "" {
		o.Token = Token
	}
	if o.Stores == nil {
		o.Stores = []string{"default_secrets_store"}
	}
	if o.Quota == 0 {
		o.Quota = 100
	}
	s := &Server{o: o, mux: http.NewServeMux(), allowed: map[string]Permission{o.Token: Everything}}
	for _, name := range o.Stores {
		at := s.now()
		s.stores = append(s.stores, &store{ID: newID(), Name: name, AccountID: o.Account, Created: at, Modified: at})
	}
	s.route()
	return s
}

// Start serves on a TCP port until the test ends, and returns the base URL,
// which ends before /accounts.
func (s *Server) Start(t testing.TB) (baseURL string) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL + "/client/v4"
}

// Allow adds an API token.
func (s *Server) Allow(token string, p Permission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed[token] = p
}

// Requests returns the requests since the last call of Forget.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Forget empties the log of requests and ends all faults.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.faults = nil, nil
}

func (s *Server) route() {
	for pattern, h := range map[string]struct {
		needs  Permission
		handle func(*Server, *http.Request, []byte) answer
	}{
		"GET /secrets_store/stores":                                 {ReadSecrets, (*Server).listStores},
		"POST /secrets_store/stores":                                {WriteSecrets, (*Server).createStore},
		"GET /secrets_store/stores/{store}":                         {ReadSecrets, (*Server).getStore},
		"GET /secrets_store/quota":                                  {ReadSecrets, (*Server).quota},
		"GET /secrets_store/stores/{store}/secrets":                 {ReadSecrets, (*Server).listSecrets},
		"POST /secrets_store/stores/{store}/secrets":                {WriteSecrets, (*Server).createSecrets},
		"DELETE /secrets_store/stores/{store}/secrets":              {WriteSecrets, (*Server).deleteSecrets},
		"GET /secrets_store/stores/{store}/secrets/{id}":            {ReadSecrets, (*Server).getSecret},
		"PATCH /secrets_store/stores/{store}/secrets/{id}":          {WriteSecrets, (*Server).editSecret},
		"DELETE /secrets_store/stores/{store}/secrets/{id}":         {WriteSecrets, (*Server).deleteSecret},
		"POST /secrets_store/stores/{store}/secrets/{id}/duplicate": {WriteSecrets, (*Server).duplicateSecret},
		"GET /tokens":                   {WriteTokens, (*Server).listTokens},
		"POST /tokens":                  {WriteTokens, (*Server).createToken},
		"GET /tokens/permission_groups": {WriteTokens, (*Server).permissionGroups},
		"GET /tokens/{id}":              {WriteTokens, (*Server).getToken},
		"DELETE /tokens/{id}":           {WriteTokens, (*Server).deleteToken},
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			s.serve(w, r, h.needs, func() answer { return h.handle(s, r, bytes.Clone(body)) })
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, 0, func() answer { return refuse(http.StatusNotFound, 7003, "Could not route to "+r.URL.Path) })
	})
}

// ServeHTTP serves the API, under any path before /accounts.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(r.URL.EscapedPath(), "/accounts/")
	account, path, _ := strings.Cut(rest, "/")
	if account != s.o.Account {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answer(w, r, refuse(http.StatusNotFound, 7003, "Could not route to /accounts, perhaps your object identifier is "+
			"invalid?"))
		return
	}
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = "/"+path, ""
	s.mux.ServeHTTP(w, inner)
}

// serve checks the token, and lets handle apply the request unless a fault
// prevents it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, needs Permission, handle func() answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	may, known := s.allowed[token]
	act := func() answer {
		switch {
		case !bearer:
			return refuse(http.StatusBadRequest, 6003, "Invalid request headers")
		case !known:
			return refuse(http.StatusUnauthorized, 1000, "Invalid API Token")
		case may&needs != needs:
			return refuse(http.StatusForbidden, 10000, "Authentication error")
		}
		return handle()
	}
	if f := s.fault(r); f != nil {
		s.answer(w, r, f.meet(s, act))
		return
	}
	s.answer(w, r, act())
}

// now returns the time of a clock that advances at every call.
func (s *Server) now() stamp {
	at := time.Now().UTC().Truncate(time.Microsecond)
	if !at.After(s.last) {
		at = s.last.Add(time.Microsecond)
	}
	s.last = at
	return stamp(at.Format("2006-01-02T15:04:05.000000Z"))
}

type stamp string

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
