package source

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// program is an archive under testdata, unpacked: a module, or several in a
// workspace.
type program struct {
	options Options
	note    map[string]string // "key: value" lines of the comment
	files   map[string]string
}

// unpack writes an archive into a folder of its own, and replaces LIBRARY by
// the path of this library.
func unpack(t *testing.T, file string) program {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	library, err := filepath.Abs("../../..")
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
	p.options.Env = append(p.options.Env, strings.Fields(p.note["env"])...)
	if _, ok := p.files["go.work"]; !ok {
		p.options.Env = append(p.options.Env, "GOWORK=off")
	}
	if p.note["vendor"] != "" {
		p.run(t, "mod", "vendor")
	}
	return p
}

// run runs the go command in the program's folder, and returns its output.
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

// The two specs are equal byte for byte.
func TestSpecEqualsThatOfTheRunningProgram(t *testing.T) {
	slow.Test(t)
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

// An option that is not a constant, or that App.Start would refuse, is a
// problem.
func TestProblemsHaveAPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			p := unpack(t, file)
			var warned strings.Builder
			p.options.Warn = func(one Problem) { warned.WriteString("warning: " + one.String() + "\n") }
			spec, problems, err := Read(t.Context(), p.options)
			var got strings.Builder
			if err != nil {
				got.WriteString(err.Error() + "\n")
			}
			got.WriteString(warned.String())
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

// TestLoadErrors: each reason why packages cannot be loaded at all.
func TestLoadErrors(t *testing.T) {
	module := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(module, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(module, name), []byte(text), 0o644))
	}
	write("go.mod", "module example.com/m\n\ngo 1.26.0\n")
	write("never/never.go", "//go:build never\n\npackage never\n")
	newer := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(newer, "go.mod"), []byte("module example.com/n\n\ngo 1.999\n"), 0o644))
	tests := map[string]struct {
		options Options
		want    string
	}{
		"no folder":     {Options{Dir: filepath.Join(module, "gone")}, "gone is no folder"},
		"a file":        {Options{Dir: filepath.Join(module, "go.mod")}, "go.mod is no folder"},
		"no module":     {Options{Dir: t.TempDir()}, "run this in the program's module"},
		"no package":    {Options{Dir: module}, "no Go package matches ./... in"},
		"left out":      {Options{Dir: module, Patterns: []string{"./never"}}, "build constraints exclude all Go files"},
		"gone":          {Options{Dir: module, Patterns: []string{"./gone"}}, "directory not found"},
		"like a flag":   {Options{Dir: module, Patterns: []string{"-x"}}, "malformed import path"},
		"unknown flag":  {Options{Dir: module, BuildFlags: []string{"-nope"}}, "flag provided but not defined: -nope"},
		"go is too old": {Options{Dir: newer}, "1.999"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
			spec, problems, err := Read(t.Context(), c.options)
			require.ErrorContains(t, err, "read declarations: ")
			require.ErrorContains(t, err, c.want)
			require.Empty(t, problems)
			require.Equal(t, secret.Spec{}, spec)
		})
	}
	t.Run("ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := Read(ctx, Options{Dir: module})
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("no place for the build cache", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/m\n\ngo 1.26.0\n"), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "m.go"), []byte("package m\n"), 0o644))
		var env []string
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(v, "="); !slices.Contains([]string{"HOME", "GOCACHE", "XDG_CACHE_HOME", "GOENV"},
				name) {
				env = append(env, v)
			}
		}
		// As in a container. GOENV, whose default is below HOME, has no default there
		// either.
		env = append(env, "GOFLAGS=", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local", "GOENV=off", "GOPATH="+t.TempDir())
		_, _, err := Read(t.Context(), Options{Dir: dir, Env: env})
		require.ErrorContains(t, err, "read declarations: build cache is required, but could not be located: GOCACHE is "+
			"not defined and neither "+
			"$XDG_CACHE_HOME nor $HOME are defined; set HOME or GOCACHE")
		require.ErrorContains(t, err, "--spec")
	})
	t.Run("no go command", func(t *testing.T) {
		t.Setenv("PATH", "")
		_, _, err := Read(t.Context(), Options{Dir: module})
		require.ErrorContains(t, err, "install Go")
	})
}

func TestMessagesKeepNoTextOfTheProgram(t *testing.T) {
	tests := map[string]struct{ message, want string }{
		"none": {"undefined: x", "undefined: x"},
		"one": {`cannot use "HUSH" (untyped string constant) as int value`,
			"cannot use … (untyped string constant) as int value"},
		"escaped": {`cannot use "a\"HUSH\\" as int, found "HUSH"`, "cannot use … as int, found …"},
		"raw": {"cannot use `HUSH \"` (untyped string constant \"HUSH \\\"\")",
			"cannot use … (untyped string constant …)"},
		"cut off":    {`name (constant "HUSH... of type string)`, "name (constant …"},
		"cut twice":  {`a (constant "HUSH... of type string) and "HUSH... of`, "a (constant …"},
		"never ends": {`string literal "HUSH not terminated`, "string literal …"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, unquoted(c.message)) })
	}
}
