package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// watchIdle returns the rows idle: the processor time that a process spends in a
// minute in which nothing changes. All processes watch in the same minute.
func watchIdle(s *session, sizes []int) ([]result, error) {
	type key struct {
		n    int
		name string
	}
	running := map[key]*idleProcess{}
	var order []key
	for _, n := range sizes {
		if !s.wants(fmt.Sprintf("%d/idle", n), fmt.Sprintf("%d/idle/vs-viper", n)) {
			continue
		}
		w, err := newWatched(s, n)
		if err != nil {
			return nil, err
		}
		for _, by := range watchers {
			p, err := startIdle(s, w, by.name)
			if err != nil {
				return nil, err
			}
			running[key{n, by.name}] = p
			order = append(order, key{n, by.name})
		}
	}
	if len(order) == 0 {
		return nil, nil
	}
	for _, step := range []struct {
		do   func(*idleProcess) error
		rest time.Duration
	}{
		{(*idleProcess).await, 20 * time.Second}, // after the first hints, which load each secret again
		{(*idleProcess).begin, time.Minute},
	} {
		for _, k := range order {
			if err := step.do(running[k]); err != nil {
				return nil, err
			}
		}
		select {
		case <-time.After(step.rest):
		case <-s.ctx.Done():
			return nil, context.Cause(s.ctx)
		}
	}
	used := map[key]figure{}
	for _, k := range order {
		spent, err := running[k].end()
		if err != nil {
			return nil, err
		}
		used[k] = took(spent)
	}
	var results []result
	for _, k := range order {
		switch own := used[key{k.n, "secret"}]; k.name {
		case "fsnotify":
			results = append(results, result{fmt.Sprintf("%d/idle", k.n), k.name, own, used[k]})
		case "viper":
			results = append(results, result{fmt.Sprintf("%d/idle/vs-viper", k.n), k.name, own, used[k]})
		}
	}
	return results, nil
}

// idleProcess is this program in another process, with one watcher.
type idleProcess struct {
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
}

func startIdle(s *session, w *watched, name string) (*idleProcess, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &idleProcess{cmd: exec.CommandContext(s.ctx, own, "-idle", name, w.dir, w.file, strconv.Itoa(w.n))}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.cleanup(func() {
		_ = p.in.Close() // ends the process
		_ = p.cmd.Wait()
	})
	return p, nil
}

// await waits until the process watches.
func (p *idleProcess) await() error {
	_, err := p.line()
	return err
}

func (p *idleProcess) begin() error {
	_, err := io.WriteString(p.in, "begin\n")
	return err
}

// end returns the processor time since begin.
func (p *idleProcess) end() (time.Duration, error) {
	if _, err := io.WriteString(p.in, "end\n"); err != nil {
		return 0, err
	}
	text, err := p.line()
	if err != nil {
		return 0, err
	}
	return time.ParseDuration(text)
}

func (p *idleProcess) line() (string, error) {
	if !p.out.Scan() {
		return "", errors.New("a process that watches has ended")
	}
	return strings.TrimSpace(p.out.Text()), nil
}

func init() { child = idleChild }

// idleChild is the other process: it watches and prints its processor time
// between two lines of its standard input.
func idleChild(ctx context.Context, name string, args []string) error {
	if len(args) != 3 {
		return errors.New("-idle is only for processes that this program starts")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return errors.New("the number of secrets is not a number")
	}
	w := &watched{dir: args[0], file: args[1], n: n}
	for _, by := range watchers {
		if by.name != name {
			continue
		}
		closes, err := by.open(ctx, w, func(string) {})
		if err != nil {
			return err
		}
		defer closes()
		fmt.Println("ready")
		lines := bufio.NewScanner(os.Stdin)
		lines.Scan()
		before := processorTime()
		if lines.Scan() {
			fmt.Println(processorTime() - before)
		}
	}
	return nil
}

// processorTime returns the processor time of this process, in user mode and in
// the kernel.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
