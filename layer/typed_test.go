package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/ledger"
)

// TestPastedValueIsNotRepeated pastes a value in place of every kind of
// argument. It appears neither on the screen nor in a file.
func TestPastedValueIsNotRepeated(t *testing.T) {
	t.Parallel()
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	const key, addr = "$SECRET.auth.session-key", "$SECRET.billing.stripe-secret"
	for what, value := range map[string]string{
		"a password":                 pgPassword,
		"a key of AWS":               s3Key,
		"a key of AWS, after a sign": "/" + s3Key,
		"an identity":                identity.Reveal(),
		"an identity, in a column":   "  " + identity.Reveal() + " ",
		"a key in PEM":               "-----BEGIN PRIVATE KEY-----\n" + pgPassword + "\n-----END PRIVATE KEY-----\n",
		"an address":                 "postgres://u:" + pgPassword + "@h/d",
		"a path of an address":       "u:" + pgPassword + "@h/d",
		"a setting":                  "PGPASSWORD=" + pgPassword,
		"a token":                    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0." + s3ID,
		"a long text":                strings.Repeat(pgPassword, 200),
		"a control sequence":         "\x1b]0;" + pgPassword + "\a",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, rotating, stripe)
			layerIn(t, dir, nil, 1, "secret", "apply", "--spec", "spec.json")
			before := contents(t, dir)
			for _, args := range [][]string{
				{value}, {"help", value}, {"completion", value},
				{"secret", value}, {"secret", "help", value}, {"secret", "ledger", value}, {"secret", "set", value},
				{"secret", "reveal", value, "--yes"},
				{"secret", "rollback", value}, {"secret", "remove", value, "--yes"}, {"secret", "rotate", value},
				{"secret", "timeline", value},
				{"secret", "revoke", value, "v1"}, {"secret", "revoke", key, value, "--spec", "spec.json"},
				{"secret", "rename", value, key},
				{"secret", "rename", key, value, "--spec", "spec.json"}, {"secret", "apply", value}, {"secret", "status", value},
				{"secret", "set", addr, value}, {"secret", "set", addr, "--spec", "spec.json", "--from-file", value},
				{"secret", "set", addr, "--spec", "spec.json", "--value-env", value},
				{"secret", "status", "--ledger", value}, {"secret", "ledger", "copy", value, "new.age"},
				{"secret", "log", "--identity", value},
				{"secret", "init", "--to", "dir:out", "--ledger", "new.age", "--identity", value + "/x/y"},
				{"secret", "status", "--spec", value},
				{"secret", "init", "--to", "dir:out", "--ledger", value + "/x/y"},
				{"secret", "status", "--to", value}, {"secret", "target", value}, {"secret", "target", "--remove", value, "--yes"},
				{"secret", "ledger", "recipients", "--add", value}, {"secret", "ledger", "recipients", "--remove", value},
				{"secret", "bindings", "--spec", "spec.json", "--store", value},
				{"secret", "timeline", "--spec", "spec.json", "--svg", value + "/x/y"},
				{"secret", "status", "--window", value}, {"secret", "status", "--limit", value},
				{"secret", "--json=" + value, "status"},
				{"secret", "status", "--" + value}, {"secret", "run", "--spec", "spec.json", "--keep-env", value, "--", "true"},
				{"__complete", "secret", "revoke", key, "v" + value},
			} {
				for _, line := range [][]string{args, append(args[:len(args):len(args)], "--json")} {
					r := runHere(t, dir, nil, line...)
					for _, private := range []string{pgPassword, s3Key, s3ID, strings.TrimSpace(identity.Reveal())} {
						require.Empty(t, redacttest.Find(r.stdout+r.stderr, private), strings.Join(args[:len(args)-1], " "))
						require.NotContains(t, r.stdout+r.stderr, private)
					}
					require.NotContains(t, r.stdout+r.stderr, "\x1b")
				}
			}
			r := runIn(t, dir, nil, "secret", "run", "--spec", "spec.json", "--", value)
			require.Equal(t, 1, r.status)
			require.Contains(t, r.stderr, "the program cannot be run")
			require.Empty(t, redacttest.Find(r.stderr, pgPassword))
			after := contents(t, dir)
			// Any command changes these files.
			for _, changes := range []string{"/layer.seen", "/layer.secrets.age.lock"} {
				delete(after, changes)
				delete(before, changes)
			}
			require.Equal(t, before, after)
		})
	}
	// A command that reads packages finds none here.
	t.Run("a package", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/x\n\ngo 1.26\n"), 0o600))
		for _, value := range []string{pgPassword, "u:" + pgPassword + "@h/d", "x/" + s3Key} {
			for _, command := range []string{"spec", "vet"} {
				r := runHere(t, dir, nil, "secret", command, value)
				require.NotZero(t, r.status)
				for _, private := range []string{pgPassword, s3Key} {
					require.Empty(t, redacttest.Find(r.stdout+r.stderr, private), r.stderr)
				}
			}
		}
	})
}

