package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/ledger"
)

// Keeps keys and values out of git. The promise: layer makes or publishes no
// file that the next `git add -A` would stage, except the encrypted ledger. So
// it adds lines to .gitignore first, then asks git about every name, and stops
// before it writes anything if git would still stage one.

// gitLines are the lines that were added to files that git reads.
type gitLines []gitLine

type gitLine struct {
	file  string
	lines []string
}

func (g gitLine) text() string { return strings.Join(g.lines, ", ") }

func (g *gitLines) add(file string, lines []string) {
	if len(lines) > 0 {
		*g = append(*g, gitLine{file, lines})
	}
}

func (l *layer) printAdded(added gitLines) {
	for _, a := range added {
		l.out.line("put into %s: %s", a.file, a.text())
	}
}

// identityWhat is the name for the file with the key to the ledger, in errors.
const identityWhat = "the identity"

// temporary is the pattern of git for a file that is being written.
const temporary = ".layer-*.tmp"

// aTemporary returns an example of a temporary file's name, for the named file.
func aTemporary(name string) string { return ".layer-" + name + ".0123456789abcdef.tmp" }

// guarded is a set of files in one folder that git must never stage.
type guarded struct {
	what   string   // a description of the files, for errors
	shown  string   // the folder as the operator wrote it
	folder string   // absolute and without links; it need not exist
	names  []string // of the files; some are examples
	// patterns match files that must not be tracked. If matched is not nil, it
	// decides for each file that they match.
	patterns []string
	matched  func(name string) bool
	lines    []string // for the folder's .gitignore
	tracked  string   // next step if a file is tracked
}

// besideLedger returns the guard for the files that layer keeps beside a
// ledger, or in this folder for a remote ledger.
func (l *layer) besideLedger(p place) (guarded, error) {
	g := guarded{what: "a file that layer keeps here", shown: p.folder(), patterns: []string{temporary},
		tracked: "commit that"}
	lock := "layer.seen.lock"
	g.names = []string{"layer.seen", aTemporary("layer.seen")}
	path := "."
	if p.kind == inFile {
		path = p.text
	}
	path, err := realPath(l.path(path))
	if err != nil {
		return g, err
	}
	g.folder = path
	if p.kind == inFile {
		name := filepath.Base(path)
		lock, g.folder = name+".lock", filepath.Dir(path)
		g.names = append(g.names, aTemporary(name))
	}
	g.names = append(g.names, lock)
	g.lines = []string{"layer.seen", ignorePattern(lock), temporary}
	return g, nil
}

// identityFile returns the guard for the file with the key to the ledger. ok is
// false if the key is in no file.
func (l *layer) identityFile(p place) (g guarded, ok bool, err error) {
	if text, _ := l.lookup(ledger.IdentityVariable); text != "" && l.identity == "" {
		return g, false, nil
	}
	shown := l.identityPath(p)
	path, err := realPath(l.path(shown))
	if err != nil {
		return g, false, fmt.Errorf("identity %s: %w", l.fileName(shown, "that --identity names"), cause(err))
	}
	name := filepath.Base(path)
	return guarded{what: identityWhat, shown: filepath.Dir(shown), folder: filepath.Dir(path),
		names: []string{name, aTemporary(name)},
		lines: []string{"/" + ignorePattern(name), temporary}}, true, nil
}

// identityBelow returns the path of the identity relative to the ledger's
// folder, or "" if it is in no file below that folder.
func (l *layer) identityBelow(p place) string {
	identity, ok, err := l.identityFile(p)
	folder, err2 := realPath(l.path(p.folder()))
	if !ok || err != nil || err2 != nil {
		return ""
	}
	rel, err := filepath.Rel(folder, filepath.Join(identity.folder, identity.names[0]))
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	return rel
}

