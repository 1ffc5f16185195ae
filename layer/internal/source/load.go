package source

import (
	"errors"
	"go/ast"
	"go/types"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// pkg is a package with its syntax.
type pkg struct {
	path  string
	files []*ast.File
	types *types.Package
	info  *types.Info
}

// mode loads the syntax of the named packages, and only the types of their
// imports. Those come from the build cache, so heavy dependencies cost nothing
// once they are built.
const mode = packages.LoadSyntax

func (r *reader) load(mode packages.LoadMode, patterns ...string) ([]*packages.Package, error) {
	return r.loadFor(nil, mode, patterns...)
}

// loadFor loads packages with settings added to the environment.
func (r *reader) loadFor(settings []string, mode packages.LoadMode, patterns ...string) ([]*packages.Package, error) {
	env := r.options.Env
	if len(settings) > 0 {
		if env == nil {
			env = os.Environ()
		}
		env = slices.Concat(env, settings)
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: mode, Context: r.ctx, Dir: r.options.Dir, Env: env, BuildFlags: r.options.BuildFlags, Fset: r.fset,
		ParseFile: r.parse,
	}, patterns...)
	switch {
	case r.ctx.Err() != nil:
		return nil, r.ctx.Err()
	case err != nil:
		text := err.Error()
		if _, said, ok := strings.Cut(text, "stderr: "); ok && said != "" {
			text = said // the text before it is the loader's
		}
		return nil, errors.New("read declarations: " + firstLines(strings.TrimSpace(text)))
	}
	return loaded, nil
}

// checkPlace reports a missing go command or folder.
func (r *reader) checkPlace() error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("read declarations: the go command was not found; install Go, or give the spec that the " +
			"program prints with --spec")
	}
	if info, err := os.Stat(r.options.Dir); err != nil || !info.IsDir() {
		return errors.New("read declarations: " + r.options.Dir + " is no folder; name the folder of the program")
	}
	return nil
}

// loadNamed loads packages with their syntax, and reports those that cannot be
// loaded or do not compile.
func (r *reader) loadNamed(patterns ...string) ([]*packages.Package, error) {
	loaded, err := r.load(mode, patterns...)
	if err != nil {
		return nil, err
	}
	if len(loaded) == 0 {
		return nil, r.nothing()
	}
	if err := r.loadError(loaded); err != nil {
		return nil, err
	}
	if r.options.Warn != nil {
		r.leftOut(loaded)
	}
	return loaded, nil
}

// loadRoots loads the packages that the patterns name.
func (r *reader) loadRoots() error {
	if err := r.checkPlace(); err != nil {
		return err
	}
	loaded, err := r.loadNamed(r.options.Patterns...)
	if err != nil {
		return err
	}
	for _, p := range loaded {
		if one := r.add(p); one != nil {
			r.roots = append(r.roots, one)
		}
	}
	return nil
}

// nothing returns the reason why no package was found. The loader drops the go
// command's errors about go.mod, and about a missing build cache.
func (r *reader) nothing() error {
	for _, flags := range [][]string{nil, {"-e", "-export", "-f", ""}} {
		if said := r.goList(flags...); said != "" {
			return errors.New("read declarations: " + said)
		}
	}
	return errors.New("read declarations: no Go package matches " + strings.Join(r.options.Patterns, " ") +
		" in " + r.options.Dir + "; name a folder with Go files, such as ./cmd/server, and if build constraints exclude " +
		"them, set GOOS, GOARCH or tags as for a build")
}

// goList runs go list, and returns the reason of its failure, or "".
func (r *reader) goList(flags ...string) string {
	list := exec.CommandContext(r.ctx, "go", slices.Concat([]string{"list"}, flags, r.options.BuildFlags, []string{"--"},
		r.options.Patterns)...)
	list.Dir, list.Env = r.options.Dir, r.options.Env
	if list.Env != nil {
		list.Env = append(slices.Clip(list.Env), "PWD="+list.Dir)
	}
	var stderr strings.Builder
	list.Stderr = &stderr
	if list.Run() == nil {
		return ""
	}
	said := firstLines(strings.TrimSpace(stderr.String()))
	if strings.Contains(said, "GOCACHE") {
		said += "; set HOME or GOCACHE to a folder that the go command may write, or give the spec that the program " +
			"prints with --spec"
	}
	return said
}

