package main

import (
	"io"
	"path/filepath"
	"strings"
)

// process is a command's share of the process that runs it. A test runs many
// commands in one process, and gives each its own streams, folder and environment.
type process struct {
	in             io.Reader
	stdout, stderr io.Writer

	// dir is the folder where relative paths begin. Empty: the working directory.
	dir string

	// lookup returns one variable of the environment, and environ returns all.
	lookup  func(name string) (string, bool)
	environ func() []string

	// exec replaces the process by a program, and returns where it cannot.
	exec func(program string, args, environ []string) error
}

// getenv returns a variable without white space around it, which a copied value
// may have.
func (p process) getenv(name string) string {
	text, _ := p.lookup(name)
	return strings.TrimSpace(text)
}

// path returns the path under which a file that a person names is opened.
func (p process) path(name string) string {
	if p.dir == "" || name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.dir, name)
}
