package main

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/atomicfile"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/target/dir"
)

// folderTarget is a folder of values that git must never stage.
type folderTarget struct {
	*dir.Publisher
	keepOut func(ctx context.Context, names []string) error
	asked   map[string]bool // names of values for which keepOut has succeeded
}

// Publish implements [driver.Publisher]. It makes the folder and keeps it out
// of git before it writes the first value.
func (f *folderTarget) Publish(ctx context.Context, items []driver.Item) []error {
	var names []string
	for _, item := range items {
		if !f.asked[item.Name] {
			names = append(names, item.Name)
		}
	}
	if err := f.prepare(ctx, names); err != nil {
		errs := make([]error, len(items))
		for i := range errs {
			errs[i] = driver.NotApplied(err)
		}
		return errs
	}
	return f.Publisher.Publish(ctx, items)
}

func (f *folderTarget) prepare(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if err := f.Make(ctx); err != nil {
		return err
	}
	if err := f.keepOut(ctx, names); err != nil {
		return err
	}
	for _, name := range names {
		f.asked[name] = true
	}
	return nil
}

// folderPublisher returns the publisher of a folder.
func (l *layer) folderPublisher(path string) driver.Publisher {
	p, _ := l.parsePlace(l.ledger) // no error: it was parsed before
	return &folderTarget{dir.New(l.path(path)), func(ctx context.Context, names []string) error {
		beside, err := l.besideLedger(p)
		if err != nil {
			return err
		}
		added, err := l.guardValues(ctx, path, names, beside.folder)
		l.sayAdded(added)
		return err
	}, map[string]bool{}}
}

// changing are the commands that publish.
var changing = []string{"apply", "set", "import", "rotate", "rollback", "revoke", "rename", "remove", "target"}

// keepOutNow calls keepOut for a command that publishes. Since init, a folder
// may have become a part of a repository, or a file may have been committed.
func (l *layer) keepOutNow(ctx context.Context, spec secret.Spec, state rotate.State, target string) error {
	if !slices.Contains(changing, l.name) || l.dry {
		return nil
	}
	p, err := l.parsePlace(l.ledger)
	if err != nil {
		return err
	}
	added, err := l.keepOut(ctx, p, target, valueNames(spec, state))
	l.sayAdded(added)
	return err
}

// valueNames returns the names that values have in a folder: of declared
// secrets, of undeclared ones, and those that renames left there.
func valueNames(spec secret.Spec, state rotate.State) []string {
	var names []string
	for _, s := range spec.Secrets {
		names = append(names, s.Binding)
	}
	for _, addr := range state.Addresses() {
		names = append(names, state.Binding(addr))
	}
	if _, ok := targetFolder(state.Settings().Target); ok {
		names = append(names, state.Names()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// memoryName is the file that remembers which ledgers this machine has seen.
const memoryName = "layer.seen"

// tidy removes temporary .gitignore files of killed runs, and keeps layer.seen
// out of git before it is first written. These files contain no secret, so
// errors are ignored. It is called for a ledger that was accepted: a ledger that
// is refused changes no file.
func (l *layer) tidy(ctx context.Context, p place, how opening) {
	if how.quiet {
		return // it writes no memory
	}
	for _, name := range []string{".gitignore", ".gitattributes"} {
		atomicfile.SweepDeadOf(l.path(filepath.Join(p.folder(), name)))
	}
	if beside, err := l.besideLedger(p); err == nil && !how.peek && !exists(beside.folder, memoryName) {
		added, _ := l.guard(ctx, beside)
		l.sayAdded(added)
	}
}

// tidyBeforeMemory calls tidy where Load writes the memory itself, which is on a
// person's word.
func (l *layer) tidyBeforeMemory(ctx context.Context, p place, how opening, opened rotate.Ledger,
	o *ledger.RememberOptions) {
	if how.peek || how.any {
		return
	}
	if ask := o.Ask; ask != nil {
		o.Ask = func(ctx context.Context, s rotate.State) (bool, error) {
			yes, err := ask(ctx, s)
			if yes && err == nil {
				l.tidy(ctx, p, how)
			}
			return yes, err
		}
	}
	beside, err := l.besideLedger(p)
	if err != nil || !how.adopt || exists(beside.folder, memoryName) {
		return
	}
	look := *o
	look.Peek, look.Ask = true, nil
	if first, err := ledger.Remember(opened, look); err == nil {
		if _, _, err := first.Load(ctx); err == nil {
			l.tidy(ctx, p, how)
		}
	}
}

func (l *layer) sayAdded(added gitLines) {
	for _, a := range added {
		l.say("put into %s: %s", a.file, a.text())
	}
}
