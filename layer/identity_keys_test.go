package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"github.com/layeron-hq/secret/internal/slow"
)

const passphrase = "madeup-passphrase-Wm29"

// sshKeyFiles returns an SSH private key, and the line of its .pub file.
func sshKeyFiles(t *testing.T, private any, public any, passphrase string) (text, pub string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "ana@laptop")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "ana@laptop", []byte(passphrase))
	}
	require.NoError(t, err)
	to, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(to))) + " ana@laptop\n"
}

func newEd25519(t *testing.T, passphrase string) (text, pub string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return sshKeyFiles(t, private, public, passphrase)
}

func newRSA(t *testing.T) (text, pub string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return sshKeyFiles(t, private, private.Public(), "")
}

// underPassphrase returns an identity file as `age -p` encrypts it, but faster to open.
func underPassphrase(t *testing.T, text string) string {
	t.Helper()
	to, err := age.NewScryptRecipient(passphrase)
	require.NoError(t, err)
	to.SetWorkFactor(5)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

// writeKey writes a file that only its owner can read.
func writeKey(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// A colleague with an SSH key, or with a key of an age plugin, is added, reads the
// ledger, changes it, and is removed. No command changes the key's file.
func TestColleagueWithAnotherKey(t *testing.T) {
	t.Parallel()
	edText, edPub := newEd25519(t, "")
	rsaText, rsaPub := newRSA(t)
	pluginText, pluginTo := pluginKeys("")
	for name, test := range map[string]struct {
		text, public string
		marks        bool
	}{
		"ssh-ed25519": {edText, edPub, true},
		"ssh-rsa":     {rsaText, rsaPub, true},
		"plugin":      {pluginText, pluginTo, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, rotating)
			layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
			stdout, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", test.public)
			key, named := strings.CutSuffix(strings.TrimSpace(test.public), " ana@laptop")
			want := key + "\n"
			if named {
				want = key + "\tana@laptop\n"
			}
			require.Contains(t, stdout, want)
			id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
			id = strings.TrimSpace(id)

			require.NoError(t, os.Remove(filepath.Join(dir, "layer.seen")))
			file := writeKey(t, t.TempDir(), "key", test.text)
			status := []string{"secret", "status", "--spec", "spec.json", "--identity", file}
			_, stderr := layerIn(t, dir, nil, 1, status...)
			require.Contains(t, stderr, "was not given its id")
			layerIn(t, dir, nil, 0, append(status, "--ledger-id", id)...)
			if test.marks {
				layerIn(t, dir, nil, 0, status...)
			} else {
				_, stderr = layerIn(t, dir, nil, 1, status...)
				require.Contains(t, stderr, `an age plugin's key cannot sign the memory of ledgers seen`)
				named := writeKey(t, t.TempDir(), "key", "# ledger "+id+"\n"+test.text)
				layerIn(t, dir, nil, 0, append(status, "--identity", named)...)
			}
			layerIn(t, dir, []string{"LAYER_LEDGER_ID=" + id}, 0, "secret", "rotate", "$SECRET.auth.session-key", "--now",
				"--spec", "spec.json", "--identity", file)
			layerIn(t, dir, []string{"LAYER_LEDGER_ID=" + id, "LAYER_IDENTITY=" + test.text}, 0, "secret", "status", "--spec",
				"spec.json")

			_, stderr = layerIn(t, dir, []string{"LAYER_LEDGER_ID=" + id}, 0, "secret", "ledger", "recipients", "--remove",
				test.public)
			require.Contains(t, stderr, "the ledger's id is now")
			_, stderr = layerIn(t, dir, nil, 1, status...)
			require.Contains(t, stderr, "encrypted to others")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, test.text, string(text))
		})
	}
}

