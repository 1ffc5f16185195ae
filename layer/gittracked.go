package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// trusted is a file that is believed when it is read.
type trusted struct {
	of   guarded
	path string // absolute; its folder has no links
}

// trustedFiles returns the memory and the identity of a ledger; of one that is a link
// both the link and the file behind it.
func (l *layer) trustedFiles(p place) (list []trusted) {
	add := func(of guarded, path string) {
		folder, err := realPath(filepath.Dir(path))
		real, err2 := realPath(path)
		if err != nil || err2 != nil {
			return // it cannot be read either
		}
		named := filepath.Join(folder, filepath.Base(path))
		list = append(list, trusted{of, named})
		if real != named {
			list = append(list, trusted{of, real})
		}
	}
	if beside, err := l.besideLedger(p); err == nil {
		add(beside, filepath.Join(beside.folder, memoryName))
	}
	if identity, ok, err := l.identityFile(p); ok && err == nil {
		add(identity, l.path(l.identityPath(p)))
	}
	return list
}

// refuseTracked refuses a memory and an identity that git tracks, before either is
// read: git overwrites an ignored file with one that a pull brings. Where git cannot
// be asked, it refuses nothing.
func (l *layer) refuseTracked(ctx context.Context, p place) error {
	files := l.trustedFiles(p)
	var asked []worktree
	for _, f := range files {
		for _, r := range around(filepath.Dir(f.path)) {
			if !slices.ContainsFunc(asked, func(other worktree) bool { return other.top == r.top }) {
				asked = append(asked, r)
			}
		}
	}
	if own, err := l.gitVariables(); err == nil && len(own) > 0 {
		if here, err := realPath(l.path(".")); err == nil {
			asked = append(asked, worktree{top: here, environ: own})
		}
	}
	if len(asked) == 0 {
		return nil
	}
	program := l.program("git")
	if program == "" {
		return nil
	}
	for _, r := range asked {
		own := len(r.environ) > 0
		r.program, r.environ = program, append(l.gitEnviron(), r.environ...)
		var below []trusted
		for _, f := range files {
			if rel, err := filepath.Rel(r.top, f.path); err == nil && (own || filepath.IsLocal(rel)) {
				below = append(below, f)
			}
		}
		if f, name := r.firstTracked(ctx, below); f != nil {
			return f.of.trackedError(r, name)
		}
	}
	return nil
}

// firstTracked returns the first of the files that git tracks, and its name as seen
// from r.top.
func (r worktree) firstTracked(ctx context.Context, files []trusted) (*trusted, string) {
	args := []string{"ls-files", "-z", "--"}
	for _, f := range files {
		args = append(args, ":(literal,icase)"+filepath.ToSlash(f.path))
	}
	a, err := r.git(ctx, "", args...)
	if err != nil && len(files) > 1 { // one may be outside of the work tree
		for _, f := range files {
			if found, name := r.firstTracked(ctx, []trusted{f}); found != nil {
				return found, name
			}
		}
		return nil, ""
	}
	for name := range strings.SplitSeq(a.text, "\x00") {
		for i, f := range files {
			at := filepath.Join(r.top, filepath.FromSlash(name))
			if at == f.path || strings.EqualFold(at, f.path) && r.ignoresCase(ctx) {
				return &files[i], name
			}
		}
	}
	return nil, ""
}

func (r worktree) ignoresCase(ctx context.Context) bool {
	a, _ := r.git(ctx, "", "config", "--bool", "core.ignoreCase")
	return a.text == "true\n"
}

// trackedError refuses a file that git tracks, and says how that ends. The file is
// named as seen from r.top.
func (g guarded) trackedError(r worktree, file string) error {
	arg := file
	if strings.ContainsAny(file, `*?[\`) || strings.HasPrefix(file, ":") {
		arg = ":(literal)" + file
	}
	git := func(how string) string {
		return fmt.Sprintf("`cd %s && git rm %s -- %s`", quoted(r.top), how, quoted(arg))
	}
	switch {
	case g.what == identityWhat:
		return fmt.Errorf("%s is %s and git tracks it, so a pull may have put another person's in its place: nothing was "+
			"made or published, and it was not read. Compare it "+
			"with your copy. If it is your own, %s ends that and keeps the file: commit that, and replace the key, which the "+
			"history keeps. If it is not, "+
			"%s deletes it: commit that, and restore your own", file, g.what, git("--cached -f"), git("-f"))
	case strings.EqualFold(filepath.Base(filepath.FromSlash(file)), memoryName):
		return fmt.Errorf("%s is the memory of ledgers seen and git tracks it, so a pull may have brought it, to make a "+
			"forged ledger pass: nothing was "+
			"made or published, and it was not read. %s deletes it: commit that. The ledger is recognized by its id then", file,
			git("-f"))
	}
	return fmt.Errorf("%s is %s and git tracks it, so the next commit takes it in: nothing was made or published. %s "+
		"ends that and keeps the file; %s",
		file, g.what, git("--cached -f"), g.tracked)
}
