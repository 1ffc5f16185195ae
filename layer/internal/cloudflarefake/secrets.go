package cloudflarefake

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"unicode/utf8"
)

type store struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	AccountID string `json:"account_id"`
	Created   stamp  `json:"created"`
	Modified  stamp  `json:"modified"`

	secrets []*secret
}

// secret is a secret as the API returns it.
type secret struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	StoreID  string   `json:"store_id"`
	Comment  string   `json:"comment"`
	Scopes   []string `json:"scopes"`
	Status   string   `json:"status"`
	Created  stamp    `json:"created"`
	Modified stamp    `json:"modified"`

	value   string
	pending int
}

type newSecret struct {
	Name    *string   `json:"name"`
	Value   *string   `json:"value"`
	Comment *string   `json:"comment"`
	Scopes  *[]string `json:"scopes"`
}

const largestValue = 65_536

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	scopes   = []string{"workers", "ai_gateway", "dex", "access", "containers", "websearch"}
)

// StoreID returns the id of the first store.
func (s *Server) StoreID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stores[0].ID
}

// Value returns the value of a secret of the first store, as a Worker reads it
// that is bound to it.
func (s *Server) Value(name string) (value string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.stores[0].named(name); found != nil {
		return found.value, true
	}
	return "", false
}

// Names returns the names of the first store's secrets, in the order of their
// creation.
func (s *Server) Names() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sec := range s.stores[0].secrets {
		if sec.Status != "deleted" {
			names = append(names, sec.Name)
		}
	}
	return names
}

// Comment returns the comment of a secret of the first store.
func (s *Server) Comment(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.stores[0].named(name); found != nil {
		return found.Comment
	}
	return ""
}

// Scopes returns the services that may read a secret of the first store.
func (s *Server) Scopes(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.stores[0].named(name); found != nil {
		return slices.Clone(found.Scopes)
	}
	return nil
}

// Put creates or replaces a secret of the first store, as a person would in the
// dashboard.
func (s *Server) Put(name, value, comment string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stores[0]
	if found := st.named(name); found != nil {
		s.change(found, newSecret{Value: &value, Comment: &comment})
		return
	}
	s.add(st, newSecret{Name: &name, Value: &value, Comment: &comment, Scopes: &[]string{"workers"}})
}

// Drop deletes a secret of the first store, as a person would in the dashboard.
func (s *Server) Drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.stores[0].named(name); found != nil {
		s.remove(found)
	}
}

func (st *store) named(name string) *secret {
	for _, sec := range st.secrets {
		if sec.Name == name && sec.Status != "deleted" {
			return sec
		}
	}
	return nil
}

func (s *Server) store(r *http.Request) *store {
	for _, st := range s.stores {
		if st.ID == r.PathValue("store") {
			return st
		}
	}
	return nil
}

// find returns the store and the secret that a request names, or a not-found
// answer.
func (s *Server) find(r *http.Request) (*store, *secret, *answer) {
	st := s.store(r)
	if st == nil {
		a := refuse(http.StatusNotFound, 1001, "store_not_found")
		return nil, nil, &a
	}
	for _, sec := range st.secrets {
		if sec.ID == r.PathValue("id") && sec.Status != "deleted" {
			return st, sec, nil
		}
	}
	a := refuse(http.StatusNotFound, 1001, "secret_not_found")
	return st, nil, &a
}

func (s *Server) listStores(r *http.Request, _ []byte) answer {
	var list []store
	for _, st := range s.stores {
		list = append(list, *st)
	}
	return page(s, r, list, 100)
}

func (s *Server) createStore(*http.Request, []byte) answer {
	return refuse(http.StatusBadRequest, 1003, "maximum_stores_exceeded")
}

func (s *Server) getStore(r *http.Request, _ []byte) answer {
	if st := s.store(r); st != nil {
		return accept(http.StatusOK, st)
	}
	return refuse(http.StatusNotFound, 1001, "store_not_found")
}

func (s *Server) usage() (n int) {
	for _, st := range s.stores {
		for _, sec := range st.secrets {
			if sec.Status != "deleted" {
				n++
			}
		}
	}
	return n
}

func (s *Server) quota(*http.Request, []byte) answer {
	return accept(http.StatusOK, map[string]any{"secrets": map[string]int{"quota": s.o.Quota, "usage": s.usage()}})
}

func (s *Server) listSecrets(r *http.Request, _ []byte) answer {
	st := s.store(r)
	if st == nil {
		return refuse(http.StatusNotFound, 1001, "store_not_found")
	}
	var list []secret
	for _, sec := range st.secrets {
		list = append(list, *sec)
	}
	if r.URL.Query().Get("direction") != "asc" {
		slices.Reverse(list)
	}
	a := page(s, r, list, 100)
	shown, _ := a.Result.([]secret)
	for _, sec := range st.secrets {
		if sec.Status == "pending" && slices.ContainsFunc(shown, func(other secret) bool { return other.ID == sec.ID }) {
			s.look(sec)
		}
	}
	return a
}

// look counts how often a secret was listed as pending.
func (s *Server) look(sec *secret) {
	if sec.pending--; sec.pending <= 0 {
		sec.Status = "active"
	}
}

