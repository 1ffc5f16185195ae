package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/layeron-hq/secret/layer/rotate"
)

// screen is stdout or stderr: a terminal, which people read, or a pipe.
type screen struct {
	w        io.Writer
	terminal bool
	plain    bool // without colours
	width    int
	beside   *screen // another screen that may show progress on the same terminal

	mu    sync.Mutex
	lost  error  // the error of a failed write
	next  string // the progress text to show
	shown bool   // a progress line is on the screen
	timer *time.Timer
}

func newScreen(w io.Writer, lookup func(string) (string, bool)) *screen {
	s := &screen{w: w, width: 80}
	colourless, _ := lookup("NO_COLOR")
	s.plain = colourless != ""
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		kind, _ := lookup("TERM")
		s.terminal = kind != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			s.width = width
		}
	}
	return s
}

// color reports whether colours may be used.
func (s *screen) color() bool { return s.terminal && !s.plain }

// Write erases the progress line, and then writes p.
func (s *screen) Write(p []byte) (int, error) {
	s.clear()
	if s.beside != nil {
		s.beside.clear()
	}
	n, err := s.w.Write(p)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lost = err
	}
	return n, err
}

// progress shows the current step to people, if the command lasts longer than
// patience.
func (s *screen) progress(text string) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = text
	switch {
	case s.shown:
		s.show()
	case s.timer == nil: // counted from the first step: many short steps may last long too
		s.timer = time.AfterFunc(patience, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.timer != nil {
				s.show()
			}
		})
	}
}

// patience is how long a command runs before it shows progress.
const patience = 500 * time.Millisecond

func (s *screen) show() {
	text := []rune(printable(s.next))
	if len(text) >= s.width {
		text = text[:s.width-1]
	}
	_, _ = fmt.Fprintf(s.w, "\r\x1b[K%s", string(text))
	s.shown = true
}

func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.shown {
		_, _ = io.WriteString(s.w, "\r\x1b[K")
		s.shown = false
	}
}

// printJSON prints one JSON object.
func (l *layer) printJSON(v any) {
	_ = writeJSON(l.out, v, "  ")
}

// printError prints an error on one line, or on several if it is a list. The
// lines after the first are indented, so that each error is recognizable.
func (l *layer) printError(err error) {
	if list := (severalLines{}); errors.As(err, &list) {
		l.err.lines("layer: " + strings.ReplaceAll(strings.ReplaceAll(words(err), "\n  ", "\n"), "\n", "\n  "))
		return
	}
	l.say("%s", onOneLine(err))
}

// ask asks a yes-or-no question. It returns a usage error without a terminal.
func (l *layer) ask(ctx context.Context, question string) (bool, error) {
	if !l.interactive() {
		return false, usagef("the command asks for a confirmation, and there is no terminal: confirm with --yes")
	}
	// An answer that was typed before the question is none.
	if k := l.keys; k != nil {
		if last, err := k.set(raw); err == nil {
			k.discard()
			_, _ = k.set(asBefore)
			defer func() { _, _ = k.set(last) }()
		}
	}
	fmt.Fprintf(l.err, "%s [y/N] ", printable(question))
	type line struct {
		text string
		err  error
	}
	c := make(chan line, 1)
	go func() {
		text, err := readLine(l.in)
		c <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(l.err)
		return false, fmt.Errorf("%w: nothing was changed", rotate.ErrInterrupted)
	case got := <-c:
		if got.err != nil { // the end of input is no yes
			fmt.Fprintln(l.err)
		}
		answer := strings.ToLower(strings.TrimSpace(got.text))
		return got.err == nil && (answer == "y" || answer == "yes"), nil
	}
}

// interactive reports whether stdin and stderr are a terminal.
func (l *layer) interactive() bool {
	f, ok := l.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && l.err.isTerminal()
}

func (s *screen) isTerminal() bool {
	f, ok := s.w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readLine reads up to a newline, and no byte beyond it.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n == 1 {
			switch b[0] {
			case '\n':
				return string(line), nil
			case '\r':
			default:
				line = append(line, b[0])
			}
		}
		if err == io.EOF && len(line) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", err
		}
	}
}
