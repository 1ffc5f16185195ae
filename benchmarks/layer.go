package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// buildLayer builds the command of this checkout as a release is built, once.
var buildLayer = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "benchmarks")
	if err != nil {
		return "", err
	}
	atExit = append(atExit, func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "layer"), build(filepath.Join(dir, "layer"), "./layer")
})

// atExit is called when the program ends.
var atExit []func()

// build builds a package of the workspace.
func build(file, pkg string, env ...string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, pkg)
	cmd.Dir = ".." // the repository: this program runs in its own folder
	cmd.Env = append(append(os.Environ(), "GOWORK=", "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// project is a folder with declarations, a ledger and a target that is a folder.
type project struct {
	ctx          context.Context
	program, dir string
	n            int
}

// usage is the time of a command: until its end, and of the processor.
type usage struct {
	wall, cpu time.Duration
	text      string
}

// newProject declares n secrets that are rotated each week.
func newProject(s *session, n int, inMemory bool) (*project, error) {
	program, err := buildLayer()
	if err != nil {
		return nil, err
	}
	dir, err := s.folder(inMemory)
	if err != nil {
		return nil, err
	}
	type declaration struct {
		Kind      string         `json:"kind"`
		Namespace string         `json:"namespace"`
		Name      string         `json:"name"`
		Rotation  map[string]any `json:"rotation"`
	}
	var all []declaration
	for i := range n {
		addr := addressOf(i)
		all = append(all, declaration{"random", addr.Namespace, addr.Name,
			map[string]any{"everyDays": 7, "retain": map[string]string{"mode": "none"}}})
	}
	spec, err := json.Marshal(map[string]any{"secrets": all})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "spec.json"), spec, 0o600); err != nil {
		return nil, err
	}
	p := &project{ctx: s.ctx, program: program, dir: dir, n: n}
	_, err = p.run("secret", "init", "--to", "dir:./secrets", "--window", "1s", "--margin", "1s")
	return p, err
}

// declared runs a command that reads the declarations.
func (p *project) declared(args ...string) (usage, error) {
	return p.run(append(append([]string{"secret"}, args...), "--spec", "spec.json")...)
}

func (p *project) run(args ...string) (usage, error) {
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(p.ctx, p.program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, &out, &problems
	for _, v := range os.Environ() { // settings of the shell would change the commands
		if !strings.HasPrefix(v, "LAYER_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("layer %s: %w\n%s", strings.Join(args, " "), err, problems.String())
	}
	state := cmd.ProcessState
	return usage{time.Since(began), state.UserTime() + state.SystemTime(), out.String()}, nil
}

// ledger returns the size of the ledger.
func (p *project) ledger() (figure, error) {
	info, err := os.Stat(filepath.Join(p.dir, "layer.secrets.age"))
	if err != nil {
		return figure{}, err
	}
	return size(float64(info.Size()) / float64(p.n)), nil
}
