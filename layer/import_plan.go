package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/dotenv"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Plans the changes of an import: it gives each entry of a file to the secret
// that its name means, and compares the value with the ledger. These functions
// are pure, and their results show no value.

// importChange is the effect of one entry on its secret.
type importChange string

const (
	changeFirst     importChange = "create"
	changeReplace   importChange = "replace"
	changeAnnounce  importChange = "announce"
	changeNone      importChange = "none"      // it is the current value
	changeAnnounced importChange = "announced" // it is the announced value
)

// importWords has the text for each change.
var importWords = map[importChange]string{
	changeFirst:     "would set its first value",
	changeReplace:   "would replace its current value",
	changeAnnounce:  "would announce the value, which then becomes current",
	changeNone:      "has this value already",
	changeAnnounced: "has announced this value already",
}

// importItem is an entry of the file and its secret.
type importItem struct {
	spec   secret.SpecSecret
	entry  dotenv.Entry
	change importChange
}

// sets reports whether the item changes a secret.
func (i importItem) sets() bool { return i.change != changeNone && i.change != changeAnnounced }

// importPlan is all that a file means for the declared secrets.
type importPlan struct {
	items   []importItem // by address
	unknown []dotenv.Entry
}

// importMapping is one --map: the name in the file, the text that names the
// secret, and the secret's address.
type importMapping struct {
	name, arg string
	addr      secret.Address
}

// parseMappings parses the values of --map. The errors repeat none: each may be
// a value.
func parseMappings(args []string) (list []importMapping, err error) {
	for _, arg := range args {
		at := strings.LastIndex(arg, "=")
		if at <= 0 {
			return nil, usagef("--map takes NAME=ADDRESS: a name in the file and the secret that gets its value")
		}
		if err := checkName(arg[at+1:]); err != nil {
			return nil, err
		}
		list = append(list, importMapping{name: arg[:at], arg: arg[at+1:]})
	}
	return list, nil
}

// resolveMappings sets the addresses of --map. Each secret must be declared, and
// is named once.
func resolveMappings(list []importMapping, spec secret.Spec, state rotate.State) error {
	seen := map[secret.Address]bool{}
	known := namesOf(spec, state)
	for i := range list {
		addr, err := known.resolve(list[i].arg)
		if err != nil {
			return err
		}
		if err := declared(spec, addr); err != nil {
			return err
		}
		if seen[addr] {
			return usagef("--map names %s twice", addr)
		}
		list[i].addr, seen[addr] = addr, true
	}
	return nil
}

// planImport plans the change of each entry. An error lists every entry that
// cannot be imported.
func planImport(spec secret.Spec, state rotate.State, entries []dotenv.Entry,
	maps []importMapping) (importPlan, error) {
	var plan importPlan
	var wrong []importFlaw
	claimed := map[secret.Address]dotenv.Entry{}
	used := map[string]bool{}
	claim := func(s secret.SpecSecret, e dotenv.Entry) {
		used[e.Name] = true
		if before, twice := claimed[s.Address]; twice {
			wrong = append(wrong, importFlaw{e.Line, fmt.Errorf("%s is a second value for %s, after line %d: remove one of them",
				claimedName(s, e), s.Address, before.Line)})
			return
		}
		claimed[s.Address] = e
	}
	for _, m := range maps {
		s, _ := find(spec, m.addr) // the caller checked that it is declared
		at := slices.IndexFunc(entries, func(e dotenv.Entry) bool { return e.Name == m.name })
		if at < 0 {
			wrong = append(wrong, importFlaw{0, fmt.Errorf("%s: the file does not define the name that --map gives", m.addr)})
			continue
		}
		claim(s, entries[at])
	}
	for _, e := range entries {
		if used[e.Name] {
			continue
		}
		switch meant := secretsNamed(spec, e.Name); len(meant) {
		case 0:
			plan.unknown = append(plan.unknown, e)
		case 1:
			claim(meant[0], e)
		default:
			wrong = append(wrong, importFlaw{e.Line, fmt.Errorf("%s is the binding name of one secret and the address of "+
				"another: write the address as $SECRET.namespace.name, or give the name with --map", e.Name)})
		}
	}
	for _, s := range spec.Secrets {
		e, ok := claimed[s.Address]
		if !ok {
			continue
		}
		if err := checkEntry(s, e); err != nil {
			wrong = append(wrong, importFlaw{e.Line, fmt.Errorf("%s, for %s: %w", claimedName(s, e), s.Address, err)})
			continue
		}
		plan.items = append(plan.items, importItem{s, e, changeOf(s, state, e.Value)})
	}
	return plan, inOrder(wrong)
}

