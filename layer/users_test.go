package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// Users and groups of these tests. The system has an entry only for root.
const (
	alice, bob  = 61001, 61002
	team, reads = 61100, 61200
)

// household is a folder in which several users of one machine run layer.
type household struct {
	t            *testing.T
	program, dir string
}

const usersSpec = `{"secrets": [{"kind": "random", "namespace": "auth", "name": "key", "bytes": 16}]}`

// newHousehold makes a folder of an owner, a group and a mode. Only root can be
// other users.
func newHousehold(t *testing.T, uid, gid int, mode os.FileMode) household {
	t.Helper()
	slow.Root(t)
	base := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(base), 0o755))
	p := household{t, filepath.Join(base, "layer"), filepath.Join(base, "project")}
	// This process must not write the file itself: it would be busy while another
	// test starts a process.
	out, err := exec.CommandContext(t.Context(), "cp", program(t), p.program).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.Chmod(p.program, 0o755))
	require.NoError(t, os.Mkdir(p.dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "spec.json"), []byte(usersSpec), 0o644))
	require.NoError(t, os.Chown(p.dir, uid, gid))
	require.NoError(t, os.Chmod(p.dir, mode))
	return p
}

// command is a program that runs as a user with a group.
func (p household) command(uid, gid int, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Dir, cmd.Env = p.dir, []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid),
		Groups: []uint32{uint32(gid)}}}
	return cmd
}

