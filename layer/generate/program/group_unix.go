//go:build unix

package program

import (
	"os"
	"syscall"
)

// ownGroup starts a program in a process group of its own: Ctrl-C on the
// terminal goes to layer alone, which lets the step finish.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// terminate asks the program's process group to end.
func terminate(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGTERM) }

// kill ends the program's process group.
func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
