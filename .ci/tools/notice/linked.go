package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// module is a module of which at least one package is linked.
type module struct {
	path, version string              // version is empty for Go itself
	packages      map[string][]string // for each linked package, the names of the files in texts that cover it
	texts         map[string]string   // licences and notices, by their path in the module
	sources       map[string]string   // the linked packages' own files, by their path in the module
}

// linked returns the modules that the program in the current folder is made of,
// on any of the platforms, with cgo and without. The first module is Go, for its
// runtime and standard library. The module own and those below it are left out.
func linked(own string, platforms []string) ([]*module, error) {
	goroot, err := output(nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	golang := &module{path: "Go", packages: map[string][]string{}, texts: map[string]string{}}
	if err := golang.add("std", strings.TrimSpace(string(goroot)), strings.TrimSpace(string(goroot)), nil); err != nil {
		return nil, err
	}

	modules := map[string]*module{}
	for _, platform := range platforms {
		system, machine, _ := strings.Cut(platform, "/")
		for _, cgo := range []string{"0", "1"} {
			out, err := output([]string{"GOOS=" + system, "GOARCH=" + machine, "CGO_ENABLED=" + cgo}, "list", "-deps", "-json",
				".")
			if err != nil {
				return nil, err
			}
			if err := decode(out, own, modules); err != nil {
				return nil, err
			}
		}
	}
	if len(modules) == 0 {
		return nil, errors.New("go list names no module of another project")
	}
	sorted := []*module{golang}
	for _, m := range modules {
		sorted = append(sorted, m)
	}
	slices.SortFunc(sorted[1:], func(a, b *module) int { return strings.Compare(a.path, b.path) })
	return sorted, nil
}

// decode adds the packages in go list's output to modules.
func decode(out []byte, own string, modules map[string]*module) error {
	list := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			ImportPath, Dir                                       string
			Standard                                              bool
			GoFiles, CgoFiles, CFiles, HFiles, SFiles, EmbedFiles []string
			Module                                                *struct{ Path, Version, Dir string }
		}
		err := list.Decode(&p)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("go list: %w", err)
		case p.Standard:
			continue
		case p.Module == nil:
			return fmt.Errorf("go list: package %s has no module", p.ImportPath)
		case p.Module.Path == own || strings.HasPrefix(p.Module.Path, own+"/"):
			continue
		}
		m := modules[p.Module.Path]
		if m == nil {
			m = &module{path: p.Module.Path, version: p.Module.Version,
				packages: map[string][]string{}, texts: map[string]string{}, sources: map[string]string{}}
			modules[p.Module.Path] = m
		}
		files := slices.Concat(p.GoFiles, p.CgoFiles, p.CFiles, p.HFiles, p.SFiles, p.EmbedFiles)
		if err := m.add(p.ImportPath, p.Dir, p.Module.Dir, files); err != nil {
			return err
		}
	}
}

// add adds a package: its files, and the licences and notices in its folder and
// in each folder above it, up to the module's.
func (m *module) add(path, dir, root string, files []string) error {
	for _, file := range files {
		if err := read(m.sources, filepath.Join(dir, file), root); err != nil {
			return err
		}
	}
	if m.packages[path] != nil {
		return nil
	}
	covering := []string{}
	for ; ; dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.IsDir() || !legal.MatchString(entry.Name()) || program.MatchString(entry.Name()) {
				continue
			}
			file := filepath.Join(dir, entry.Name())
			if err := read(m.texts, file, root); err != nil {
				return err
			}
			covering = append(covering, within(file, root))
		}
		if dir == root {
			break
		}
		if within(dir, root) == dir {
			return fmt.Errorf("package %s is not in its module's folder %s", path, root)
		}
	}
	m.packages[path] = covering
	return nil
}

// The names of licences and notices, such as LICENSE, LICENCE.md, MIT-LICENSE,
// COPYING.LESSER and NOTICE.txt, and those of programs, such as license.go.
var (
	legal   = regexp.MustCompile(`(?i)^(.*[-_.])?(un)?(licen[cs]e|copying|copyright|notice)s?([-_.].*)?$`)
	program = regexp.MustCompile(`(?i)\.(go|s|c|h|sh|py|js|ya?ml|json|toml)$`)
)

// isNotice reports whether a file has notices to be carried over, not a licence.
func isNotice(name string) bool {
	name = strings.ToLower(filepath.Base(name))
	return strings.Contains(name, "notice") || strings.Contains(name, "copyright")
}

// read adds the file to texts, by its path in the folder root.
func read(texts map[string]string, file, root string) error {
	text, err := os.ReadFile(file)
	texts[within(file, root)] = string(text)
	return err
}

// within returns the file's path in the folder root, with slashes.
func within(file, root string) string {
	return filepath.ToSlash(strings.TrimPrefix(file, root+string(filepath.Separator)))
}

func output(env []string, args ...string) ([]byte, error) {
	command := exec.Command("go", args...)
	command.Env = append(os.Environ(), env...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s with %s: %w", strings.Join(args, " "), strings.Join(env, " "), err)
	}
	return out, nil
}
