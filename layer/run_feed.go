package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Follows the values for `layer secret run --watch`: in the ledger, which
// determines the environment, and in a target that is a folder, which the
// program may read. A file is checked every second by its metadata, and read
// only after a change.

const (
	lookEvery = time.Second
	// A ledger elsewhere is read again after ledgerEvery and up to a fifth more, so
	// that many programs do not ask at the same moment.
	ledgerEvery = 5 * time.Second
	// The notes in a target elsewhere show whether the ledger is an old copy.
	notesEvery = 30 * time.Second
	// lookTime is the longest time that one look waits for a server.
	lookTime = 30 * time.Second
	// settleTime is the longest time that changes without a pause are merged.
	settleTime = 10 * time.Second
)

// digest is the SHA-256 of a text.
type digest [sha256.Size]byte

func digestOf(text string) digest { return sha256.Sum256([]byte(text)) }

// digests are the digests of the contents of secrets.
type digests map[secret.Address]digest

// view is the contents of all secrets, in the ledger and in the folder.
type view struct{ ledger, folder digests }

func (v view) equal(o view) bool {
	return maps.Equal(v.ledger, o.ledger) && maps.Equal(v.folder, o.folder)
}

// changed returns the secrets that differ between two views, sorted.
func changed(a, b view) []secret.Address {
	differ := map[secret.Address]bool{}
	for _, pair := range [][2]digests{{a.ledger, b.ledger}, {a.folder, b.folder}} {
		for _, c := range pair {
			for addr := range c {
				if pair[0][addr] != pair[1][addr] {
					differ[addr] = true
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(differ), func(a, b secret.Address) int {
		return strings.Compare(a.String(), b.String())
	})
}

// settle merges changes that follow each other closely. The zero value has
// passed on nothing.
type settle struct {
	passed  view // the last one that was passed on
	pending *view
	since   time.Time // when pending was first set
}

// see reports whether to pass on a view: it differs from the one passed on
// before, and has not changed since the look before. Changes without a pause
// are passed on after settleTime.
func (s *settle) see(now time.Time, found view) bool {
	if found.equal(s.passed) {
		s.pending = nil
		return false
	}
	if s.pending == nil {
		s.since = now
	}
	quiet := s.pending != nil && found.equal(*s.pending)
	s.pending = &found
	if !quiet && now.Sub(s.since) < settleTime {
		return false
	}
	s.passed, s.pending = found, nil
	return true
}

// fileStamp is the metadata of a file. The zero value is a missing file.
type fileStamp struct {
	modified, size int64
	inode          uint64
	mode           fs.FileMode
}

func fileStampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	s := fileStamp{info.ModTime().UnixNano(), info.Size(), 0, info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}

// outlook is a place to watch: files here, or a server.
type outlook struct {
	files []string
	every time.Duration // of a server; zero: files
	seen  []fileStamp
	next  time.Time // no look before
}

// due reports whether it is time to read the place.
func (o *outlook) due(now time.Time) bool {
	if now.Before(o.next) {
		return false
	}
	if o.every > 0 {
		o.next = now.Add(o.every + rand.N(o.every/5))
		return true
	}
	var found []fileStamp
	for _, path := range o.files {
		found = append(found, fileStampOf(path))
	}
	same := slices.Equal(found, o.seen)
	o.seen = found
	return !same
}

// again makes the place due after some time, although its files have not
// changed.
func (o *outlook) again(at time.Time) {
	o.seen = nil
	if at.After(o.next) {
		o.next = at
	}
}

// feed is the environment of a program, and follows its changes.
type feed struct {
	l      *layer
	opened rotate.Ledger
	given  given
	notes  noteReader

	state  rotate.State // the last accepted one
	env    []string     // from state
	view   view
	notice string // the last one of the notes

	ledger, target outlook
	compared       time.Time // the last comparison with a server
	folder         string    // the target, if it is a folder
	stale          bool      // the target is ahead of the ledger
	failed         int       // looks that failed, since one succeeded
	said           string    // the failure that was reported
}

// begin reads the folder for the first time.
func (f *feed) begin(now time.Time) error {
	p, err := f.l.parsePlace(f.l.ledger)
	if err != nil {
		return err
	}
	if p.kind == inFile {
		f.ledger.files = []string{f.l.path(p.text)}
	} else {
		f.ledger.every, f.ledger.next = ledgerEvery, now.Add(ledgerEvery)
	}
	f.aim(now)
	f.readFolder()
	return nil
}

// aim finds the target in the settings of the ledger.
func (f *feed) aim(now time.Time) {
	target, err := f.l.target(f.state.Settings())
	path, isFolder := targetFolder(target)
	f.folder, f.target = "", outlook{}
	switch {
	case err != nil || target == "":
	case isFolder:
		f.folder = f.l.path(path)
		for _, s := range f.given.secrets {
			f.target.files = append(f.target.files, filepath.Join(f.folder, s.Binding))
		}
	case !f.l.offline && f.l.missingCredential(target) == "":
		f.target.every, f.target.next = notesEvery, now.Add(notesEvery)
	}
}

// readFolder reads the values in the folder. A value that cannot be read, or is
// empty, counts as unchanged: another program may be about to write it.
func (f *feed) readFolder() {
	found := maps.Clone(f.view.folder)
	if found == nil {
		found = digests{}
	}
	for _, s := range f.given.secrets {
		if f.folder == "" {
			break
		}
		path := filepath.Join(f.folder, s.Binding)
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxInput {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			continue
		}
		content := string(text)
		if doc, err := secret.Parse(content); err == nil && f.given.byValue(s) && s.Format != secret.FormatPlain {
			content = doc.Current().Text()
		}
		found[s.Address] = digestOf(content)
	}
	f.view.folder = found
}

// look reads the places that are due.
func (f *feed) look(ctx context.Context, now time.Time) {
	ledgerDue, targetDue := f.ledger.due(now), f.target.due(now)
	if !ledgerDue && !targetDue {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	if f.folder != "" {
		f.readFolder()
	}
	switch done, err := f.refresh(ctx, now, ledgerDue, targetDue); {
	case errors.Is(ctx.Err(), context.Canceled):
		return
	case err != nil:
		f.report(err)
		f.ledger.again(now.Add(min(lookEvery*time.Duration(f.failed), ledgerEvery)))
		return
	case !done:
		f.ledger.again(f.compared.Add(ledgerEvery))
		return
	}
	if f.said != "" {
		f.l.say("the ledger can be used again")
	}
	f.failed, f.said, f.stale = 0, "", false
}

// refresh loads the ledger, and compares it with the target. It is not done if
// the target is a server that was asked a moment ago.
func (f *feed) refresh(ctx context.Context, now time.Time, ledgerDue, targetDue bool) (done bool, err error) {
	state := f.state
	if ledgerDue {
		if state, _, err = f.opened.Load(ctx); err == nil {
			err = succeeds(f.state, state)
		}
		if err != nil {
			return false, err
		}
	}
	news := !state.Equal(f.state)
	if news || targetDue || f.stale {
		if f.target.every > 0 && now.Sub(f.compared) < ledgerEvery {
			return false, nil
		}
		f.compared = now
		notice, err := f.notes.compare(ctx, f.opened, state, f.given.secrets)
		if notice != "" && notice != f.notice {
			f.l.say("%s", notice)
			f.notice = notice
		}
		f.stale = errors.Is(err, rotate.Ahead)
		// Without news, only an old copy matters.
		if err != nil && (news || f.stale) {
			return false, err
		}
	}
	if !news {
		return true, nil
	}
	env, content, err := f.given.environment(state)
	if err != nil {
		return false, err
	}
	moved := state.Settings().Target != f.state.Settings().Target
	f.state, f.env, f.view.ledger = state, env, content
	if moved {
		f.aim(now)
	}
	return true, nil
}

// succeeds returns an error unless the second state is the first one or a later
// one of the same ledger. The memory in layer.seen may be behind the state that
// this process uses.
func succeeds(used, found rotate.State) error {
	switch {
	case found.Origin() != used.Origin():
		return errors.New("another ledger is in the place of the one that the program was started with: restore that one, " +
			"or start the program again")
	case found.Generation() < used.Generation():
		return errors.New("the ledger is older than the one that the program was started with: get the newest one")
	case found.Moved() != "":
		return rotate.MovedError(found)
	}
	return nil
}

// report prints a failure once, when it has lasted for two looks: a run may just
// be changing ledger and target.
func (f *feed) report(err error) {
	f.failed++
	if text := words(err); f.failed > 1 && text != f.said {
		f.said = text
		f.l.say("%s. The program keeps running with the values that it has", onOneLine(err))
	}
}

// follow calls passOn after each change, until ctx ends.
func (f *feed) follow(ctx context.Context, restarts bool, passOn func(change)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	s := settle{passed: f.view}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		f.look(ctx, now)
		if f.stale && restarts {
			continue // the environment would be an old one
		}
		if before := s.passed; s.see(now, f.view) {
			passOn(change{slices.Clone(f.env), haveChanged(changed(before, f.view))})
		}
	}
}

// change is a new environment, and the words for the secrets that have changed.
type change struct {
	env  []string
	what string
}

func (c change) String() string { return c.what } // without values

// haveChanged names the secrets that have changed.
func haveChanged(list []secret.Address) string {
	if len(list) == 1 {
		return several(list) + " has changed"
	}
	return several(list) + " have changed"
}
