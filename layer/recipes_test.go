package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

// TestRecipesWork runs the commands of docs/operations.md, in a program's
// folder under git. It makes the checks of TestCommandScripts, and checks that
// the history of the repositories never contains a secret.
func TestRecipesWork(t *testing.T) {
	slow.Test(t)
	for _, tool := range []string{"bash", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			slow.Lacks(t, "%s is not installed", tool)
		}
	}
	tools := buildKeygen(t)
	setUp := func(env *testscript.Env) error {
		env.Setenv("PATH", env.Getenv("PATH")+string(filepath.ListSeparator)+tools)
		return setUpRecipe(env)
	}
	commands := recipeCommands()
	commands["database"] = databaseCommand(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/recipes", Setup: setUp, RequireExplicitExec: true,
		RequireUniqueNames: true,
		Cmds:               commands})
}

// buildKeygen builds age-keygen and returns its folder. It is from the version
// of age that reads the keys here.
func buildKeygen(t *testing.T) string {
	t.Helper()
	tools := t.TempDir()
	out, err := exec.Command("go", "build", "-o", tools, "filippo.io/age/cmd/age-keygen").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return tools
}

func recipeCommands() map[string]func(*testscript.TestScript, bool, []string) {
	all := scriptCommands()
	maps.Copy(all, map[string]func(*testscript.TestScript, bool, []string){
		"guide": cmdGuide, "keygen": cmdKeygen, "sign": cmdSign, "accepts": cmdAccepts, "opens": cmdOpens,
		"rescue": cmdRescue})
	return all
}

const shopModule = `module example.com/shop

go 1.26.0

require github.com/layeron-hq/secret v0.0.0

replace github.com/layeron-hq/secret => LIBRARY
`

// setUpRecipe makes the folder shop with the script's program, and a git
// repository with a remote to push to.
func setUpRecipe(env *testscript.Env) error {
	env.Cd = filepath.Join(env.WorkDir, "shop")
	programs, err := filepath.Glob(filepath.Join(env.WorkDir, "*", "main.go"))
	for _, program := range programs {
		err = errors.Join(err, os.WriteFile(filepath.Join(filepath.Dir(program), "go.mod"), []byte(shopModule), 0o644))
	}
	if err != nil {
		return err
	}
	if err := setUp(env); err != nil {
		return err
	}
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	for name, value := range map[string]string{"NAME": "Shop", "EMAIL": "shop@example.com"} {
		env.Setenv("GIT_AUTHOR_"+name, value)
		env.Setenv("GIT_COMMITTER_"+name, value)
	}
	s := env.Values[sessionKey{}].(*session)
	env.Defer(func() {
		for _, found := range s.inGit() {
			env.T().(interface{ Errorf(string, ...any) }).Errorf("%s", found)
		}
	})
	git := exec.Command("bash", "-ec",
		`git init -q -b main --bare ../origin.git; git init -q -b main; git add .; git commit -qm Program
git remote add origin ../origin.git; git push -qu origin main`)
	git.Dir, git.Env = env.Cd, env.Vars
	if out, err := git.CombinedOutput(); err != nil {
		return fmt.Errorf("git: %w\n%s", err, out)
	}
	return nil
}

// inGit returns the values and identities in a repository, including its whole
// history.
func (s *session) inGit() (found []string) {
	_ = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() != "objects" {
			return err
		}
		git := exec.Command("git", "--git-dir", filepath.Dir(path), "cat-file", "--batch", "--batch-all-objects")
		all, err := git.Output()
		switch {
		case err != nil || len(all) == 0:
			found = append(found, fmt.Sprintf("the repository %s cannot be read: %v", filepath.Dir(path), err))
		case identityKey.Match(all):
			found = append(found, "git holds an identity")
		}
		for value, what := range s.values {
			if how := redacttest.Find(string(all), value); how != "" {
				found = append(found, fmt.Sprintf("git holds %s, %s", what, how))
			}
		}
		return fs.SkipDir
	})
	return found
}

