// Package servers starts what ledgers and targets for a team are tested on, on this machine alone. Only tests use it. The script beside
// it installs the servers.
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
)

// Find returns the path of a program that was installed, or of a file. It ends the test where there is none: as skipped, or as
// failed where LAYER_E2E says that all are there. LAYER_SERVERS=none makes of every machine one on which nothing is.
func Find(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("LAYER_SERVERS")
	if dir == "none" {
		missing(t, filepath.Base(name))
	}
	if dir != "" {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	missing(t, filepath.Base(name))
	return ""
}

// Changes is how many each operator of a contest makes: fewer where nobody has asked for these servers.
func Changes() int {
	if os.Getenv("LAYER_E2E") != "" {
		return 100
	}
	return 20
}

// Slow ends a test, as skipped, that takes so long that it runs only where somebody has asked for these servers.
func Slow(t testing.TB) {
	t.Helper()
	if os.Getenv("LAYER_E2E") == "" {
		t.Skip("this takes its time: LAYER_E2E=1 go test -run '^TestServer' runs it")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func missing(t testing.TB, what string) {
	t.Helper()
	const text = "no %s here: internal/servers/run installs it"
	if os.Getenv("LAYER_E2E") != "" {
		t.Fatalf(text, what)
	}
	t.Skipf(text, what)
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
