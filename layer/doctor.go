package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret doctor` checks the set-up of a machine: whether the next run
// could work, and whether the files are safe. It sends only requests that read.

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, warning, failed or skipped
	Text   string `json:"text"`
}

const (
	healthy = "ok"
	warning = "warning"
	failing = "failed"
	skipped = "skipped"
)

func (l *layer) doctorCommand() *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Check keys, files, clock, declarations and target", Args: noArgs,
		Long: `Check the set-up of this machine, one line for each check:
  ledger        can be opened, and is the right one
  recipients    more than one identity can open the ledger
  file modes    no other user can read the identity and the values, or write the ledger
  git           git tracks or would stage neither identity nor values
  clock         it agrees with the ledger's log, and with the target where that has a clock
  declarations  can be read; a file in --spec is compared with the source here
  target        answers, and this user or token may read it. A right to write shows only in a write

doctor changes nothing in the ledger and the target. It exits with 1 if a check has failed. A warning
is a risk that does not prevent a run.`,
		Example: `  layer secret doctor
  layer secret doctor --spec spec.json --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := l.checkFlags(); err != nil {
				return err
			}
			list, err := l.examine(c.Context())
			if err != nil {
				return err
			}
			var failed []string
			for _, f := range list {
				if f.Result == failing {
					failed = append(failed, f.Check)
				}
			}
			if l.json {
				l.printJSON(struct {
					OK     bool      `json:"ok"`
					Checks []finding `json:"checks"`
				}{len(failed) == 0, list})
			} else {
				l.err.clear()
				for _, f := range list {
					l.out.line("%-8s %-13s %s", f.Result, f.Check, f.Text)
				}
			}
			if len(failed) > 0 {
				l.say("failed: %s", strings.Join(failed, ", "))
				return errSilent
			}
			return nil
		}}
}

// examine runs all checks. One that fails does not prevent the others.
func (l *layer) examine(ctx context.Context) (list []finding, err error) {
	add := func(check string, f finding) {
		f.Check = check
		list = append(list, f)
	}
	p, err := l.parsePlace(l.ledger)
	if err != nil {
		return nil, err
	}
	opened, state, err := l.current(ctx, opening{})
	if ctx.Err() != nil {
		return nil, errLeft
	}
	known := err == nil
	if known {
		add("ledger", finding{Result: healthy, Text: fmt.Sprintf("generation %d, id %s", state.Generation(), state.ID())})
		add("recipients", recipientsFinding(state.Settings().Recipients))
	} else {
		add("ledger", finding{Result: failing, Text: inOneLine(err)})
		add("recipients", finding{Result: skipped, Text: "the ledger cannot be read"})
	}
	target := ""
	if known {
		if target, err = l.target(state.Settings()); err != nil {
			return nil, err
		}
	}
	l.progressText("reading the declarations")
	spec, specErr := l.readSpec(ctx, state.Settings())
	values := valueNames(spec, state)
	add("file modes", l.modes(p, target, values))
	if known {
		add("git", l.gitFinding(ctx, p, target, values))
	} else {
		add("git", finding{Result: skipped, Text: "the ledger cannot be read"})
	}
	reached := finding{Result: skipped, Text: "the ledger cannot be read"}
	if known {
		var ahead *time.Duration
		reached, ahead = l.reach(ctx, opened, target, state, spec)
		add("clock", clockFinding(time.Now(), state.Log(), ahead))
	} else {
		add("clock", finding{Result: skipped, Text: "the ledger cannot be read"})
	}
	add("declarations", l.specFinding(ctx, state.Settings(), spec, specErr))
	add("target", reached)
	if ctx.Err() != nil {
		return nil, errLeft // not every check was made
	}
	return list, nil
}

// inOneLine returns the words of an error on one line, also those of an error
// whose text has several lines, as the go command's has.
func inOneLine(err error) string {
	text := ""
	for line := range strings.Lines(onOneLine(err)) {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case text == "":
			text = line
		case strings.HasSuffix(text, ":"):
			text += " " + line
		default:
			text += "; " + line
		}
	}
	return text
}

func recipientsFinding(keys []string) finding {
	if len(keys) < 2 {
		return finding{Result: warning, Text: "only one identity can open the ledger: if it is lost, the ledger is lost. " +
			"Add a second one with `layer secret ledger recipients --add KEY`, and keep it in another place"}
	}
	return finding{Result: healthy, Text: fmt.Sprintf("%d identities can open the ledger", len(keys))}
}

