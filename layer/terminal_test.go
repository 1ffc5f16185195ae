package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
)

// terminal is layer at a pseudo-terminal, with a user who reads and types.
type terminal struct {
	t        *testing.T
	keyboard *os.File
	device   *os.File
	before   *term.State
	cmd      *exec.Cmd
	began    time.Time
	read     int // the bytes of the screen that expects has read

	mu      sync.Mutex
	screen  strings.Builder
	over    error // the error that ended the reading
	changed chan struct{}
}

// patient is longer than any step here takes.
const patient = 15 * time.Second

func atTerminal(t *testing.T, dir string, env []string, columns int, args ...string) *terminal {
	t.Helper()
	return programAtTerminal(t, dir, env, columns, program(t), args...)
}

func programAtTerminal(t *testing.T, dir string, env []string, columns int, program string,
	args ...string) *terminal {
	t.Helper()
	x := &terminal{t: t, changed: make(chan struct{}, 1)}
	var err error
	x.keyboard, x.device, err = pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = x.keyboard.Close(); _ = x.device.Close() })
	require.NoError(t, pty.Setsize(x.keyboard, &pty.Winsize{Rows: 24, Cols: uint16(columns)}))
	x.before, err = term.GetState(int(x.device.Fd()))
	require.NoError(t, err)
	x.cmd = exec.CommandContext(t.Context(), program, args...)
	x.cmd.Dir, x.cmd.Env = dir, append(plainEnv(), env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = x.device, x.device, x.device
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	x.began = time.Now()
	require.NoError(t, x.cmd.Start())
	go x.look()
	return x
}

// program returns the command that TestMain has put into PATH.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("layer")
	require.NoError(t, err)
	return path
}

// plainEnv is this process's environment without the variables that affect
// layer.
func plainEnv() []string {
	env := []string{"TERM=xterm-256color"}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name != "TERM" && !steers(name) {
			env = append(env, v)
		}
	}
	return env
}

// steers reports whether layer, or a program that it uses, reads a variable.
func steers(name string) bool {
	for _, prefix := range []string{"LAYER", "CLOUDFLARE_", "AWS_", "PG", "ETCDCTL_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "NO_COLOR"
}

func (x *terminal) look() {
	b := make([]byte, 4096)
	for {
		n, err := x.keyboard.Read(b)
		x.mu.Lock()
		x.screen.Write(b[:n])
		x.mu.Unlock()
		select {
		case x.changed <- struct{}{}:
		default:
		}
		if err != nil {
			x.mu.Lock()
			x.over = err
			x.mu.Unlock()
			return
		}
	}
}

func (x *terminal) shown() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.String()
}

// expect waits until text is on the screen.
func (x *terminal) expect(text string) {
	x.t.Helper()
	if !x.shows(text, patient) {
		x.mu.Lock()
		defer x.mu.Unlock()
		// The screen is not repeated: it may contain a value.
		x.t.Fatalf("the screen does not show %q; read %d bytes, then %v", text, x.screen.Len(), x.over)
	}
}

// shows waits up to limit for text.
func (x *terminal) shows(text string, limit time.Duration) bool {
	timeout := time.After(limit)
	for !strings.Contains(x.shown(), text) {
		select {
		case <-x.changed:
		case <-timeout:
			return false
		}
	}
	return true
}

func (x *terminal) types(text string) {
	x.t.Helper()
	_, err := x.keyboard.WriteString(text)
	require.NoError(x.t, err)
}

// ends waits for the exit status and checks that the terminal's settings are
// restored.
func (x *terminal) ends(status int) string {
	x.t.Helper()
	hangs := time.AfterFunc(patient, func() { _ = x.cmd.Process.Kill() })
	err := x.cmd.Wait()
	require.True(x.t, hangs.Stop(), "layer hangs")
	var failed *exec.ExitError
	if err != nil {
		require.ErrorAs(x.t, err, &failed)
	}
	after, err := term.GetState(int(x.device.Fd()))
	require.NoError(x.t, err)
	require.Equal(x.t, x.before, after, "the terminal is as it was")
	// The last output may still be in transit. The device writes a mark after it.
	const mark = "\x00end\x00"
	for try := 0; try == 0 || try < 5 && !x.shows(mark, patient/5); try++ {
		_, err = x.device.WriteString(mark)
		require.NoError(x.t, err)
	}
	x.expect(mark)
	text, _, _ := strings.Cut(x.shown(), mark)
	require.Equal(x.t, status, x.cmd.ProcessState.ExitCode(), "exit status")
	return text
}