// as runs layer secret as a user with a group.
func (p household) as(uid, gid int, env []string, args ...string) result {
	p.t.Helper()
	cmd := p.command(uid, gid, p.program, append([]string{"secret"}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (p household) succeeds(uid, gid int, args ...string) string {
	p.t.Helper()
	r := p.as(uid, gid, nil, args...)
	require.Zero(p.t, r.status, "%v as %d: %s%s", args, uid, r.stdout, r.stderr)
	return r.stdout
}

// files returns owner, group and mode of every file in the folder but the spec.
func (p household) files() map[string]string {
	p.t.Helper()
	found := map[string]string{}
	require.NoError(p.t, filepath.Walk(p.dir, func(path string, info os.FileInfo, err error) error {
		if rel, _ := filepath.Rel(p.dir, path); err == nil && rel != "." && rel != "spec.json" {
			stat := info.Sys().(*syscall.Stat_t)
			found[rel] = fmt.Sprintf("%d:%d %v", stat.Uid, stat.Gid, info.Mode())
		}
		return err
	}))
	return found
}

func (p household) share(gid int, mode os.FileMode, names ...string) {
	p.t.Helper()
	for _, name := range names {
		require.NoError(p.t, os.Chown(filepath.Join(p.dir, name), -1, gid))
		require.NoError(p.t, os.Chmod(filepath.Join(p.dir, name), mode))
	}
}

const (
	keyFile  = "secrets/LAYERON_SECRET_AUTH_KEY"
	noteOf   = "secrets/.LAYERON_SECRET_AUTH_KEY.note"
	lockFile = "layer.secrets.age.lock"
)

// Root works once in a user's folder, at any time of the ledger's life. The
// user can continue.
func TestRootLedgerUsedOnceWithSudoKeepsWorking(t *testing.T) {
	t.Parallel()
	p := newHousehold(t, alice, alice, 0o755)
	p.succeeds(alice, alice, "init", "--to", "dir:./secrets", "--window", "1s", "--margin", "1s")
	require.NoError(t, os.Remove(filepath.Join(p.dir, "layer.seen")))
	require.NoError(t, os.Remove(filepath.Join(p.dir, lockFile)))
	p.succeeds(0, 0, "apply", "--spec", "spec.json")
	for name, has := range p.files() {
		require.Regexp(t, "^61001:61001 ", has, name)
	}
	p.succeeds(alice, alice, "rotate", "--immediate", "--spec", "spec.json")
	p.succeeds(0, 0, "rotate", "--immediate", "--spec", "spec.json")
	p.succeeds(alice, alice, "rotate", "--immediate", "--spec", "spec.json")
	p.succeeds(alice, alice, "status", "--spec", "spec.json")
	for name, has := range p.files() {
		require.Regexp(t, "^61001:61001 ", has, name)
	}
}

// No user gets the key to the ledger. The error about a file that root left
// contains the way to get it back.
func TestRootIdentityMadeWithSudoSaysHowToGetItBack(t *testing.T) {
	t.Parallel()
	p := newHousehold(t, alice, alice, 0o755)
	p.succeeds(0, 0, "init", "--to", "dir:./secrets")
	files := p.files()
	require.Equal(t, "0:0 -rw-------", files["layer.identity"])
	delete(files, "layer.identity")
	for name, has := range files {
		require.Regexp(t, "^61001:61001 ", has, name)
	}
	r := p.as(alice, alice, nil, "apply", "--spec", "spec.json")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "`sudo chown 61001 layer.identity`")
	require.NoError(t, os.Chown(filepath.Join(p.dir, "layer.identity"), alice, alice))
	p.succeeds(alice, alice, "apply", "--spec", "spec.json")

	// Files of an older version, which left them to root.
	for _, name := range []string{lockFile, "layer.seen", "layer.secrets.age"} {
		path := filepath.Join(p.dir, name)
		require.NoError(t, os.Chown(path, 0, 0))
		r := p.as(alice, alice, nil, "rotate", "--immediate", "--spec", "spec.json")
		require.Equal(t, 1, r.status, name)
		require.Contains(t, r.stderr,
			"it belongs to root (mode 0600), perhaps after a run with sudo: take it back with `sudo chown 61001 ", name)
		require.NoError(t, os.Chown(path, alice, alice))
	}
	p.succeeds(alice, alice, "rotate", "--immediate", "--spec", "spec.json")
}

// sharing is the guide's line that shares a ledger and its values with a group.
var sharing = regexp.MustCompile("(?m)^```\n(chgrp -R team .*)\n```$")

// Two users of one group work on one ledger and one target.
func TestRootLedgerSharedByGroupKeepsWorking(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	line := sharing.FindStringSubmatch(string(guide))
	require.NotNil(t, line)
	for _, fresh := range []bool{false, true} {
		p := newHousehold(t, alice, alice, 0o755)
		p.succeeds(alice, team, "init", "--to", "dir:./secrets")
		p.succeeds(alice, team, "apply", "--spec", "spec.json")
		identity, err := os.ReadFile(filepath.Join(p.dir, "layer.identity"))
		require.NoError(t, err)
		env := []string{"LAYER_IDENTITY=" + string(identity)}

		// The error about a file that is not shared yet names who can share it.
		r := p.as(bob, team, env, "rotate", "--immediate", "--spec", "spec.json")
		require.Equal(t, 1, r.status)
		require.Contains(t, r.stderr,
			"it belongs to user 61001 (mode 0600): that user can share it with a group, with `chgrp GROUP ")

		require.NoError(t, os.Chown(filepath.Join(p.dir, "spec.json"), alice, alice))
		cmd := p.command(alice, team, "sh", "-c", strings.Replace(line[1], "team", strconv.Itoa(team), 1))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		if fresh { // as in another clone
			require.NoError(t, os.Remove(filepath.Join(p.dir, "layer.seen")))
			require.NoError(t, os.Remove(filepath.Join(p.dir, lockFile)))
		}
		for range 2 {
			for _, who := range []int{bob, alice} {
				r := p.as(who, team, env, "rotate", "--immediate", "--spec", "spec.json")
				require.Zero(t, r.status, "%d: %s", who, r.stderr)
				files := p.files()
				for _, name := range []string{"layer.secrets.age", "layer.seen", keyFile, noteOf} {
					require.Equal(t, fmt.Sprintf("%d:%d -rw-rw----", who, team), files[name], name)
				}
				require.Contains(t, files[lockFile], ":61100 -rw-rw----")
				require.Equal(t, "61001:61100 -rw-------", files["layer.identity"])
			}
		}
		require.Contains(t, p.as(bob, team, env, "status", "--json", "--spec", "spec.json").stdout, `"current": "v5"`)

		// The error about a value that only its owner may read names the owner.
		require.NoError(t, os.Chmod(filepath.Join(p.dir, keyFile), 0o600))
		r = p.as(bob, team, env, "rotate", "--immediate", "--spec", "spec.json")
		require.Equal(t, 1, r.status)
		require.Contains(t, r.stderr, "cannot be read: permission denied: it belongs to user 61001 (mode 0600)")
	}
}

// The program reads its value through a group, before and after every rotation.
func TestRootGroupOfProgramSurvivesRotation(t *testing.T) {
	t.Parallel()
	p := newHousehold(t, 0, 0, 0o755)
	p.succeeds(0, 0, "init", "--to", "dir:./secrets")
	p.succeeds(0, 0, "apply", "--spec", "spec.json")
	p.share(reads, 0o640, keyFile)
	require.NoError(t, os.Chmod(filepath.Join(p.dir, "secrets"), 0o755))
	for range 2 {
		p.succeeds(0, 0, "rotate", "--immediate", "--spec", "spec.json")
		files := p.files()
		require.Equal(t, "0:61200 -rw-r-----", files[keyFile])
		require.Equal(t, "0:61200 -rw-r-----", files[noteOf])
	}
	addr, err := secret.ParseAddress("$SECRET.auth.key")
	require.NoError(t, err)
	_, err = secret.Dir(filepath.Join(p.dir, "secrets")).Get(t.Context(), addr)
	require.NoError(t, err)
}

// A user who cannot preserve the access to a value changes nothing, and gets
// advice.
func TestRootPublishingThatTakesAccessIsRefused(t *testing.T) {
	t.Parallel()
	p := newHousehold(t, alice, alice, 0o755)
	p.succeeds(alice, alice, "init", "--to", "dir:./secrets")
	p.succeeds(alice, alice, "apply", "--spec", "spec.json")
	p.share(reads, 0o640, keyFile)
	before, err := os.ReadFile(filepath.Join(p.dir, keyFile))
	require.NoError(t, err)
	r := p.as(alice, alice, nil, "rotate", "--immediate", "--spec", "spec.json")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "its group 61200 would lose access (mode 0640)")
	require.Contains(t, r.stderr, "Run as a member of the group or as root")
	after, err := os.ReadFile(filepath.Join(p.dir, keyFile))
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after), "the value was changed")
	require.Equal(t, "61001:61200 -rw-r-----", p.files()[keyFile])

	// A member of the group finishes the recorded rotation.
	p.succeeds(alice, reads, "rotate", "--spec", "spec.json")
	require.Equal(t, "61001:61200 -rw-r-----", p.files()[keyFile])
}

