package dir

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// dropPrivileges removes root's special access to files, for the rest of a test
// and only for this thread. Without root it changes nothing.
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
