package secret

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
)

// linesOf returns a line for each problem, and one line for all secrets of a
// folder that cannot be opened.
func linesOf(op string, found []problem) (lines []string) {
	folders := map[string][]problem{}
	for _, p := range found {
		if folder := p.folder(); folder != nil {
			folders[folder.path] = append(folders[folder.path], p)
		}
	}
	for _, p := range found {
		folder := p.folder()
		if folder == nil {
			lines = append(lines, p.line(op))
			continue
		}
		if all := folders[folder.path]; all != nil {
			lines = append(lines, named(all)+": "+folder.fault())
			delete(folders, folder.path)
		}
	}
	return lines
}

func (p problem) folder() (folder *folderError) {
	errors.As(p.err, &folder)
	return folder
}

// mostNamed is the number of secrets that one line names.
const mostNamed = 3

// named returns the addresses of the first secrets, and the number of the
// others.
func named(all []problem) (text string) {
	for i, p := range all {
		switch rest := len(all) - i; {
		case i == mostNamed:
			return text + " and " + strconv.Itoa(rest) + " more"
		case i > 0 && rest == 1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += p.decl.addr.String()
	}
	return text
}

// fault returns the reason and the next step for all secrets of the folder.
func (e *folderError) fault() string {
	path := e.path
	if path == "" {
		path = `""`
	}
	if errors.Is(e.text, ErrNotFound) {
		return ErrNotFound.Error() + ": folder " + path +
			" does not exist; create or mount it, or correct the path given to Dir"
	}
	why := e.text
	var p *fs.PathError
	if errors.As(why, &p) {
		why = p.Err
	}
	return "folder " + path + " cannot be opened: " + why.Error() +
		"; let the program open it, or correct the path given to Dir"
}

// todo returns the next step for the operator. It depends on the place where
// the store looks: see [Locator]. After a Refresh the App goes on, and no start
// is needed.
func (p problem) todo(op string) string {
	again := ""
	if op == "start" {
		again = ", then start again"
	}
	state, address := stateOf(p.err), p.decl.addr.String()
	switch {
	case p.decl.isLiteral():
		return "correct its text"
	case state == ErrInvalid:
		return ""
	case strings.HasPrefix(p.place, envPlace):
		switch state {
		case ErrNotFound:
			return "set the variable, or " + startUnderRun
		case ErrEmpty:
			return "set the variable to a value, or " + startUnderRun
		case ErrMalformed, ErrTooLarge:
			return "set the variable again, to the whole text"
		case ErrEncoding:
			return "set the variable to a key of the declared length, or correct the declaration"
		}
	case state == ErrNotFound && strings.HasPrefix(p.place, memoryPlace):
		return "pass it to NewMemory, or call Set"
	case state == ErrNotFound && strings.HasPrefix(p.place, filePlace):
		if p.decl.kind == KindStatic {
			return "write the value to that file, or publish it with: layer secret set '" + address + "'"
		}
		return "write the value to that file, or create and publish it with: layer secret apply"
	case errors.Is(p.err, fs.ErrPermission):
		return "let the program read it" + again
	}
	switch state {
	case ErrNotFound:
		if p.decl.kind == KindStatic {
			return "supply it with: layer secret set '" + address + "'"
		}
		return "create it with: layer secret apply"
	case ErrEmpty:
		return "store a value there"
	case ErrMalformed, ErrTooLarge:
		return "store it again, whole"
	case ErrEncoding:
		return "store a key of the declared length, or correct the declaration"
	}
	return "see whether the store can be reached" + again
}

const startUnderRun = "start the program with: layer secret run -- PROGRAM"

// declaredTwice is the fault of an App that was given both declarations, which
// differ.
func (d *declaration) declaredTwice(o *declaration) error {
	cure := "declare it once and share the variable"
	if d.family == o.family {
		cure = "one is a copy that With made for another store, and an App reads an address from one store: give each copy " +
			"an App of its own"
	}
	return because(ErrInvalid, "declared twice, differently: "+d.difference(o)+"; "+cure)
}
