package secret

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"
)

// problem is what is wrong with one secret of an App.
type problem struct {
	decl  *declaration
	where string // the store's place for it, if err does not tell that
	err   error
}

func (sec *appSecret) problem(err error) problem {
	p := problem{decl: sec.decl, err: err}
	if stateOf(err) == errUnavailable {
		p.where = locate(sec.store, sec.decl.addr)
	}
	return p
}

// problems is one error about many secrets, a line each.
type problems struct {
	head  string
	found []problem
}

func startError(found []problem, of int) error {
	return &problems{"start: " + count(found) + " with the App's " + strconv.Itoa(of) + " secrets", found}
}

func refreshError(found []problem, of int) error {
	return &problems{"refresh: " + count(found) + " with the App's " + strconv.Itoa(of) + " secrets; their last values stay", found}
}

func count(found []problem) string {
	if len(found) == 1 {
		return "1 problem"
	}
	return strconv.Itoa(len(found)) + " problems"
}

func (p *problems) Error() string {
	var b strings.Builder
	b.WriteString("secret: ")
	b.WriteString(p.head)
	b.WriteByte(':')
	for _, one := range p.found {
		b.WriteString("\n  ")
		b.WriteString(one.line())
	}
	return b.String()
}

func (p *problems) Unwrap() []error {
	errs := make([]error, len(p.found))
	for i, one := range p.found {
		errs[i] = one.err
	}
	return errs
}

// line says which secret it is, what is wrong, where it was looked for, and what to do.
func (p problem) line() string {
	var b strings.Builder
	if p.decl.addr == (Address{}) {
		b.WriteString("(undeclared)")
	} else {
		b.WriteString(p.decl.addr.String())
	}
	why := p.err
	var e *Error
	if errors.As(p.err, &e) && p.err == error(e) {
		why = e.Err // the address stands there already
		if where := cmp.Or(e.Where, p.where); where != "" {
			b.WriteString(" from " + where)
		}
		if e.Version != "" {
			b.WriteString(", version " + quoteID(e.Version))
		}
		if e.Member != "" && e.Op != "declare" {
			b.WriteString(", " + e.Member)
		}
		if offset, known := e.Offset(); known {
			b.WriteString(", at byte " + strconv.Itoa(offset))
		}
	}
	b.WriteString(": ")
	b.WriteString(strings.ReplaceAll(why.Error(), "\n", " "))
	if todo := p.todo(); todo != "" {
		b.WriteString("; ")
		b.WriteString(todo)
	}
	return b.String()
}

// todo is what a person does next.
func (p problem) todo() string {
	switch stateOf(p.err) {
	case ErrNotFound:
		if p.decl.kind == KindStatic {
			return "supply it with: layer secret set '" + p.decl.addr.String() + "'"
		}
		return "create it with: layer secret apply"
	case ErrEmpty:
		return "store a value there"
	case ErrMalformed, ErrTooLarge:
		return "store it again, whole"
	case ErrEncoding:
		return "store a key of the declared length, or correct the declaration"
	case ErrInvalid:
		return ""
	}
	return "see whether the store can be reached, then start again"
}

var (
	errUnavailable = errors.New("store unavailable")
	errClosed      = errors.New("the App was closed")
)

// stateOf puts errors into classes: what is stored is at fault in one way or another, or the store cannot be asked.
func stateOf(err error) error {
	for _, sentinel := range []error{ErrNotFound, ErrEmpty, ErrMalformed, ErrTooLarge, ErrEncoding, ErrInvalid} {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	return errUnavailable
}

// staleError says that MaxStale has passed, and why the value was not confirmed.
type staleError struct {
	limit time.Duration
	cause error
}

func (e *staleError) Error() string {
	return "not confirmed for over " + e.limit.String() + " (AppOptions.MaxStale): " + e.cause.Error()
}

func (e *staleError) Unwrap() error { return e.cause }
