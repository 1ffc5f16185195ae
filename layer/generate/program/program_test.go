//go:build unix

package program_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/generate/program"
)

const hidden = "madeup_4eC39HqLyjWDarjtT1zdp7"

// bench is a folder with one program, and the lines that it has shown.
type bench struct {
	t      *testing.T
	folder string
	shown  []string
	params map[string]string
	inUse  []string
}

// newBench writes a program of a shell script.
func newBench(t *testing.T, script string) *bench {
	b := &bench{t: t, folder: t.TempDir(), params: map[string]string{"make": "./make.sh", "account": "acme"}}
	b.write("make.sh", script)
	return b
}

func (b *bench) write(name, script string) {
	require.NoError(b.t, os.WriteFile(filepath.Join(b.folder, name), []byte("#!/bin/sh\n"+script), 0o700))
}

func (b *bench) steps() interface {
	driver.Generator
	driver.Tester
} {
	g := program.New(program.Options{Folder: b.folder, Env: []string{"PATH=" + os.Getenv("PATH"), "STRIPE=yes"},
		Show: func(program, line string) { b.shown = append(b.shown, program+": "+line) }})
	return g.For(driver.Request{Address: "$SECRET.billing.stripe", Params: b.params, InUse: b.inUse}).(interface {
		driver.Generator
		driver.Tester
	})
}

func (b *bench) make() (driver.Made, error) {
	made, err := b.steps().Make(b.t.Context(), "layer 1234 $SECRET.billing.stripe abcd", b.params)
	if err != nil {
		require.Zero(b.t, made.ID)
		require.Empty(b.t, made.Value.Reveal())
		require.Empty(b.t, redacttest.Check(err, hidden))
	}
	for _, line := range b.shown {
		for i := 0; i+8 <= len(hidden); i++ {
			require.NotContains(b.t, line, hidden[i:i+8])
		}
	}
	return made, err
}

func TestProgramIsAskedForEachStep(t *testing.T) {
	b := newBench(t, `cat >> asked; printf '%s|%s|%s\n' "$#" "$STRIPE" "$(pwd)" >> env; echo '{"id":"k1","value":"`+hidden+`"}'`)
	b.inUse = []string{"k0", "k-1"}
	made, err := b.make()
	require.NoError(t, err)
	require.Equal(t, "k1", made.ID)
	require.Equal(t, hidden, made.Value.Reveal())
	require.NoError(t, b.steps().Test(t.Context(), made))
	require.NoError(t, b.steps().Retire(t.Context(), "k0"))
	require.NoError(t, b.steps().Sweep(t.Context(), []string{"layer a", "layer b"}, nil))
	asked, err := os.ReadFile(filepath.Join(b.folder, "asked"))
	require.NoError(t, err)
	var steps []map[string]any
	for line := range strings.Lines(string(asked)) {
		var q map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &q))
		require.InDelta(t, 1, q["version"], 0)
		require.Equal(t, "$SECRET.billing.stripe", q["address"])
		require.Equal(t, map[string]any{"account": "acme"}, q["params"])
		delete(q, "version")
		delete(q, "address")
		delete(q, "params")
		steps = append(steps, q)
	}
	require.Equal(t, []map[string]any{
		{"step": "make", "name": "layer 1234 $SECRET.billing.stripe abcd", "previous": map[string]any{"id": "k0"}},
		{"step": "test", "id": "k1", "value": hidden},
		{"step": "retire", "id": "k0"},
		{"step": "sweep", "names": []any{"layer a", "layer b"}, "known": []any{}},
	}, steps)
	env, err := os.ReadFile(filepath.Join(b.folder, "env"))
	require.NoError(t, err)
	folder, err := filepath.EvalSymlinks(b.folder)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("0|yes|"+folder+"\n", 4), string(env))
}

func TestFirstValueHasNoPrevious(t *testing.T) {
	b := newBench(t, `grep -q previous && exit 1; echo '{"id":"k1","value":"`+hidden+`"}'`)
	_, err := b.make()
	require.NoError(t, err)
}

func TestAnswersThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"no output":          {``, "the program wrote no answer"},
		"garbage":            {`echo ` + hidden, "the answer is not a JSON object"},
		"a list":             {`echo '["` + hidden + `"]'`, "the answer is not a JSON object"},
		"cut off":            {`printf '{"id":"k","value":"` + hidden + `'`, "the answer is not valid JSON, or is cut off"},
		"two objects":        {`echo '{"id":"k","value":"` + hidden + `"}{}'`, "more output after the JSON object"},
		"words after it":     {`echo '{"id":"k","value":"` + hidden + `"}'; echo done`, "more output after the JSON object"},
		"not UTF-8":          {`printf '{"id":"k","value":"\377"}'`, "the answer is not UTF-8"},
		"no id":              {`echo '{"value":"` + hidden + `"}'`, "the answer has no member id"},
		"no value":           {`echo '{"id":"k"}'`, "the answer has no member value"},
		"another case":       {`echo '{"ID":"k","value":"` + hidden + `"}'`, "the answer has no member id"},
		"value of null":      {`echo '{"id":"k","value":null}'`, "the member value is not a text"},
		"value of an object": {`echo '{"id":"k","value":{"a":"` + hidden + `"}}'`, "the member value is not a text"},
		"empty value":        {`echo '{"id":"k","value":""}'`, "the member value is empty"},
		"the value as id":    {`echo '{"id":"` + hidden + `","value":"` + hidden + `"}'`, "the id contains the value"},
		"and a line end":     {`printf '{"id":"` + hidden + `","value":"` + hidden + `\\n"}'`, "the id contains the value"},
		"an id with a line":  {`printf '{"id":"a\\nb","value":"` + hidden + `"}'`, "cannot be printed"},
		"the id in use":      {`echo '{"id":"k0","value":"` + hidden + `"}'`, "still in use"},
		"another version":    {`echo '{"version":2,"id":"k","value":"` + hidden + `"}'`, "another version of the protocol"},
		"exit status":        {`echo '{"id":"k","value":"` + hidden + `"}'; exit 3`, "the program failed (exit status 3)"},
		"killed":             {`kill -9 $$`, "the program failed (signal: killed)"},
		"error":              {`echo '{"error":"no permission"}'`, "no permission"},
		"error and status":   {`echo '{"error":"no permission"}'; exit 4`, "no permission (exit status 4)"},
		"error with value":   {`echo '{"error":"bad key ` + hidden + `","value":"` + hidden + `"}'`, "bad key •••"},
		"error of two lines": {`printf '{"error":"one\\ntwo\\u001b[2J"}'`, "one two[2J"},
		"error is no text":   {`echo '{"error":["` + hidden + `"]}'`, "the member error is not a text"},
		"unsupported":        {`echo '{"unsupported":true}'`, "the program cannot make a value"},
		"unsupported of yes": {`echo '{"unsupported":"yes"}'`, "the member unsupported is not true or false"},
		"too much":           {`head -c 200000 /dev/zero | tr '\0' a`, "more than 128 KiB"},
		"too much, for ever": {`yes`, "more than 128 KiB"},
		"and a small tail":   {`head -c 131073 /dev/zero | tr '\0' ' '`, "more than 128 KiB"},
		"stderr for ever":    {`yes >&2 & sleep 0.2; exit 1`, "exit status 1"},
		"input is not read":  {`exec <&-; exit 1`, "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.script)
			b.inUse = []string{"k0"}
			_, err := b.make()
			require.ErrorContains(t, err, "./make.sh, step make: ")
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestProgramThatDoesNotStart(t *testing.T) {
	b := newBench(t, "")
	for name, c := range map[string]struct{ path, want string }{
		"missing":        {"./other.sh", "the program is missing"},
		"not declared":   {"", "no program is declared"},
		"not executable": {"./text", "make it executable with chmod +x"},
		"a folder":       {".", "the path leads to a folder"},
		"no first line":  {"./plain", "begin it with a line such as #!/bin/sh"},
		"CRLF":           {"./windows", "end the lines with LF alone"},
		"an argument":    {"./make.sh --fast", "the program is missing"},
		"not searched":   {"sh", "the program is missing"},
		"no interpreter": {"./wrong", "the interpreter in its first line"},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(b.folder, "text"), nil, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(b.folder, "wrong"), []byte("#!/no/such\n"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(b.folder, "plain"), []byte("echo\n"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(b.folder, "windows"), []byte("#!/bin/sh\r\necho\r\n"), 0o700))
		b.params["make"] = c.path
		_, err := b.make()
		require.ErrorContains(t, err, c.want, name)
	}
	b.params = map[string]string{"make": "./make.sh", "timeout": "forever"}
	_, err := b.make()
	require.ErrorContains(t, err, "the parameter timeout is refused")
	g := program.New(program.Options{})
	_, err = g.Make(t.Context(), "", nil)
	require.ErrorContains(t, err, "use For")
}

// Steps other than make need an answer, and may be unsupported.
func TestOtherSteps(t *testing.T) {
	for script, want := range map[string]string{
		`echo '{}'`: "", `echo '{"unsupported":true}'`: "", `echo '{"id":"k"}'`: "", `true`: "no answer",
		`echo '{"error":"not yet"}'`: "not yet",
	} {
		s := newBench(t, script).steps()
		for step, err := range map[string]error{
			"test":   s.Test(t.Context(), driver.Made{ID: "k", Value: driver.NewValue(hidden)}),
			"retire": s.Retire(t.Context(), "k"), "sweep": s.Sweep(t.Context(), []string{"n"}, []string{"k"}),
		} {
			if strings.Contains(script, "unsupported") && step == "test" {
				require.ErrorIs(t, err, errors.ErrUnsupported)
				require.ErrorContains(t, err, "./make.sh, step test: the program cannot test a value")
				continue
			}
			if want == "" {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "./make.sh, step "+step+": ")
			require.ErrorContains(t, err, want)
		}
	}
}

// The operator learns of a value that the program cannot end.
func TestRetireThatIsUnsupportedIsShown(t *testing.T) {
	b := newBench(t, `echo '{"unsupported":true}'`)
	require.NoError(t, b.steps().Retire(t.Context(), "key_1"))
	require.Equal(t, []string{"make.sh: this program cannot end a value (it answered unsupported): key_1 may still " +
		"work, end it at its provider"}, b.shown)
}

// Everything on stderr is shown, and no part of a value, in any form.
func TestStderrIsShownWithoutValues(t *testing.T) {
	value := hidden + "\nsecond line of it"
	quoted, err := json.Marshal(value)
	require.NoError(t, err)
	b := newBench(t, `cat >/dev/null
echo "asking the provider" >&2
echo "got `+hidden+`" >&2
echo "second line of it" >&2
echo "`+hidden[:12]+`..." >&2
printf '%s' '`+hidden+`' | base64 >&2
printf '\033[31mred\n' >&2
echo '{"id":"key_1","value":`+strings.ReplaceAll(string(quoted), `\`, `\\`)+`}'
echo "made key_1" >&2`)
	_, err = b.make()
	require.NoError(t, err)
	require.Equal(t, []string{"make.sh: asking the provider", "make.sh: got •••", "make.sh: •••", "make.sh: •••...",
		"make.sh: •••=", "make.sh: [31mred", "make.sh: made key_1"}, b.shown)

	// The value of the request is masked, and so is an answer that cannot be read.
	b = newBench(t, `v=$(sed 's/.*"value":"\([^"]*\)".*/\1/'); echo "testing $v" >&2; echo "{}"`)
	require.NoError(t, b.steps().Test(t.Context(), driver.Made{ID: "k", Value: driver.NewValue(hidden)}))
	require.Equal(t, []string{"make.sh: testing •••"}, b.shown)
	b = newBench(t, `echo "the key is `+hidden+`"; echo "made `+hidden+`" >&2`)
	_, err = b.make()
	require.Error(t, err)
	require.Equal(t, []string{"make.sh: made •••"}, b.shown)
}

// A value is masked too in the usual dumps, inside a larger base64 text, and in
// parts of a few characters.
func TestStderrShowsNoPartOfAValue(t *testing.T) {
	for name, command := range map[string]string{
		"folded":         `printf %s "$v" | fold -w 4; echo`,
		"spaced":         `printf %s "$v" | sed 's/./& /g'; echo`,
		"od":             `printf %s "$v" | od -An -c`,
		"od in hex":      `printf %s "$v" | od -An -t x1`,
		"upper case":     `printf %s "$v" | tr a-z A-Z; echo`,
		"Basic":          `printf '%s:' "$v" | base64 -w 0; echo`,
		"Basic, a user":  `printf 'u:%s' "$v" | base64 -w 0; echo`,
		"Basic, another": `printf 'user:%s' "$v" | base64 -w 0; echo`,
		"narrow base64":  `printf %s "$v" | base64 -w 5`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, `v=`+hidden+`
(`+command+`) >&2
echo '{"id":"k","value":"`+hidden+`"}'`)
			_, err := b.make()
			require.NoError(t, err)
			require.NotEmpty(t, b.shown)
			// What is left is the edge of a base64 text.
			left := strings.NewReplacer("make.sh: ", "", "•••", "", " ", "").Replace(strings.Join(b.shown, ""))
			require.Less(t, len(left), 12, "%d characters are left", len(left))
		})
	}
}

// A program that hangs, or leaves a process that keeps its pipes open, is ended
// with everything it started.
func TestHangingProgramsAreEnded(t *testing.T) {
	for name, c := range map[string]struct {
		script, want string
		most         time.Duration
	}{
		"hangs":           {`sleep 100 & echo $! > pid; wait`, "did not end within 1s", 3 * time.Second},
		"ignores SIGTERM": {`trap '' TERM; sleep 100 & echo $! > pid; while :; do sleep 1; done`, "did not end within 1s", 8 * time.Second},
		"grandchild":      {`sleep 100 & echo $! > pid; echo '{"id":"k","value":"` + hidden + `"}'`, "", 2 * time.Second},
		"other group": {`setsid sleep 100 & echo $! > pid; sleep 0.3; echo '{"id":"k","value":"` + hidden + `"}'`, "",
			2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("setsid"); err != nil && name == "other group" {
				slow.Lacks(t, "this machine has no setsid")
			}
			b := newBench(t, c.script)
			b.params["timeout"] = "1s"
			start := time.Now()
			_, err := b.make()
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
			require.Less(t, time.Since(start), c.most)
			text, err := os.ReadFile(filepath.Join(b.folder, "pid"))
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			require.NoError(t, err)
			if name == "other group" {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				return
			}
			require.Eventually(t, func() bool { return gone(pid) }, 5*time.Second, 10*time.Millisecond)
		})
	}
}

// gone reports whether a process has ended; its parent may not have collected
// it yet.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

// The end of the context, as after Ctrl-C, gives the program time to clean up.
func TestEndOfTheContextIsASIGTERM(t *testing.T) {
	b := newBench(t, `trap 'echo cleaned > end; exit 0' TERM; echo ready > ready; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	go func() {
		for {
			if _, err := os.Stat(filepath.Join(b.folder, "ready")); err == nil {
				cancel(stop)
				return
			}
		}
	}()
	_, err := b.steps().Make(ctx, "n", nil)
	require.ErrorIs(t, err, stop)
	require.FileExists(t, filepath.Join(b.folder, "end"))
}

func TestNothingIsShown(t *testing.T) {
	g := program.New(program.Options{Env: []string{"KEY=" + hidden}})
	require.Empty(t, redacttest.Check(g, hidden))
	require.Empty(t, redacttest.Check(g.For(driver.Request{Address: "a"}), hidden))
}
