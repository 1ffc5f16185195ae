package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

// record holds the output of commands, and the values that must not be shown:
// neither in the output nor in a file outside ledger, target and identity.
type record struct {
	dir string

	mu      sync.Mutex
	printed []printed
	values  map[string]string // value -> its name
	private map[string]bool   // files into which a test itself writes values
}

type printed struct{ what, text string }

func newRecord(dir string) *record {
	return &record{dir: dir, values: map[string]string{}, private: map[string]bool{}}
}

// add records the output of a command. The stdout of run, reveal and export may
// contain a value.
func (r *record) add(what string, args []string, stdout, stderr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printed = append(r.printed, printed{"stderr of " + what, stderr})
	if len(args) > 1 && slices.Contains([]string{"run", "reveal", "export"}, args[1]) {
		return
	}
	r.printed = append(r.printed, printed{"stdout of " + what, stdout})
}

func (r *record) hide(value, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value = strings.TrimPrefix(value, "AGE-SECRET-KEY-1") // errors name this prefix
	if u, err := url.Parse(value); err == nil && u.Scheme == "postgres" && u.User != nil {
		value, _ = u.User.Password() // the rest is in declarations
	}
	if len(value) >= 8 {
		r.values[value] = what
	}
}

var (
	valueFile   = regexp.MustCompile(`^(LAYERON_SECRET_[A-Z0-9_]+|DATABASE_URL|db_password|tls\.crt)$`)
	identityKey = regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]+`)
)

// collect records the values that exist now: in directories, in the account,
// and the identities.
func (r *record) collect(fake *cloudflarefake.Server) {
	for path, text := range r.files() {
		if valueFile.MatchString(filepath.Base(path)) {
			r.versions(strings.TrimSuffix(text, "\n"))
		}
		if key := identityKey.FindString(text); key != "" {
			r.hide(key, "an identity")
		}
	}
	if fake == nil {
		return
	}
	r.hide(cloudflarefake.Token, "the API token")
	for _, name := range fake.Names() {
		if text, ok := fake.Value(name); ok {
			r.versions(text)
		}
	}
	for _, token := range fake.Tokens() {
		sum := sha256.Sum256([]byte(token.Value))
		r.hide(token.Value, "a token that was made")
		r.hide(hex.EncodeToString(sum[:]), "a secret access key")
	}
}

func (r *record) versions(text string) {
	doc, err := secret.Parse(text)
	if err != nil {
		return
	}
	for v := range doc.All() {
		var object map[string]any
		if json.Unmarshal([]byte(v.Text()), &object) == nil {
			continue // credentials: their endpoint is public, and the fake lists the other parts
		}
		r.hide(v.Text(), "a value")
	}
}

// files returns all regular files and their contents.
func (r *record) files() map[string]string {
	files := map[string]string{}
	_ = filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if text, err := os.ReadFile(path); err == nil {
			files[path] = string(text)
		}
		return nil
	})
	return files
}

// leaks returns the places that show a value.
func (r *record) leaks() (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	texts := r.printed
	for path, text := range r.files() {
		if r.private[path] || valueFile.MatchString(filepath.Base(path)) || filepath.Base(path) == "layer.identity" {
			continue
		}
		texts = append(texts, printed{"file " + path, text})
	}
	var all strings.Builder
	for _, p := range texts {
		all.WriteString(p.text + "\n")
	}
	for value, what := range r.values {
		if redacttest.Find(all.String(), value) == "" {
			continue
		}
		for _, p := range texts {
			if how := redacttest.Find(p.text, value); how != "" {
				found = append(found, fmt.Sprintf("%s shows %s, %s", p.what, what, how))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestRecordFindsValuesThatShow(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("out/LAYERON_SECRET_AUTH_KEY",
		`{"current":"v2","versions":{"v1":{"value":"made-up-first"},"v2":{"value":"made-up-second"}}}`)
	write("layer.identity", "AGE-SECRET-KEY-1MADEUPMADEUPMADEUP\n")
	write("mine", "made-up-second")
	r := newRecord(dir)
	r.private[filepath.Join(dir, "mine")] = true
	r.collect(nil)
	require.Len(t, r.values, 3)
	r.add("layer secret reveal", []string{"secret", "reveal"}, "made-up-second", "")
	require.Empty(t, r.leaks())

	r.add("layer secret status", []string{"secret", "status"}, "fine", "value made-up-second")
	write("temp", "x made-up-first x")
	write("copy/identity", "AGE-SECRET-KEY-1MADEUPMADEUPMADEUP\n")
	require.Len(t, r.leaks(), 3)
}

func TestBrokenPromisesAreFound(t *testing.T) {
	for _, test := range []struct {
		name           string
		args           string
		status         int
		stdout, stderr string
		complains      bool
	}{
		{"fine", "secret status", 0, "", "", false},
		{"fine JSON", "secret status --json", 0, `{"ok":true}`, "", false},
		{"two objects", "secret status --json", 0, `{"ok":true}{}`, "", true},
		{"text before", "secret status --json", 0, `note {"ok":true}`, "", true},
		{"no object", "secret status --json", 0, `[]`, "", true},
		{"ok although it failed", "secret status --json", 1, `{"ok":true,"error":"x"}`, "", true},
		{"no reason", "secret status --json", 1, `{"ok":false}`, "", true},
		{"silent", "secret status", 1, "", "", true},
		{"colour", "secret status", 0, "\x1b[31mred", "", true},
		{"type name", "secret status", 1, "", "layer: *fs.PathError", true},
		{"wrapped type", "secret status --json", 1, `{"ok":false,"error":"strconv.ParseBool: x"}`, "", true},
		{"twice", "secret status", 1, "", "layer: refused: refused: no", true},
		{"a child's output", "secret run --json -- x", 3, "anything", "panic: x", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.complains, len(complaints(strings.Fields(test.args), test.status, test.stdout, test.stderr)) >
				0)
		})
	}
}
