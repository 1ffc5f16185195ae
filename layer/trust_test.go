package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestForgedLedgerGetsNoCredential checks a ledger that a machine cannot
// verify. The ledger names a target of its own, and no command connects to it.
func TestForgedLedgerGetsNoCredential(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var connections atomic.Int32
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = c.Close()
		}
	}()

	victim := folder(t, rotating)
	recipient, _ := layerIn(t, victim, nil, 0, "secret", "ledger", "recipients")
	thief := t.TempDir()
	declare(t, thief, rotating)
	layerIn(t, thief, nil, 0, "secret", "init", "--to", "etcd://"+listener.Addr().String(), "--recipient",
		strings.TrimSpace(recipient))
	id, _ := layerIn(t, thief, nil, 0, "secret", "ledger", "id")
	forged, err := os.ReadFile(filepath.Join(thief, "layer.secrets.age"))
	require.NoError(t, err)
	key, err := os.ReadFile(filepath.Join(victim, "layer.identity"))
	require.NoError(t, err)

	machine := t.TempDir()
	declare(t, machine, rotating)
	require.NoError(t, os.WriteFile(filepath.Join(machine, "layer.secrets.age"), forged, 0o600))
	const session = "$SECRET.auth.session-key"
	commands := [][]string{{"status"}, {"plan"}, {"apply"}, {"rotate"}, {"rotate", "--adopt-ledger", "--yes"},
		{"rotate", "--dry-run"},
		{"set", session, "--value-env", "VALUE"}, {"rollback", session}, {"revoke", session, "v1"},
		{"rename", session, session},
		{"remove", session, "--yes"}, {"target"}, {"target", "dir:elsewhere"}, {"target", "--remove", "dir:secrets", "--yes"},
		{"timeline"},
		{"bindings"}, {"run", "--", "true"}, {"reveal", session, "--yes"}, {"export", "--yes"},
		{"import", "none.env", "--yes"}, {"log"}, {"ledger", "id"},
		{"ledger", "recipients"},
		{"ledger", "copy", "layer.secrets.age", "other.age"}}
	for _, identity := range []string{string(key), identityKey.FindString(string(key))} {
		env := []string{"LAYER_IDENTITY=" + identity, "ETCDCTL_USER=root", "ETCDCTL_PASSWORD=madeup_Wm29bHs4Ly",
			"VALUE=madeup_Qv71xKz8Rt"}
		for _, args := range commands {
			r := runIn(t, machine, env, append(append([]string{"secret"}, args...), "--spec", "spec.json")...)
			if args[0] == "bindings" && r.status == 0 {
				continue // its input is only the declarations
			}
			require.Equal(t, 1, r.status, "%s: %s", args, r.stderr)
			require.Empty(t, r.stdout, args)
			require.Contains(t, r.stderr, "--ledger-id", args)
		}
		layerIn(t, machine, env, 0, "__complete", "secret", "reveal", "")
		require.Len(t, contents(t, machine), 2, "the ledger and the declarations, and no memory of ledgers seen")
	}
	require.Zero(t, connections.Load())

	// The commands would have connected to this listener.
	layerIn(t, machine, []string{"LAYER_IDENTITY=" + string(key), "ETCDCTL_USER=root",
		"ETCDCTL_PASSWORD=madeup_Wm29bHs4Ly"}, 1,
		"secret", "status", "--spec", "spec.json", "--ledger-id", strings.TrimSpace(id))
	require.NotZero(t, connections.Load())
}

func TestSeveral(t *testing.T) {
	t.Parallel()
	var list []secret.Address
	for _, want := range []string{"$SECRET.n.a", "$SECRET.n.a and 1 other", "$SECRET.n.a and 2 others"} {
		list = append(list, secret.Address{Namespace: "n", Name: string(rune('a' + len(list)))})
		require.Equal(t, want, several(list))
	}
}
