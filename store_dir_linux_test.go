package secret_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// dropPrivileges has the rest of a test meet files as an ordinary user does,
// where root runs it: on this thread alone, and for files alone.
func dropPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	runtime.LockOSThread()
	set := func(uid uintptr) { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, uid, 0, 0) }
	set(nobody)
	t.Cleanup(func() {
		set(0)
		runtime.UnlockOSThread()
	})
}
