package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
	"github.com/layeron-hq/secret/layer/rotate"
)

// TestMain lets the tests start layer as a separate process, which is this
// binary under another name.
func TestMain(m *testing.M) {
	// Otherwise the race detector delays the end of every process by a second.
	_ = os.Setenv(raceOptions, "atexit_sleep_ms=0")
	testscript.Main(suite{m}, map[string]func(){"layer": mainOrEnded, "age-plugin-" + pluginName: agePlugin})
}

const raceOptions = "GORACE"

// suite is all tests, without the command.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "PG") { // the driver of Postgres reads these itself
			_ = os.Unsetenv(name)
		}
	}
	// nohup, or a shell that starts a job in the background, has these signals
	// ignored, and every program of the tests would inherit that. A signal that is
	// handled here has its default action there.
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	flag.Parse()
	// Parallel tests mostly wait, for windows and for silent servers.
	_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0)))
	return s.m.Run()
}

// Besides its own checks, a script checks every command for the following: with
// --json it prints one object and nothing else, its messages are readable, and
// it shows no value.
func TestCommandScripts(t *testing.T) {
	t.Parallel()
	inBothWays(t, func(t *testing.T, setUp func(*testscript.Env) error) {
		testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: setUp, RequireExplicitExec: true,
			RequireUniqueNames: true,
			Cmds:               scriptCommands(), Condition: condition})
	})
}

// inBothWays runs scripts in this process. If every test was asked for, it runs
// them again with a process for each command.
func inBothWays(t *testing.T, scripts func(t *testing.T, setUp func(*testscript.Env) error)) {
	t.Run("in this process", func(t *testing.T) {
		t.Parallel()
		scripts(t, func(env *testscript.Env) error {
			err := setUp(env)
			if err == nil {
				env.Values[sessionKey{}].(*session).here = true
			}
			return err
		})
	})
	t.Run("in processes", func(t *testing.T) {
		slow.Test(t)
		t.Parallel()
		scripts(t, setUp)
	})
}

// condition reports whether [all] holds in a script: every test was asked for.
func condition(name string) (bool, error) {
	if name != "all" {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	return slow.All(), nil
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"secret": cmdSecret, "exit": cmdExit, "json": cmdJSON, "cloudflare": cmdCloudflare, "value": cmdValue,
		"private": cmdPrivate,
		"mode":    cmdMode, "until": cmdUntil, "sealed": cmdSealed, "bytes": cmdBytes, "helps": cmdHelps,
		"identity": cmdIdentity,
		"place":    cmdPlace, "lines": cmdLines, "holds": cmdHolds, "word": cmdWord,
	}
}

// goEnv returns the variables that `go list` needs to find its caches, without
// a network.
var goEnv = sync.OnceValues(func() ([]string, error) {
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, err
	}
	list := []string{"GOPROXY=off", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local"}
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list, nil
})

type sessionKey struct{}

// session is one script: the account that it works on, the output of its
// commands, and the values that must not be shown.
type session struct {
	*record
	here   bool     // commands run in this process
	names  []string // of the variables that a script begins with
	fake   *cloudflarefake.Server
	engine engine                  // nil: ledgers are only in files
	kept   map[string]rotate.State // the states that place has kept
	places *strings.Replacer       // a guide's addresses, and this machine's
}

// elsewhere replaces a guide's addresses with this machine's.
func (s *session) elsewhere(text string) string {
	if s.places == nil {
		return text
	}
	return s.places.Replace(text)
}

func of(ts *testscript.TestScript) *session { return ts.Value(sessionKey{}).(*session) }

func setUp(env *testscript.Env) error {
	caches, err := goEnv()
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars, caches...)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv(raceOptions, os.Getenv(raceOptions))
	s := &session{record: newRecord(env.WorkDir)}
	for name := range variables(env.Vars) {
		s.names = append(s.names, name)
	}
	env.Values[sessionKey{}] = s
	env.Defer(func() {
		s.collect(s.fake)
		for _, leak := range s.leaks() {
			env.T().(interface{ Errorf(string, ...any) }).Errorf("%s", leak)
		}
	})
	return placeLibrary(env.WorkDir)
}

// placeLibrary replaces LIBRARY in every go.mod with the path of this library.
func placeLibrary(dir string) error {
	library, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "go.mod" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "LIBRARY", library)), 0o644)
	})
}

// cmdSecret runs `layer secret`, which must succeed.
func cmdSecret(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("which exit status? exit N secret …")
	}
	of(ts).layer(ts, 0, append([]string{"secret"}, args...)).show(ts)
}

// cmdExit: exit N secret … or exit N layer …
func cmdExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit N secret|layer ARGUMENT…")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	switch args[1] {
	case "secret":
		args = args[1:]
	case "layer":
		args = args[2:]
	default:
		ts.Fatalf("usage: exit N secret|layer ARGUMENT…")
	}
	of(ts).layer(ts, status, args).show(ts)
}

