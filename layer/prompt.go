package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Reads a value at the terminal. The promise: no part of the value appears on
// the screen, and no part reaches the shell, which would run it and keep it in
// its history.

// prompt asks for a value without showing it. It puts the terminal into raw
// mode: a terminal in line mode cuts lines off at 4,095 bytes or at 1,023, and
// echoes input that was typed before the prompt.
func (l *layer) prompt(ctx context.Context, spec secret.SpecSecret) (driver.Value, error) {
	f, ok := l.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return driver.Value{}, usagef("there is no terminal to ask for the value: give it with --value-env, " +
			"--from-stdin or --from-file")
	}
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return driver.Value{}, errors.New("the terminal would show the value: give it with --value-env, --from-stdin or " +
			"--from-file. Nothing was changed")
	}
	fmt.Fprintf(l.err, "Value of %s (not shown): ", printable(spec.Address.String()))
	line, err := typed(ctx, f)
	_ = term.Restore(int(f.Fd()), before)
	fmt.Fprintln(l.err)
	if err != nil {
		return driver.Value{}, err
	}
	return l.checked(spec, string(line))
}

var (
	errLeft    = fmt.Errorf("%w: nothing was changed", rotate.ErrInterrupted)
	errSeveral = errors.New("the value has several lines, and the prompt takes one: give all lines with --from-file. " +
		"Nothing was changed")
)

// quiet is how long no byte may follow before a pasted text counts as complete.
const quiet = 100 * time.Millisecond

// further reports whether b contains more than ends of lines and ends of input.
// An end of input that was typed before raw mode is a zero byte.
func further(b []byte) bool { return len(bytes.Trim(b, "\r\n\x04\x00")) > 0 }

// typed reads one line from a raw terminal. It also consumes pasted further
// lines, which the shell would run as commands otherwise, and returns
// errSeveral for them.
func typed(ctx context.Context, keyboard io.Reader) ([]byte, error) {
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			b := make([]byte, 4096)
			n, err := keyboard.Read(b)
			if n > 0 {
				chunks <- b[:n]
			}
			if err != nil || n == 0 {
				return
			}
		}
	}()
	var line []byte
	var end <-chan time.Time
	several := false
	for {
		select {
		case <-ctx.Done():
			return nil, errLeft
		case <-end:
			if several {
				return nil, errSeveral
			}
			return line, nil
		case chunk, ok := <-chunks:
			switch {
			case !ok && end == nil:
				return nil, errLeft
			case !ok:
				chunks = nil
				continue
			case end != nil: // a newline after the first one does not belong to the value
				several = several || further(chunk)
				end = time.After(quiet)
				continue
			}
			for i, c := range chunk {
				switch c {
				case '\r', '\n':
					several = further(chunk[i:])
					end = time.After(quiet)
				case 0x03: // Ctrl-C
					return nil, errLeft
				case 0x04: // Ctrl-D
					if len(line) == 0 {
						return nil, errLeft
					}
					end = time.After(quiet)
				case 0x15: // Ctrl-U
					line = nil
				case 0x08, 0x7f: // Backspace
					_, size := utf8.DecodeLastRune(line)
					line = line[:len(line)-size]
				default:
					line = append(line, c)
				}
				if end != nil {
					break
				}
				if len(line) > maxValue {
					return nil, fmt.Errorf("the value has over %d bytes: nothing was changed", maxValue)
				}
			}
		}
	}
}