// init uses an identity that another program made, and does not change it.
func TestInitUsesAnotherKey(t *testing.T) {
	t.Parallel()
	edText, edPub := newEd25519(t, "")
	pluginText, pluginTo := pluginKeys("")
	for name, test := range map[string]struct {
		text  string
		flags []string
		fails string
	}{
		"SSH":                  {edText, nil, ""},
		"SSH, and a recipient": {edText, []string{"--recipient", edPub}, ""},
		"plugin":               {pluginText, nil, ""},
		"plugin, no public key": {strings.SplitN(pluginText, "\n", 2)[1], nil,
			"does not name the public key of its age plugin: give the key with --recipient"},
		"plugin, its public key is given": {strings.SplitN(pluginText, "\n", 2)[1], []string{"--recipient", pluginTo}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := writeKey(t, dir, "layer.identity", test.text)
			args := append([]string{"secret", "init", "--to", "dir:secrets"}, test.flags...)
			if test.fails != "" {
				_, stderr := layerIn(t, dir, nil, 1, args...)
				require.Contains(t, stderr, test.fails)
				require.NoFileExists(t, filepath.Join(dir, "layer.secrets.age"))
				return
			}
			stdout, _ := layerIn(t, dir, nil, 0, args...)
			require.Contains(t, stdout, "the ledger's id is ")
			_, rest, _ := strings.Cut(stdout, "the ledger's id is ")
			stdout, _ = layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--ledger-id", rest[:32])
			require.Equal(t, 1, strings.Count(stdout, "\n"), "one recipient")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, test.text, string(text))
		})
	}
}

// Without a terminal, an identity that needs a person fails with the next step.
func TestIdentityThatNeedsAPerson(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	sshText, _ := newEd25519(t, passphrase)
	withPIN, to := pluginKeys("1234")
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", to)
	id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
	for name, test := range map[string]struct{ text, want string }{
		"encrypted": {underPassphrase(t, string(key)), "a passphrase protects it, and there is no terminal to ask for it: " +
			"run this at a terminal, or use an identity without a passphrase: LAYER_IDENTITY takes the key itself"},
		"SSH":    {sshText, "a passphrase protects it, and there is no terminal to ask for it"},
		"plugin": {withPIN, "age-plugin-layertest failed: the PIN is wrong or missing"},
		"plugin that is missing": {strings.TrimSpace(pluginIdentityOf("absent")),
			"the program age-plugin-absent is missing: install it into a folder of PATH"},
	} {
		file := writeKey(t, t.TempDir(), "key", test.text)
		env := []string{"LAYER_LEDGER_ID=" + strings.TrimSpace(id)}
		cmd := exec.CommandContext(t.Context(), program(t), "secret", "log", "--identity", file)
		cmd.Dir, cmd.Env = dir, append(plainEnv(), env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without the terminal of the person who runs this test
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), test.want, name)
		require.NotContains(t, string(out), "1234")
	}
}

// A passphrase, and the PIN of a plugin, are asked for once and are not shown, also if
// stdin is a value.
func TestIdentityAsksAtTheTerminal(t *testing.T) {
	t.Parallel()
	sshText, sshPub := newEd25519(t, passphrase)
	withPIN, to := pluginKeys("madeup-PIN")
	dir := folder(t, stripe)
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", sshPub, "--add", to)
	for name, test := range map[string]struct {
		text, asks, types string
	}{
		"encrypted": {underPassphrase(t, string(key)), "Passphrase of the identity ", passphrase},
		"SSH":       {sshText, "Passphrase of the identity ", passphrase},
		"plugin":    {withPIN, "age-plugin-layertest: PIN (not shown): ", "madeup-PIN"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "SSH" {
				slow.Sequential(t) // the key is derived from each passphrase
			}
			file := writeKey(t, t.TempDir(), "key", test.text)
			env := []string{"LAYER_LEDGER_ID=" + strings.TrimSpace(id)}
			x := atTerminal(t, dir, env, 120, "secret", "log", "--identity", file)
			x.expect(test.asks)
			x.types(test.types + "\r")
			screen := x.ends(0)
			require.Equal(t, 1, strings.Count(screen, test.asks))
			require.NotContains(t, screen, test.types)
			require.Contains(t, screen, "init")

			x = atTerminal(t, dir, env, 120, "secret", "log", "--identity", file)
			x.expect(test.asks)
			x.types("\x03")
			require.NotContains(t, x.ends(map[bool]int{true: 1, false: 130}[name == "plugin"]), "init")
			if name == "plugin" {
				return
			}
			x = atTerminal(t, dir, env, 120, "secret", "log", "--identity", file)
			for n := range 3 {
				x.expect(strings.Repeat("is wrong: try again\r\n", min(n, 1)) + test.asks)
				x.until(func() bool { return strings.Count(x.shown(), test.asks) > n })
				x.types("wrong\r")
			}
			require.Contains(t, x.ends(1), ": the passphrase is wrong")
		})
	}
	file := writeKey(t, t.TempDir(), "key", underPassphrase(t, string(key)))
	// stdin is the value, so the terminal itself is asked.
	x := atTerminalWith(t, dir, writeKey(t, t.TempDir(), "value", "madeup_Wm29bHs4Ly"),
		[]string{"LAYER_LEDGER_ID=" + strings.TrimSpace(id)}, "secret", "set",
		"$SECRET.billing.stripe-secret", "--from-stdin", "--spec", "spec.json", "--identity", file)
	x.expect("Passphrase of the identity ")
	x.types(passphrase + "\r")
	screen := x.ends(0)
	require.NotContains(t, screen, passphrase)
	require.Contains(t, screen, "created v1")
}