// values returns the guard for a folder of values. It checks the given names
// and one example. A declared binding name follows no pattern, so each has a
// line of its own.
func (l *layer) values(path string, names []string) (guarded, error) {
	folder, err := realPath(l.path(path))
	if err != nil {
		return guarded{}, fmt.Errorf("directory %s: %w", path, cause(err))
	}
	g := guarded{what: "a value", shown: path, folder: folder,
		patterns: []string{"LAYERON_SECRET_*", ".LAYERON_SECRET_*", temporary},
		lines:    []string{"/LAYERON_SECRET_*", "/.LAYERON_SECRET_*", temporary},
		tracked:  "commit that, and rotate each value that was committed"}
	declared := map[string]bool{} // in lower case: git may not distinguish the cases either
	for _, name := range append([]string{"LAYERON_SECRET_ANY"}, names...) {
		note := "." + name + ".note"
		g.names = append(g.names, name, note, aTemporary(name), aTemporary(note))
		if !isValue(name) {
			declared[strings.ToLower(name)], declared[strings.ToLower(note)] = true, true
			g.lines = append(g.lines, "/"+ignorePattern(name), "/"+ignorePattern(note))
		}
	}
	g.matched = func(name string) bool { return isValue(name) || declared[strings.ToLower(name)] }
	return g, nil
}

// valueName matches the files of derived binding names, and temporary files.
var valueName = lazyregexp.New(`(?i)^(LAYERON_SECRET_[A-Z0-9_]+|\.LAYERON_SECRET_[A-Z0-9_]+\.note|\.layer-.+\.tmp)$`)

func isValue(name string) bool { return valueName().MatchString(name) }

// targetFolder returns the folder of a dir: target. ok is false for any other
// target.
func targetFolder(target string) (path string, ok bool) {
	path, ok = strings.CutPrefix(target, "dir:")
	return filepath.FromSlash(path), ok && path != ""
}

// prepareGit writes two files beside the ledger, or in this folder for a remote
// ledger: .gitignore with the names that git must ignore, and .gitattributes
// with the rule that git never merges the ledger. It returns the lines that
// were missing. Then it asks git whether that is enough. The target is relative
// to this folder.
func (l *layer) prepareGit(ctx context.Context, p place, target string) (added gitLines, err error) {
	dir, lock := p.folder(), "layer.seen.lock"
	if p.kind == inFile {
		lock = filepath.Base(p.text) + ".lock"
	}
	want := []string{"layer.identity", "layer.seen", ignorePattern(lock), temporary}
	if rel := l.identityBelow(p); rel != "" && rel != "layer.identity" {
		want = append(want, ignorePattern(filepath.ToSlash(rel)))
	}
	if kept, err := l.targetToKeep(p, target); err == nil {
		path, ok := strings.CutPrefix(kept, "dir:")
		if ok && path == "." {
			want = append(want, "LAYERON_SECRET_*", ".LAYERON_SECRET_*")
		} else if ok && filepath.IsLocal(filepath.FromSlash(path)) {
			want = append(want, ignorePattern(path)+"/")
		}
	}
	name := filepath.Join(dir, ".gitignore")
	lines, err := appendLines(l.path(name), want, false)
	if err != nil {
		return added, fmt.Errorf("%s cannot be written: %w. It keeps the identity out of git, so nothing was made: "+
			"correct that, then run again",
			name, cause(err))
	}
	added.add(".gitignore", lines)
	if p.kind == inFile {
		name = filepath.Join(dir, ".gitattributes")
		line := attributesPattern(filepath.Base(p.text)) + " binary"
		if lines, err = appendLines(l.path(name), []string{line}, false); err != nil {
			return added, fmt.Errorf("%s cannot be written: %w. It keeps git from merging two ledgers into a damaged one, so "+
				"nothing was made: "+
				"correct that, then run again", name, cause(err))
		}
		added.add(".gitattributes", lines)
	}
	more, err := l.keepOut(ctx, p, target, nil)
	return append(added, more...), err
}

