package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/layer/generate/r2"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/internal/source"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/target/cloudflare"
	"github.com/layeron-hq/secret/layer/target/kubernetes"
)

// Prepares a command: keys, ledger, declarations, target and generators, in
// that order. The flags are checked first, so a wrong flag changes nothing.

// maxInput is the size limit in bytes of a spec. No real spec is that large.
const maxInput = 64 << 20

func (l *layer) identityPath(p place) string {
	if l.identity != "" {
		return l.identity
	}
	return filepath.Join(p.folder(), "layer.identity")
}

func (l *layer) readIdentities(p place) (ledger.Identities, error) {
	if l.identity == "" {
		if text, _ := l.lookup(ledger.IdentityVariable); text != "" {
			ids, err := l.prompts().ParseIdentities("identity in "+ledger.IdentityVariable, text)
			if err != nil {
				return ids, fmt.Errorf("%s: %w", ledger.IdentityVariable, err)
			}
			return ids, nil
		}
	}
	if err := l.checkIdentity(); err != nil {
		return ledger.Identities{}, err
	}
	path := l.path(l.identityPath(p))
	ids, err := l.prompts().ReadIdentities(path)
	if err == nil {
		l.warnOnce(ledger.IdentityReadable(path))
	}
	return ids, err
}

// warnOnce prints a warning, unless it is empty or was printed before.
func (l *layer) warnOnce(warning string) {
	if warning != "" && !slices.Contains(l.warned, warning) {
		l.say("warning: %s", warning)
		l.warned = append(l.warned, warning)
	}
}

// checkIdentity returns an error if --identity is a key, an address or a
// missing file. The error repeats no text that may be a key.
func (l *layer) checkIdentity() error {
	switch {
	case resemblesKey(l.identity):
		return usagef("--identity takes the name of a file, and %s the key itself: a key on the command line is in the "+
			"list of processes and "+
			"in the shell's history. Others may have seen this key: make another one, and remove its public half from the "+
			"recipients", ledger.IdentityVariable)
	case resemblesAddress(l.identity) && !l.exists(l.identity):
		return usagef("--identity takes the name of a file: one with any of : = @ in its name is written ./NAME")
	case l.identity != "" && l.fileName(l.identity, "") == "":
		return fmt.Errorf("the file that --identity names is missing: %w: name the file with the key, put the key itself "+
			"into %s, or start with "+
			"`layer secret init`", fs.ErrNotExist, ledger.IdentityVariable)
	}
	return nil
}

// operator returns the Operator for a command, and the current state of the
// ledger.
func (l *layer) operator(ctx context.Context, adopt bool) (*rotate.Operator, rotate.State, error) {
	if err := l.checkFlags(); err != nil {
		return nil, rotate.State{}, err
	}
	ledger, state, err := l.current(ctx, opening{adopt: adopt, peek: l.dry})
	if err != nil {
		return nil, rotate.State{}, err
	}
	set := state.Settings()
	spec, err := l.readSpec(ctx, set)
	if err != nil {
		return nil, rotate.State{}, err
	}
	o := &rotate.Operator{Ledger: ledger, Spec: spec, Window: l.window, Margin: l.margin, Limit: l.limit,
		By: operatorName(), Reports: l.then != nil,
		Progress: l.progress}
	target, err := l.target(set)
	if err != nil {
		return nil, rotate.State{}, err
	}
	if err := l.keepOutNow(ctx, spec, state, target); err != nil {
		return nil, rotate.State{}, err
	}
	if o.Publisher, err = l.publisher(ctx, target, set); err != nil {
		return nil, rotate.State{}, err
	}
	if o.Generators, err = l.generators(); err != nil {
		return nil, rotate.State{}, err
	}
	if o.Former, err = l.formerTargets(ctx, state); err != nil {
		return nil, rotate.State{}, err
	}
	l.progressText("waiting for another run to end")
	return o, state, nil
}

// target returns the target of the ledger. It refuses another target in --to,
// because two targets would then hold different texts of every secret.
func (l *layer) target(set rotate.Settings) (string, error) {
	p, _ := l.parsePlace(l.ledger) // no error: it was parsed before
	if l.to == "" || set.Target == "" || l.moves {
		return cmp.Or(l.to, keptTarget(p, set.Target)), nil
	}
	to, err := l.targetToKeep(p, l.to)
	if err != nil {
		return "", err
	}
	if to != set.Target {
		return "", fmt.Errorf("the ledger's target is %s, and --to names another one. With two targets, programs could "+
			"read different versions of one secret. To change the target, move all values with `layer secret target '%s'`",
			set.Target, l.to)
	}
	return l.to, nil
}

