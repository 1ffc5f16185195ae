package cloudflarefake

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The permission groups of R2 that the fake knows.
const (
	BucketRead  = "6a018a9f2fc74eb6b293b0c548f38b39"
	BucketWrite = "2efd5506f9c8494dacb1fa10a3e7d5b6"
)

// APIToken is an API token of the account.
type APIToken struct {
	ID        string
	Name      string
	Value     string // the API returns it once, at creation
	Groups    []string
	Resources map[string]string
}

type policy struct {
	Effect string `json:"effect"`
	Groups []struct {
		ID string `json:"id"`
	} `json:"permission_groups"`
	Resources map[string]string `json:"resources"`
}

// Tokens returns the account's tokens, in the order of their creation.
func (s *Server) Tokens() (list []APIToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		list = append(list, *t)
	}
	return list
}

// AddToken adds a token, as a person would in the dashboard.
func (s *Server) AddToken(name string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addToken(name, policy{}).ID
}

func (s *Server) addToken(name string, p policy) *APIToken {
	t := &APIToken{ID: newID(), Name: name, Value: "made-up_" + rand.Text() + rand.Text(),
		Resources: maps.Clone(p.Resources)}
	for _, g := range p.Groups {
		t.Groups = append(t.Groups, g.ID)
	}
	s.tokens = append(s.tokens, t)
	return t
}

func (t *APIToken) shown() map[string]any {
	return map[string]any{"id": t.ID, "name": t.Name, "status": "active"}
}

func (s *Server) listTokens(r *http.Request, _ []byte) answer {
	list := []map[string]any{}
	for _, t := range s.tokens {
		list = append(list, t.shown())
	}
	return page(s, r, list, 50)
}

func (s *Server) createToken(_ *http.Request, body []byte) answer {
	var n struct {
		Name     string   `json:"name"`
		Policies []policy `json:"policies"`
	}
	if json.Unmarshal(body, &n) != nil {
		return refuse(http.StatusBadRequest, 6003, "Invalid request body")
	}
	if n.Name == "" || len(n.Name) > 120 || len(n.Policies) != 1 {
		return refuse(http.StatusBadRequest, 1001, "invalid_token")
	}
	p := n.Policies[0]
	if p.Effect != "allow" || len(p.Groups) == 0 || len(p.Resources) == 0 {
		return refuse(http.StatusBadRequest, 1001, "invalid_policy")
	}
	for _, g := range p.Groups {
		if g.ID != BucketRead && g.ID != BucketWrite {
			return refuse(http.StatusBadRequest, 1001, "invalid_permission_group")
		}
	}
	for name, extent := range p.Resources {
		if !strings.HasPrefix(name, "com.cloudflare.edge.r2.bucket."+s.o.Account+"_default_") || extent != "*" {
			return refuse(http.StatusBadRequest, 1001, "invalid_resource")
		}
	}
	t := s.addToken(n.Name, p)
	shown := t.shown()
	shown["value"] = t.Value
	return accept(http.StatusOK, shown)
}

func (s *Server) permissionGroups(*http.Request, []byte) answer {
	scope := []string{"com.cloudflare.edge.r2.bucket"}
	return accept(http.StatusOK, []map[string]any{
		{"id": BucketRead, "name": "Workers R2 Storage Bucket Item Read", "scopes": scope},
		{"id": BucketWrite, "name": "Workers R2 Storage Bucket Item Write", "scopes": scope},
	})
}

func (s *Server) getToken(r *http.Request, _ []byte) answer {
	for _, t := range s.tokens {
		if t.ID == r.PathValue("id") {
			return accept(http.StatusOK, t.shown())
		}
	}
	return refuse(http.StatusNotFound, 1003, "Invalid API Token")
}

func (s *Server) deleteToken(r *http.Request, _ []byte) answer {
	before := len(s.tokens)
	s.tokens = slices.DeleteFunc(s.tokens, func(t *APIToken) bool { return t.ID == r.PathValue("id") })
	if len(s.tokens) == before {
		return refuse(http.StatusNotFound, 1003, "Invalid API Token")
	}
	return accept(http.StatusOK, map[string]string{"id": r.PathValue("id")})
}
