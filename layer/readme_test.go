package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// TestReadmeSessionWorks types the README's session into a shell, in a copy of
// this repository, and logs people in while the key rotates under the running
// example. It takes two windows of real time.
func TestReadmeSessionWorks(t *testing.T) {
	slow.Test(t)
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Creating and rotating values\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var lines []string
	for _, b := range block.FindAllStringSubmatch(section, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(b[1]), "\n")...)
	}
	require.Contains(t, section, "`kill %1`")
	lines = append(lines, "kill %1", "wait")

	sh, addr := newShell(t, copyRepository(t)), freeAddr(t)
	var people []*person
	step := map[string]func(output string){
		"layer secret apply": func(out string) {
			require.Contains(t, out, "$SECRET.auth.session-key: created v1\n")
		},
		"go run . -dir ./secrets &": func(string) {
			// "when it listens"
			eventually(t, sh, "it does not listen", func() bool { return up(addr) })
			people = append(people, logIn(t, addr, "ann", "v1"))
			if _, err := exec.LookPath("curl"); err == nil {
				for i, m := range regexp.MustCompile("`(curl [^`]+)`").FindAllStringSubmatch(section, -1) {
					out := sh.run(t, strings.ReplaceAll(m[1], usualAddr, addr))
					require.Contains(t, out, []string{"logged in", "hello ann, your cookie was signed by v1"}[i])
				}
			}
		},
		`layer secret run --env SESSION_KEY=auth.session-key -- sh -c 'echo "the key has ${#SESSION_KEY} characters"'`: func(
			out string) {
			require.Contains(t, section, "`"+strings.TrimSpace(out)+"`")
		},
		"layer secret rotate --now": func(out string) {
			require.Contains(t, out, "$SECRET.auth.session-key: announced v2\n")
			people = append(people, logIn(t, addr, "bob", "v1"))
		},
		"layer secret rotate": func(out string) {
			require.Contains(t, out, "$SECRET.auth.session-key: v2 is now current\n")
			eventually(t, sh, "nothing is signed with v2", func() bool {
				for _, p := range people {
					p.isIn(t, addr)
				}
				return (&person{name: "cid", by: "v2"}).logIn(t, addr)
			})
			people = append(people, logIn(t, addr, "dan", "v2"))
		},
		"wait": func(string) { require.False(t, up(addr)) },
	}
	for _, line := range lines {
		typed := line
		if strings.HasPrefix(line, "go run ") && addr != usualAddr {
			// Another process may use the port.
			typed = strings.Replace(line, " &", " -addr "+addr+" &", 1)
		}
		output := sh.run(t, typed)
		for _, p := range people {
			if line != "kill %1" && line != "wait" {
				p.isIn(t, addr)
			}
		}
		if then := step[line]; then != nil {
			then(output)
			delete(step, line)
		}
	}
	require.Empty(t, step, "the README leaves these out")

	r := newRecord(filepath.Join(sh.dir, "examples", "sessions"))
	r.collect(nil)
	require.Equal(t, 3, len(r.values), "v1, v2 and the identity") // and not shown
	r.add("the session", nil, sh.String(), "")
	require.Empty(t, r.leaks())
}

// eventually waits for an effect of another process. Unlike require's function,
// it lets the condition fail the test.
func eventually(t *testing.T, sh *shell, otherwise string, condition func() bool) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(time.Minute); !condition(); <-again.C {
		require.True(t, time.Now().Before(deadline), "%s:\n%s", otherwise, sh)
	}
}

// usualAddr is the example's default address.
const usualAddr = "127.0.0.1:8080"

func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", usualAddr)
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func up(addr string) bool {
	r, err := http.Get("http://" + addr + "/status")
	if err != nil {
		return false
	}
	_ = r.Body.Close()
	return true
}

// person is a user with a cookie; by is the version that signed it.
type person struct {
	name, by string
	http.Client
}

func logIn(t *testing.T, addr, name, by string) *person {
	p := &person{name: name, by: by}
	require.True(t, p.logIn(t, addr), "%s's cookie is not signed by %s", name, by)
	return p
}

// logIn gets a cookie, and reports whether p.by signed it.
func (p *person) logIn(t *testing.T, addr string) bool {
	var err error
	p.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	r, err := p.PostForm("http://"+addr+"/login", url.Values{"user": {p.name}})
	require.NoError(t, err)
	_ = r.Body.Close()
	return p.greeting(t, addr) == p.welcome()
}

func (p *person) welcome() string {
	return fmt.Sprintf("200 hello %s, your cookie was signed by %s\n", p.name, p.by)
}

func (p *person) isIn(t *testing.T, addr string) {
	require.Equal(t, p.welcome(), p.greeting(t, addr))
}

func (p *person) greeting(t *testing.T, addr string) string {
	r, err := p.Get("http://" + addr)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return fmt.Sprintf("%d %s", r.StatusCode, body)
}

// copyRepository returns a folder with the files of a clone that the session
// needs.
func copyRepository(t *testing.T) string {
	from, to := "..", t.TempDir()
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != from && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "secrets"):
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasPrefix(name, "."):
			return nil
		case name == "layer" || name == "layer.identity" || name == "layer.seen" ||
			strings.HasPrefix(name, "layer.secrets.age"):
			return nil // left by a session outside the tests
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(rel)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o644)
	}))
	return to
}

// shell is an interactive shell: it has jobs, and keeps variables from one line
// to the next.
type shell struct {
	dir    string
	did    *bufio.Reader
	next   io.Writer
	output string // a file: it has a line's whole output when the line has ended
}

func (s *shell) String() string {
	text, _ := os.ReadFile(s.output)
	return string(text)
}

func newShell(t *testing.T, dir string) *shell {
	bash, err := exec.LookPath("bash")
	if err != nil {
		slow.Lacks(t, "bash is not installed")
	}
	did, tell, err := os.Pipe()
	require.NoError(t, err)
	hear, next, err := os.Pipe()
	require.NoError(t, err)
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	require.NoError(t, err)
	s := &shell{dir: dir, did: bufio.NewReader(did), next: next, output: output.Name()}
	// The shell asks for each line, and reports its status.
	cmd := exec.Command(bash, "-c", `set -m; trap 'for j in $(jobs -p); do kill -- -$j; done' EXIT
while read -r line <&4; do eval "$line" 3>&- 4<&-; echo $? >&3; done`)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = dir, output, output, []*os.File{tell, hear}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LAYER_") && !strings.HasPrefix(v, "CLOUDFLARE_") && !strings.HasPrefix(v, "LAYERON_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GOFLAGS=-trimpath") // so that copies share the build cache
	require.NoError(t, cmd.Start())
	_, _, _ = tell.Close(), hear.Close(), output.Close()
	require.NoError(t, did.SetReadDeadline(time.Now().Add(6*time.Minute)))
	t.Cleanup(func() {
		_ = next.Close()
		_ = did.Close()
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
		_ = cmd.Wait()
		kill.Stop()
	})
	return s
}

// run types a line, which must succeed, and returns the output up to its end.
func (s *shell) run(t *testing.T, line string) string {
	before := len(s.String())
	_, err := fmt.Fprintln(s.next, line)
	require.NoError(t, err)
	status, err := s.did.ReadString('\n')
	require.NoError(t, err, "%s:\n%s", line, s)
	if line != "wait" { // its status is the job's
		require.Equal(t, "0\n", status, "%s:\n%s", line, s)
	}
	return s.String()[before:]
}
