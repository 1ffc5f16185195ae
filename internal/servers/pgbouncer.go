package servers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// StartPgBouncer starts a PgBouncer for the server until the test ends, and
// returns its address. mode is its pool_mode: session, transaction or statement.
// It reads the passwords of roles from the server, as auth_query does. The
// superuser postgres needs none. It skips or fails the test as Find does.
func (p *Postgres) StartPgBouncer(t testing.TB, mode string) string {
	t.Helper()
	program := Find(t, "pgbouncer")
	dir, err := os.MkdirTemp("", "layer-pgbouncer")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address := Address(t)
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	serverHost, serverPort, err := net.SplitHostPort(p.Address)
	require.NoError(t, err)
	settings := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
pool_mode = %s
auth_type = hba
auth_hba_file = %s/hba
auth_user = postgres
auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1
auth_file = %[6]s/users
`, serverHost, serverPort, host, port, mode, dir)
	if uid, gid, ok := serverUser(t); ok {
		settings += "user = postgres\n" // root is refused
		require.NoError(t, os.Chown(dir, uid, gid))
	}
	for name, text := range map[string]string{"settings": settings, "users": "\"postgres\" \"\"\n",
		"hba": "host all postgres 0.0.0.0/0 trust\nhost all all 0.0.0.0/0 scram-sha-256\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	Start(t, address, nil, program, filepath.Join(dir, "settings"))
	return address
}