// modes checks that no other user can read the identity and the values, or
// replace the ledger.
func (l *layer) modes(p place, target string, values []string) finding {
	const othersWrite = 0o022
	var open []string
	checked := 0
	check := func(path, shown string, bits fs.FileMode, what string) {
		info, err := os.Stat(path)
		if err != nil {
			return // another check reports it
		}
		checked++
		if info.Mode().Perm()&bits != 0 {
			open = append(open, fmt.Sprintf("%s (mode %04o) %s", shown, info.Mode().Perm(), what))
		}
	}
	if _, inFile, _ := l.identityFile(p); inFile {
		shown := l.identityPath(p)
		bits := fs.FileMode(othersWrite)
		if info, err := os.Stat(l.path(shown)); err == nil && ledger.ReadableByOthers(info) {
			bits |= 0o044
		}
		check(l.path(shown), shown, bits, "can be used by other users: chmod 600")
	}
	if p.kind == inFile {
		check(l.path(p.text), p.text, othersWrite, "can be changed by other users: chmod go-w")
	}
	memory := filepath.Join(p.folder(), memoryName)
	check(l.path(memory), memory, othersWrite, "can be changed by other users: chmod go-w")
	if path, ok := targetFolder(target); ok {
		check(l.path(path), path, othersWrite&0o002, "can be changed by all users: chmod o-w")
		for _, name := range values {
			check(l.path(filepath.Join(path, name)), name, 0o006, "can be read by all users: chmod o-rw")
		}
	}
	if len(open) > 0 {
		return finding{Result: warning, Text: strings.Join(open, "; ")}
	}
	return finding{Result: healthy, Text: fmt.Sprintf("%d files and folders are closed to other users", checked)}
}

// gitFinding asks git whether it tracks or would stage the identity, the memory
// or a value. It changes no .gitignore.
func (l *layer) gitFinding(ctx context.Context, p place, target string, values []string) finding {
	var files []guarded
	beside, err := l.besideLedger(p)
	if err != nil {
		return finding{Result: failing, Text: inOneLine(err)}
	}
	files = append(files, beside)
	identity, inFile, err := l.identityFile(p)
	if err != nil {
		return finding{Result: failing, Text: inOneLine(err)}
	}
	if inFile {
		files = append(files, identity)
	}
	if path, ok := targetFolder(target); ok {
		folder, err := l.values(path, values)
		if err != nil {
			return finding{Result: failing, Text: inOneLine(err)}
		}
		files = append(files, folder)
	}
	inside := false
	for _, g := range files {
		repositories, err := l.repositories(ctx, g.folder)
		switch {
		case errors.Is(err, errNoGit):
			return finding{Result: skipped, Text: "git is not installed here"}
		case err != nil:
			return finding{Result: failing, Text: inOneLine(err)}
		}
		inside = inside || len(repositories) > 0
		for _, r := range repositories {
			if err := g.untracked(ctx, r); err != nil {
				return finding{Result: failing, Text: inOneLine(err)}
			}
		}
		found, err := g.exposed(ctx, repositories)
		switch {
		case err != nil:
			return finding{Result: failing, Text: inOneLine(err)}
		case found != nil && !found.excluded:
			return finding{Result: failing, Text: fmt.Sprintf("git would stage %s, which is %s, and %s: "+
				"`layer secret apply` adds the missing lines", found.file, g.what, found.why())}
		}
	}
	if !inside {
		return finding{Result: healthy, Text: "no git repository contains the files"}
	}
	return finding{Result: healthy, Text: "git ignores the identity, the memory and the values"}
}

// largestSkew is the difference of clocks that the protocol allows for.
const largestSkew = time.Minute

// clockFinding compares this machine's clock with the ledger's log, and with
// the clock of the target. ahead is the time by which the target's clock is
// ahead, or nil if that is not known.
func clockFinding(now time.Time, log []rotate.LogEntry, ahead *time.Duration) finding {
	for _, e := range log {
		if e.At.After(now.Add(largestSkew)) {
			return finding{Result: failing, Text: fmt.Sprintf("the ledger's log has an entry of %s, which is in the future: "+
				"correct the clock of this machine, or of the machine of %s", people(e.At), e.By)}
		}
	}
	switch {
	case ahead == nil:
		return finding{Result: healthy, Text: "no entry of the ledger's log is in the future; the target has shown no " +
			"clock to compare with"}
	case ahead.Abs() > largestSkew:
		return finding{Result: failing, Text: fmt.Sprintf("it differs from the target's clock by %v: rotations allow for "+
			"a minute", ahead.Abs().Round(time.Second))}
	}
	return finding{Result: healthy, Text: "it agrees with the target's clock"}
}

