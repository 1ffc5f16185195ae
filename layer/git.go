package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// How layer asks git. The answers decide whether a key or a value could be
// committed (gitignore.go), so they come from git itself and not from a copy of
// its rules. git runs without credentials and without the user's settings, and
// starts no program that a repository names.

// worktree is a git repository with a work tree, and how to run git in it.
type worktree struct {
	top     string // absolute and without symbolic links
	program string
	environ []string
	anyCase bool // core.ignoreCase: names that differ in case are one file
}

// errNoGit reports that there is a repository, but that git is not installed.
var errNoGit = errors.New("git is not installed")

// repositories returns the repositories whose work tree contains a folder: the
// one that git finds there, the repositories around it (they may track files in
// it), and the one that the environment names. The folder is absolute and
// without symbolic links. It need not exist.
func (p process) repositories(ctx context.Context, folder string) ([]worktree, error) {
	asked := around(folder)
	if own, err := p.gitVariables(); err != nil {
		return nil, err
	} else if len(own) > 0 {
		here, err := realPath(p.path("."))
		if err != nil {
			return nil, err
		}
		asked = append(asked, worktree{top: here, environ: own})
	}
	if len(asked) == 0 {
		return nil, nil
	}
	program := p.program("git")
	if program == "" {
		return nil, errNoGit
	}
	var found []worktree
	for _, r := range asked {
		r.program, r.environ = program, append(p.gitEnviron(), r.environ...)
		top, err := r.workTree(ctx)
		if err != nil {
			return nil, err
		}
		same := func(other worktree) bool { return other.top == top && slices.Equal(other.environ, r.environ) }
		rel, outside := filepath.Rel(top, folder)
		if top == "" || outside != nil || !filepath.IsLocal(rel) || slices.ContainsFunc(found, same) ||
			slices.Contains(strings.Split(rel, string(filepath.Separator)), ".git") {
			continue
		}
		if top != r.top { // core.worktree or GIT_WORK_TREE names it, and it has no .git
			answer, err := r.git(ctx, "", "rev-parse", "--absolute-git-dir")
			if err != nil {
				return nil, err
			}
			r.environ = append(r.environ, "GIT_DIR="+strings.TrimSuffix(answer.text, "\n"), "GIT_WORK_TREE="+top)
		}
		r.top = top
		r.anyCase = r.ignoresCase(ctx)
		found = append(found, r)
	}
	return found, nil
}

// around returns the folders that have a .git: a folder and those around it.
func around(folder string) (list []worktree) {
	for at := folder; ; at = filepath.Dir(at) {
		if exists(at, ".git") {
			list = append(list, worktree{top: at})
		}
		if filepath.Dir(at) == at {
			return list
		}
	}
}

// gitEnviron returns the environment for git. It contains no credential and no
// setting of this user: an ignore rule that only this user has protects no
// other clone.
func (p process) gitEnviron() []string {
	path, _ := p.lookup("PATH")
	return []string{"PATH=" + path, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_DISCOVERY_ACROSS_FILESYSTEM=1", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none"}
}

// gitVariables returns the variables by which the environment names a
// repository, with absolute paths.
func (p process) gitVariables() (list []string, err error) {
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"} {
		value, _ := p.lookup(name)
		if value == "" {
			continue
		}
		if value, err = filepath.Abs(p.path(value)); err != nil {
			return nil, err
		}
		list = append(list, name+"="+value)
	}
	return list, nil
}

// program returns the path of a program on PATH, or "" if there is none.
func (p process) program(name string) string {
	path, _ := p.lookup("PATH")
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // it may be a folder of another user
		}
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found
		}
	}
	return ""
}

// answer is the output of git.
type answer struct {
	text, complaint string
	status          int
}

