package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

const binding = "LAYERON_SECRET_AUTH_SESSION_KEY"

// build returns the program that goes into the Container.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "service.exe")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// token returns a token of examples/worker, where that version is the current
// one.
func token(t *testing.T, key, id string, end time.Time) string {
	t.Helper()
	there := sessionKey.With(secret.NewMemory(map[string]string{binding: "current=" + id + ";" + id + "=" + hexKey(key)}))
	token, err := keyring.NewSigner(there, "session").Sign([]byte("ann"), end)
	require.NoError(t, err)
	return token
}

func hexKey(key string) string { return fmt.Sprintf("%x", bytes.Repeat([]byte(key), 32)) }

// A Container starts the service with the secrets in its environment, and with
// no other variable.
func TestServiceRunsOnItsEnvironment(t *testing.T) {
	service := exec.Command(build(t), "-addr", "127.0.0.1:0")
	service.Env = []string{binding + "=current=v2;v1=" + hexKey("a") + ";v0=" + hexKey("z") +
		";v0_expires=2020-01-01T00:00:00Z;v2=" + hexKey("b")}
	out, err := service.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, service.Start())
	t.Cleanup(func() {
		service.Process.Kill()
		service.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))

	later := time.Now().Add(time.Hour)
	for _, c := range []struct{ token, want string }{
		{token(t, "b", "v2", later), "ann, signed by v2\n"},
		{token(t, "a", "v1", later), "ann, signed by v1\n"},
		{token(t, "z", "v0", later), "log in first\n"},
		{token(t, "a", "v2", later), "log in first\n"},
		{token(t, "b", "v3", later), "log in first\n"},
		{token(t, "b", "v2", time.Now()), "log in first\n"},
		{token(t, "b", "v2", later) + "\n", "log in first\n"},
		{"", "log in first\n"},
	} {
		r, err := http.Get("http://" + address + "/session?token=" + url.QueryEscape(c.token))
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		require.NoError(t, err)
		require.Equal(t, c.want, string(body), c.token)
	}
}

// TestProcessWithoutItsSecret: the process names the missing secret, and ends:
// a Container that cannot serve should not stay up.
func TestProcessWithoutItsSecret(t *testing.T) {
	program := build(t)
	for value, says := range map[string]string{
		"":                    "environment variable " + binding + " is not set",
		binding + "=made-up":  "wrong encoding",
		binding + "=current=": "malformed",
	} {
		service := exec.Command(program, "-addr", "127.0.0.1:0")
		service.Env = []string{value}
		out, err := service.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), says)
		require.NotContains(t, string(out), "made-up")
	}
}