// layer runs a command, and checks its exit status and the rules for every
// command.
func (s *session) layer(ts *testscript.TestScript, status int, args []string) result {
	r := s.run(ts, args)
	what := "layer " + strings.Join(args, " ")
	s.add(what, args, r.stdout, r.stderr)
	s.collect(s.fake)
	if r.status != status {
		r.show(ts)
		ts.Fatalf("%s: exit status %d instead of %d", what, r.status, status)
	}
	for _, complaint := range complaints(args, status, r.stdout, r.stderr) {
		r.show(ts)
		ts.Fatalf("%s: %s", what, complaint)
	}
	return r
}

func (s *session) run(ts *testscript.TestScript, args []string) result {
	if s.here && !needsProcess(args) {
		lookup := func(name string) (string, bool) {
			value := ts.Getenv(name)
			return value, value != "" || slices.Contains(s.names, name)
		}
		environ := func() []string {
			var list []string
			for _, name := range s.names {
				list = append(list, name+"="+ts.Getenv(name))
			}
			return list
		}
		return inProcess(context.Background(), ts.MkAbs("."), lookup, environ, args...)
	}
	err := ts.Exec("layer", args...)
	status := 0
	if failed, ok := err.(*exec.ExitError); ok {
		status = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	return result{status, ts.ReadFile("stdout"), ts.ReadFile("stderr")}
}

// show passes stdout and stderr to the script.
func (r result) show(ts *testscript.TestScript) {
	_, _ = io.WriteString(ts.Stdout(), r.stdout)
	_, _ = io.WriteString(ts.Stderr(), r.stderr)
}

// asksJSON reports whether layer itself, not a program that it runs, must print
// JSON.
func asksJSON(args []string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		if a == "--json" {
			return true
		}
	}
	return false
}

func has(args []string, one string) bool {
	for _, a := range args {
		if a == one {
			return true
		}
	}
	return false
}

var (
	goTalk = regexp.MustCompile(`goroutine \d|panic:|\.go:\d+ \+0x|%!|0x[0-9a-f]{6}|<nil>|\*?\b[a-z]+\.[A-Z][A-Za-z]*(Error|Err)\b|strconv\.|(^|[ :])json: |` +
		`context (canceled|deadline)|map\[|\{[A-Z]\w+:`)
	colours = regexp.MustCompile("\x1b")
)

// complaints checks the rules that every command must follow.
func complaints(args []string, status int, stdout, stderr string) (list []string) {
	helps := has(args, "--help") || has(args, "-h") || has(args, "completion") || has(args, "help") ||
		has(args, "__complete")
	helps = helps || has(args, "log") // one object a line
	if asksJSON(args) && !helps && !(has(args, "run") && status != 1 && status != 2) {
		d := json.NewDecoder(strings.NewReader(stdout))
		var one map[string]any
		if err := d.Decode(&one); err != nil || d.More() {
			list = append(list, "stdout is not one JSON object")
		}
		if ok, is := one["ok"].(bool); is && ok != (status == 0) {
			list = append(list, "ok and the exit status disagree")
		}
		if text, _ := one["error"].(string); status != 0 && text == "" {
			list = append(list, "no error is reported")
		} else {
			list = append(list, readable(text)...)
		}
	} else if status != 0 && status != 130 && !has(args, "run") && stderr == "" && !helps {
		list = append(list, "it failed and said nothing on stderr")
	}
	if !has(args, "run") && !has(args, "reveal") && !has(args, "export") && colours.MatchString(stdout+stderr) {
		list = append(list, "escape sequences in a pipe")
	}
	if has(args, "run") {
		return list
	}
	return append(list, readable(stderr)...)
}

// readable lists the parts of a text that a user should not have to read.
func readable(text string) (list []string) {
	if found := goTalk.FindString(text); found != "" {
		list = append(list, "speaks Go: "+found)
	}
	for line := range strings.Lines(text) {
		if twice := doubled(line); twice != "" {
			list = append(list, "says twice: "+twice)
		}
	}
	return list
}

// doubled returns a clause that a message contains twice: "refused: refused".
func doubled(line string) string {
	parts := strings.Split(strings.TrimSpace(line), ": ")
	seen := map[string]bool{}
	for _, p := range parts {
		if seen[p] && len(p) > 3 {
			return p
		}
		seen[p] = true
	}
	return ""
}

// startFake serves a fake account until the script ends.
func startFake(ts *testscript.TestScript, fake *cloudflarefake.Server) {
	server := httptest.NewServer(fake)
	ts.Defer(server.Close)
	startFakeAt(server.URL, ts.Setenv, fake)
}

// startFakeAt sets the variables that lead layer to a fake account.
func startFakeAt(url string, env func(key, value string), fake *cloudflarefake.Server) {
	env("CLOUDFLARE_API_BASE_URL", url+"/client/v4")
	env("CLOUDFLARE_ACCOUNT_ID", cloudflarefake.Account)
	env("CLOUDFLARE_API_TOKEN", cloudflarefake.Token)
	env("TOKEN", cloudflarefake.Token)
	env("STORE_ID", fake.StoreID())
}