// keepOut makes sure that `git add -A` stages no identity, no value and no file
// that layer keeps beside a ledger, in any repository that contains these
// files. It returns the lines that it added to .gitignore files. Its error
// names the file that cannot be kept out, and the reason.
func (l *layer) keepOut(ctx context.Context, p place, target string, values []string) (added gitLines, err error) {
	beside, err := l.besideLedger(p)
	if err != nil {
		return nil, err
	}
	if added, err = l.guard(ctx, beside); err != nil {
		return added, err
	}
	if identity, ok, err := l.identityFile(p); err != nil {
		return added, err
	} else if ok {
		more, err := l.guard(ctx, identity)
		if added = append(added, more...); err != nil {
			return added, err
		}
	}
	if path, ok := targetFolder(target); ok {
		more, err := l.guardValues(ctx, path, values, beside.folder)
		return append(added, more...), err
	}
	return added, nil
}

// guardValues is guard for a folder of values. It ignores the whole folder if
// the folder contains nothing but values and is not the folder of the ledger.
func (l *layer) guardValues(ctx context.Context, path string, names []string,
	besideLedger string) (added gitLines, err error) {
	g, err := l.values(path, names)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(g.folder)
	foreign := func(e fs.DirEntry) bool { return !g.matched(e.Name()) && e.Name() != ".gitignore" }
	if err == nil && g.folder != besideLedger && !slices.ContainsFunc(entries, foreign) {
		g.lines = []string{"*"}
		if !exists(g.folder, ".gitignore") { // it may become a part of a repository later
			if _, err := appendLines(filepath.Join(g.folder, ".gitignore"), g.lines, false); err != nil {
				return nil, g.unwritable(err)
			}
		}
	}
	return l.guard(ctx, g)
}

// guard asks git about the files, and adds missing lines to the folder's
// .gitignore. Without a repository it adds them too: one may be made later.
func (l *layer) guard(ctx context.Context, g guarded) (added gitLines, err error) {
	repositories, err := l.repositories(ctx, g.folder)
	noGit := errors.Is(err, errNoGit)
	if err != nil && !noGit {
		return nil, fmt.Errorf("%w: so it is not known whether git would commit %s, and nothing was made or published: "+
			"correct that, then run again",
			err, g.what)
	}
	for _, r := range repositories {
		if err := g.untracked(ctx, r); err != nil {
			return nil, err
		}
	}
	if info, err := os.Stat(g.folder); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil // no folder, so no files
	}
	found, err := g.exposed(ctx, repositories)
	if err != nil || found == nil && len(repositories) > 0 {
		return nil, err
	}
	ignore := filepath.Join(g.folder, ".gitignore")
	lines, err := appendLines(ignore, g.lines, false)
	if err != nil && len(repositories) == 0 && !noGit && denied(err) {
		return nil, nil // the folder is not this user's, and in no repository
	}
	if err != nil {
		return nil, g.unwritable(err)
	}
	if found, err = g.exposed(ctx, repositories); err == nil && found != nil && !found.excluded {
		// A later line overrides one that was there before, so all are written again at
		// the end.
		all, failed := appendLines(ignore, g.lines, true)
		if failed != nil {
			return nil, g.unwritable(failed)
		}
		lines = append(lines, all...)
		found, err = g.exposed(ctx, repositories)
	}
	added.add(filepath.Join(g.shown, ".gitignore"), lines)
	if err == nil && found != nil && !found.excluded {
		err = fmt.Errorf("git would stage %s, which is %s, and %s: nothing was made or published. Correct that, or choose "+
			"another place",
			found.file, g.what, found.why())
	}
	return added, err
}

// denied reports whether a folder takes no new file, as in a read-only file system or
// below /dev and /proc.
func denied(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrNotExist)
}

func (e exposure) why() string {
	if e.rule != "" {
		return e.rule + ", includes it"
	}
	return "no line of a .gitignore that git reads keeps it out"
}

func (g guarded) unwritable(err error) error {
	return fmt.Errorf("%s cannot be written: %w. It keeps %s out of git, so nothing was made or published: correct "+
		"that, then run again",
		filepath.Join(g.shown, ".gitignore"), cause(err), g.what)
}

func (g guarded) exposed(ctx context.Context, repositories []worktree) (excluded *exposure, err error) {
	for _, r := range repositories {
		found, err := r.exposed(ctx, g.folder, g.names)
		if err != nil || found != nil && !found.excluded {
			return found, err
		}
		excluded = cmp.Or(excluded, found)
	}
	return excluded, nil
}

