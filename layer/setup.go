package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
)

// maxInput is more than any spec or value has.
const maxInput = 64 << 20

func (l *layer) identityPath(p place) string {
	if l.identity != "" {
		return l.identity
	}
	return filepath.Join(p.folder(), "layer.identity")
}

// identities returns the keys to the ledger: of --identity, else of LAYER_IDENTITY, else of the file beside the ledger.
func (l *layer) identities(p place) (ledger.Identities, error) {
	if l.identity == "" {
		if text, _ := l.lookup(ledger.IdentityVariable); text != "" {
			ids, err := ledger.ParseIdentities(text)
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
	ids, err := ledger.ReadIdentities(path)
	if err == nil {
		l.warnOnce(ledger.IdentityReadable(path))
	}
	return ids, err
}

// warnOnce prints a warning, if there is one, unless it is the one before.
func (l *layer) warnOnce(warning string) {
	if warning != "" && warning != l.warned {
		l.say("warning: %s", warning)
		l.warned = warning
	}
}

// checkIdentity refuses a --identity that is a key or an address, and repeats none
// that is no file.
func (l *layer) checkIdentity() error {
	switch {
	case resemblesKey(l.identity):
		return usagef("--identity takes the name of a file, and %s the key itself: a key on the command line is in the list of processes and in "+
			"the shell's history. Others may have seen this one: make another, and remove its public half from the recipients", ledger.IdentityVariable)
	case resemblesAddress(l.identity) && !l.exists(l.identity):
		return usagef("--identity takes the name of a file: one with any of : = @ in its name is written ./NAME")
	case l.identity != "" && l.fileName(l.identity, "") == "":
		return fmt.Errorf("the file that --identity names is nowhere to be found: %w: name the one that holds the key, put the key itself into %s, or begin with "+
			"`layer secret init`", fs.ErrNotExist, ledger.IdentityVariable)
	}
	return nil
}

// operator returns what carries out a command, with the state that the ledger is in now.
func (l *layer) operator(ctx context.Context, adopt bool) (*rotate.Operator, rotate.State, error) {
	if err := l.checkFlags(); err != nil {
		return nil, rotate.State{}, err
	}
	ledger, state, _, err := l.current(ctx, opening{adopt: adopt, peek: l.dry})
	if err != nil {
		return nil, rotate.State{}, err
	}
	set := state.Settings()
	spec, err := l.readSpec(ctx, set)
	if err != nil {
		return nil, rotate.State{}, err
	}
	o := &rotate.Operator{Ledger: ledger, Spec: spec, Window: l.window, Margin: l.margin, Limit: l.limit, By: operatorName(),
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
	if l.getenv("CLOUDFLARE_API_TOKEN") != "" && l.getenv("CLOUDFLARE_ACCOUNT_ID") != "" {
		tokens, err := r2.New(l.r2())
		if err != nil {
			return nil, rotate.State{}, err
		}
		o.Generators = map[string]driver.Generator{r2.Name: tokens}
	}
	if o.Former, err = l.formerTargets(ctx, state); err != nil {
		return nil, rotate.State{}, err
	}
	l.progressText("waiting for another run to end")
	return o, state, nil
}

// target returns where the ledger's values are published. Another one is refused: it
// would fork every secret.
func (l *layer) target(set rotate.Settings) (string, error) {
	p, _ := l.parsePlace(l.ledger) // it was opened
	if l.to == "" || set.Target == "" || l.moves {
		return cmp.Or(l.to, keptTarget(p, set.Target)), nil
	}
	to, err := l.targetToKeep(p, l.to)
	if err != nil {
		return "", err
	}
	if to != set.Target {
		return "", fmt.Errorf("the ledger publishes to %s, and --to names another target, which would fork every secret: "+
			"`layer secret target '%s'` moves everything there", set.Target, l.to)
	}
	return l.to, nil
}

// formerTargets opens the targets from which the values were moved.
func (l *layer) formerTargets(ctx context.Context, state rotate.State) (map[string]driver.Publisher, error) {
	p, _ := l.parsePlace(l.ledger) // it was opened
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
	case l.to != "" && l.to != "cloudflare" && (kind != "dir" || path == ""):
		return usagef("the target is %s: --to names it", targets)
	case kind == "dir" && (resemblesAddress(path) || resemblesKey(path)):
		return usagef("the target is %s: a folder with one of : = @ in its name is written dir:./NAME", targets)
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

const targets = "dir:PATH, cloudflare or etcd://HOST:PORT,…"

// publisher returns the target's publisher.
func (l *layer) publisher(ctx context.Context, target string, set rotate.Settings) (driver.Publisher, error) {
	kind, rest, _ := strings.Cut(target, ":")
	switch {
	case kind == "dir" && rest != "":
		return l.folderPublisher(rest), nil
	case target == "cloudflare":
		return cloudflare.NewStore(l.cloudflare())
	case kind == "etcd":
		return l.etcd(ctx, target, set)
	}
	return nil, fmt.Errorf("the ledger names no target that this version of layer knows: --to names one, %s", targets)
}

func (l *layer) cloudflare() cloudflare.Options {
	return cloudflare.Options{AccountID: l.getenv("CLOUDFLARE_ACCOUNT_ID"), Token: driver.NewValue(l.getenv("CLOUDFLARE_API_TOKEN")),
		BaseURL: l.getenv("CLOUDFLARE_API_BASE_URL"), StoreID: l.store}
}

func (l *layer) r2() r2.Options {
	o := l.cloudflare()
	return r2.Options{AccountID: o.AccountID, Token: o.Token, BaseURL: o.BaseURL}
}

// keptTarget turns the target in a ledger into one for this folder: a path is kept as seen from the ledger, or from where identity and
// memory of one lie that is in no file.
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

// readSpec returns the declarations: of --spec, else of the packages here.
func (l *layer) readSpec(ctx context.Context, set rotate.Settings) (secret.Spec, error) {
	if l.spec == "" {
		l.progressText("reading the declarations")
		return l.readSource(ctx, []string{"./..."}, set)
	}
	var data []byte
	var err error
	if l.spec == "-" {
		data, err = io.ReadAll(io.LimitReader(l.in, maxInput))
	} else {
		data, err = os.ReadFile(l.path(l.spec))
	}
	if err != nil {
		return secret.Spec{}, fmt.Errorf("the spec %s cannot be read: %w: `layer secret spec > FILE` writes one", l.fileName(l.spec, "that --spec names"), cause(err))
	}
	spec, err := secret.ParseSpec(bytes.TrimSpace(data))
	if err != nil {
		return secret.Spec{}, fmt.Errorf("the spec %s is refused: %w: `layer secret spec` prints one that is right", l.spec, plain(err))
	}
	return spec, nil
}

// readSource reads declarations out of packages.
func (l *layer) readSource(ctx context.Context, patterns []string, set rotate.Settings) (secret.Spec, error) {
	if slices.ContainsFunc(patterns, func(p string) bool { return resemblesAddress(p) || resemblesKey(p) }) {
		return secret.Spec{}, usagef("the packages are written as the go command takes them, without version: ./... or ./cmd/server")
	}
	environ, _ := l.passedOn(nil) // the go command needs no credential, nor do the programs that it starts
	spec, problems, err := source.Read(ctx, source.Options{Dir: l.dir, Env: environ, Patterns: patterns, Workspace: set.Workspace,
		Project: set.Project, Environment: set.Environment, Warn: func(p source.Problem) { l.say("warning: %s", p) }})
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
			lines = append(lines, "if these are several programs: work in the folder of one, or write down what one declares, "+
				"`layer secret spec ./cmd/server > spec.json`, and name that file with --spec")
		}
		return spec, severalLines{errors.New("what is declared cannot all be known:\n" + strings.Join(lines, "\n"))}
	}
	return spec, nil
}

// withoutPatterns takes arguments out of an error that are not written as a path:
// each may be a value.
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

// packagePath is a path of a package with a slash in it.
var packagePath = lazyregexp.New(`^[A-Za-z0-9._~-]*/[A-Za-z0-9._~/-]*$`)

// operatorName is who works here, for the ledger's log.
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

// address reads an argument. One that is refused is not repeated: it may be a value, or hold what a shell put in the place of
// $SECRET.
func address(arg string) (secret.Address, error) {
	addr, err := secret.ParseAddress(arg)
	switch {
	case err == nil:
		return addr, nil
	case strings.HasPrefix(arg, "$SECRET."):
		return addr, usagef("an address is '$SECRET.namespace.name': namespace and name have 1 to 63 of a-z, 0-9, and between them - and _")
	}
	return addr, usagef("an address is written '$SECRET.namespace.name', in single quotes: a shell replaces $SECRET otherwise")
}

// cause leaves out the operation and the path, which the message names already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// plain is an error of package secret without what it says before the reason: where and why are enough here.
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