// TestRootRemovalReportsTheIDThatNoFileTakes: the identity's folder takes no new
// file, so the new id cannot be put into it. The recipients have changed, so the
// error contains the id, and with --json it is the one object.
func TestRootRemovalReportsTheIDThatNoFileTakes(t *testing.T) {
	const uid, gid = 12001, 12100
	for _, more := range [][]string{nil, {"--json"}} {
		p := newHousehold(t, uid, gid, 0o755)
		keys := filepath.Join(p.dir, "keys")
		require.NoError(t, os.Mkdir(keys, 0o700))
		require.NoError(t, os.Chown(keys, uid, gid))
		p.succeeds(uid, gid, "init", "--to", "dir:secrets", "--identity", "keys/mine")
		const other = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
		p.succeeds(uid, gid, "ledger", "recipients", "--add", other, "--identity", "keys/mine")
		require.NoError(t, os.Chmod(keys, 0o500))
		r := p.as(uid, gid, nil, append([]string{"ledger", "recipients", "--remove", other, "--identity", "keys/mine"},
			more...)...)
		require.Equal(t, 1, r.status)
		id := strings.TrimSpace(p.succeeds(uid, gid, "ledger", "id", "--identity", "keys/mine"))
		require.Contains(t, r.stdout+r.stderr, "the recipients have changed and the ledger's id is now "+id)
		if more != nil {
			var one map[string]any
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &one), "one object")
			require.Equal(t, false, one["ok"])
		}
		require.NoError(t, os.Chmod(keys, 0o700))
	}
}