// folder makes a folder with a ledger, a directory as the target, and a spec of
// the secrets.
func folder(t *testing.T, secrets ...string) string {
	t.Helper()
	dir := t.TempDir()
	declare(t, dir, secrets...)
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:secrets")
	return dir
}

func declare(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	text := `{"secrets": [` + strings.Join(secrets, ",\n") + `]}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "spec.json"), []byte(text), 0o600))
}

const (
	stripe   = `{"kind": "static", "namespace": "billing", "name": "stripe-secret"}`
	rotating = `{"kind": "random", "namespace": "auth", "name": "session-key", "rotation": {"everyDays": 90, "retain": {"mode": "retain_forever"}}}`
)

// The value is stored although the prompt does not show it.
func TestPromptShowsNothingTyped(t *testing.T) {
	t.Parallel()
	long := "madeup_" + strings.Repeat("Wm29bHs4Ly", 500)
	for name, test := range map[string]struct{ types, want string }{
		"typed":                   {"madeup_Wm29bHs4Ly\r", "madeup_Wm29bHs4Ly"},
		"corrected":               {"xyz\x15madeup_é\x7fWm29bHs4Lz\x7fy\n", "madeup_Wm29bHs4Ly"},
		"pasted with its newline": {"madeup_Wm29bHs4Ly\r\n\r\n", "madeup_Wm29bHs4Ly"},
		"longer than a line":      {long + "\r", long},
		"ended by Ctrl-D":         {"madeup_Wm29bHs4Ly\x04", "madeup_Wm29bHs4Ly"},
		"Backspace too often":     {"\x7f\x7fmadeup_Wm29bHs4Ly\r", "madeup_Wm29bHs4Ly"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, stripe)
			x := atTerminal(t, dir, nil, 80, "secret", "set", "$SECRET.billing.stripe-secret", "--spec", "spec.json")
			x.expect("Value of $SECRET.billing.stripe-secret (not shown): ")
			x.types(test.types)
			screen := x.ends(0)
			require.NotContains(t, screen, "madeup")
			require.Contains(t, screen, "created v1")
			stdout, _ := layerIn(t, dir, nil, 0, "secret", "reveal", "$SECRET.billing.stripe-secret", "--yes")
			require.True(t, stdout == test.want+"\n", "the typed value is stored")
		})
	}
}

// TestPromptLeft checks that nothing is stored, and that the terminal shows
// typed text again.
func TestPromptLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leave  func(x *terminal)
		status int
	}{
		"Ctrl-C":        {func(x *terminal) { x.types("madeup_Wm\x03") }, 130},
		"SIGTERM":       {func(x *terminal) { require.NoError(x.t, x.cmd.Process.Signal(syscall.SIGTERM)) }, 130},
		"Ctrl-D":        {func(x *terminal) { x.types("\x04") }, 130},
		"nothing":       {func(x *terminal) { x.types("\n") }, 1},
		"several lines": {func(x *terminal) { x.types("madeup_Wm\rmadeup_b29Hs4Ly\rmadeup") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, stripe)
			x := atTerminal(t, dir, nil, 80, "secret", "set", "$SECRET.billing.stripe-secret", "--spec", "spec.json")
			x.expect("(not shown): ")
			test.leave(x)
			screen := x.ends(test.status)
			require.NotContains(t, screen, "madeup")
			require.Contains(t, strings.ToLower(screen), "nothing was changed")
			_, stderr := layerIn(t, dir, nil, 1, "secret", "status", "--spec", "spec.json")
			require.Contains(t, stderr, "external_value_required")
		})
	}
}

// Reveal and remove ask for confirmation.
func TestOnlyYesIsAYes(t *testing.T) {
	t.Parallel()
	const asks = "Print the current value of $SECRET.billing.stripe-secret here? [y/N] "
	const asksToRemove = "Delete every version of $SECRET.billing.stripe-secret, from ledger and target, for good? [y/N] "
	for name, test := range map[string]struct {
		answer string
		status int
		yes    bool
	}{
		"y": {"y\n", 0, true}, "yes": {"yes\n", 0, true}, "Y": {"Y\n", 0, true},
		"n": {"n\n", 1, false}, "Enter": {"\n", 1, false}, "yet": {"yet\n", 1, false}, "Ctrl-D": {"\x04", 1, false},
		"Ctrl-C": {"\x03", 130, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, stripe)
			layerIn(t, dir, []string{"VALUE=madeup_Wm29bHs4Ly"}, 0, "secret", "set", "$SECRET.billing.stripe-secret",
				"--value-env", "VALUE", "--spec", "spec.json")
			x := atTerminal(t, dir, nil, 120, "secret", "reveal", "$SECRET.billing.stripe-secret")
			x.expect(asks)
			x.types(test.answer)
			require.Equal(t, test.yes, strings.Contains(x.ends(test.status), "madeup_Wm29bHs4Ly"))

			declare(t, dir)
			x = atTerminal(t, dir, nil, 120, "secret", "remove", "$SECRET.billing.stripe-secret", "--spec", "spec.json")
			x.expect(asksToRemove)
			x.types(test.answer)
			x.ends(test.status)
			_, err := os.Stat(filepath.Join(dir, "secrets", "LAYERON_SECRET_BILLING_STRIPE_SECRET"))
			require.Equal(t, test.yes, errors.Is(err, os.ErrNotExist))
		})
	}
}

// apply and rotate ask before versions stop resolving, after the other secrets
// are done.
func TestVersionsStopResolvingAfterAYes(t *testing.T) {
	t.Parallel()
	const value = "madeup_Wm29bHs4Ly"
	json := strings.Replace(stripe, "}", `, "format": "json"}`, 1)
	for name, test := range map[string]struct {
		args   []string
		answer string
		status int
		yes    bool
	}{
		"apply, y": {[]string{"apply"}, "y\n", 0, true}, "apply, Enter": {[]string{"apply"}, "\n", 1, false},
		"rotate, yes": {[]string{"rotate"}, "yes\n", 0, true}, "rotate, n": {[]string{"rotate"}, "n\n", 1, false},
		"rotate --immediate, y": {[]string{"rotate", "--immediate"}, "y\n", 0, true},
		"apply, Ctrl-C":         {[]string{"apply"}, "\x03", 130, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, json)
			for _, v := range []string{"madeup_Kt61xPw8Zr", value} {
				layerIn(t, dir, []string{"VALUE=" + v}, 0, "secret", "set", "$SECRET.billing.stripe-secret", "--value-env",
					"VALUE", "--spec", "spec.json")
			}
			declare(t, dir, stripe, rotating)
			x := atTerminal(t, dir, nil, 120, append(append([]string{"secret"}, test.args...), "--spec", "spec.json")...)
			x.expect("v1, v2 would stop resolving")
			x.expect("Publish the bare value, without these versions? [y/N] ")
			x.types(test.answer)
			screen := x.ends(test.status)
			require.NotContains(t, screen, value)
			text, err := os.ReadFile(filepath.Join(dir, "secrets", "LAYERON_SECRET_BILLING_STRIPE_SECRET"))
			require.NoError(t, err)
			require.Equal(t, test.yes, string(text) == value)
			key, err := os.ReadFile(filepath.Join(dir, "secrets", "LAYERON_SECRET_AUTH_SESSION_KEY"))
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(key), `"value"`), "the other secret is done, and done once")
			require.Contains(t, screen, "$SECRET.auth.session-key: created v1")
		})
	}
}

// On a machine that has not seen the ledger, layer shows its id, target and
// recipients, and asks the person once.
func TestUnseenLedgerIsAskedFor(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
	recipients, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "recipients")
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	env := []string{"LAYER_IDENTITY=" + identityKey.FindString(string(key))}
	require.NoError(t, os.Remove(filepath.Join(dir, "layer.seen")))
	seen := func() bool {
		_, err := os.Stat(filepath.Join(dir, "layer.seen"))
		return err == nil
	}
	status := []string{"secret", "status", "--spec", "spec.json"}
	for answer, exit := range map[string]int{"n\n": 1, "\n": 1, "\x03": 130} {
		x := atTerminal(t, dir, env, 120, status...)
		x.expect("[y/N] ")
		x.types(answer)
		screen := x.ends(exit)
		require.Contains(t, screen, "id          "+strings.TrimSpace(id))
		require.Contains(t, screen, "target      dir:secrets")
		require.Contains(t, screen, "recipient   "+strings.TrimSpace(recipients))
		require.NotContains(t, screen, "session-key")
		require.False(t, seen())
	}
	x := atTerminal(t, dir, append(env, "LAYER_LEDGER_ID="+strings.Repeat("0", 32)), 120, status...)
	require.Contains(t, x.ends(1), "is required", "a wrong id is no question")
	// A command that looks first and acts then asks for the ledger once.
	x = atTerminal(t, dir, env, 120, "secret", "rotate", "--adopt-ledger", "--spec", "spec.json")
	x.expect("[y/N] ")
	x.types("y\n")
	x.expect("Use this ledger, and publish its values over the target? [y/N] ")
	x.types("y\n")
	require.Equal(t, 1, strings.Count(x.ends(0), "has not seen the ledger"))
	require.NoError(t, os.Remove(filepath.Join(dir, "layer.seen")))
	x = atTerminal(t, dir, env, 120, status...)
	x.expect("[y/N] ")
	x.types("y\n")
	require.Contains(t, x.ends(0), "$SECRET.auth.session-key")
	require.True(t, seen())
	require.NotContains(t, atTerminal(t, dir, env, 120, status...).ends(0), "[y/N]")
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// The table has colours unless NO_COLOR or TERM forbid them, and shows state
// and versions in any width.
func TestTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe, rotating, `{"kind": "generated", "namespace": "storage", "name": "media-bucket-credentials"}`)
	layerIn(t, dir, nil, 1, "secret", "apply", "--spec", "spec.json")
	layerIn(t, dir, nil, 0, "secret", "rotate", "$SECRET.auth.session-key", "--now", "--spec", "spec.json")
	status := []string{"secret", "status", "--spec", "spec.json"}
	for _, columns := range []int{200, 120, 100, 80, 60, 40} {
		x := atTerminal(t, dir, nil, columns, status...)
		screen := x.ends(1)
		require.Contains(t, screen, "\x1b[3", "colours")
		text := escape.ReplaceAllString(screen, "")
		for _, want := range []string{"$SECRET.auth.session-key", "$SECRET.billing.stripe-secret",
			"$SECRET.storage.media-bucket-credentials",
			"v1 → v2", "pending", "external_value_required"} {
			require.Contains(t, text, want, "%d columns", columns)
		}
		table, _, _ := strings.Cut(text, "layer: ")
		for line := range strings.Lines(table) {
			line = strings.TrimRight(line, "\r\n")
			require.LessOrEqual(t, len([]rune(line)), max(columns, len("$SECRET.storage.media-bucket-credentials")),
				"%d columns: %q", columns, line)
			require.Equal(t, strings.TrimRight(line, " "), line, "no blanks at the end")
		}
		require.Equal(t, columns >= 80, strings.Contains(table, "address"), "%d columns: a table", columns)
	}
	for _, env := range []string{"NO_COLOR=1", "TERM=dumb"} {
		require.NotContains(t, atTerminal(t, dir, []string{env}, 80, status...).ends(1), "\x1b", env)
	}
	require.NotContains(t, atTerminal(t, dir, nil, 80, append(status, "--json")...).ends(1), "\x1b", "JSON")
}
