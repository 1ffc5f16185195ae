package main

import (
	"context"
	"fmt"
	"os"
	ossignal "os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret run --watch` stays beside the program, which must behave as if
// it had replaced layer. So the program is in the same process group: a shell's
// job control, a pipeline and the terminal's signals reach it directly. layer
// passes on the signals that reach only itself, stops when the program stops,
// and ends as the program ends.

// watching is the flags of --watch.
type watching struct {
	on     bool
	signal string

	number syscall.Signal // zero: restart
}

// sendable are the signals of --signal.
var sendable = []string{"HUP", "USR1", "USR2", "INT", "TERM", "QUIT", "ALRM", "CONT", "WINCH"}

// parse parses --signal. Its error does not repeat the text, which may be a
// value.
func (w *watching) parse(given bool) error {
	if !given {
		return nil
	}
	if !w.on {
		return usagef("--signal needs --watch, which sends it when a value has changed")
	}
	name := strings.TrimPrefix(strings.ToUpper(w.signal), "SIG")
	if !slices.Contains(sendable, name) {
		return usagef("--signal takes one of %s", strings.Join(sendable, ", "))
	}
	w.number = unix.SignalNum("SIG" + name)
	return nil
}

// command is a program with its arguments.
type command struct {
	path, name string // name is for messages
	args       []string
}

// programEnded is the end of the watched program. Its status is also run's.
type programEnded int

func (programEnded) Error() string { return "the program has ended" }

// grace is the time between SIGTERM and SIGKILL.
const grace = 10 * time.Second

// runWatched runs the program, and restarts or signals it after each change. It
// returns when the program has ended by itself.
func (l *layer) runWatched(ctx context.Context, p command, f *feed, signal syscall.Signal) error {
	// On Linux the program is killed when the thread that started it ends.
	runtime.LockOSThread()
	hideMemory()
	l.busy = true // an answer to a question would go to the program
	l.keys.release()
	l.own.release()
	signals := make(chan os.Signal, 16)
	for _, s := range forwarded {
		if !ossignal.Ignored(s) { // as the program would
			ossignal.Notify(signals, s)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: nothing was started", rotate.ErrInterrupted)
	}
	if err := f.begin(time.Now()); err != nil {
		return err
	}
	l.err.terminal = false // the program writes there: no progress lines
	w := &watched{l: l, program: p, terminal: openTerminal(), ends: make(chan unix.WaitStatus)}
	defer w.terminal.close()
	if err := w.start(f.env); err != nil {
		return err
	}

	// The signal that ends the program must not end the watch first.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	changes, followed := make(chan change), make(chan struct{})
	go func() {
		defer close(followed)
		f.follow(ctx, signal == 0, func(c change) {
			select {
			case changes <- c:
			case <-ctx.Done():
			}
		})
	}()
	status, err := w.supervise(signals, changes, signal)
	cancel()
	select {
	case <-followed:
	case <-time.After(time.Second): // a disk or a server does not answer
	}
	if err != nil {
		return err
	}
	return l.endLike(status)
}

// watched is the running program.
type watched struct {
	l        *layer
	program  command
	terminal terminalDevice

	pid     int
	ends    chan unix.WaitStatus // it has stopped, continued or ended
	stopped bool
}

// supervise handles signals, changes and the end of the program. It returns how
// the program ended.
func (w *watched) supervise(signals <-chan os.Signal, changes <-chan change,
	signal syscall.Signal) (unix.WaitStatus, error) {
	var (
		next  []string         // the environment of the program to start; nil: no restart
		kill  <-chan time.Time // when to kill it
		stop  <-chan time.Time // when to stop with it
		final bool             // the user has ended it during a restart
	)
	for {
		select {
		case s := <-signals:
			number := s.(syscall.Signal)
			final = final || next != nil && slices.Contains(ending, number)
			if !w.terminal.sent(number) {
				w.send(number)
			}
		case c := <-changes:
			if signal != 0 {
				w.l.say("%s: sending SIG%s to %s", c.what, strings.TrimPrefix(unix.SignalName(signal), "SIG"),
					w.program.name)
				w.send(signal)
				continue
			}
			if next == nil {
				w.l.say("%s: restarting %s", c.what, w.program.name)
				w.send(syscall.SIGTERM)
				if w.stopped {
					w.send(syscall.SIGCONT)
				}
				kill = time.After(grace)
			}
			next = c.env
		case <-kill:
			w.l.say("%s has not ended within %v of SIGTERM: killing it", w.program.name, grace)
			w.send(syscall.SIGKILL)
		case status := <-w.ends:
			switch {
			case status.Stopped():
				w.stopped, stop = true, time.After(stopTime)
			case status.Continued():
				w.stopped, stop = false, nil
			case next != nil && !final:
				if status.Signaled() {
					w.terminal.restore() // a killed program leaves its settings
				}
				if err := w.start(next); err != nil {
					return 0, err
				}
				next, kill, stop = nil, nil, nil
			default:
				return status, nil
			}
		case <-stop:
			stop = nil
			if w.terminal.hasShell() {
				// As a shell expects of a program that it has started. Its SIGCONT continues
				// both.
				_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
			}
		}
	}
}

// ending are the signals by which a user ends a program.
var ending = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT}

func (w *watched) send(s syscall.Signal) { _ = unix.Kill(w.pid, s) }

// start starts the program, and reports its changes of state to w.ends.
func (w *watched) start(env []string) error {
	attr := &os.ProcAttr{Dir: w.l.dir, Env: env, Files: []*os.File{asFile(w.l.in), asFile(w.l.stdout), asFile(w.l.stderr)},
		Sys: endsWithLayer()}
	started, err := os.StartProcess(w.program.path, w.program.args, attr)
	if err != nil {
		return cannotRun(w.program.name, cause(err))
	}
	pid := started.Pid
	_ = started.Release()
	w.pid, w.stopped = pid, false
	go func() {
		for {
			var status unix.WaitStatus
			_, err := unix.Wait4(pid, &status, unix.WUNTRACED|unix.WCONTINUED, nil)
			switch {
			case err == unix.EINTR:
				continue
			case err != nil:
				return // not possible: the program is this process's child
			}
			w.ends <- status
			if status.Exited() || status.Signaled() {
				return
			}
		}
	}()
	return nil
}

// stopTime is how long the program is stopped before layer stops too: a shell
// that continues both may continue layer first.
const stopTime = 50 * time.Millisecond

// endLike ends run as the program has ended: with its exit status, or by the
// same signal.
func (l *layer) endLike(status unix.WaitStatus) error {
	if !status.Signaled() {
		return programEnded(status.ExitStatus())
	}
	number := int(status.Signal())
	// The Go runtime handles most signals itself. A shell in the place of this
	// process does not, and leaves no second core dump. The first process of a
	// container ignores the signal.
	_ = l.exec("/bin/sh", []string{"sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$; exit %d", number,
		128+number)}, nil)
	return programEnded(128 + number)
}

func asFile(stream any) *os.File {
	f, _ := stream.(*os.File) // nil: closed
	return f
}
