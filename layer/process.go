package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// process is the environment of one command: streams, folder, variables and
// exec. A test runs many commands in one process, and gives each its own.
type process struct {
	in             io.Reader
	stdout, stderr io.Writer

	// tty opens the terminal of the process, also if stdin is another file. Nil: there
	// is none.
	tty func() (*os.File, error)

	// dir is the folder for relative paths. Empty: the working directory.
	dir string

	// lookup returns one variable of the environment, and environ returns all.
	lookup  func(name string) (string, bool)
	environ func() []string

	// unsetenv removes a variable from the environment that a program inherits if a
	// package of others starts it. Nil: the process has no such environment.
	unsetenv func(name string) error

	// exec replaces the process with a program. It returns only if it fails.
	exec func(program string, args, environ []string) error
}

// getenv returns a variable without white space around it, which a copied value
// may have.
func (p process) getenv(name string) string {
	text, _ := p.lookup(name)
	return strings.TrimSpace(text)
}

// path returns the path to open for a file that the operator names.
func (p process) path(name string) string {
	if p.dir == "" || name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.dir, name)
}