// cmdGuide: guide [STATUS] 'LINE' runs one line of the guide in bash, unchanged
// but for the placeholders: age1… is $COLLEAGUE, layer-rescue-… is $RESCUE,
// --ledger-id ID is $LEDGER_ID, and NAME=… is the account's value. guide tty
// FILE 'LINE' runs the line at a terminal and answers its prompt with FILE. The
// file screen then contains the terminal's output. guide [STATUS] @FILE runs
// several lines as a pipeline does: it stops at the first that fails.
func cmdGuide(ts *testscript.TestScript, neg bool, args []string) {
	want := "0"
	if len(args) == 3 && args[0] == "tty" {
		ts.Check(of(ts).asked(ts, args[1], args[2]))
		return
	}
	if len(args) == 2 {
		want, args = args[0], args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: guide [STATUS] 'LINE'")
	}
	line := args[0]
	if rest, ok := strings.CutPrefix(line, "export "); ok {
		for _, setting := range strings.Fields(rest) {
			name, value, _ := strings.Cut(setting, "=")
			if value == "…" {
				value = credentials[name]
			}
			if value == "" {
				ts.Fatalf("unknown setting %s", name)
			}
			ts.Setenv(name, of(ts).elsewhere(strings.Trim(value, "'")))
		}
		return
	}
	line = strings.NewReplacer("age1…", ts.Getenv("COLLEAGUE"), "layer-rescue-…", ts.Getenv("RESCUE"),
		"--ledger-id ID", "--ledger-id "+ts.Getenv("LEDGER_ID")).Replace(line)
	shell := []string{"-c", of(ts).elsewhere(line)}
	if file, ok := strings.CutPrefix(line, "@"); ok {
		shell = []string{"-e", file}
	}
	err := ts.Exec("bash", shell...)
	got := "0"
	if failed, ok := err.(*exec.ExitError); ok {
		got = fmt.Sprint(failed.ExitCode())
	} else {
		ts.Check(err)
	}
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	s := of(ts)
	s.add(line, nil, stdout, stderr)
	s.collect(s.fake)
	if got != want {
		ts.Fatalf("%s: exit status %s instead of %s", line, got, want)
	}
	if strings.HasPrefix(line, "layer ") {
		status := 0
		if want != "0" {
			status = 1
		}
		for _, complaint := range complaints(strings.Fields(line)[1:], status, stdout, stderr) {
			ts.Fatalf("%s: %s", line, complaint)
		}
	}
}

// credentials are the values that the guides leave to the reader.
var credentials = map[string]string{"CLOUDFLARE_ACCOUNT_ID": cloudflarefake.Account,
	"CLOUDFLARE_API_TOKEN": cloudflarefake.Token,
	"AWS_ACCESS_KEY_ID":    s3ID, "AWS_SECRET_ACCESS_KEY": s3Key, "PGPASSWORD": pgPassword, "ETCDCTL_PASSWORD": pgPassword}

var question = regexp.MustCompile(`\(not shown\): $|\[y/N\] $`)

// asked runs a line at a terminal, and answers its prompt.
func (s *session) asked(ts *testscript.TestScript, answer, line string) error {
	keyboard, device, err := pty.Open()
	if err != nil {
		return err
	}
	defer keyboard.Close()
	defer device.Close()
	if err := ts.Exec("env", "-0"); err != nil {
		return err
	}
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir, cmd.Env = ts.MkAbs("."), strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\x00"), "\x00")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = device, device, device
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	hangs := time.AfterFunc(patient, func() { _ = cmd.Process.Kill() })
	defer hangs.Stop()
	const end = "\x00" // the device writes it after the command's output
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		_, _ = device.WriteString(end)
		ended <- err
	}()
	var screen []byte
	answered := false
	for b := make([]byte, 4096); !bytes.HasSuffix(screen, []byte(end)); {
		n, err := keyboard.Read(b)
		if err != nil {
			return err
		}
		if screen = append(screen, b[:n]...); !answered && question.Match(screen) {
			answered = true
			if _, err := keyboard.WriteString(ts.ReadFile(answer)); err != nil {
				return err
			}
		}
	}
	s.collect(s.fake)
	// The output is in a file, because values are searched for in every file.
	if err := os.WriteFile(ts.MkAbs("screen"), screen, 0o644); err != nil {
		return err
	}
	if !answered {
		return fmt.Errorf("%s: it asks nothing", line)
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// cmdKeygen: keygen FILE NAME sets $NAME to the public key of the identity in
// FILE, as a colleague would send it.
func cmdKeygen(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("age-keygen", "-y", args[0]))
	ts.Setenv(args[1], strings.TrimSpace(ts.ReadFile("stdout")))
}