// untracked returns an error if the repository already tracks one of the files.
func (g guarded) untracked(ctx context.Context, r worktree) error {
	list, err := r.tracked(ctx, g.folder, g.names, g.patterns)
	if err != nil {
		return err
	}
	for _, file := range list {
		if name := filepath.Base(filepath.FromSlash(file)); g.matched == nil || g.matched(name) {
			return g.trackedError(r, file)
		}
	}
	return nil
}

func exists(folder, name string) bool {
	_, err := os.Lstat(filepath.Join(folder, name))
	return err == nil
}

// quoted quotes an argument for a shell.
func quoted(arg string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+,:@", c)
	}
	if arg != "" && !strings.ContainsFunc(arg, func(c rune) bool { return !plain(c) }) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// maxGitFile is the size limit in bytes of a file that appendLines changes. No
// real .gitignore is that large.
const maxGitFile = 16 << 20

// appendLines adds the missing lines to a text file, and returns them. The last
// line of a .gitignore decides, so a line before a negation does not count, and
// with again it adds all lines. It replaces the whole file. It neither follows
// nor replaces a symbolic link; git follows none either.
func appendLines(path string, want []string, again bool) (added []string, err error) {
	text, err := readPlain(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range slices.Backward(lines) {
		if strings.HasPrefix(line, "!") {
			lines = lines[i+1:]
			break
		}
	}
	if !again && filepath.Base(path) == ".gitignore" && slices.Contains(lines, "*") {
		return nil, nil // the whole folder is ignored
	}
	for _, w := range want {
		if again || !slices.Contains(lines, w) && !slices.Contains(lines, "/"+w) &&
			!slices.Contains(lines, strings.TrimPrefix(w, "/")) {
			added = append(added, w)
		}
	}
	if len(added) == 0 {
		return nil, nil
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	folder, err := atomicfile.Open(filepath.Dir(path), nil)
	if err != nil {
		return nil, err
	}
	defer folder.Root.Close()
	name := filepath.Base(path)
	access, err := folder.AccessOrReadable(name)
	if err != nil {
		return nil, err
	}
	if _, err := folder.Replace(name, []byte(text+strings.Join(added, "\n")+"\n"), access); err != nil {
		return nil, err
	}
	return added, nil
}

// readPlain reads a file that appendLines may change. It returns "" if there is
// no such file.
func readPlain(path string) (string, error) {
	f, err := atomicfile.OpenPlain(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxGitFile+1))
	if err == nil && len(text) > maxGitFile {
		err = errors.New("it is over 16 MiB")
	}
	return string(text), err
}

// ignorePattern returns the line of .gitignore that matches a file.
func ignorePattern(name string) string {
	pattern := strings.ReplaceAll(literalPattern(name), "\n", "?") // a ? matches one character
	if text, ok := strings.CutSuffix(pattern, " "); ok {
		return text + `\ ` // git drops spaces at the end of a line
	}
	if text, ok := strings.CutSuffix(pattern, "\r"); ok {
		return text + "?" // and a carriage return
	}
	return pattern
}

// literalPattern escapes the characters that are special in a pattern.
func literalPattern(name string) string {
	name = globLiteral(name)
	if strings.HasPrefix(name, "#") || strings.HasPrefix(name, "!") {
		name = `\` + name
	}
	return name
}

// attributesPattern returns the first field of the line of .gitattributes that
// matches a file. A pattern with white space is quoted as in C.
func attributesPattern(name string) string {
	pattern := literalPattern(name)
	plain := func(r rune) bool { return r > ' ' && r != 0x7f }
	if !strings.HasPrefix(pattern, `"`) && !strings.ContainsFunc(pattern, func(r rune) bool { return !plain(r) }) {
		return pattern
	}
	var quoted strings.Builder
	for _, c := range []byte(pattern) {
		switch {
		case c == '"' || c == '\\':
			quoted.WriteByte('\\')
			quoted.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&quoted, `\%03o`, c)
		default:
			quoted.WriteByte(c)
		}
	}
	return `"` + quoted.String() + `"`
}