// add registers a package once.
func (r *reader) add(p *packages.Package) *pkg {
	if r.pkgs[p.PkgPath] != nil || p.Types == nil || p.TypesInfo == nil {
		return nil
	}
	one := &pkg{path: p.PkgPath, files: p.Syntax, types: p.Types, info: p.TypesInfo}
	r.pkgs[p.PkgPath] = one
	r.vars.collect(one)
	return one
}

// need loads a package that contains options of a declaration, if no pattern
// names it. The standard library contains no options, and its entry is nil.
func (r *reader) need(path string) {
	if _, ok := r.pkgs[path]; ok || r.known {
		return
	}
	if loaded, err := r.load(mode|packages.NeedModule, path); err == nil {
		for _, p := range loaded {
			if p.PkgPath == path && p.Module != nil {
				r.add(p)
			}
		}
	}
	if _, ok := r.pkgs[path]; !ok {
		r.pkgs[path] = nil
	}
}

// maxErrors is the length limit of a list of errors. The first errors are the
// first to fix.
const maxErrors = 10

// loadError reports compile errors with their positions.
func (r *reader) loadError(loaded []*packages.Package) error {
	lines, missing := r.errorLines(loaded)
	if missing { // an error in an import is reported in the imported package
		all, err := r.load(packages.NeedName|packages.NeedImports|packages.NeedDeps|packages.NeedExportFile,
			r.options.Patterns...)
		if err == nil {
			var deps []*packages.Package
			packages.Visit(all, nil, func(p *packages.Package) { deps = append(deps, p) })
			if found, _ := r.errorLines(deps); len(found) > 0 {
				lines = found
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	more := ""
	if len(lines) > maxErrors {
		lines, more = lines[:maxErrors], "\n  and more"
	}
	head := "the packages do not compile; correct this, then run again"
	if !slices.ContainsFunc(loaded, func(p *packages.Package) bool { return len(p.CompiledGoFiles) > 0 }) {
		head = "the packages cannot be loaded; run this in the program's module, and name packages that exist for this " +
			"platform and these tags"
	}
	return errors.New("read declarations: " + head + ":\n  " + strings.Join(lines, "\n  ") + more)
}

// errorLines returns each error once. missing reports whether an import failed.
func (r *reader) errorLines(loaded []*packages.Package) (lines []string, missing bool) {
	for _, p := range loaded {
		checked := slices.ContainsFunc(p.Errors, func(e packages.Error) bool { return e.Kind != packages.ListError })
		for _, e := range p.Errors {
			missing = missing || strings.Contains(e.Msg, "could not import")
			built := strings.HasPrefix(e.Msg, "# ") // output of the compiler
			if built && checked {
				continue // a repetition
			}
			for _, line := range r.errorLine(e, built) {
				if !slices.Contains(lines, line) {
					lines = append(lines, line)
				}
			}
		}
	}
	return lines, missing
}

func (r *reader) errorLine(e packages.Error, built bool) (lines []string) {
	if built {
		for line := range strings.Lines(e.Msg) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "# ") {
				lines = append(lines, unquoted(line))
			}
		}
		return lines
	}
	text := e.Msg
	if e.Kind != packages.ListError {
		text = unquoted(text)
	}
	text = strings.Join(strings.Fields(firstLines(text)), " ")
	if e.Pos == "" || e.Pos == "-" {
		return []string{text}
	}
	file, rest, _ := strings.Cut(e.Pos, ":")
	return []string{r.short(file) + ":" + rest + ": " + text}
}

// firstLines limits the output of the go command to its first lines.
func firstLines(text string) string {
	const most = 1000
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

var stringLiteral = lazyregexp.New("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")

// unquoted removes string literals from a compiler's message: one may be a
// value that does not belong into source. The compiler cuts long literals off,
// together with the closing quote, so their end is then unknown.
func unquoted(text string) string {
	first := strings.IndexAny(text, "\"`")
	if first < 0 {
		return text
	}
	if without := stringLiteral().ReplaceAllString(text, "…"); !strings.Contains(text, "...") &&
		!strings.ContainsAny(without, "\"`") {
		return without
	}
	return text[:first] + "…"
}
