package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The mark of a role is its comment. It shows which value has the role's password,
// for the sweep after a crash and for runs that overtake each other. It also shows
// the role that layer granted to it, and would revoke.

const (
	inUsePrefix   = "layer secret: in use by "
	freePrefix    = "layer secret: free"
	grantedPrefix = ", granted "
	timeForm      = "2006-01-02T15:04:05Z"
)

// inUseMark returns the mark of a role that has the password of the value with
// this name, since a time of the server. granted is the role that layer granted to
// it; empty: none.
func inUseMark(name string, since time.Time, granted string) string {
	return inUsePrefix + name + " since " + since.UTC().Format(timeForm) + grantedMark(granted)
}

// freeMark returns the mark of a role whose last value has ended.
func freeMark(name string, ended time.Time, granted string) string {
	return freePrefix + ", " + name + " ended " + ended.UTC().Format(timeForm) + grantedMark(granted)
}

func grantedMark(role string) string {
	if role == "" {
		return ""
	}
	return grantedPrefix + strconv.Quote(role)
}

// mark is a parsed mark.
type mark struct {
	// name is the name of the role's value, or of its last value if free is set. It is
	// empty if an administrator wrote the mark.
	name string
	at   time.Time // zero if an administrator wrote the mark
	free bool
	// granted is the role that layer granted to this one; empty: none. A role that was
	// a member already has none.
	granted string
}

// parseMark returns the mark in a comment. ok is false if the comment is none.
func parseMark(comment string) (m mark, ok bool) {
	text, word := "", " since "
	switch {
	case strings.HasPrefix(comment, inUsePrefix):
		text = comment[len(inUsePrefix):]
	case strings.HasPrefix(comment, freePrefix):
		m.free, word = true, " ended "
		text = strings.TrimPrefix(comment[len(freePrefix):], ", ")
	default:
		return mark{}, false
	}
	if i := strings.LastIndex(text, grantedPrefix+`"`); i >= 0 { // a quote in a quoted name has a backslash
		if granted, err := strconv.Unquote(text[i+len(grantedPrefix):]); err == nil {
			text, m.granted = text[:i], granted
		}
	}
	if i := strings.LastIndex(text, word); i >= 0 {
		if at, err := time.Parse(timeForm, text[i+len(word):]); err == nil {
			m.name, m.at = text[:i], at
		}
	}
	return m, m.free || m.name != ""
}

// kin reports whether two names are of one secret in one ledger: they differ in
// the last word only.
func kin(a, b string) bool {
	return a[:strings.LastIndexByte(a, ' ')+1] == b[:strings.LastIndexByte(b, ' ')+1]
}

// role is a role as the server has it.
type role struct {
	name, comment string
}

// id returns the [driver.Made.ID] of a role's value.
func id(role, name string) string { return role + "/" + name }

// unsettled is the time for which a value that is not recorded may still become
// so: another run may have made it, and records it next. The engine calls Make at
// most a minute after it recorded the name, and a call takes at most callTime. So
// a call that is late finds the value of the run that overtook it younger than
// this, and does not replace it.
const unsettled = 5 * time.Minute

// choice is the input of choose.
type choice struct {
	p     params
	name  string // of the new value
	inUse []string
	roles []role // those of the server that have one of the names
	now   time.Time
}

// choose returns the role for a new value. exists reports whether the server has
// it already, with the mark m.
func (c choice) choose() (chosen string, exists bool, m mark, err error) {
	for _, turn := range c.p.names() {
		used := slices.ContainsFunc(c.inUse, func(id string) bool { return strings.HasPrefix(id, turn+"/") })
		found := slices.IndexFunc(c.roles, func(r role) bool { return r.name == turn })
		if found >= 0 {
			if err := c.ours(c.roles[found], used); err != nil {
				return "", false, mark{}, err
			}
		}
		if !used && chosen == "" {
			chosen, exists = turn, found >= 0
			if exists {
				m, _ = parseMark(c.roles[found].comment)
			}
		}
	}
	if chosen == "" {
		return "", false, mark{}, fmt.Errorf("both roles, %s and %s, have values in use: wait until the older one has ended "+
			"(layer secret status)", quoteName(c.p.names()[0]), quoteName(c.p.names()[1]))
	}
	return chosen, exists, m, nil
}

// ours returns an error if a role must not get the new value. used reports that a
// value in use has it.
func (c choice) ours(r role, used bool) error {
	handOver := fmt.Sprintf("COMMENT ON ROLE %s IS '%s'", quoteName(r.name), freePrefix)
	m, ok := parseMark(r.comment)
	switch {
	case !ok && r.comment == "":
		return fmt.Errorf("the role %s exists and is not one of layer's: set the param role to another base name, or "+
			"hand the role over, which replaces its password: %s", quoteName(r.name), handOver)
	case !ok:
		return fmt.Errorf("the role %s exists and has another comment than layer's: set the param role to another base "+
			"name, or hand the role over, which replaces its password: %s", quoteName(r.name), handOver)
	case m.free || used:
		return nil
	case !kin(m.name, c.name):
		return fmt.Errorf("the role %s has the password of another secret or another ledger, under the name %.200q: set "+
			"the param role to another base name. If that value is no longer used, hand the role over: %s",
			quoteName(r.name), m.name, handOver)
	case c.now.Sub(m.at) < unsettled:
		return fmt.Errorf("the role %s got a password %s ago, under the name %.200q, which is not recorded as in use: "+
			"another run is at work, or was interrupted. The end of this run removes an interrupted one: run again",
			quoteName(r.name), max(0, c.now.Sub(m.at)).Round(time.Second), m.name)
	}
	return nil
}
