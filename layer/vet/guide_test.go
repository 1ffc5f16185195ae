package vet

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/layeron-hq/secret/internal/slow"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")

// guideHeader has the declarations that the guide's examples use.
const guideHeader = `package example

import (
	%s
	"github.com/layeron-hq/secret"
)

var (
	_          = secret.Static
	stripe     = secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})
)

`

// The first example of each section of docs/vet.md has one finding, of the
// section's check, and the second one has none.
func TestExamplesOfTheGuide(t *testing.T) {
	slow.Test(t)
	text, err := os.ReadFile("../../docs/vet.md")
	require.NoError(t, err)
	library, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("go.mod", "module example.com/guide\n\ngo 1.26.0\n\nrequire github.com/layeron-hq/secret v0.0.0\n\n"+
		"replace github.com/layeron-hq/secret => "+library+"\n")
	want := map[string][]string{} // by package
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		heading, section, _ := strings.Cut(section, "\n")
		for i, b := range goBlock.FindAllStringSubmatch(section, -1) {
			name := fmt.Sprintf("example%d", len(want))
			imports := ""
			for _, path := range []string{"context", "crypto/hmac", "crypto/sha256", "fmt", "net/http",
				"github.com/layeron-hq/secret/keyring"} {
				if strings.Contains(b[1], filepath.Base(path)+".") {
					imports += fmt.Sprintf("%q\n", path)
				}
			}
			write(name+"/example.go", fmt.Sprintf(guideHeader, imports)+b[1])
			want[name] = nil
			if i == 0 && heading != "Suppressing a finding" {
				want[name] = []string{heading}
			}
		}
	}
	require.Len(t, want, 2*6+1)
	t.Setenv("GOFLAGS", "")
	got := map[string][]string{}
	for _, r := range analysistest.Run(&wanted{t}, dir, Analyzer, "./...") {
		name := filepath.Base(r.Action.Package.PkgPath)
		require.NoError(t, r.Err, name)
		got[name] = nil
		for _, d := range r.Diagnostics {
			got[name] = append(got[name], d.Category)
		}
	}
	require.Equal(t, want, got)
}

// wanted drops the complaint that a diagnostic has no comment.
type wanted struct{ t *testing.T }

func (w *wanted) Errorf(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !strings.Contains(text, "unexpected diagnostic") {
		w.t.Error(text)
	}
}
