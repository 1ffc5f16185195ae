package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// Runs a command of the operator in sh. Its output goes to stderr, unchanged.
// Signals to layer reach it, and layer waits until it ends.

// ended is the end of a command.
type ended struct {
	status int
	signal syscall.Signal // 0: it ended by itself
}

func (e ended) String() string {
	switch {
	case e.signal != 0:
		return fmt.Sprintf("was ended by a signal (%v)", e.signal)
	case e.status == 0:
		return "has succeeded"
	}
	return fmt.Sprintf("failed with exit status %d", e.status)
}

// shell runs a command in sh. It returns an error if sh cannot be started. The
// command and the environment are in no error.
func (l *layer) shell(ctx context.Context, command string, environ []string) (ended, error) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		return ended{}, errors.New("there is no sh in PATH")
	}
	// Without -- the shell takes a command that begins with - for an option.
	cmd := exec.Command(sh, "-c", "--", command)
	cmd.Env, cmd.Dir = environ, l.dir
	cmd.Stdout, cmd.Stderr = l.stderr, l.stderr
	shared := inForeground()
	if shared && l.interactive() {
		cmd.Stdin = l.in // else it is empty: the input belongs to the caller's next commands
	}
	// In the foreground of a terminal the command must be in layer's own group, to
	// read from the terminal and to stop with Ctrl-Z. Elsewhere it gets a group of
	// its own, so that a signal also reaches the programs that sh has started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !shared}
	for _, k := range []*keyboard{l.keys, l.own} {
		k.release(syscall.SIGTSTP, syscall.SIGCONT) // the runtime would ignore Ctrl-Z
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return ended{}, cause(err)
	}
	send := func(s os.Signal) {
		if number, ok := s.(syscall.Signal); ok && !shared {
			_ = syscall.Kill(-cmd.Process.Pid, number)
			return
		}
		_ = cmd.Process.Signal(s)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	return endOf(cmd, await(ctx, done, signals, shared, send))
}

// await waits until the command has ended, and passes signals on to it. After a
// signal it also waits for the end of ctx: the same signal ends ctx, perhaps
// later than the command, and the caller finds the interruption in ctx.
func await(ctx context.Context, done <-chan error, signals <-chan os.Signal, shared bool,
	send func(os.Signal)) error {
	interrupted := ctx.Done()
	var unheard <-chan time.Time
	signaled := false
	for {
		select {
		case err := <-done:
			if err != nil && shared && !signaled {
				// The terminal sent a signal to both, perhaps, and the command was faster.
				select {
				case <-signals:
					signaled = true
				case <-time.After(lateSignal):
				}
			}
			if signaled || len(signals) > 0 {
				<-ctx.Done()
			}
			return err
		case s := <-signals:
			signaled, unheard = true, nil
			if passesOn(s, shared) {
				send(s)
			}
		case <-interrupted:
			interrupted = nil
			if !signaled { // the signal may have arrived before Notify
				unheard = time.After(lateSignal)
			}
		case <-unheard:
			send(os.Interrupt)
		}
	}
}

// lateSignal is how long a signal may take to arrive after its effect.
const lateSignal = 100 * time.Millisecond

// passesOn reports whether layer sends a signal on to the command. In the
// foreground of a terminal, the terminal sends Ctrl-C to the whole group, and a
// second interrupt would make many programs abandon their orderly end.
func passesOn(s os.Signal, shared bool) bool { return !shared || s != os.Interrupt }

func endOf(cmd *exec.Cmd, err error) (ended, error) {
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() {
		return ended{128 + int(state.Signal()), state.Signal()}, nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return ended{}, err // its output could not be copied
	}
	return ended{status: cmd.ProcessState.ExitCode()}, nil
}

// inForeground reports whether layer is in the foreground of a terminal, which
// then sends Ctrl-C to layer and to every process in its group.
func inForeground() bool {
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	yes, _ := inForegroundOf(terminal)
	return yes
}