// specFinding reports the declarations. It compares a file of declarations with
// the source that a command without --spec reads, if there is any, because such
// a file gets old.
func (l *layer) specFinding(ctx context.Context, set rotate.Settings, spec secret.Spec, err error) finding {
	if err != nil {
		return finding{Result: failing, Text: inOneLine(err)}
	}
	count := fmt.Sprintf("%d declared", len(spec.Secrets))
	if l.spec == "" {
		return finding{Result: healthy, Text: count + ", read from the source"}
	}
	age := "read from stdin"
	if l.spec != "-" {
		info, err := os.Stat(l.path(l.spec))
		if err != nil {
			return finding{Result: failing, Text: cause(err).Error()}
		}
		age = fmt.Sprintf("%s was written %s", l.spec, ago(info.ModTime(), time.Now()))
	}
	if !l.exists(filepath.Join(l.above, "go.mod")) {
		return finding{Result: healthy, Text: count + ", " + age}
	}
	source, err := l.readSource(ctx, nil, set)
	if err != nil {
		return finding{Result: warning, Text: count + ", " + age + "; the source here cannot be read to compare it"}
	}
	if differs := difference(spec, source); differs != "" {
		return finding{Result: warning, Text: count + ", " + age + ", and the source here declares " + differs +
			": write the file again with `layer secret spec`"}
	}
	return finding{Result: healthy, Text: count + ", " + age + ", and equals the source here"}
}

// difference names a secret that two lists of declarations do not have in
// common, or that they declare differently.
func difference(file, source secret.Spec) string {
	for _, s := range source.Secrets {
		other, ok := find(file, s.Address)
		switch {
		case !ok:
			return s.Address.String() + " as well"
		case !sameDeclaration(other, s):
			return s.Address.String() + " differently"
		}
	}
	for _, s := range file.Secrets {
		if _, ok := find(source, s.Address); !ok {
			return "no " + s.Address.String()
		}
	}
	return ""
}

func sameDeclaration(a, b secret.SpecSecret) bool {
	one, err := json.Marshal(a)
	other, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(one, other)
}

// clocked is a target that has a clock. Ahead is the time by which it is ahead
// of this machine's, as its last answer showed.
type clocked interface {
	Ahead() (d time.Duration, known bool)
}

// reach asks the target for the notes of the declared secrets, which also shows
// whether the ledger is an old copy. ahead is nil if the target has shown no
// clock.
func (l *layer) reach(ctx context.Context, opened rotate.Ledger, target string, state rotate.State,
	spec secret.Spec) (f finding, ahead *time.Duration) {
	if missing := l.missingCredential(target); missing != "" {
		return finding{Result: failing, Text: missing + " is not set"}, nil
	}
	l.progressText("asking the target")
	publisher, err := l.publisher(ctx, target, state.Settings())
	if err != nil {
		return finding{Result: failing, Text: inOneLine(err)}, nil
	}
	o := &rotate.Operator{Ledger: opened, Publisher: publisher}
	bare, err := o.CompareNotes(ctx, state, asked(spec, state))
	if c, ok := publisher.(clocked); ok {
		if d, known := c.Ahead(); known {
			ahead = &d
		}
	}
	switch {
	case err != nil:
		return finding{Result: failing, Text: inOneLine(err)}, ahead
	case len(bare) > 0:
		return finding{Result: warning, Text: fmt.Sprintf("%s answers, and has no note of this ledger for %s: "+
			"`layer secret status` shows the state", target, several(bare))}, ahead
	}
	if path, ok := targetFolder(target); ok && !l.exists(path) {
		return finding{Result: healthy, Text: target + " does not exist yet: the first run that publishes makes it"}, ahead
	}
	return finding{Result: healthy, Text: fmt.Sprintf("%s answers, and may be read", target)}, ahead
}

// asked returns the secrets whose notes show that the target answers: the
// declared ones, or those of the ledger if no declaration could be read. It is
// never empty, because the target is only asked for names.
func asked(spec secret.Spec, state rotate.State) []secret.SpecSecret {
	if len(spec.Secrets) > 0 {
		return spec.Secrets
	}
	addresses := state.Addresses()
	if len(addresses) == 0 {
		addresses = []secret.Address{{Namespace: "default", Name: "doctor"}}
	}
	var list []secret.SpecSecret
	for _, addr := range addresses {
		list = append(list, secret.SpecSecret{Address: addr, Binding: addr.Binding(), SecretName: addr.Binding()})
	}
	return list
}
