package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// TestShellsCompleteAddresses types into interactive shells. After each line
// the shell prints the arguments that it would pass to layer.
func TestShellsCompleteAddresses(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe, rotating, `{"kind": "static", "namespace": "db", "name": "url"}`,
		`{"kind": "static", "namespace": "db", "name": "user"}`,
		`{"kind": "static", "namespace": "web", "name": "cert", "binding": "tls.crt"}`)
	// The functions of the package bash-completion differ from those of the script.
	for name, shell := range map[string]struct{ program, needs, start string }{
		"bash":              {"bash", "", ""},
		"bash with package": {"bash", bashCompletion, "source " + bashCompletion},
		"zsh":               {"zsh", "", `autoload -Uz compinit; compinit -u -d "$HOME"/dump`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell.program)
			if err != nil {
				slow.Lacks(t, "%s is not installed", shell.program)
			}
			if _, err := os.Stat(shell.needs); shell.needs != "" && err != nil {
				slow.Lacks(t, "%s is missing", shell.needs)
			}
			x := atShell(t, dir, path, shell.start)
			for _, test := range []struct{ types, want string }{
				{"layer secret set --spec spec.json bill\t", "secret set --spec spec.json billing.stripe-secret"},
				{"layer secret set --spec spec.json 'bill\t", "secret set --spec spec.json billing.stripe-secret"},
				{`layer secret set --spec spec.json "bill` + "\t", "secret set --spec spec.json billing.stripe-secret"},
				{"layer secret set --spec spec.json '$SECRET.bil\t", "secret set --spec spec.json billing.stripe-secret"},
				{`layer secret set --spec spec.json "\$SECRET.bil` + "\t", "secret set --spec spec.json billing.stripe-secret"},
				{"layer secret set --spec spec.json '$SECRET.billing.stripe-secret\t",
					"secret set --spec spec.json billing.stripe-secret"},
				{"layer secret set --spec=spec.json 'bill\t", "secret set --spec=spec.json billing.stripe-secret"},
				{"layer secret set --spec spec.json 'LAYERON_SECRET_B\t",
					"secret set --spec spec.json LAYERON_SECRET_BILLING_STRIPE_SECRET"},
				{"layer secret reveal --spec spec.json 'tls\t", "secret reveal --spec spec.json tls.crt"},
				{`layer secret timeline --spec spec.json "\$SECRET.web` + "\t", "secret timeline --spec spec.json web.cert"},
				// The part that two addresses have in common, then the rest.
				{"layer secret set --spec spec.json 'db\tr\t", "secret set --spec spec.json db.url"},
				{"layer secret set --spec spec.json '$SECRET.db\ts\t", "secret set --spec spec.json db.user"},
				{"layer secret rotate --spec spec.json 'auth.session-key' \"db.ur\t",
					"secret rotate --spec spec.json auth.session-key db.url"},
				// One address is left, which replaces $SEC.
				{"layer secret rotate --spec spec.json 'db.url' 'db.user' tls.crt billing.stripe-secret '$SEC\t",
					"secret rotate --spec spec.json db.url db.user tls.crt billing.stripe-secret auth.session-key"},
				// Without a quote, in a path with a variable, and in the middle of a line.
				{"layer secret set --spec spec.json $SECRET.bil\t", "secret set --spec spec.json billing.stripe-secret"},
				{"layer secret set --spec $PWD/spec.json '$SECRET.bil\t", "secret set --spec " + dir +
					"/spec.json billing.stripe-secret"},
				{"layer secret set --spec './spec.json' 'bil\t --from-stdin\x1bb\x1bb\t",
					"secret set --spec ./spec.json billing.stripe-secret --from-stdin"},
				{"layer secret set --spec sp\t 'bill\t", "secret set --spec spec.json billing.stripe-secret"},
				{"layer secret ro\tta\t", "secret rotate"},
				{"layer sec\trol\t", "secret rollback"},
				{"layer secret rotate --imm\t", "secret rotate --immediate"},
			} {
				require.Equal(t, test.want, x.run(test.types), "%q", test.types)
			}
		})
	}
}

const bashCompletion = "/usr/share/bash-completion/bash_completion"

// interactive is an interactive shell in which layer is completed as usual, and
// writes its arguments to a file when it is run.
type interactive struct {
	*terminal
	arguments string
	lines     int
}

func atShell(t *testing.T, dir, path, start string) *interactive {
	t.Helper()
	home := t.TempDir()
	rc, arguments := filepath.Join(home, "rc"), filepath.Join(home, "arguments")
	require.NoError(t, os.WriteFile(rc, []byte(`lines=0
layer() {
	case $1 in
	__complete* | completion) command layer "$@" ;;
	*) echo "$*" >"$ARGUMENTS"; lines=$((lines + 1)); echo "line $lines is run" ;;
	esac
}
`+start+`
layer completion `+filepath.Base(path)+` >"$HOME/script"
source "$HOME/script"
echo "the shell"' is ready'
`), 0o600))
	env := []string{"HOME=" + home, "ZDOTDIR=" + home, "INPUTRC=/dev/null", "HISTFILE=", "TERM=dumb",
		"ARGUMENTS=" + arguments}
	args := []string{"--norc", "--noprofile", "-i"}
	if filepath.Base(path) == "zsh" {
		args = []string{"-f", "-i"}
	}
	x := &interactive{terminal: programAtTerminal(t, dir, env, 200, path, args...), arguments: arguments}
	t.Cleanup(func() { _ = x.cmd.Process.Kill(); _ = x.cmd.Wait() })
	x.types("source '" + rc + "'\r")
	x.expect("the shell is ready")
	return x
}

// run types a line and returns the arguments that layer gets.
func (x *interactive) run(line string) string {
	x.t.Helper()
	x.lines++
	x.types(line + "\r")
	x.expect(fmt.Sprintf("line %d is run", x.lines))
	text, err := os.ReadFile(x.arguments)
	require.NoError(x.t, err)
	return strings.TrimSpace(string(text))
}
