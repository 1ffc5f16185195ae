package main

import (
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keyboard is a terminal whose mode layer changes, so that a value that is typed
// does not appear on the screen. The mode from before comes back when the command
// ends, and while it is suspended. Input that was typed before a prompt is
// discarded, as sudo and ssh do: it may be meant for another program.
type keyboard struct {
	f      *os.File
	before *unix.Termios // the mode from before

	mu      sync.Mutex
	mode    keyMode
	signals chan os.Signal // nil: no change of the mode yet
	watched bool           // signals are handled, from a change on
	stopped bool           // a signal that ends layer has arrived
	resumed func()         // called after a suspension; nil: nothing

	reading sync.Mutex // one byte goes to one reader
}

type keyMode int

const (
	asBefore keyMode = iota
	hushed           // typed text is not shown; Ctrl-C and Ctrl-Z work
	raw              // every key is a byte of input
)

// openKeyboard returns the keyboard of a terminal. ok is false if the file is none.
func openKeyboard(f *os.File) (k *keyboard, ok bool) {
	before, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return &keyboard{f: f, before: before}, err == nil
}

// set changes the mode and returns the one from before.
func (k *keyboard) set(mode keyMode) (last keyMode, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	last = k.mode
	if mode == hushed && (k.stopped || !k.inForeground()) {
		return last, nil // the person no longer types for this command
	}
	if mode != asBefore && !k.watched {
		k.watched = true
		k.watch()
	}
	if mode == last {
		return last, nil
	}
	if err = k.apply(mode); err == nil {
		k.mode = mode
	}
	return last, err
}

func (k *keyboard) apply(mode keyMode) error {
	t := *k.before
	switch mode {
	case hushed:
		t.Lflag &^= unix.ECHO | unix.ECHONL
	case raw:
		t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
		t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	}
	return unix.IoctlSetTermios(int(k.f.Fd()), setTermios, &t)
}

// inForeground reports whether the terminal sends its input to this process. A
// process in the background that changes the mode is stopped.
func (k *keyboard) inForeground() bool {
	yes, _ := inForegroundOf(k.f)
	return yes
}

// watch starts the delivery of the signals that would leave the terminal in the
// changed mode. It ends with release alone, because the Go runtime ignores a
// SIGTSTP that was watched before. The caller holds k.mu.
func (k *keyboard) watch() {
	if k.signals == nil {
		k.signals = make(chan os.Signal, 8)
		go k.handle(k.signals)
	}
	for _, s := range []os.Signal{syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGINT,
		syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(k.signals, s)
		}
	}
}

// release ends the delivery before a program gets the terminal: only the code
// that waits for the program handles signals then. The signals to keep are
// still delivered here. A later prompt starts the delivery again.
func (k *keyboard) release(keep ...os.Signal) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signals == nil {
		return
	}
	signal.Stop(k.signals)
	for _, s := range keep {
		if !signal.Ignored(s) {
			signal.Notify(k.signals, s)
		}
	}
	k.watched = false
}

func (k *keyboard) handle(c chan os.Signal) {
	for s := range c {
		switch s {
		case syscall.SIGTSTP:
			k.pause()
		case syscall.SIGCONT:
			k.again()
		case syscall.SIGINT, syscall.SIGTERM: // main has it too and ends the command; a second one kills it
			k.end()
			signal.Reset(syscall.SIGINT, syscall.SIGTERM)
		default:
			k.end()
			signal.Reset(s)
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
		}
	}
}

// end restores the mode for good.
func (k *keyboard) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mode != asBefore {
		_ = k.apply(asBefore)
	}
	k.stopped, k.mode = true, asBefore
}

// pause stops this process, in the mode from before, until it is continued. It sends
// SIGSTOP, because the Go runtime ignores SIGTSTP here.
func (k *keyboard) pause() {
	if !canContinue() {
		k.again()
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mode != asBefore {
		_ = k.apply(asBefore)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	<-time.After(20 * time.Millisecond) // the signal may take a moment; SIGCONT calls again
}

// canContinue reports whether a shell can continue this process. As for the kernel's
// own SIGTSTP, a process that is alone in its session is not stopped.
func canContinue() bool {
	session, err := unix.Getsid(0)
	parents, err2 := unix.Getsid(os.Getppid())
	return err == nil && err2 == nil && session == parents && session != unix.Getpgrp()
}

// again changes the mode again after a suspension.
func (k *keyboard) again() {
	k.mu.Lock()
	if k.mode == hushed && k.inForeground() || k.mode == raw {
		_ = k.apply(k.mode)
	}
	resumed := k.resumed
	k.mu.Unlock()
	if resumed != nil {
		resumed()
	}
}

// onResume sets the function that is called after a suspension.
func (k *keyboard) onResume(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.resumed = f
}

// suspend stops this process like Ctrl-Z, which is a byte of input in raw mode.
func (k *keyboard) suspend() {
	if !signal.Ignored(syscall.SIGTSTP) {
		_ = syscall.Kill(0, syscall.SIGTSTP)
	}
}

// discard drops the input that waits, and reports whether there was any. The mode is
// raw: in another mode a line without its end cannot be read.
func (k *keyboard) discard() (any bool) {
	b := make([]byte, 4096)
	for k.ready(0) {
		n, err := unix.Read(int(k.f.Fd()), b)
		clear(b)
		if n <= 0 || err != nil {
			break
		}
		any = true
	}
	return any
}

// ready waits for input.
func (k *keyboard) ready(limit time.Duration) bool {
	fds := unix.FdSet{}
	fds.Set(int(k.f.Fd()))
	limited := unix.NsecToTimeval(limit.Nanoseconds())
	n, err := unix.Select(int(k.f.Fd())+1, &fds, nil, nil, &limited)
	return err == nil && n > 0
}

// prompted reads for one prompt. After its end it takes no input away from the next
// reader.
type prompted struct {
	*keyboard
	ended bool
}

// Read implements [io.Reader]. It returns [io.EOF] after end.
func (p *prompted) Read(b []byte) (int, error) {
	for {
		ready := p.ready(quiet)
		p.reading.Lock()
		if p.ended || ready {
			defer p.reading.Unlock()
			if p.ended {
				return 0, io.EOF
			}
			n, err := unix.Read(int(p.f.Fd()), b)
			if n <= 0 && err == nil {
				err = io.EOF
			}
			return max(n, 0), err
		}
		p.reading.Unlock()
	}
}

func (p *prompted) end() {
	p.reading.Lock()
	defer p.reading.Unlock()
	p.ended = true
}
