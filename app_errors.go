package secret

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"
)

// problem is one secret of an App and the error that Start or Refresh found for
// it.
type problem struct {
	decl  *declaration
	where string // the place where the store looks for it, if err does not contain it
	err   error
	place string // where the store looks for it
}

func (sec *appSecret) problem(err error) problem {
	p := problem{decl: sec.decl, err: err, place: sec.place()}
	if stateOf(err) == errUnavailable {
		p.where = p.place
	}
	return p
}

// problems is one error about many secrets, a line for each fault.
type problems struct {
	text  string
	found []problem
}

func problemsError(op string, found []problem, of int, note string) error {
	lines := linesOf(op, found)
	count := strconv.Itoa(len(lines)) + " problems"
	if len(lines) == 1 {
		count = "1 problem"
	}
	head := "secret: " + op + ": " + count + " with the App's " + strconv.Itoa(of) + " secrets" + note + ":"
	return &problems{strings.Join(append([]string{head}, lines...), "\n  "), found}
}

func (p *problems) Error() string { return p.text }

func (p *problems) Unwrap() []error {
	errs := make([]error, len(p.found))
	for i, one := range p.found {
		errs[i] = one.err
	}
	return errs
}

// line returns the secret, the reason, the place and the next step.
func (p problem) line(op string) string {
	line, why := "(undeclared)", p.err
	switch {
	case p.decl.isLiteral():
		line = "(Literal)"
	case p.decl.addr != (Address{}):
		line = p.decl.addr.String()
	}
	if e, ok := p.err.(*Error); ok {
		why = e.Err // the line already begins with the address
		located := *e
		located.Where = cmp.Or(e.Where, p.where)
		line += located.place()
	}
	line += ": " + strings.ReplaceAll(why.Error(), "\n", " ")
	if todo := p.todo(op); todo != "" {
		line += "; " + todo
	}
	return line
}

var (
	errUnavailable = errors.New("store unavailable")
	errClosed      = errors.New("the App was closed")
)

// stateOf returns the sentinel that err wraps, or errUnavailable if it wraps
// none.
func stateOf(err error) error {
	for _, sentinel := range []error{ErrNotFound, ErrEmpty, ErrMalformed, ErrTooLarge, ErrEncoding, ErrInvalid} {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	return errUnavailable
}

// staleError reports that MaxStale has passed, and why the store did not
// confirm the value.
type staleError struct {
	limit time.Duration
	cause error
}

func (e *staleError) Error() string {
	return "not confirmed for over " + e.limit.String() + " (AppOptions.MaxStale): " + e.cause.Error()
}

func (e *staleError) Unwrap() error { return e.cause }