// formerTargets opens the targets from which the values were moved.
func (l *layer) formerTargets(ctx context.Context, state rotate.State) (map[string]driver.Publisher, error) {
	p, _ := l.parsePlace(l.ledger) // no error: it was parsed before
	former := map[string]driver.Publisher{}
	for _, target := range state.FormerTargets() {
		publisher, err := l.publisher(ctx, keptTarget(p, target), state.Settings())
		if err != nil {
			return nil, fmt.Errorf("the former target %s: %w", target, err)
		}
		former[target] = publisher
	}
	return former, nil
}

func (l *layer) checkFlags() error {
	kind, path, _ := strings.Cut(l.to, ":")
	switch {
	case kind == "etcd":
		if _, err := etcd.ParseURL(l.to); err != nil {
			return usageError{err}
		}
	case kind == "kubernetes":
		if _, err := kubernetes.ParseTarget(l.to); err != nil {
			return usageError{err}
		}
	case l.to != "" && l.to != "cloudflare" && (kind != "dir" || path == ""):
		return usagef("--to names no target: use one of %s", targets)
	case kind == "dir" && (resemblesAddress(path) || resemblesKey(path)):
		return usagef("--to names no target, %s: a folder with one of : = @ in its name is written dir:./NAME",
			targets)
	}
	switch {
	case l.window < 0 || l.margin < 0:
		return usagef("--window and --margin cannot be negative")
	case l.window != 0 && l.window < minWindow:
		return usagef("--window is at least %v", minWindow)
	case l.limit < 1 || l.limit > 1<<20:
		return usagef("--limit is 1 to 1048576 bytes")
	}
	return nil
}

const targets = "dir:PATH, cloudflare, kubernetes:NAMESPACE/NAME or etcd://HOST:PORT,…"

// publisher returns the publisher of a target.
func (l *layer) publisher(ctx context.Context, target string, set rotate.Settings) (driver.Publisher, error) {
	kind, rest, _ := strings.Cut(target, ":")
	switch {
	case kind == "dir" && rest != "":
		return l.folderPublisher(rest), nil
	case target == "cloudflare":
		return cloudflare.NewStore(l.cloudflare())
	case kind == "etcd":
		return l.etcd(ctx, target, set)
	case kind == "kubernetes":
		return l.kubernetes(target)
	}
	return nil, fmt.Errorf("the ledger has no target that this version of layer supports: give one with --to, %s", targets)
}

func (l *layer) cloudflare() cloudflare.Options {
	return cloudflare.Options{AccountID: l.getenv("CLOUDFLARE_ACCOUNT_ID"),
		Token:   driver.NewValue(l.getenv("CLOUDFLARE_API_TOKEN")),
		BaseURL: l.getenv("CLOUDFLARE_API_BASE_URL"), StoreID: l.store}
}

func (l *layer) r2() r2.Options {
	o := l.cloudflare()
	return r2.Options{AccountID: o.AccountID, Token: o.Token, BaseURL: o.BaseURL}
}

// keptTarget returns the target of a ledger as seen from the current folder.
// The ledger stores a relative path as seen from the folder of the ledger file,
// or, for a remote ledger, from the folder of the identity and layer.seen.
func keptTarget(ledger place, target string) string {
	path, ok := strings.CutPrefix(target, "dir:")
	if !ok || filepath.IsAbs(path) {
		return target
	}
	return "dir:" + filepath.Join(ledger.folder(), filepath.FromSlash(path))
}

// targetToKeep is the inverse of keptTarget.
func (p process) targetToKeep(ledger place, target string) (string, error) {
	path, ok := strings.CutPrefix(target, "dir:")
	if !ok || filepath.IsAbs(path) {
		return target, nil
	}
	from, err := filepath.Abs(p.path(ledger.folder()))
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(p.path(path))
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(from, to)
	if err != nil {
		return "", err
	}
	return "dir:" + filepath.ToSlash(rel), nil
}

