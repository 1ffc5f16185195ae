package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

// An error names the object, the reason and the next step. The scripts contain
// more examples.
func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	const key = "$SECRET.auth.session-key"
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	}
	change := func(name string, with func(string) string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			write(name, with(string(text)))(t, dir)
		}
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		args    string
		says    []string
	}{
		"a spec that is a folder": {nil, "apply --spec /", []string{"the spec / cannot be read", "layer secret spec"}},
		"two with one binding name": {write("twice.json",
			`{"secrets":[{"kind":"random","namespace":"a","name":"b-c"},{"kind":"random","namespace":"a-b","name":"c"}]}`),
			"apply --spec twice.json", []string{"twice.json", `\$SECRET\.a\.b-c`, `\$SECRET\.a-b\.c`}},
		"a value that does not fit": {write("short", "madeup_Sx"), "set " + key + " --from-file short",
			[]string{`session-key: the value does not fit the declaration: `, "9 characters", "32 bytes", "43"}},
		"a value over the limit": {write("long", strings.Repeat("madeup_Sx", 9000)),
			"set $SECRET.billing.stripe-secret --from-file long", []string{"stripe-secret: ", "65536", "a shorter value"}},
		"no room for a version": {nil, "rotate --immediate " + key + " --limit 120",
			[]string{"session-key: .*2 versions", "120", "nothing was changed", "a shorter retention", "revoke old ones"}},
		"a version that is not": {nil, "revoke " + key + " v9",
			[]string{"session-key: it has no version v9", "`layer secret status --json`"}},
		"nothing before": {nil, "rollback " + key,
			[]string{"session-key: there is no previous version", "`layer secret rotate --now`"}},
		"declared, to be removed": {nil, "remove --yes " + key,
			[]string{"session-key is still declared: take the declaration out"}},
		"unknown, to be removed": {nil, "remove --yes $SECRET.no.key",
			[]string{`has no record of \$SECRET.no.key`, "typing error", "Nothing was removed"}},
		"unknown, to be renamed": {nil, "rename $SECRET.no.key " + key,
			[]string{`\$SECRET.no.key`, "typing error", "Nothing was changed"}},
		"unknown, to be revealed": {nil, "reveal --yes $SECRET.no.key",
			[]string{`\$SECRET.no.key is not declared`, "`layer secret status` lists"}},
		"a file for a directory": {write("file", ""), "target dir:file", []string{"directory file", "name a directory"}},
		"a link for a value": {func(t *testing.T, dir string) {
			file := filepath.Join(dir, "secrets", "LAYERON_SECRET_AUTH_SESSION_KEY")
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink("/dev/null", file))
		}, "rotate",
			[]string{"session-key: drifted: the value in the target, or its note, was changed by something other than `layer`",
				"still has its own value", "--adopt-ledger"}},
		"a link over which to publish": {func(t *testing.T, dir string) {
			file := filepath.Join(dir, "secrets", "LAYERON_SECRET_AUTH_SESSION_KEY")
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink("/dev/null", file))
		}, "rotate --adopt-ledger --yes", []string{"session-key: ", "LAYERON_SECRET_AUTH_SESSION_KEY", "a link",
			"move it away and run again"}},
		"a target that leads nowhere": {func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink("/nowhere/at/all", filepath.Join(dir, "link")))
		}, "target dir:link", []string{"directory link cannot be opened", "the directory that it points to"}},
		"a merged ledger": {change("layer.secrets.age", func(s string) string {
			return "<<<<<<< ours\n" + s + ">>>>>>> theirs\n"
		}), "status", []string{"conflict markers", "git checkout --ours"}},
		"a ledger cut off": {change("layer.secrets.age", func(s string) string { return s[:len(s)/2] }), "status",
			[]string{"damaged or cut off", "restore"}},
		"an empty ledger": {change("layer.secrets.age", func(string) string { return "" }), "status",
			[]string{"it is empty", "restore"}},
		"a damaged memory": {change("layer.seen", func(string) string { return "x" }), "status",
			[]string{"layer.seen", "git log", "delete this file"}},
		"a public key for a private": {change("layer.identity",
			func(s string) string { return "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" }), "status",
			[]string{"layer.identity", "public key", "AGE-SECRET-KEY-1"}},
		"no identity": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "layer.identity")))
		}, "status", []string{"layer.identity", "LAYER_IDENTITY"}},
		"a folder for a program": {nil, "run -- /", []string{"/ cannot be run"}},
		"a program of another sort": {func(t *testing.T, dir string) {
			write("tool", "\x7fELFnot")(t, dir)
			write("none.json", `{"secrets":[]}`)(t, dir)
			require.NoError(t, os.Chmod(filepath.Join(dir, "tool"), 0o700))
		}, "run --spec none.json -- ./tool", []string{"./tool cannot be run"}},
		"an account that is missing": {nil, "target cloudflare", []string{"CLOUDFLARE_ACCOUNT_ID"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, stripe, rotating)
			layerIn(t, dir, nil, 1, "secret", "apply", "--spec", "spec.json")
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			args := append([]string{"secret"}, strings.Fields(test.args)...)
			if !strings.Contains(test.args, "--spec") {
				args = append(args[:2:2], append([]string{"--spec", "spec.json"}, args[2:]...)...)
			}
			_, stderr := layerIn(t, dir, nil, 1, args...)
			holds(t, stderr, test.says)
		})
	}
}