// cmdRescue: rescue sets $RESCUE to the one branch of origin that has a ledger
// which could not be pushed.
func cmdRescue(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Exec("git", "ls-remote", "origin", "layer-rescue-*"))
	_, branch, _ := strings.Cut(strings.TrimSpace(ts.ReadFile("stdout")), "refs/heads/")
	ts.Setenv("RESCUE", branch)
}

// reader returns a program's declaration of a secret. The store is a folder or,
// as cloudflare:NAME, the value of a Worker's binding.
func reader(ts *testscript.TestScript, dir, address string) *secret.Secret {
	addr, err := secret.ParseAddress(address)
	ts.Check(err)
	declared := secret.Static(secret.Options{Namespace: addr.Namespace, Name: addr.Name})
	if name, ok := strings.CutPrefix(dir, "cloudflare:"); ok {
		text, _ := of(ts).fake.Value(name)
		return declared.With(secret.NewMemory(map[string]string{address: text}))
	}
	return declared.With(secret.Dir(ts.MkAbs(dir)))
}

func mac(v secret.Version) string {
	h := hmac.New(sha256.New, []byte(v.Text()))
	h.Write([]byte("a login of ann"))
	return hex.EncodeToString(h.Sum(nil))
}

// cmdSign: sign DIR ADDRESS FILE signs as a program that reads DIR now, and
// writes the version's id and the signature into FILE.
func cmdSign(ts *testscript.TestScript, _ bool, args []string) {
	v, err := reader(ts, args[0], args[1]).Current().Get(context.Background())
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(v.ID+"\n"+mac(v)+"\n"), 0o644))
}

// cmdAccepts: accepts DIR ADDRESS FILE checks that a program that reads DIR
// accepts the signature in FILE, by the version that it names.
func cmdAccepts(ts *testscript.TestScript, neg bool, args []string) {
	judge(ts, neg, args, func(s *secret.Secret, id string) secret.Ref { return s.ActiveVersion(id) })
}

// cmdOpens: opens DIR ADDRESS FILE checks that the program can still open data
// that this version sealed, expired or not.
func cmdOpens(ts *testscript.TestScript, neg bool, args []string) {
	judge(ts, neg, args, func(s *secret.Secret, id string) secret.Ref { return s.Version(id) })
}

func judge(ts *testscript.TestScript, neg bool, args []string, by func(*secret.Secret, string) secret.Ref) {
	id, sum, _ := strings.Cut(strings.TrimSpace(ts.ReadFile(args[2])), "\n")
	v, err := by(reader(ts, args[0], args[1]), id).Get(context.Background())
	if yes := err == nil && mac(v) == sum; yes == neg {
		ts.Fatalf("%s in %s: %v: %v", id, args[2], yes, err)
	}
}

// cmdHolds: holds DIR ADDRESS CURRENT FILE checks the current version's id, and
// that its value equals the content of FILE without its last newline.
func cmdHolds(ts *testscript.TestScript, neg bool, args []string) {
	v, err := reader(ts, args[0], args[1]).Current().Get(context.Background())
	ts.Check(err)
	if same := v.ID == args[2] && v.Equal(strings.TrimSuffix(ts.ReadFile(args[3]), "\n")); same == neg {
		ts.Fatalf("%s holds %s, as in %s: %v", args[1], v.ID, args[3], same)
	}
}
