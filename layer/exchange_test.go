package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joho/godotenv"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
	"github.com/layeron-hq/secret/layer/internal/dotenv/dotenvtest"
)

// exchange is a folder with many static secrets, and the value of each by its
// binding name.
type exchange struct {
	t      *testing.T
	dir    string
	env    []string
	values map[string]string
}

func newExchange(t *testing.T, n int) *exchange {
	x := &exchange{t, t.TempDir(), nil, map[string]string{}}
	var secrets []string
	for i, value := range dotenvtest.Awkward(3 * n) {
		if checkValue(secret.SpecSecret{Format: secret.FormatPlain}, value) != nil || len(x.values) == n {
			continue // set refuses it too: white space alone, say
		}
		addr := secret.Address{Namespace: "test", Name: fmt.Sprintf("value-%d", i)}
		x.values[addr.Binding()] = value
		secrets = append(secrets, fmt.Sprintf(`{"kind": "static", "namespace": "test", "name": %q, "format": "plain"}`,
			addr.Name))
	}
	require.Len(t, x.values, n)
	declare(t, x.dir, secrets...)
	return x
}

func (x *exchange) layer(args ...string) string {
	x.t.Helper()
	r := runIn(x.t, x.dir, x.env, append([]string{"secret"}, append(args, "--spec", "spec.json")...)...)
	require.Zero(x.t, r.status, args) // the output may have a value
	return r.stdout
}

func (x *exchange) write(name, text string) {
	x.t.Helper()
	require.NoError(x.t, os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600))
}

// holds fails, without showing a value, unless got has all values.
func (x *exchange) holds(got map[string]string, what string) {
	x.t.Helper()
	require.Len(x.t, got, len(x.values), what)
	for name, value := range x.values {
		require.True(x.t, got[name] == value, "%s: %s", what, name)
	}
}

func (x *exchange) exportJSON(flags ...string) map[string]string {
	x.t.Helper()
	var got map[string]string
	require.True(x.t, json.Unmarshal([]byte(x.layer(append([]string{"export", "--yes", "--format", "json"},
		flags...)...)), &got) == nil)
	return got
}

// 1,000 awkward values pass from a JSON file through a ledger into each format,
// and from there through a second ledger. A fake account is the target: a folder
// would wait for the disk for each value.
func TestExportedValuesAreImportedExactly(t *testing.T) {
	t.Parallel()
	x := newExchange(t, 1000)
	file, err := json.Marshal(x.values)
	require.NoError(t, err)
	x.write("values.json", string(file))
	x.account()
	x.layer("init", "--to", "cloudflare")
	x.layer("import", "values.json", "--yes")
	x.holds(x.exportJSON(), "JSON")
	x.write("all.sh", x.layer("export", "--yes", "--format", "shell"))
	x.holds(x.shell(), "sh")

	variables := x.layer("export", "--yes")
	theirs, err := godotenv.Unmarshal(variables)
	require.True(t, err == nil, "godotenv reads the file")
	x.holds(theirs, "godotenv")
	x.write("all.env", variables)
	require.Equal(t, "nothing to do\n", x.layer("import", "all.env", "--yes"))
	x.account()
	other := []string{"--ledger", "other.age", "--identity", "layer.identity"}
	x.layer(append([]string{"init", "--to", "cloudflare"}, other...)...)
	x.layer(append([]string{"import", "all.env", "--yes"}, other...)...)
	x.holds(x.exportJSON(other...), "dotenv")
}

// account makes another fake account the target.
func (x *exchange) account() {
	fake := cloudflarefake.New(cloudflarefake.Options{Quota: 2 * len(x.values)})
	server := httptest.NewServer(fake)
	x.t.Cleanup(server.Close)
	x.env = nil
	startFakeAt(server.URL, func(key, value string) { x.env = append(x.env, key+"="+value) }, fake)
}

// shell returns the variables that a shell assigns.
func (x *exchange) shell() map[string]string {
	x.t.Helper()
	var names []string
	script := "eval \"$(cat all.sh)\"\n"
	for name := range x.values {
		names = append(names, name)
		script += `printf '%s\000' "$` + name + "\"\n"
	}
	x.write("print.sh", script)
	sh := exec.CommandContext(x.t.Context(), "sh", "print.sh")
	sh.Dir = x.dir
	out, err := sh.Output()
	require.NoError(x.t, err)
	read := strings.Split(string(out), "\x00")
	require.Len(x.t, read, len(names)+1)
	got := map[string]string{}
	for i, name := range names {
		got[name] = read[i]
	}
	return got
}

// Each asks at a terminal, and only yes is a yes.
func TestExportAndImportAsk(t *testing.T) {
	t.Parallel()
	for answer, yes := range map[string]bool{"y\n": true, "n\n": false, "\n": false} {
		dir := folder(t, stripe, rotating)
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("billing.stripe-secret=madeup_Wm29bHs4Ly\n"+
			"auth.session-key="+strings.Repeat("Ab1_", 10)+"AAA\n"), 0o600))
		status := map[bool]int{true: 0, false: 1}[yes]
		x := atTerminal(t, dir, nil, 120, "secret", "import", ".env", "--spec", "spec.json")
		x.expect("$SECRET.billing.stripe-secret: would set its first value: billing.stripe-secret in line 1")
		x.expect("Set these 2 values, of which 0 replace a current one? [y/N] ")
		x.types(answer)
		screen := x.ends(status)
		require.Equal(t, yes, strings.Contains(screen, "$SECRET.billing.stripe-secret: created v1"))
		require.NotContains(t, screen, "madeup")
		if !yes {
			require.Contains(t, screen, "nothing was changed")
			layerIn(t, dir, []string{"VALUE=madeup_Wm29bHs4Ly"}, 0, "secret", "set", "$SECRET.billing.stripe-secret",
				"--value-env", "VALUE", "--spec", "spec.json")
			layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
		}
		x = atTerminal(t, dir, nil, 120, "secret", "export", "--spec", "spec.json")
		x.expect("Print the current values of 2 secrets here? [y/N] ")
		x.types(answer)
		require.Equal(t, yes, strings.Contains(x.ends(status), "LAYERON_SECRET_BILLING_STRIPE_SECRET=madeup_Wm29bHs4Ly"))
	}
	x := atTerminal(t, folder(t, stripe), nil, 120, "secret", "import", "-", "--spec", "spec.json")
	require.Contains(t, x.ends(2), "stdin is a terminal")
}
