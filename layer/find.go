package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/ledger"
)

// Without --ledger and LAYER_LEDGER, a command uses the ledger file in the current
// folder, else the one in the nearest folder above, as git does. The search ends at
// the root of the repository, and where another file system begins. Another user may
// have put files into a folder above, such as /tmp, so those must belong to this user
// or to root (CVE-2022-24765 in git).

const (
	ledgerName = "layer.secrets.age"
	// noSearch is the annotation of a command that looks for no ledger.
	noSearch = "layer: no search"
)

// findLedger sets the ledger to the one in a folder above, if there is none in the
// current folder and no other is named.
func (l *layer) findLedger(c *cobra.Command) error {
	if c.Annotations[noSearch] != "" || c.Flags().Changed("ledger") || l.getenv("LAYER_LEDGER") != "" {
		return nil
	}
	folder := l.folderAbove()
	if folder == "" {
		return nil
	}
	found := filepath.Join(folder, ledgerName)
	for _, path := range []string{folder, found} {
		if err := l.checkOwner("ledger", path, "--ledger "+found); err != nil {
			return err
		}
	}
	if text, _ := l.lookup(ledger.IdentityVariable); text == "" && l.identity == "" {
		identity := filepath.Join(folder, "layer.identity")
		if err := l.checkOwner("identity", identity, "--identity "+identity); err != nil {
			return err
		}
	}
	l.ledger, l.above = found, folder
	return cmp.Or(l.findBeside("spec", &l.spec), l.findBeside("identity", &l.identity))
}

// findBeside completes the name of a file that is not in the current folder and is in
// the folder of the ledger.
func (l *layer) findBeside(flag string, name *string) error {
	beside := filepath.Join(l.above, *name)
	if *name == "" || *name == "-" || filepath.IsAbs(*name) || l.exists(*name) || !l.exists(beside) {
		return nil
	}
	*name = beside
	return l.checkOwner(flag, beside, "--"+flag+" "+beside)
}

// folderAbove returns the nearest folder above with a ledger, as a relative path. It is
// "" if there is none, and if the current folder has a ledger.
func (l *layer) folderAbove() string {
	for folder := "."; ; folder = filepath.Join(folder, "..") {
		if l.exists(filepath.Join(folder, ledgerName)) {
			if folder == "." {
				return ""
			}
			return folder
		}
		if l.exists(filepath.Join(folder, ".git")) || !l.goesOn(folder) {
			return ""
		}
	}
}

// goesOn reports whether there is a folder above, on the same file system.
func (l *layer) goesOn(folder string) bool {
	here, err := os.Stat(l.path(folder))
	above, err2 := os.Stat(l.path(filepath.Join(folder, "..")))
	if err != nil || err2 != nil || os.SameFile(here, above) {
		return false
	}
	return device(here) == device(above)
}

func device(info os.FileInfo) any {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Dev
	}
	return nil
}

// checkOwner returns an error if a file, or a link to it, belongs to neither this user
// nor root. A missing file has no owner.
func (l *layer) checkOwner(what, path, flag string) error {
	for _, stat := range []func(string) (os.FileInfo, error){os.Lstat, os.Stat} {
		info, err := stat(l.path(path))
		if err != nil {
			continue
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
			return fmt.Errorf("the %s was found in a folder above, and %s belongs to the user with the number %d: another user "+
				"may have put it there. If it is yours or you trust that user, name it: %s", what, path, s.Uid, flag)
		}
	}
	return nil
}

// sayLedgerAbove reports that a new ledger is inside a folder that has one already.
func (l *layer) sayLedgerAbove(c *cobra.Command) {
	if c.Flags().Changed("ledger") || l.getenv("LAYER_LEDGER") != "" {
		return
	}
	if folder := l.folderAbove(); folder != "" {
		l.say("the folder %s has a ledger too: commands in this folder use the new one, and commands above the other", folder)
	}
}

// typedTarget returns a target as given on the command line, with the home folder in
// place of ~/. A relative path starts at the folder of a ledger that was found above.
func (l *layer) typedTarget(text string) (string, error) {
	path, ok := strings.CutPrefix(text, "dir:")
	if !ok || path == "" {
		return text, nil
	}
	if rest, tilde := strings.CutPrefix(path, "~"); tilde && rest != "" { // a folder may have the name ~
		home := l.getenv("HOME")
		switch {
		case rest[0] != '/':
			return "", usagef("a target that begins with ~ and a name is not expanded: write the path, or dir:./~NAME for a " +
				"folder of that name")
		case !filepath.IsAbs(home):
			return "", usagef("the target begins with ~/, and HOME is not set: write the path")
		}
		return "dir:" + filepath.Join(home, rest), nil
	}
	if l.above == "" || filepath.IsAbs(path) || resemblesAddress(path) || resemblesKey(path) {
		return text, nil // checkFlags refuses the last two
	}
	return "dir:" + filepath.Join(l.above, path), nil
}
