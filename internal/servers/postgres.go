package servers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// Postgres is a server. Every user of this machine may connect as the superuser
// postgres.
type Postgres struct{ Address, dir, bin string }

// StartPostgres starts an empty server until the test ends. It skips or fails
// the test as Find does.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p := newPostgres(t)
	p.run(t, "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D", p.dir)
	p.start(t)
	return p
}

// StartReplica starts a replica of p until the test ends.
func (p *Postgres) StartReplica(t testing.TB) *Postgres {
	t.Helper()
	host, port, err := net.SplitHostPort(p.Address)
	require.NoError(t, err)
	r := newPostgres(t)
	r.run(t, "pg_basebackup", "-R", "-X", "stream", "-c", "fast", "-h", host, "-p", port, "-U", "postgres", "-D", r.dir)
	r.start(t)
	return r
}

// URL returns the address of a database on the server, for a driver.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", p.Address, database)
}

func newPostgres(t testing.TB) *Postgres {
	t.Helper()
	// Not in the test's folder: the server's user may not enter it.
	dir, err := os.MkdirTemp("", "layer-postgres")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &Postgres{Address: Address(t), dir: dir, bin: filepath.Dir(findInitdb(t))}
	if uid, gid, ok := serverUser(t); ok {
		require.NoError(t, os.Chown(dir, uid, gid))
	}
	return p
}

func (p *Postgres) start(t testing.TB) {
	t.Helper()
	host, port, err := net.SplitHostPort(p.Address)
	require.NoError(t, err)
	p.run(t, "pg_ctl", "-w", "-D", p.dir, "-l", filepath.Join(p.dir, "log"), "-o",
		"-p "+port+" -c listen_addresses="+host+" -c unix_socket_directories="+p.dir+" -c fsync=off", "start")
	t.Cleanup(func() { p.run(t, "pg_ctl", "-w", "-m", "immediate", "-D", p.dir, "stop") })
}

func (p *Postgres) run(t testing.TB, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(p.bin, program), args...)
	cmd.Dir = p.dir
	if uid, gid, ok := serverUser(t); ok {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", program, out)
}

func findInitdb(t testing.TB) string {
	t.Helper()
	slow.Test(t)
	if dir := os.Getenv("POSTGRES_BIN"); dir != "" { // of another version
		return filepath.Join(dir, "initdb")
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the location on Debian
	if len(found) == 0 {
		return Find(t, "initdb")
	}
	return slices.Max(found)
}

// serverUser returns the user to run Postgres as if the test runs as root,
// which Postgres refuses.
func serverUser(t testing.TB) (uid, gid int, ok bool) {
	t.Helper()
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("postgres")
	require.NoError(t, err, "root cannot run Postgres")
	uid, err = strconv.Atoi(u.Uid)
	require.NoError(t, err)
	gid, err = strconv.Atoi(u.Gid)
	require.NoError(t, err)
	return uid, gid, true
}
