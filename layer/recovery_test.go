package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// TestLedgerOpensWithoutLayer runs the commands of docs/recovery.md: age and jq
// alone return the published documents, also for a secret with pruned, revoked
// and announced versions, and for a removed one.
func TestLedgerOpensWithoutLayer(t *testing.T) {
	slow.Test(t)
	if _, err := exec.LookPath("jq"); err != nil {
		slow.Lacks(t, "jq is not installed")
	}
	tools := t.TempDir()
	out, err := exec.Command("go", "build", "-o", tools, "filippo.io/age/cmd/age").CombinedOutput()
	require.NoError(t, err, "%s", out)

	const old = `{"kind": "random", "namespace": "auth", "name": "old-key"}`
	dir := t.TempDir()
	declare(t, dir, rotating, stripe, old)
	run := func(status int, args ...string) {
		t.Helper()
		layerIn(t, dir, []string{"VALUE=madeup_\"Qv71\\xKz8Rt\n"}, status,
			append(append([]string{"secret"}, args...), "--spec", "spec.json")...)
	}
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:secrets")
	run(0, "set", "$SECRET.billing.stripe-secret", "--value-env", "VALUE")
	run(0, "apply")
	const session = "$SECRET.auth.session-key"
	for range 2 {
		run(0, "rotate", "--immediate", session)
	}
	run(0, "revoke", session, "v1")
	run(0, "rotate", "--now", session)
	run(0, "rollback", session)
	run(0, "rotate", "--now", session)
	declare(t, dir, rotating, stripe)
	run(0, "remove", "$SECRET.auth.old-key", "--yes")

	page, err := os.ReadFile("../docs/recovery.md")
	require.NoError(t, err)
	commands := regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, commands, 2)
	typed := func(i int) []byte {
		c := exec.Command("bash", "-euo", "pipefail", "-c", commands[i][1])
		c.Dir, c.Env = dir, append(os.Environ(), "PATH="+tools+string(filepath.ListSeparator)+os.Getenv("PATH"))
		out, err := c.Output()
		require.NoError(t, err, "command %d", i)
		return out
	}

	type version struct {
		Value      string  `json:"value"`
		ActiveFrom *string `json:"activeFrom"`
		ExpiresAt  *string `json:"expiresAt"`
	}
	type document struct {
		Name     string             `json:"name"`
		Current  string             `json:"current"`
		Versions map[string]version `json:"versions"`
		Value    string             `json:"value"`
	}
	read := map[string]document{}
	for d := json.NewDecoder(bytes.NewReader(typed(0))); d.More(); {
		var one document
		require.NoError(t, d.Decode(&one))
		read[one.Name] = one
	}
	require.Len(t, read, 2)
	values := typed(1)
	for _, name := range []string{"LAYERON_SECRET_AUTH_SESSION_KEY", "LAYERON_SECRET_BILLING_STRIPE_SECRET"} {
		text, err := os.ReadFile(filepath.Join(dir, "secrets", name))
		require.NoError(t, err)
		published := document{Name: name}
		if json.Unmarshal(text, &published) != nil { // the bare value
			published.Value = string(text)
		}
		require.True(t, sameJSON(t, published, read[name]), "%s is read as it is published", name)
		require.True(t, strings.Contains(string(values), name+"\t"), name)
	}
	require.Len(t, read["LAYERON_SECRET_AUTH_SESSION_KEY"].Versions, 3, "two accepted versions and an announced one")
	current := read["LAYERON_SECRET_AUTH_SESSION_KEY"]
	require.True(t, strings.Contains(string(values), "LAYERON_SECRET_AUTH_SESSION_KEY\t"+
		current.Versions[current.Current].Value+"\n"))
}

func sameJSON(t *testing.T, a, b any) bool {
	t.Helper()
	one, err := json.Marshal(a)
	require.NoError(t, err)
	two, err := json.Marshal(b)
	require.NoError(t, err)
	return bytes.Equal(one, two)
}