// importFlaw is the reason why an entry cannot be imported. Line 0 is none of the
// file.
type importFlaw struct {
	line int
	err  error
}

// inOrder returns all flaws as one error, by their lines.
func inOrder(flaws []importFlaw) error {
	slices.SortStableFunc(flaws, func(a, b importFlaw) int { return a.line - b.line })
	var list []error
	for _, f := range flaws {
		if f.line > 0 {
			f.err = fmt.Errorf("line %d: %w", f.line, f.err)
		}
		list = append(list, f.err)
	}
	return errors.Join(list...)
}

// secretsNamed returns the secrets that a name in a file means: by their binding
// name, or by their address with or without $SECRET.
func secretsNamed(spec secret.Spec, name string) (list []secret.SpecSecret) {
	for _, s := range spec.Secrets {
		if isNameOf(s, name) {
			list = append(list, s)
		}
	}
	return list
}

func isNameOf(s secret.SpecSecret, name string) bool {
	return name == s.Binding || name == s.Address.String() || name == short(s.Address)
}

// checkEntry returns an error if an entry has no value, or one that set refuses.
func checkEntry(s secret.SpecSecret, e dotenv.Entry) error {
	if e.Problem != "" {
		return errors.New(e.Problem)
	}
	text := e.Value.Reveal()
	if err := checkValue(s, text); err != nil {
		reason := strings.TrimSuffix(strings.TrimSuffix(err.Error(), ". Nothing was changed"), ": nothing was changed")
		return errors.New(reason)
	}
	if err := rotate.CheckValue(s, e.Value); err != nil {
		return fmt.Errorf("the value does not fit the declaration: %w", err)
	}
	return nil
}

func changeOf(s secret.SpecSecret, state rotate.State, value driver.Value) importChange {
	current, err := state.Value(s.Address)
	announced, pending := state.Announced(s.Address)
	switch {
	case err != nil:
		return changeFirst
	case current.Reveal() == value.Reveal():
		return changeNone
	case pending && announced.Reveal() == value.Reveal():
		return changeAnnounced
	case s.Kind == secret.KindStatic || s.Format == secret.FormatPlain:
		return changeReplace
	}
	return changeAnnounce
}

// nameForm matches the name of a variable or a short address.
var nameForm = lazyregexp.New(`^(?:\$SECRET\.)?[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)

// hiddenName is the word for a name that may be a piece of a value.
const hiddenName = "a name that is not shown"

// claimedName returns the words for the name of an entry that means a secret. A
// name of the secret is no piece of a value; one of --map may be.
func claimedName(s secret.SpecSecret, e dotenv.Entry) string {
	if isNameOf(s, e.Name) || nameForm().MatchString(e.Name) {
		return e.Name
	}
	return hiddenName
}

// wordsForm matches a name of several words in capitals.
var wordsForm = lazyregexp.New(`^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$`)

// shownName returns the words for the name of any entry. The last line of a key
// may look like a name: it ends with equals signs.
func shownName(e dotenv.Entry) string {
	if text := e.Value.Reveal(); e.Problem == "" && (text == "" && !wordsForm().MatchString(e.Name) ||
		strings.HasPrefix(text, "=")) {
		return hiddenName
	}
	if !nameForm().MatchString(e.Name) {
		return hiddenName
	}
	return e.Name
}
