//go:build unix

package program_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/generate/program"
)

// keeper is a program whose values are files in the folder keys, named by their
// ids: the first line is the name, the second the value.
const keeper = `set -eu
mkdir -p keys
q=$(cat)
one() { printf '%s' "$q" | sed -n 's/.*"'$1'":"\([^"]*\)".*/\1/p'; }
list() { printf '%s' "$q" | sed -n 's/.*"'$1'":\[\([^]]*\)\].*/\1/p' | tr ',' '\n' | tr -d '"'; }
n=$(cat count 2>/dev/null || echo 0)
case $(one step) in
make)
	n=$((n+1)); echo $n > count
	printf '%s\nsk_live_value_number_%s\n' "$(one name)" $n > keys/k$n
	echo "{\"id\":\"k$n\",\"value\":\"sk_live_value_number_$n\"}" ;;
test)
	if grep -qxF -e "$(one value)" keys/* 2>/dev/null; then echo '{}'; else echo '{"error":"no such key"}'; fi ;;
retire)
	rm -f "keys/$(one id)"; echo '{}' ;;
sweep)
	for f in keys/*; do
		[ -e "$f" ] || continue
		if list names | grep -qxF -e "$(head -1 "$f")" && ! list known | grep -qxF -e "${f#keys/}"; then rm "$f"; fi
	done
	echo '{}' ;;
steps) echo '{"steps":["make","test","retire","sweep","of a later version"]}' ;;
steps) echo '{"steps":["make","test","retire","sweep","of a later version"]}' ;;
*) echo '{"unsupported":true}' ;;
esac
`

// conform returns the findings, those of a fault with FAIL before them.
func conform(t *testing.T, ctx context.Context, script string) (bool, string, string) {
	t.Helper()
	b := newBench(t, script)
	var list []string
	ok, err := program.Conform(ctx, program.Options{Folder: b.folder, Env: []string{"PATH=" + os.Getenv("PATH")}},
		map[string]string{"make": "./make.sh"}, func(f program.Finding) {
			word := ""
			if !f.OK {
				word = "FAIL "
			}
			require.NotContains(t, f.Text, "sk_live")
			list = append(list, fmt.Sprintf("%s%s: %s", word, f.Step, f.Text))
		})
	if ctx.Err() == nil {
		require.NoError(t, err)
	}
	return ok, strings.Join(list, "\n"), b.folder
}

func TestConformingProgram(t *testing.T) {
	ok, found, folder := conform(t, t.Context(), keeper)
	require.True(t, ok, found)
	require.NotContains(t, found, "FAIL")
	for _, step := range []string{"make", "test", "retire", "sweep", "steps"} {
		require.Contains(t, found, step+": ")
	}
	left, err := filepath.Glob(filepath.Join(folder, "keys", "*"))
	require.NoError(t, err)
	require.Empty(t, left, "every value is ended")
}

// Each fault of a program is found, and said in words.
func TestFaultsOfAProgramAreFound(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"retires nothing": {`rm -f "keys/$(one id)"; echo '{}'`, `echo '{}'`,
			"FAIL test: the first value still works: a value that has ended must give an error"},
		"retires everything": {`rm -f "keys/$(one id)"`, `rm -f keys/*`,
			"FAIL test: the second value, which was not retired, does not work"},
		"retires once": {`rm -f "keys/$(one id)"`, `rm "keys/$(one id)"`,
			"FAIL retire: the first value again, which is no error"},
		"sweeps nothing": {`then rm "$f"`, `then :`, "FAIL test: the third value still works"},
		"sweeps what is known": {`&& ! list known | grep -qxF -e "${f#keys/}"`, ``,
			"FAIL test: the first value, which sweep had to leave, does not work"},
		"sweeps other names": {`list names | grep -qxF -e "$(head -1 "$f")" &&`, ``,
			"FAIL test: the first value, which has another name, does not work"},
		"tests nothing":     {`else echo '{"error":"no such key"}'`, `else echo '{}'`, "FAIL test: the third value still works"},
		"never works":       {`then echo '{}'; else`, `then echo '{"error":"not yet"}'; else`, "FAIL test: the first value does not work: ./make.sh, step test: not yet"},
		"ends the previous": {`	n=$((n+1))`, `	rm -f keys/*; n=$((n+1))`, "FAIL test: the first value, beside the second, does not work"},
		"one id":            {`{\"id\":\"k$n\"`, `{\"id\":\"k\"`, "still in use"},
		"one value":         {`number_$n\"}`, `number\"}`, "FAIL make: both values are the same"},
		"words on stdout":   {`	n=$((n+1))`, `	echo made; n=$((n+1))`, "FAIL make: a first value: ./make.sh, step make: the answer is not a JSON object"},
		"no answer":         {`rm -f "keys/$(one id)"; echo '{}'`, `rm -f "keys/$(one id)"`, "FAIL retire: the first value: ./make.sh, step retire: the program wrote no answer"},
		"lists too little":  {`"retire","sweep",`, `"retire",`, "FAIL steps: the list lacks sweep, and the program can do it"},
		"lists too much": {`rm -f "keys/$(one id)"; echo '{}'`, `echo '{"unsupported":true}'`,
			"FAIL steps: the list names retire, and the program answers unsupported to it"},
		"lists no texts": {`["make"`, `[true,"make"`,
			"FAIL steps: the list of steps: ./make.sh, step steps: the member steps is not a list of texts"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, keeper, c.old)
			ok, found, _ := conform(t, t.Context(), strings.Replace(keeper, c.old, c.new, 1))
			require.False(t, ok, found)
			require.Contains(t, found, c.want)
		})
	}
}