// git runs git in the work tree. An exit status other than 0 is an error.
func (r worktree) git(ctx context.Context, input string, args ...string) (answer, error) {
	// The repository may belong to another user, as in a container. core.fsmonitor
	// could name a program, which must not run.
	cmd := exec.CommandContext(ctx, r.program, append([]string{"-c", "safe.directory=*", "-c", "core.fsmonitor=false",
		"-c", "core.excludesFile=" + os.DevNull}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = r.top, r.environ, strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	a := answer{text: stdout.String(), complaint: stderr.String()}
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		a.status = failed.ExitCode()
	} else if err != nil {
		a.status = -1
	}
	if err != nil {
		err = fmt.Errorf("git cannot be asked about the repository %s: %s", r.top, firstLine(a.complaint, err))
	}
	return a, err
}

// firstLine returns the first line of git's error output, without control
// characters.
func firstLine(complaint string, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(complaint), "\n")
	if line == "" {
		line = cause(err).Error()
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, line)
}

// workTree returns the top of the work tree that git finds from r.top, or "" if
// it finds none.
func (r worktree) workTree(ctx context.Context) (string, error) {
	a, err := r.git(ctx, "", "rev-parse", "--show-toplevel")
	if strings.Contains(a.complaint, "xcode-select") || strings.Contains(a.complaint, "xcrun: error") {
		return "", errNoGit // macOS has a program of that name that asks to install git
	}
	if strings.Contains(a.complaint, "not a git repository") ||
		strings.Contains(a.complaint, "must be run in a work tree") {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return filepath.FromSlash(strings.TrimSuffix(a.text, "\n")), nil
}

// tracked returns the files in a folder that the repository already tracks, of
// those that have one of the names or match one of the patterns. .gitignore has
// no effect on tracked files.
func (r worktree) tracked(ctx context.Context, folder string, names, patterns []string) ([]string, error) {
	rel, err := filepath.Rel(r.top, folder)
	if err != nil {
		return nil, err
	}
	magic := ""
	if r.anyCase {
		magic = ",icase"
	}
	args := []string{"ls-files", "-z", "--"}
	for _, name := range names {
		args = append(args, ":(literal"+magic+")"+filepath.ToSlash(filepath.Join(rel, name)))
	}
	for _, pattern := range patterns {
		if rel != "." {
			pattern = globLiteral(filepath.ToSlash(rel)) + "/" + pattern
		}
		args = append(args, ":(glob"+magic+")"+pattern)
	}
	a, err := r.git(ctx, "", args...)
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(a.text, func(c rune) bool { return c == 0 }), nil
}

// exposure is a file that the next `git add -A` would stage.
type exposure struct {
	file string // relative to the work tree
	rule string // the line that includes it again, if there is one
	// excluded: a line of info/exclude keeps the file out of this clone, and no
	// .gitignore keeps it out of others.
	excluded bool
}

// exposed returns the first of the named files in a folder that git does not
// ignore, or else the first that only info/exclude keeps out. It returns nil if
// a .gitignore keeps all out.
func (r worktree) exposed(ctx context.Context, folder string, names []string) (found *exposure, err error) {
	rel, err := filepath.Rel(r.top, folder)
	if err != nil {
		return nil, err
	}
	var input strings.Builder
	for _, name := range names {
		// Git would interpret a colon at the start.
		input.WriteString("./" + filepath.ToSlash(filepath.Join(rel, name)) + "\x00")
	}
	a, err := r.git(ctx, input.String(), "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin")
	switch {
	case strings.Contains(a.complaint, "is in submodule"):
		return nil, nil // another repository begins there, and git stages none of its files
	case err != nil && a.status != 1:
		return nil, err
	}
	fields := strings.Split(a.text, "\x00") // source, line, pattern and path of each file
	for ; len(fields) >= 4; fields = fields[4:] {
		source, line, pattern, path := fields[0], fields[1], fields[2], strings.TrimPrefix(fields[3], "./")
		switch {
		case pattern == "":
			return &exposure{file: path}, nil
		case strings.HasPrefix(pattern, "!"):
			return &exposure{file: path, rule: fmt.Sprintf("line %s of %s, %s", line, source, strconv.Quote(pattern))}, nil
		case filepath.Base(source) != ".gitignore" && found == nil:
			found = &exposure{file: path, excluded: true}
		}
	}
	return found, nil
}

// globLiteral escapes the characters that are special in git's patterns.
func globLiteral(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// realPath returns the absolute path without symbolic links. The last parts of
// the path need not exist.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
		return real, err
	}
	above, err := realPath(filepath.Dir(path))
	return filepath.Join(above, filepath.Base(path)), err
}