func TestIdentityItselfIsRefusedForAFile(t *testing.T) {
	t.Parallel()
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	dir := folder(t, rotating)
	before := contents(t, dir)
	for _, args := range [][]string{{"init", "--to", "dir:out", "--ledger", "new.age"},
		{"status", "--spec", "spec.json"}} {
		_, stderr := layerIn(t, dir, nil, 2, append([]string{"secret", "--identity", identity.Reveal()}, args...)...)
		require.Contains(t, stderr, "--identity takes the name of a file, and LAYER_IDENTITY the key itself")
		require.Contains(t, stderr, "make another")
	}
	require.Equal(t, before, contents(t, dir))
}

// TestOddNamesOfFilesWorkAsPaths checks that a file name may contain a colon or
// an equals sign.
func TestOddNamesOfFilesWorkAsPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	declare(t, dir, rotating)
	for i, name := range []string{"./host=db.age", "./a:b@c.age", "./100%.age"} {
		to := fmt.Sprintf("dir:./v=%d", i)
		stdout, _ := layerIn(t, dir, nil, 0, "secret", "init", "--to", to, "--ledger", name, "--identity", "./me@home:1")
		require.Contains(t, stdout, "made the ledger "+name)
		layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json", "--ledger", name, "--identity", "me@home:1", "--to",
			to)
	}
}

func TestNamesOfFilesAreRepeated(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ops"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, pgPassword), nil, 0o600))
	p := process{dir: dir}
	for _, name := range []string{"layer.secrets.age", "ops/shop", "./shop", "../shop", "/nowhere/spec.json", pgPassword,
		"/"} {
		require.Equal(t, name, p.fileName(name, "?"), name)
	}
	for _, name := range []string{s3Key, "/" + s3Key, "nowhere/shop", "u:p@h.age", "a=b.json", "//h/x.age", "a\nb.age",
		strings.Repeat("x", 300) + ".age", ""} {
		require.Equal(t, "?", p.fileName(name, "?"), name)
	}
}

// FuzzAddress puts a credential between two texts. No error shows it, no
// connection takes it from the address, and no file has the name.
func FuzzAddress(f *testing.F) {
	for _, seed := range [][2]string{{"postgres://u:", "@h/d"}, {"host=db password=", ""}, {"postgres:/u:", "@h"},
		{"u:", "@h/db"}, {"s3:b?secret=", ""},
		{"s3://b/p?endpoint=https://u:", "@h"}, {"etcd://u:", "@h:2379"}, {"dir:", ""},
		{"jdbc:postgresql://h/d?password=", ""}, {"POSTGRES://u:", "@h"},
		{"postgres://h/d?sslmode=verify-full&x=", "&name=y"}, {"postgresql://u@h:", "/d"}, {"u%3A", "%40h"},
		{"postgres://h/d?options=-c%20a.token%3D", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const private = "hunter2kT7qZw2mXv9RbL4n"
		text := before + private + after
		l := &layer{process: with(map[string]string{"AWS_REGION": "here"}), to: text, limit: 1}
		if err := l.checkFlags(); err != nil {
			require.NotContains(t, err.Error(), private)
		} else if strings.HasPrefix(text, "dir:") {
			path := strings.TrimPrefix(text, "dir:")
			require.True(t, isPath(path) || !strings.ContainsAny(path, "@="))
		}
		at, err := l.parsePlace(text)
		if err != nil {
			// The error names the right endpoint.
			require.True(t, strings.Contains(err.Error(), "the endpoint ends with the bucket's name") ||
				!strings.Contains(err.Error(), private), err)
			return
		}
		switch at.kind {
		case inFile:
			require.True(t, isPath(text) || !strings.ContainsAny(text, "@="))
		case inPostgres:
			config, err := pgx.ParseConfig(at.url)
			if err != nil {
				_, err = l.postgresConfig(at)
				require.NotContains(t, err.Error(), private)
				return
			}
			require.Empty(t, config.Password)
			if err := l.settleParameters(config); err != nil {
				require.NotContains(t, err.Error(), private)
			}
		}
	})
}