func (s *Server) createSecrets(r *http.Request, body []byte) answer {
	st := s.store(r)
	if st == nil {
		return refuse(http.StatusNotFound, 1001, "store_not_found")
	}
	var batch []newSecret
	if json.Unmarshal(body, &batch) != nil || len(batch) == 0 {
		return refuse(http.StatusBadRequest, 1001, "invalid_json_body")
	}
	names := map[string]bool{}
	for i, n := range batch {
		a := n.check(true)
		switch {
		case a != nil:
		case *n.Name == s.o.Refuse:
			a = new(answer)
			*a = refuse(http.StatusBadRequest, 1001, "secret_name_invalid")
		case names[*n.Name], st.named(*n.Name) != nil:
			a = new(answer)
			*a = refuse(http.StatusBadRequest, 1003, "secret_name_already_exists: "+*n.Name)
		case s.usage()+i >= s.o.Quota:
			a = new(answer)
			*a = refuse(http.StatusBadRequest, 1003, "maximum_secrets_exceeded")
		}
		if a != nil {
			if s.o.Partial {
				for _, n := range batch[:i] {
					s.add(st, n)
				}
			}
			return *a
		}
		names[*n.Name] = true
	}
	made := []secret{}
	for _, n := range batch {
		made = append(made, *s.add(st, n))
	}
	return accept(http.StatusOK, made)
}

// check returns the answer that refuses n, or nil. With create, all members are
// required.
func (n newSecret) check(create bool) *answer {
	word := ""
	switch {
	case create && (n.Name == nil || *n.Name == ""):
		word = "secret_name_empty"
	case create && !nameForm.MatchString(*n.Name):
		word = "secret_name_invalid"
	case n.Scopes == nil && create, n.Scopes != nil && len(*n.Scopes) == 0:
		word = "secret_scopes_empty"
	case n.Scopes != nil && slices.ContainsFunc(*n.Scopes, func(s string) bool { return !slices.Contains(scopes, s) }):
		word = "secret_scope_invalid"
	case n.Value == nil && create, n.Value != nil && *n.Value == "":
		word = "secret_value_empty"
	case n.Value != nil && len(*n.Value) > largestValue:
		word = "secret_value_too_long"
	case n.Comment != nil && utf8.RuneCountInString(*n.Comment) > 1000:
		word = "secret_comment_too_long"
	default:
		return nil
	}
	a := refuse(http.StatusBadRequest, 1001, word)
	return &a
}

func (s *Server) add(st *store, n newSecret) *secret {
	at := s.now()
	sec := &secret{ID: newID(), Name: *n.Name, StoreID: st.ID, Created: at, Modified: at}
	st.secrets = append(st.secrets, sec)
	s.change(sec, n)
	return sec
}

func (s *Server) change(sec *secret, n newSecret) {
	if n.Value != nil {
		sec.value = *n.Value
	}
	if n.Comment != nil {
		sec.Comment = *n.Comment
	}
	if n.Scopes != nil {
		sec.Scopes = slices.Clone(*n.Scopes)
	}
	sec.Modified, sec.Status, sec.pending = s.now(), "active", s.o.Pending
	if sec.pending > 0 {
		sec.Status = "pending"
	}
}

func (s *Server) remove(sec *secret) { sec.Status, sec.value, sec.Modified = "deleted", "", s.now() }

func (s *Server) getSecret(r *http.Request, _ []byte) answer {
	_, sec, none := s.find(r)
	if none != nil {
		return *none
	}
	a := accept(http.StatusOK, *sec)
	if sec.Status == "pending" {
		s.look(sec)
	}
	return a
}

func (s *Server) editSecret(r *http.Request, body []byte) answer {
	_, sec, none := s.find(r)
	if none != nil {
		return *none
	}
	var n newSecret
	if json.Unmarshal(body, &n) != nil {
		return refuse(http.StatusBadRequest, 1001, "invalid_json_body")
	}
	if a := n.check(false); a != nil {
		return *a
	}
	s.change(sec, n)
	return accept(http.StatusOK, *sec)
}

func (s *Server) deleteSecret(r *http.Request, _ []byte) answer {
	_, sec, none := s.find(r)
	if none != nil {
		return *none
	}
	s.remove(sec)
	return accept(http.StatusAccepted, nil)
}

func (s *Server) deleteSecrets(r *http.Request, body []byte) answer {
	st := s.store(r)
	if st == nil {
		return refuse(http.StatusNotFound, 1001, "store_not_found")
	}
	var n struct {
		IDs []string `json:"ids"`
	}
	if json.Unmarshal(body, &n) != nil || len(n.IDs) == 0 {
		return refuse(http.StatusBadRequest, 1001, "invalid_json_body")
	}
	for _, sec := range st.secrets {
		if slices.Contains(n.IDs, sec.ID) {
			s.remove(sec)
		}
	}
	return accept(http.StatusAccepted, nil)
}

func (s *Server) duplicateSecret(r *http.Request, body []byte) answer {
	st, sec, none := s.find(r)
	if none != nil {
		return *none
	}
	var n newSecret
	if json.Unmarshal(body, &n) != nil {
		return refuse(http.StatusBadRequest, 1001, "invalid_json_body")
	}
	n.Value = &sec.value
	if a := n.check(true); a != nil {
		return *a
	}
	if st.named(*n.Name) != nil {
		return refuse(http.StatusBadRequest, 1003, "secret_name_already_exists: "+*n.Name)
	}
	if s.usage() >= s.o.Quota {
		return refuse(http.StatusBadRequest, 1003, "maximum_secrets_exceeded")
	}
	return accept(http.StatusOK, *s.add(st, n))
}
