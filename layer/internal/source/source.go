// Package source reads the declarations of secrets from a program's source. It
// type-checks the source, and does not run the program.
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

// Options are the options of [Read]. The zero value is usable.
type Options struct {
	// Dir is the folder in which patterns are resolved. Empty: the current one.
	Dir string
	// Patterns are packages as the go command takes them. None: ./...
	Patterns []string
	// BuildFlags are passed to the go command, such as -tags=prod.
	BuildFlags []string
	// Env is the environment of the go command. Nil: this process's.
	Env []string
	// Workspace, Project and Environment are those of the App of the Spec.
	Workspace, Project, Environment string
	// Warn is called for files that declare secrets, but are not part of a build
	// for this platform and with these tags: a Worker's files are for js/wasm. Nil:
	// no search for such files.
	Warn func(Problem)
}

// Problem is a part of the source that prevents a complete spec. It quotes no
// text of the program.
type Problem struct {
	// Pos is its position. File names are relative to Options.Dir if that is
	// shorter.
	Pos token.Position
	// Option is the option in question, such as Name or Rotation.EveryDays. Empty:
	// the whole declaration.
	Option string
	// Text describes the problem, including the option's name, and the next step.
	Text string

	pos token.Pos
}

// String returns file:line:column and the text.
func (p Problem) String() string { return p.Pos.String() + ": " + p.Text }

// Read returns the Spec of an App that uses every secret declared in the
// packages, without tests. The problems list each option that is not known
// without running the program, or that App.Start would refuse, in the order of
// the files. The Spec is complete only if there are no problems. If packages
// cannot be loaded or do not compile, the error contains the positions.
//
// A variable is known if no code in the packages read changes it.
func Read(ctx context.Context, o Options) (secret.Spec, []Problem, error) {
	r := newReader(ctx, o)
	if err := r.loadRoots(); err != nil {
		return secret.Spec{}, nil, err
	}
	r.findAll()
	r.conflicts(newClaims())
	app := secret.NewApp(secret.AppOptions{Workspace: o.Workspace, Project: o.Project, Environment: o.Environment})
	for _, d := range r.found {
		app.Use(d.secret)
	}
	return app.Spec(), r.sorted(), nil
}

// reader is the state of one call of Read.
type reader struct {
	ctx     context.Context
	options Options
	fset    *token.FileSet // of every load, so that a token.Pos is enough
	roots   []*pkg
	pkgs    map[string]*pkg // by import path; nil if it could not be loaded
	vars    variables
	busy    map[varKey]bool // being evaluated
	found   []declared
	problem []Problem
	// known: an option that is not known is no problem, and no other package is
	// loaded for it.
	known bool
	// comments: files are parsed with their comments.
	comments bool
}

// declared is one call of a constructor.
type declared struct {
	pos         token.Pos
	at          string // the position of a declaration in another package; else empty
	secret      *secret.Secret
	constructor string
	options     secret.Options
}

func newReader(ctx context.Context, o Options) *reader {
	if len(o.Patterns) == 0 {
		o.Patterns = []string{"./..."}
	}
	if dir, err := filepath.Abs(cmp.Or(o.Dir, ".")); err == nil {
		o.Dir = dir
	}
	return &reader{ctx: ctx, options: o, fset: token.NewFileSet(), pkgs: map[string]*pkg{}, vars: newVariables(),
		busy: map[varKey]bool{}}
}

// position returns the position of pos, with a file name for people.
func (r *reader) position(pos token.Pos) token.Position {
	p := r.fset.Position(pos)
	p.Filename = r.short(p.Filename)
	return p
}

// short returns the name of a file relative to Dir, if that is shorter.
func (r *reader) short(file string) string {
	if rel, err := filepath.Rel(r.options.Dir, file); err == nil && len(rel) < len(file) {
		return rel
	}
	return file
}

func (r *reader) at(pos token.Pos) string { return r.position(pos).String() }

func (r *reader) report(pos token.Pos, option, format string, args ...any) {
	r.problem = append(r.problem, Problem{Pos: r.position(pos), Option: option, Text: fmt.Sprintf(format, args...),
		pos: pos})
}

// unclear reports a part of the source that is known only when the program
// runs.
func (r *reader) unclear(pos token.Pos, option, format string, args ...any) {
	if !r.known {
		r.report(pos, option, format, args...)
	}
}

// sorted returns the problems by position.
func (r *reader) sorted() []Problem {
	slices.SortStableFunc(r.problem, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Pos.Filename, b.Pos.Filename), a.Pos.Line-b.Pos.Line, a.Pos.Column-b.Pos.Column,
			strings.Compare(a.Text, b.Text))
	})
	return r.problem
}
