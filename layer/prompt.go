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

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Reads a value at the terminal. The promise: no part of the value appears on
// the screen, and no part reaches the shell, which would run it and keep it in
// its history.

// prompt asks for a value without showing it.
func (l *layer) prompt(ctx context.Context, spec secret.SpecSecret) (driver.Value, error) {
	k, ok := l.typing()
	if !ok {
		return driver.Value{}, usagef("there is no terminal to ask for the value: give it with --value-env, " +
			"--from-stdin or --from-file")
	}
	line, err := l.askHidden(ctx, k, l.err, fmt.Sprintf("Value of %s (not shown): ", printable(spec.Address.String())))
	_, _ = k.set(asBefore)
	if err != nil {
		return driver.Value{}, err
	}
	return l.checked(spec, line)
}

// typing returns the terminal that stdin is. ok is false if it is none.
func (l *layer) typing() (k *keyboard, ok bool) {
	if l.keys != nil {
		return l.keys, true
	}
	f, ok := l.in.(*os.File)
	if !ok {
		return nil, false
	}
	if k, ok = openKeyboard(f); ok {
		l.keys = k
		l.atEnd(closer(func() { _, _ = k.set(asBefore) }))
	}
	return k, ok
}

type closer func()

func (c closer) Close() error { c(); return nil }

// hush stops the terminal from showing typed text until the prompt for the value.
// A command that asks for one calls it first: until then it reads the ledger and the
// packages, which takes seconds.
func (l *layer) hush() {
	if k, ok := l.typing(); ok {
		_, _ = k.set(hushed)
	}
}

// askHidden asks for one line in raw mode: a terminal in line mode cuts lines off at
// 4,095 bytes or at 1,023. It discards input that was typed before the prompt.
func (l *layer) askHidden(ctx context.Context, k *keyboard, to io.Writer, question string) (string, error) {
	last, err := k.set(raw)
	if err != nil {
		return "", errors.New("the terminal would show what is typed: give the value with --value-env, --from-stdin or " +
			"--from-file, or the key in " + ledger.IdentityVariable + ". Nothing was changed")
	}
	if k.discard() {
		l.say("what was typed before this question was discarded")
	}
	_, _ = io.WriteString(to, question)
	k.onResume(func() { _, _ = io.WriteString(to, "\n"+question) })
	in := &prompted{keyboard: k}
	line, err := typed(ctx, in)
	in.end()
	k.onResume(nil)
	_, _ = k.set(last)
	_, _ = io.WriteString(to, "\n")
	return string(line), err
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
				case 0x1a: // Ctrl-Z
					if k, ok := keyboard.(interface{ suspend() }); ok {
						k.suspend()
					}
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
