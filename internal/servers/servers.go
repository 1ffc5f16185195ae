// Package servers starts the servers for tests of ledgers and targets, on this
// machine alone.
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

// Find returns the path of a server's program. A server is used only where every
// test was asked for, and is missing only there: then the test fails.
func Find(t testing.TB, name string) string {
	t.Helper()
	slow.Test(t)
	path, err := exec.LookPath(name)
	require.NoError(t, err, "CONTRIBUTING.md says how to install the servers")
	return path
}

// Changes is how many each operator of a contest makes: fewer in the default run.
func Changes() int {
	if slow.All() {
		return 100
	}
	return 20
}

// Process is a server that runs.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has
	err   error         // why it has; set then
}

// Kill ends it at once, as a machine does that fails.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails where it has ended
	<-p.ended
}

// Freeze stops it without ending it: it answers nothing any more, and its connections stay.
func (p *Process) Freeze(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGSTOP) }

// Thaw lets it go on.
func (p *Process) Thaw(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGCONT) }

func (p *Process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// Start runs a program until the test ends, and returns when it listens on the address.
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

// Address returns one of this machine's that is free.
func Address(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
