package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// This file runs a program: with its own process group, so that nothing that it
// started outlives the step; with a bound on time and output; and with its
// stderr shown only after the answer is known, because the lines may contain
// the value that the answer brings.

// grace is how long a program may take to end after SIGTERM.
const grace = 5 * time.Second

// lastWords is how long the output is read after the process group has ended: a
// process in another group may keep the pipe open.
const lastWords = 200 * time.Millisecond

// maxLines is how many lines of stderr are shown.
const maxLines = 200

var errTooMuch = errors.New("too much output")

// run runs the program for one step, and returns its answer.
func (s *steps) run(ctx context.Context, path string, timeout time.Duration, q question) (answer, error) {
	input, err := json.Marshal(q)
	if err != nil {
		return answer{}, errors.New("the request cannot be written as JSON")
	}
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	output, stderr, failure := execute(bounded, path, s.o, append(input, '\n'))
	a, wrong := parse(output)
	reason, stated, refused := a.reason()
	var hidden mask
	if len(stderr) > 0 || stated {
		hidden = maskOf(append([]string{q.Value}, a.values...))
	}
	s.show(filepath.Base(path), stderr, hidden)
	var status *exec.ExitError
	switch {
	case errors.Is(failure, errTimeout):
		return a, fmt.Errorf("the program did not end within %s and was stopped", timeout)
	case errors.Is(failure, context.DeadlineExceeded):
		return a, errors.New("the program did not end in time and was stopped")
	case errors.Is(failure, errTooMuch):
		return a, fmt.Errorf("the program wrote more than %d KiB to stdout and was stopped", maxOutput>>10)
	case failure != nil && !errors.As(failure, &status):
		return a, failure
	}
	reason = hidden.text(strings.Join(strings.Fields(reason), " "))
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	switch {
	case stated && status != nil:
		return a, fmt.Errorf("%s (%s)", reason, status)
	case stated:
		return a, errors.New(reason)
	case status != nil:
		return a, fmt.Errorf("the program failed (%s) and gave no reason in the member error", status)
	case wrong != nil:
		return a, wrong
	}
	return a, refused
}

// show shows the stderr of the program, line by line.
func (s *steps) show(program string, stderr []byte, hidden mask) {
	if s.o.Show == nil || len(stderr) == 0 {
		return
	}
	shown := 0
	// A carriage return ends a line too: progress is written over and over.
	text := strings.ReplaceAll(string(stderr), "\r", "\n")
	for line := range strings.Lines(hidden.text(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if shown++; shown > maxLines {
			s.o.Show(program, "… (more lines are not shown)")
			return
		}
		s.o.Show(program, line)
	}
}

var errTimeout = errors.New("timeout")

// execute runs a program with the input on stdin. It returns no more than a
// byte above maxOutput of each stream. The failure is errTimeout, errTooMuch,
// the cause of ctx, an *exec.ExitError, or the reason why the program did not
// start.
func execute(ctx context.Context, path string, o *Options, input []byte) (stdout, stderr []byte, failure error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, context.Cause(ctx)
	}
	var pipes [3][2]*os.File
	defer func() {
		for _, p := range pipes {
			for _, end := range p {
				if end != nil {
					_ = end.Close() // also a second time
				}
			}
		}
	}()
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		pipes[i] = [2]*os.File{r, w}
	}
	cmd := &exec.Cmd{Path: path, Args: []string{path}, Dir: o.Folder, Env: o.Env,
		Stdin: pipes[0][0], Stdout: pipes[1][1], Stderr: pipes[2][1], SysProcAttr: ownGroup()}
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, notStarted(path, err)
	}
	_, _, _ = pipes[0][0].Close(), pipes[1][1].Close(), pipes[2][1].Close()

	go func() {
		// A program that does not read its input closes the pipe.
		_, _ = pipes[0][1].Write(input)
		_ = pipes[0][1].Close()
	}()
	tooMuch := make(chan struct{})
	read := func(r io.Reader, full func()) <-chan []byte {
		done := make(chan []byte, 1)
		go func() {
			kept, _ := io.ReadAll(io.LimitReader(r, maxOutput+1))
			if len(kept) > maxOutput {
				full()
				_, _ = io.Copy(io.Discard, r)
			}
			done <- kept
		}()
		return done
	}
	out := read(pipes[1][0], func() { close(tooMuch) })
	errs := read(pipes[2][0], func() {})

	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var stopped error
	var status error
	select {
	case status = <-ended:
	case <-tooMuch:
		stopped = errTooMuch
	case <-ctx.Done():
		stopped = context.Cause(ctx)
	}
	if stopped != nil {
		terminate(cmd.Process)
		wait := time.NewTimer(grace)
		defer wait.Stop()
		select {
		case status = <-ended:
		case <-wait.C:
			kill(cmd.Process)
			status = <-ended
		}
	}
	// Processes that the program started end with it, and with them the pipes.
	kill(cmd.Process)
	deadline := time.Now().Add(lastWords)
	_ = pipes[0][1].SetWriteDeadline(deadline)
	_ = pipes[1][0].SetReadDeadline(deadline)
	_ = pipes[2][0].SetReadDeadline(deadline)
	stdout, stderr = <-out, <-errs
	switch {
	case stopped != nil:
		return stdout, stderr, stopped
	case len(stdout) > maxOutput:
		return stdout, stderr, errTooMuch
	}
	return stdout, stderr, status
}

// notStarted returns the reason why a program did not start.
func notStarted(path string, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if about, statErr := os.Stat(path); statErr == nil && about.IsDir() {
		return errors.New("the path leads to a folder, not to a program")
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && exists(path):
		return errors.New("the program is there, but not the interpreter in its first line: correct it, and end the lines " +
			"with LF alone")
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the program is missing: a relative path starts at the folder of the ledger")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the program may not be run: make it executable with chmod +x")
	case errors.Is(err, syscall.ENOEXEC):
		return errors.New("the program is neither a script nor a binary for this machine: if it is a script, begin it " +
			"with a line such as #!/bin/sh")
	}
	return fmt.Errorf("the program cannot be started: %w", err)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
