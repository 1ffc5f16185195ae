// Package source reads the declarations of secrets out of a program's source, by type-checking it and without running it.
package source

import (
	"cmp"
	"context"
	"fmt"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
)

// Options says what to read. All may stay zero.
type Options struct {
	// Dir is the folder in which patterns are understood. Empty: the current one.
	Dir string
	// Patterns are packages as the go command takes them. None: ./...
	Patterns []string
	// BuildFlags are passed to the go command, such as -tags=prod.
	BuildFlags []string
	// Env is the environment of the go command. Nil: this process's.
	Env []string
	// Workspace, Project and Environment are those of the App whose Spec is made.
	Workspace, Project, Environment string
	// Warn is told of files that declare secrets, but are not part of a build for this platform and with these tags: a
	// Worker's are for js/wasm. Nil: they are not looked for.
	Warn func(Problem)
}

// Problem is something in the source that stands in the way of a whole spec. It quotes no text of the program.
type Problem struct {
	// Pos is where it is. File names are as short as they can be, seen from Options.Dir.
	Pos token.Position
	// Option is what is in question, such as Name or Rotation.EveryDays. Empty: the declaration as a whole.
	Option string
	// Text says what is wrong, with the option's name in it, and what to do.
	Text string
}

// String returns file:line:column and the text.
func (p Problem) String() string { return p.Pos.String() + ": " + p.Text }

// Read returns the Spec of an App that uses every secret declared in the packages, tests left out. What cannot be known
// without running the program, or would be refused by App.Start, is among the problems, in the order of the files; the Spec
// is whole only where there are none. Packages that cannot be loaded or do not compile are an error, which says where.
//
// A variable counts as known if nothing in the packages read changes it.
func Read(ctx context.Context, o Options) (secret.Spec, []Problem, error) {
	r := newReader(ctx, o)
	if err := r.loadRoots(); err != nil {
		return secret.Spec{}, nil, err
	}
	r.findAll()
	r.conflicts()
	app := secret.NewApp(secret.AppOptions{Workspace: o.Workspace, Project: o.Project, Environment: o.Environment})
	for _, d := range r.found {
		app.Use(d.secret)
	}
	return app.Spec(), r.sorted(), nil
}

// reader is one call of Read.
type reader struct {
	ctx     context.Context
	options Options
	fset    *token.FileSet // of every load, so that a token.Pos is enough
	roots   []*pkg
	pkgs    map[string]*pkg // by import path; nil where it could not be loaded
	vars    variables
	busy    map[varKey]bool // being evaluated
	found   []declared
	problem []Problem
}

// declared is one call of a constructor.
type declared struct {
	pos    token.Pos
	secret *secret.Secret
}

func newReader(ctx context.Context, o Options) *reader {
	if len(o.Patterns) == 0 {
		o.Patterns = []string{"./..."}
	}
	if dir, err := filepath.Abs(cmp.Or(o.Dir, ".")); err == nil {
		o.Dir = dir
	}
	return &reader{ctx: ctx, options: o, fset: token.NewFileSet(), pkgs: map[string]*pkg{}, vars: newVariables(), busy: map[varKey]bool{}}
}

// position is where pos is, with a file name for people.
func (r *reader) position(pos token.Pos) token.Position {
	p := r.fset.Position(pos)
	p.Filename = r.short(p.Filename)
	return p
}

// short returns the name of a file seen from Dir, if that is shorter.
func (r *reader) short(file string) string {
	if rel, err := filepath.Rel(r.options.Dir, file); err == nil && len(rel) < len(file) {
		return rel
	}
	return file
}

func (r *reader) at(pos token.Pos) string { return r.position(pos).String() }

func (r *reader) report(pos token.Pos, option, format string, args ...any) {
	r.problem = append(r.problem, Problem{Pos: r.position(pos), Option: option, Text: fmt.Sprintf(format, args...)})
}

// sorted returns the problems by place.
func (r *reader) sorted() []Problem {
	slices.SortStableFunc(r.problem, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Pos.Filename, b.Pos.Filename), a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column,
			strings.Compare(a.Text, b.Text))
	})
	return r.problem
}