// A program that can only make is allowed, and the report says what is missing.
func TestProgramThatOnlyMakes(t *testing.T) {
	ok, found, _ := conform(t, t.Context(), `grep -q '"step":"make"' || { echo '{"unsupported":true}'; exit; }
n=$(cat count 2>/dev/null || echo 0); n=$((n+1)); echo $n > count; echo "{\"id\":\"k$n\",\"value\":\"sk_live_value_number_$n\"}"`)
	require.True(t, ok, found)
	require.Contains(t, found, "the program cannot test")
	require.Contains(t, found, "the program cannot retire")
	require.Contains(t, found, "the program cannot sweep")
	require.Contains(t, found, "steps: the program does not list its steps")
	require.Contains(t, found, "values may be left behind: end them at their provider, by these ids: k1, k2, k3")
}

// The list of a program that can do less is right without the other steps.
func TestListOfAProgramThatOnlyMakes(t *testing.T) {
	ok, found, _ := conform(t, t.Context(), `q=$(cat); case $q in
*'"step":"make"'*)
	n=$(cat count 2>/dev/null || echo 0); n=$((n+1)); echo $n > count
	echo "{\"id\":\"k$n\",\"value\":\"sk_live_value_number_$n\"}" ;;
*'"step":"steps"'*) echo '{"steps":["make"]}' ;;
*) echo '{"unsupported":true}' ;;
esac`)
	require.True(t, ok, found)
	require.Contains(t, found, "steps: the list of steps is right")
}

// A program that is older than the step steps has no fault, also if it ends with
// an error.
func TestProgramsWithoutAListConform(t *testing.T) {
	const list = `echo '{"steps":["make","test","retire","sweep","of a later version"]}'`
	require.Contains(t, keeper, list)
	for _, instead := range []string{`:`, `exit 1`, `echo '{}'`, `echo '{"error":"no such step"}'`, `echo '{"unsupported":true}'`} {
		ok, found, _ := conform(t, t.Context(), strings.Replace(keeper, list, instead, 1))
		require.True(t, ok, found)
		require.Contains(t, found, "steps: the program does not list its steps")
	}
}

// An interruption ends the values that were made.
func TestInterruptedConformanceCleansUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	script := strings.Replace(keeper, `test)`, `test) touch tested; while [ ! -e go ]; do sleep 0.01; done;`, 1)
	b := newBench(t, script)
	go func() {
		for {
			if _, err := os.Stat(filepath.Join(b.folder, "tested")); err == nil {
				cancel()
				return
			}
		}
	}()
	ok, err := program.Conform(ctx, program.Options{Folder: b.folder, Env: []string{"PATH=" + os.Getenv("PATH")}},
		map[string]string{"make": "./make.sh"}, func(program.Finding) {})
	require.False(t, ok)
	require.ErrorIs(t, err, context.Canceled)
	left, err := filepath.Glob(filepath.Join(b.folder, "keys", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