// readSpec returns the declarations: from --spec, else from the packages in the
// current folder. The credentials that they name are layer's own from here on.
func (l *layer) readSpec(ctx context.Context, set rotate.Settings) (secret.Spec, error) {
	spec, err := l.readDeclarations(ctx, set)
	if err != nil {
		return spec, err
	}
	return spec, l.ownAlso(spec)
}

func (l *layer) readDeclarations(ctx context.Context, set rotate.Settings) (secret.Spec, error) {
	if l.spec == "" {
		l.progressText("reading the declarations")
		return l.readSource(ctx, nil, set)
	}
	var data []byte
	var err error
	if l.spec == "-" {
		var text string
		text, err = readUpTo(ctx, l.in, maxInput)
		data = []byte(text)
	} else {
		data, err = os.ReadFile(l.path(l.spec))
	}
	switch {
	case errors.Is(err, rotate.ErrInterrupted):
		return secret.Spec{}, err
	case err != nil:
		return secret.Spec{}, fmt.Errorf("the spec %s cannot be read: %w: write one with `layer secret spec > FILE`",
			l.fileName(l.spec, "that --spec names"), cause(err))
	}
	spec, err := secret.ParseSpec(bytes.TrimSpace(data))
	if err != nil {
		return secret.Spec{}, fmt.Errorf("the spec %s is refused: %w: `layer secret spec` prints a valid one", l.spec,
			plain(err))
	}
	return spec, nil
}

// sourceOptions returns the options for reading packages.
func (l *layer) sourceOptions(patterns []string) (source.Options, error) {
	if slices.ContainsFunc(patterns, func(p string) bool { return resemblesAddress(p) || resemblesKey(p) }) {
		return source.Options{}, usagef("the packages are not in the form of the go command, without version: write them " +
			"like ./... or ./cmd/server")
	}
	folder := l.dir
	if len(patterns) == 0 {
		patterns = []string{"./..."}
		if l.above != "" {
			folder = l.path(l.above)
		}
	}
	// The go command and the programs that it starts need no credential.
	environ, _ := l.passedOn(nil)
	return source.Options{Dir: folder, Env: environ, Patterns: patterns,
		Warn: func(p source.Problem) { l.say("warning: %s", p) }}, nil
}

// readSource reads the declarations from the source of packages. If none is named,
// they are all below the folder of the ledger file, if that is above, else below the
// current one.
func (l *layer) readSource(ctx context.Context, patterns []string, set rotate.Settings) (secret.Spec, error) {
	o, err := l.sourceOptions(patterns)
	if err != nil {
		return secret.Spec{}, err
	}
	o.Workspace, o.Project, o.Environment = set.Workspace, set.Project, set.Environment
	spec, problems, err := source.Read(ctx, o)
	if err != nil {
		return secret.Spec{}, severalLines{withoutPatterns(err, patterns)}
	}
	if len(problems) > 0 {
		var lines []string
		several := false
		for _, p := range problems {
			lines = append(lines, p.String())
			several = several || strings.Contains(p.Text, " is declared differently at ")
		}
		if several {
			lines = append(lines, "if these are several programs: work in the folder of one, or write the declarations of "+
				"one to a file, "+
				"`layer secret spec ./cmd/server > spec.json`, and name that file with --spec")
		}
		return spec, severalLines{errors.New("the declarations cannot all be read:\n" + strings.Join(lines, "\n"))}
	}
	return spec, nil
}

// withoutPatterns removes from an error the arguments that do not have the form
// of a path: each may be a value.
func withoutPatterns(err error, patterns []string) error {
	text := err.Error()
	for _, p := range patterns {
		if len(p) > 3 && !packagePath().MatchString(p) {
			text = strings.ReplaceAll(text, p, "…")
		}
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// packagePath matches a package path that contains a slash.
var packagePath = lazyregexp.New(`^[A-Za-z0-9._~-]*/[A-Za-z0-9._~/-]*$`)

// operatorName returns the operator's name for the ledger's log: user@host.
func operatorName() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// cause returns the reason of a file error, without the operation and the path,
// which the message already names.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// plain returns an error of package secret without the text before the reason.
// The message already names the file.
func plain(err error) error {
	var known *secret.Error
	if !errors.As(err, &known) {
		return err
	}
	text := strings.TrimPrefix(known.Err.Error(), secret.ErrInvalid.Error()+": ")
	if known.Member != "" {
		text = known.Member + ": " + text
	}
	return errors.New(text)
}