// until waits until the condition holds.
func (x *terminal) until(holds func() bool) {
	x.t.Helper()
	limit := time.After(patient)
	for !holds() {
		select {
		case <-x.changed:
		case <-time.After(10 * time.Millisecond): // for a condition that writes nothing
		case <-limit:
			x.t.Fatal("the condition does not hold in time")
		}
	}
}

// atTerminalWith is atTerminal with a file as stdin.
func atTerminalWith(t *testing.T, dir, stdin string, env []string, args ...string) *terminal {
	t.Helper()
	x := &terminal{t: t, changed: make(chan struct{}, 1)}
	var err error
	x.keyboard, x.device, err = pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = x.keyboard.Close(); _ = x.device.Close() })
	x.before, err = term.GetState(int(x.device.Fd()))
	require.NoError(t, err)
	x.cmd = exec.CommandContext(t.Context(), program(t), args...)
	in, err := os.Open(stdin)
	require.NoError(t, err)
	t.Cleanup(func() { _ = in.Close() })
	x.cmd.Dir, x.cmd.Env, x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = dir, append(plainEnv(), env...), in, x.device, x.device
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	require.NoError(t, x.cmd.Start())
	go x.look()
	return x
}

func pluginIdentityOf(name string) string { return plugin.EncodeIdentity(name, []byte("data")) }

// A person with a plugin's key is asked for the id each time, and learns how to be
// asked no more.
func TestPluginKeyIsAskedForTheID(t *testing.T) {
	t.Parallel()
	text, to := pluginKeys("")
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", to)
	id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
	line := "# ledger " + strings.TrimSpace(id)
	file := writeKey(t, t.TempDir(), "key", text)
	for range 2 {
		x := atTerminal(t, dir, nil, 120, "secret", "log", "--identity", file)
		x.expect(line + "\r\n")
		x.expect("[y/N] ")
		x.types("y\n")
		require.Contains(t, x.ends(0), "init")
	}
	writeKey(t, filepath.Dir(file), "key", line+"\n"+text)
	require.NotContains(t, atTerminal(t, dir, nil, 120, "secret", "log", "--identity", file).ends(0), "[y/N]")
}

// A completion asks nothing: it completes nothing for such an identity.
func TestCompletionAsksNoPerson(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	withPIN, _ := pluginKeys("1234")
	args := []string{"__complete", "secret", "reveal", "--identity"}
	stdout, _ := layerIn(t, dir, nil, 0, append(args, "layer.identity", "")...)
	require.Contains(t, stdout, "auth.session-key")
	for _, text := range []string{underPassphrase(t, string(key)), withPIN} {
		x := atTerminal(t, dir, nil, 120, append(args, writeKey(t, t.TempDir(), "key", text), "")...)
		screen := x.ends(0)
		require.NotContains(t, screen, "Passphrase")
		require.NotContains(t, screen, "PIN")
	}
}

// A plugin gets none of layer's own credentials. The plugin of these tests checks its
// environment.
func TestPluginGetsNoCredential(t *testing.T) {
	t.Parallel()
	text, to := pluginKeys("")
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", to)
	id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
	env := []string{"LAYER_LEDGER_ID=" + strings.TrimSpace(id), "LAYER_IDENTITY=" + text, "CLOUDFLARE_API_TOKEN=madeup",
		"AWS_SECRET_ACCESS_KEY=madeup"}
	cmd, stdout, stderr := start(t, dir, env, "secret", "apply", "--spec", "spec.json")
	require.NoError(t, cmd.Wait(), stderr.String())
	require.Contains(t, stdout.String(), "auth.session-key")
	cmd, stdout, stderr = start(t, dir, append(env, "LAYER_IDENTITY="), "secret", "run", "--spec", "spec.json", "--",
		"env")
	require.NoError(t, cmd.Wait(), stderr.String())
	require.Contains(t, stdout.String(), "AWS_SECRET_ACCESS_KEY=madeup", "a program still gets what is not layer's own")
}
