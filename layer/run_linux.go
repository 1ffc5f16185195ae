package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// endsWithLayer makes the kernel kill a program when layer is killed, as a
// signal to a program that had replaced layer would.
func endsWithLayer() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// hideMemory keeps other programs of the same user from reading the memory and
// the first environment of this process, which contain layer's credentials.
func hideMemory() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
