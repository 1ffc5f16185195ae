// Package program makes values with a program of one's own. It is the generator
// that a declaration names with Generator: "program" and Params{"make":
// "./rotate-stripe.sh"}.
//
// layer runs the program once for each step: make, test, retire and sweep. The
// step steps asks which of these it can do. The program reads one JSON object
// from stdin and writes one to stdout. A value is only in these: never in an
// argument or in the environment. docs/generators.md describes the protocol.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/layeron-hq/secret/driver"
)

const (
	// Name is the name of the generator in a declaration (secret.Options.Generator).
	Name = "program"
	// Version is the version of the protocol.
	Version = 1

	usualTimeout, longestTimeout = time.Minute, 10 * time.Minute
)

// Options are the options of [New].
type Options struct {
	// Folder is the working directory of the programs. A relative path in the
	// parameter make starts there.
	Folder string
	// Env is the environment of the programs. It contains no credential of layer's
	// own.
	Env []string
	// Show receives each line that a program writes to stderr, without values. Nil:
	// the lines are dropped.
	Show func(program, line string)
}

// Generator is a [driver.RequestGenerator] of values that programs make. It is
// safe for concurrent use if Show is.
type Generator struct{ o *Options } // a pointer, because %w shows the fields

var (
	_ driver.RequestGenerator = (*Generator)(nil)
	_ driver.Generator        = (*steps)(nil)
	_ driver.Tester           = (*steps)(nil)
	_ driver.Limited          = (*steps)(nil)
)

// New returns a Generator. It runs no program.
func New(o Options) *Generator { return &Generator{&o} }

// For implements [driver.RequestGenerator].
func (g *Generator) For(r driver.Request) driver.Generator { return &steps{g.o, r} }

var errFor = errors.New("a program needs the declaration: use For")

// Make returns an error: the method of the result of For makes a value.
func (g *Generator) Make(context.Context, string, map[string]string) (driver.Made, error) {
	return driver.Made{}, errFor
}

// Retire returns an error: the method of the result of For ends a value.
func (g *Generator) Retire(context.Context, string) error { return errFor }

// Sweep returns an error: the method of the result of For ends values.
func (g *Generator) Sweep(context.Context, []string, []string) error { return errFor }

// String returns the name of the generator.
func (g *Generator) String() string { return Name }

// Format writes the result of String under every verb and flag: an environment
// may contain credentials.
func (g *Generator) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, g.String()) }

// steps runs the program of one secret.
type steps struct {
	o       *Options
	request driver.Request
}

// String returns the name of the generator and the address.
func (s *steps) String() string { return Name + " for " + s.request.Address }

// Format writes the result of String under every verb and flag.
func (s *steps) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// question is the object that a program reads from stdin.
type question struct {
	Version  int               `json:"version"`
	Step     string            `json:"step"`
	Address  string            `json:"address"`
	Params   map[string]string `json:"params"`
	Name     string            `json:"name,omitempty"`
	Previous *previous         `json:"previous,omitempty"`
	ID       string            `json:"id,omitempty"`
	Value    string            `json:"value,omitempty"`
	Names    []string          `json:"names,omitempty"`
	Known    *[]string         `json:"known,omitempty"`
}

type previous struct {
	ID string `json:"id"`
}

// Make implements [driver.Generator].
func (s *steps) Make(ctx context.Context, name string, _ map[string]string) (driver.Made, error) {
	q := question{Step: "make", Name: name}
	if len(s.request.InUse) > 0 {
		q.Previous = &previous{s.request.InUse[0]}
	}
	a, err := s.ask(ctx, q)
	switch {
	case err != nil:
		return driver.Made{}, err
	case a.unsupported:
		return driver.Made{}, s.failed("make", errors.New("the program cannot make a value (it answered unsupported)"))
	}
	made, err := a.made(s.request.InUse)
	if err != nil {
		return driver.Made{}, s.failed("make", err)
	}
	return made, nil
}

// Test implements [driver.Tester].
func (s *steps) Test(ctx context.Context, made driver.Made) error {
	a, err := s.ask(ctx, question{Step: "test", ID: made.ID, Value: made.Value.Reveal()})
	if err == nil && a.unsupported {
		return s.failed("test", fmt.Errorf("the program cannot test a value (it answered unsupported): %w",
			errors.ErrUnsupported))
	}
	return err
}

// CanRetire implements [driver.Limited].
func (s *steps) CanRetire(ctx context.Context) (bool, error) {
	list, known, err := s.list(ctx)
	if err == nil && !known {
		err = s.failed("steps", errors.New("the program does not say which steps it can do (it answered unsupported)"))
	}
	return slices.Contains(list, "retire"), err
}

// list returns the steps that the program can do. known is false if the program
// does not answer this question, as one that is older than the question.
func (s *steps) list(ctx context.Context) (list []string, known bool, err error) {
	a, err := s.ask(ctx, question{Step: "steps"})
	if err != nil || a.unsupported {
		return nil, false, err
	}
	if list, err = a.steps(); err != nil {
		return nil, false, s.failed("steps", err)
	}
	return list, true, nil
}

// Retire implements [driver.Generator]. The value of a program that cannot retire
// is not asked for again: a line names it, because it may still work.
func (s *steps) Retire(ctx context.Context, id string) error {
	a, err := s.ask(ctx, question{Step: "retire", ID: id})
	if err == nil && a.unsupported && s.o.Show != nil {
		s.o.Show(filepath.Base(s.request.Params["make"]), fmt.Sprintf("this program cannot end a value (it answered "+
			"unsupported): %s may still work, end it at its provider", id))
	}
	return err
}

// Sweep implements [driver.Generator]. A program that cannot sweep leaves
// nothing behind.
func (s *steps) Sweep(ctx context.Context, names, known []string) error {
	if known == nil {
		known = []string{}
	}
	_, err := s.ask(ctx, question{Step: "sweep", Names: names, Known: &known})
	return err
}

// ask runs the program for one step.
func (s *steps) ask(ctx context.Context, q question) (answer, error) {
	path, timeout, err := s.program()
	if err != nil {
		return answer{}, err
	}
	q.Version, q.Address, q.Params = Version, s.request.Address, s.passed()
	a, err := s.run(ctx, path, timeout, q)
	if err != nil {
		return answer{}, s.failed(q.Step, err)
	}
	return a, nil
}

// failed adds the program and the step to an error.
func (s *steps) failed(step string, err error) error {
	return fmt.Errorf("%s, step %s: %w", s.request.Params["make"], step, err)
}

// program returns the path and the timeout of the program.
func (s *steps) program() (path string, timeout time.Duration, err error) {
	path = s.request.Params["make"]
	if path == "" {
		return "", 0, errors.New(`no program is declared: add it to the declaration, such as Params{"make": ` +
			`"./rotate-stripe.sh"}`)
	}
	timeout = usualTimeout
	if text, ok := s.request.Params["timeout"]; ok {
		timeout, err = time.ParseDuration(text)
		if err != nil || timeout < time.Second || timeout > longestTimeout {
			return "", 0, errors.New(`the parameter timeout is refused: write a duration from 1s to 10m, such as "90s"`)
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.o.Folder, filepath.FromSlash(path))
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", 0, err
	}
	return path, timeout, nil
}

// passed returns the parameters for the program: all but those for layer.
func (s *steps) passed() map[string]string {
	params := maps.Clone(s.request.Params)
	if params == nil {
		params = map[string]string{}
	}
	delete(params, "make")
	delete(params, "timeout")
	return params
}
