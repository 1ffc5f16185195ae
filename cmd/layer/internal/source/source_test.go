package source

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

// program is an archive under testdata, written out: a module, or several in a workspace.
type program struct {
	options Options
	note    map[string]string // "key: value" lines of the comment
	files   map[string]string
}

// unpack writes an archive into a folder of its own, with this library in the place of LIBRARY.
func unpack(t *testing.T, file string) program {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	library, err := filepath.Abs("../../../..")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "program")
	p := program{note: map[string]string{}, files: map[string]string{}}
	for line := range strings.Lines(string(archive.Comment)) {
		if key, text, ok := strings.Cut(line, ": "); ok {
			p.note[key] = strings.TrimSpace(text)
		}
	}
	for _, f := range archive.Files {
		p.files[f.Name] = string(f.Data)
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(strings.ReplaceAll(string(f.Data), "LIBRARY", library)), 0o644))
	}
	p.options = Options{Dir: filepath.Join(dir, p.note["dir"]), Patterns: strings.Fields(p.note["patterns"]),
		BuildFlags: strings.Fields(p.note["flags"]), Workspace: "acme", Project: "shop", Environment: "test"}
	p.options.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off")
	if _, ok := p.files["go.work"]; !ok {
		p.options.Env = append(p.options.Env, "GOWORK=off")
	}
	if p.note["vendor"] != "" {
		p.run(t, "mod", "vendor")
	}
	return p
}

// run runs the go command in the program's folder, and returns what it printed.
func (p program) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = p.options.Dir, p.options.Env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

// TestPrograms: what is read from the source is what the program itself says, byte for byte.
func TestPrograms(t *testing.T) {
	files, err := filepath.Glob("testdata/programs/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			p := unpack(t, file)
			spec, problems, err := Read(t.Context(), p.options)
			require.NoError(t, err)
			require.Empty(t, problems)
			read, err := json.Marshal(spec)
			require.NoError(t, err)
			require.Equal(t, p.run(t, append(append([]string{"run"}, p.options.BuildFlags...), ".")...), string(read)+"\n")
		})
	}
}

// TestProblems: what cannot be known or would be refused, with its place.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			p := unpack(t, file)
			spec, problems, err := Read(t.Context(), p.options)
			var got strings.Builder
			if err != nil {
				got.WriteString(err.Error() + "\n")
			}
			for _, one := range problems {
				got.WriteString(one.String() + "\n")
			}
			for _, s := range spec.Secrets {
				got.WriteString("known: " + s.Address.String() + "\n")
			}
			require.Equal(t, p.files["want"], got.String())
			require.NotContains(t, got.String(), "HUSH", "a text of the program")
		})
	}
}
