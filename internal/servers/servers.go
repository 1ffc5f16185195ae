// Package servers starts the servers for tests of ledgers and targets, on this
// machine only.
package servers

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// Find returns the path of a server's program. It skips the test unless
// LAYER_TESTS asks for every test; it then fails the test if the program is
// missing.
func Find(t testing.TB, name string) string {
	t.Helper()
	slow.Test(t)
	path, err := exec.LookPath(name)
	require.NoError(t, err, "CONTRIBUTING.md says how to install the servers")
	return path
}

// Changes is the number of changes that each operator of a contest makes: fewer
// in the default run.
func Changes() int {
	if slow.All() {
		return 100
	}
	return 20
}

// Process is a running server.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	err   error         // set before ended is closed
}

// Kill ends it immediately, as a failure of the machine would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails if it has ended
	<-p.ended
}

// Freeze stops it without ending it: it answers no request, and its connections
// stay open.
func (p *Process) Freeze(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGSTOP) }

// Thaw continues it after Freeze.
func (p *Process) Thaw(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGCONT) }

func (p *Process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// Start runs a program until the test ends, and returns when it listens on the
// address.
func Start(t testing.TB, address string, environment []string, program string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Start())
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return p
		}
		select {
		case <-p.ended:
			require.FailNow(t, filepath.Base(program)+" has ended", "%v\n%s", p.err, said.String())
		case <-ctx.Done():
			require.FailNow(t, filepath.Base(program)+" does not listen")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Address returns a free address of this machine.
func Address(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