// holds checks that a message contains the given texts, and nothing that no
// message may contain.
func holds(t *testing.T, stderr string, says []string) {
	t.Helper()
	require.True(t, strings.HasPrefix(stderr, "layer: "), stderr)
	for _, want := range says {
		require.Regexp(t, want, stderr)
	}
	require.NotContains(t, stderr, "madeup_")
	require.Empty(t, readable(stderr))
	require.NotRegexp(t, `(^|: )(refused|not applied|secret): `, stderr, "a mark for programs")
}

// TestErrorsOfCloudflare checks the errors of the API and the network.
func TestErrorsOfCloudflare(t *testing.T) {
	t.Parallel()
	all := func(f cloudflarefake.Fault) *cloudflarefake.Fault { f.Times = -1; return &f }
	for name, test := range map[string]struct {
		fault *cloudflarefake.Fault
		env   []string
		args  string
		says  []string
	}{
		"no permission": {all(cloudflarefake.Fault{Status: 403, Code: 10000}), nil, "apply",
			[]string{"403", "Secrets Store Write"}},
		"an ended token": {all(cloudflarefake.Fault{Status: 401, Code: 1000}), nil, "status",
			[]string{"401", "CLOUDFLARE_API_TOKEN"}},
		"a malformed token": {nil, []string{"CLOUDFLARE_API_TOKEN=two words"}, "status",
			[]string{"API token contains white space", "copy it again"}},
		"no token": {nil, []string{"CLOUDFLARE_API_TOKEN="}, "status", []string{"set CLOUDFLARE_API_TOKEN"}},
		"a malformed account": {nil, []string{"CLOUDFLARE_ACCOUNT_ID=mine"}, "status",
			[]string{"32 hexadecimal digits"}},
		"another account": {nil, []string{"CLOUDFLARE_ACCOUNT_ID=00000000000000000000000000000000"}, "status",
			[]string{"404", "account id"}},
		"another store": {nil, nil, "apply --store 00000000000000000000000000000000",
			[]string{"store_not_found", "give the id of an existing store"}},
		"a problem there": {all(cloudflarefake.Fault{Status: 502}), nil, "apply", []string{"502", "run again"}},
		"a page instead": {all(cloudflarefake.Fault{Status: 200, Raw: "<html>sign in</html>"}), nil, "status",
			[]string{"was not understood"}},
		"a dropped connection": {all(cloudflarefake.Fault{Drop: true}), nil, "status",
			[]string{"connection ended", "network|run again"}},
		"nobody there": {nil, []string{"CLOUDFLARE_API_BASE_URL=http://127.0.0.1:1/"}, "status",
			[]string{"127.0.0.1:1", "CLOUDFLARE_API_BASE_URL"}},
		"no address": {nil, []string{"CLOUDFLARE_API_BASE_URL=ftp://x"}, "status", []string{"CLOUDFLARE_API_BASE_URL"}},
		"too much to wait for": {all(cloudflarefake.Fault{Status: 429, Header: http.Header{"Retry-After": {"9999"}}}), nil,
			"status", []string{"429", "run again in"}},
		"a write that is lost": {&cloudflarefake.Fault{Method: "POST", Drop: true}, nil, "apply",
			[]string{"session-key: ", "connection ended", "run again"}},
		"a write refused": {&cloudflarefake.Fault{Method: "POST", Status: 400, Code: 1001, Message: "secret_value_too_long"},
			nil, "apply", []string{"session-key: ", "65,536 bytes"}},
		"a write while it has a problem": {&cloudflarefake.Fault{Method: "POST", Status: 500}, nil, "apply",
			[]string{"session-key: ", "500", "run again"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			dir := t.TempDir()
			declare(t, dir, rotating)
			layerIn(t, dir, g.env, 0, "secret", "init", "--to", "cloudflare")
			if test.fault != nil {
				g.Fail(*test.fault)
			}
			env := append(append([]string{}, g.env...), test.env...)
			args := append([]string{"secret"}, append(strings.Fields(test.args), "--spec", "spec.json")...)
			_, stderr := layerIn(t, dir, env, 1, args...)
			holds(t, stderr, test.says)
			require.NotContains(t, stderr, "html")
		})
	}
}
