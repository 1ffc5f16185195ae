package main

import (
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// forwarded are the signals that layer passes on to a watched program.
var forwarded = []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1,
	syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH}

// shared are the signals that reach both layer and the program while they are in
// the foreground: a terminal and a shell send them to the process group.
var shared = []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH}

// terminalDevice is the controlling terminal of layer and the program. The zero
// value is none.
type terminalDevice struct {
	file   *os.File
	before *term.State // the settings at the start
}

func openTerminal() terminalDevice {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return terminalDevice{}
	}
	t := terminalDevice{file: f}
	t.before, _ = term.GetState(int(f.Fd()))
	return t
}

func (t terminalDevice) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// foreground reports whether layer and the program are the terminal's foreground
// job. gone reports that the terminal has hung up.
func (t terminalDevice) foreground() (yes, gone bool) {
	if t.file == nil {
		return false, false
	}
	yes, err := inForegroundOf(t.file)
	return yes, err != nil
}

// inForegroundOf reports whether this process is in the foreground group of a
// terminal. The terminal sends its input and its signals to that group.
func inForegroundOf(terminal *os.File) (bool, error) {
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp(), err
}

// sent reports whether the program has got a signal itself. The kernel does not
// report the sender, so in the foreground the shared signals count as sent to
// both. A SIGCONT to the program once more, a moment later, could undo a Ctrl-Z.
func (t terminalDevice) sent(s syscall.Signal) bool {
	foreground, gone := t.foreground()
	return foreground && slices.Contains(shared, s) || gone && t.hasShell() && s == syscall.SIGHUP
}

// hasShell reports whether another process leads the session: a shell, which
// continues its jobs after a stop, and ends them when the terminal hangs up.
// Otherwise the kernel reports the hang-up to layer alone.
func (t terminalDevice) hasShell() bool {
	session, err := unix.Getsid(0)
	return t.file != nil && err == nil && session != os.Getpid()
}

// restore sets the terminal's settings as at the start. A background job is not
// allowed to.
func (t terminalDevice) restore() {
	if foreground, _ := t.foreground(); foreground && t.before != nil {
		_ = term.Restore(int(t.file.Fd()), t.before)
	}
}
