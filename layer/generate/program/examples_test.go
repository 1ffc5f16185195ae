//go:build unix

package program_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/generate/program"
)

// acme is the service of the examples: keys with names, of which several may be
// the same.
type acme struct {
	sync.Mutex
	n    int
	keys map[string][2]string // name and secret by id
}

const adminToken = "madeup_admin_token"

func (a *acme) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.Lock()
	defer a.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.URL.Path == "/me" {
		for _, k := range a.keys {
			if k[1] == token {
				return
			}
		}
	}
	if token != adminToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	type key struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Secret string `json:"secret,omitempty"`
	}
	switch r.Method {
	case http.MethodPost:
		var k key
		if json.NewDecoder(r.Body).Decode(&k) != nil || k.Name == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		a.n++
		k.ID, k.Secret = fmt.Sprintf("key_%d", a.n), fmt.Sprintf("madeup_4eC39HqLyjWD_%d", a.n)
		a.keys[k.ID] = [2]string{k.Name, k.Secret}
		_ = json.NewEncoder(w).Encode(k)
	case http.MethodGet:
		list := []key{}
		for id, k := range a.keys {
			list = append(list, key{ID: id, Name: k[0]})
		}
		_ = json.NewEncoder(w).Encode(list)
	case http.MethodDelete:
		id := strings.TrimPrefix(r.URL.Path, "/keys/")
		delete(a.keys, id)
		_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "deleted": true})
	}
}

var block = regexp.MustCompile("(?ms)^<!-- (examples/generators/\\S+) -->\n```[a-z]+\n(.*?)^```\n")

// The examples of docs/generators.md are the files in the folder examples, and
// both conform.
func TestExamplesConform(t *testing.T) {
	page, err := os.ReadFile("../../../docs/generators.md")
	require.NoError(t, err)
	shown := block.FindAllStringSubmatch(string(page), -1)
	require.Len(t, shown, 2)
	for _, m := range shown {
		t.Run(m[1], func(t *testing.T) {
			tested, err := os.ReadFile("../../../" + m[1])
			require.NoError(t, err)
			require.Equal(t, string(tested), m[2])
			dir := t.TempDir()
			file := filepath.Join(dir, "rotate-acme")
			if strings.HasSuffix(m[1], ".go") {
				source := filepath.Join(dir, "main.go")
				require.NoError(t, os.WriteFile(source, tested, 0o600))
				out, err := exec.Command("go", "build", "-o", file, source).CombinedOutput()
				require.NoError(t, err, "%s", out)
			} else {
				for _, tool := range []string{"curl", "jq"} {
					if _, err := exec.LookPath(tool); err != nil {
						slow.Lacks(t, "%s is not installed", tool)
					}
				}
				require.NoError(t, os.WriteFile(file, tested, 0o700))
			}
			service := &acme{keys: map[string][2]string{}}
			server := httptest.NewServer(service)
			defer server.Close()
			ok, err := program.Conform(t.Context(), program.Options{Folder: dir,
				Env:  []string{"PATH=" + os.Getenv("PATH"), "ACME_ADMIN_TOKEN=" + adminToken},
				Show: func(_, line string) { t.Log(line) }},
				map[string]string{"make": "./rotate-acme", "api": server.URL},
				func(f program.Finding) { require.True(t, f.OK, "%s: %s", f.Step, f.Text) })
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, 3, service.n)
			require.Empty(t, service.keys)
		})
	}
}
