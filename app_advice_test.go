package secret_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// locatedStore is the store of another package, with places of its own.
type locatedStore struct {
	secret.Store
	place func(secret.Address) string
}

func (s locatedStore) Locate(addr secret.Address) string { return s.place(addr) }

// TestStartAdvisesWhatFitsTheStore: an environment variable is not set by
// `layer secret set`, and a map of a test by no command at all.
func TestStartAdvisesWhatFitsTheStore(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "EMPTY"), " \n")
	write(t, filepath.Join(dir, "CUT"), `{"current":"v1","versions":{"v1":{"value":"`+marker)
	t.Setenv("EMPTY", "")
	t.Setenv("CUT", `{"current":"v1","versions":{"v1":{"value":"`+marker)
	t.Setenv("SHORT", marker)
	static := func(binding string) *secret.Secret {
		return secret.Static(secret.Options{Namespace: "app", Name: "key", Binding: binding})
	}
	random := func(binding string) *secret.Secret {
		return secret.Random(secret.Options{Namespace: "app", Name: "key", Bytes: 16, Binding: binding})
	}
	shelf := locatedStore{secret.NewMemory(nil), func(secret.Address) string { return "shelf 7" }}
	wrapped := locatedStore{secret.Env(), func(addr secret.Address) string { return "environment variable " + addr.Binding() }}
	const run = "start the program with: layer secret run -- PROGRAM"
	for name, c := range map[string]struct {
		store  secret.Store
		secret *secret.Secret
		want   string // the end of the line
	}{
		"environment":                 {nil, static("MISSING"), "environment variable MISSING is not set; set the variable, or " + run},
		"environment, derived":        {nil, static(""), "environment variable LAYERON_SECRET_APP_KEY is not set; set the variable, or " + run},
		"environment, random":         {nil, random("MISSING"), "environment variable MISSING is not set; set the variable, or " + run},
		"environment, empty":          {nil, static("EMPTY"), "nothing is stored but white space; set the variable to a value, or " + run},
		"environment, cut":            {nil, static("CUT"), "was it cut off?; set the variable again, to the whole text"},
		"environment, short":          {nil, random("SHORT"), "set the variable to a key of the declared length, or correct the declaration"},
		"a wrapped environment":       {wrapped, static("MISSING"), "environment variable MISSING is not set; set the variable, or " + run},
		"folder":                      {secret.Dir(dir), static("MISSING"), "MISSING does not exist; write the value to that file, or publish it with: layer secret set '$SECRET.app.key'"},
		"folder, random":              {secret.Dir(dir), random("MISSING"), "MISSING does not exist; write the value to that file, or create and publish it with: layer secret apply"},
		"folder, empty":               {secret.Dir(dir), static("EMPTY"), "; store a value there"},
		"folder, cut":                 {secret.Dir(dir), static("CUT"), "; store it again, whole"},
		"memory":                      {secret.NewMemory(nil), static("MISSING"), "memory store, MISSING is not set; pass it to NewMemory, or call Set"},
		"memory, random":              {secret.NewMemory(nil), random("MISSING"), "memory store, MISSING is not set; pass it to NewMemory, or call Set"},
		"a place of another package":  {shelf, static("MISSING"), "; supply it with: layer secret set '$SECRET.app.key'"},
		"the same, random":            {shelf, random("MISSING"), "; create it with: layer secret apply"},
		"no place":                    {newProbe(), static("MISSING"), "; supply it with: layer secret set '$SECRET.app.key'"},
		"no place, random":            {newProbe(), random("MISSING"), "; create it with: layer secret apply"},
		"a store that only is called": {askFunc(func(context.Context, secret.Address) (string, error) { return "", errRefused }), static(""), "connection refused; see whether the store can be reached, then start again"},
	} {
		t.Run(name, func(t *testing.T) {
			err := secret.NewApp(secret.AppOptions{Store: c.store, Refresh: -1}).Use(c.secret).Start(t.Context())
			require.Error(t, err)
			require.True(t, strings.HasSuffix(err.Error(), c.want), err.Error())
			require.NotContains(t, err.Error(), marker)
		})
	}
}

// TestFolderThatIsMissingIsOneProblem: a mount that is missing, or that the
// program may not open, is one fault of all its secrets.
func TestFolderThatIsMissingIsOneProblem(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	write(t, file, marker)
	missing := filepath.Join(root, "missing")
	names := func(store secret.Store, names ...string) (secrets []*secret.Secret) {
		for _, name := range names {
			secrets = append(secrets, secret.Static(secret.Options{Namespace: "app", Name: name, Store: store}))
		}
		return secrets
	}
	two := append(names(secret.Dir(missing), "e", "d", "c", "b", "a"), names(secret.Dir(file), "z")...)
	for name, c := range map[string]struct {
		secrets []*secret.Secret
		wraps   error
		want    string
	}{
		"five secrets": {names(secret.Dir(missing), "e", "d", "c", "b", "a"), secret.ErrNotFound,
			"secret: start: 1 problem with the App's 5 secrets:\n  $SECRET.app.e, $SECRET.app.d, $SECRET.app.c and 2 more: " +
				"not found: folder " + missing + " does not exist; create or mount it, or correct the path given to Dir"},
		"one secret": {names(secret.Dir(missing), "a"), secret.ErrNotFound,
			"secret: start: 1 problem with the App's 1 secrets:\n  $SECRET.app.a: not found: folder " + missing +
				" does not exist; create or mount it, or correct the path given to Dir"},
		"no path": {names(secret.Dir(""), "a", "b"), secret.ErrNotFound,
			"secret: start: 1 problem with the App's 2 secrets:\n  $SECRET.app.a and $SECRET.app.b: not found: folder \"\" " +
				"does not exist; create or mount it, or correct the path given to Dir"},
		"a file": {names(secret.Dir(file), "a", "b"), nil,
			"secret: start: 1 problem with the App's 2 secrets:\n  $SECRET.app.a and $SECRET.app.b: folder " + file +
				" cannot be opened: not a directory; let the program open it, or correct the path given to Dir"},
		"two folders": {two, secret.ErrNotFound,
			"secret: start: 2 problems with the App's 6 secrets:\n  $SECRET.app.e, $SECRET.app.d, $SECRET.app.c and 2 more: " +
				"not found: folder " + missing + " does not exist; create or mount it, or correct the path given to Dir\n" +
				"  $SECRET.app.z: folder " + file + " cannot be opened: not a directory; let the program open it, " +
				"or correct the path given to Dir"},
	} {
		t.Run(name, func(t *testing.T) {
			app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(c.secrets...)
			err := app.Start(t.Context())
			require.EqualError(t, err, c.want)
			if c.wraps != nil {
				require.ErrorIs(t, err, c.wraps)
			}
			require.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), len(c.secrets), "the errors of all secrets")
		})
	}

	require.NoError(t, os.Mkdir(missing, 0o700))
	one := names(secret.Dir(missing), "a", "b")
	write(t, filepath.Join(missing, one[0].Binding()), "one")
	write(t, filepath.Join(missing, one[1].Binding()), "one")
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: silence}).Use(one...)
	requireStart(t, app)
	require.NoError(t, os.RemoveAll(missing))
	require.EqualError(t, app.Refresh(t.Context()), "secret: refresh: 1 problem with the App's 2 secrets; their last values "+
		"stay:\n  $SECRET.app.a and $SECRET.app.b: not found: folder "+missing+" does not exist; create or mount it, or "+
		"correct the path given to Dir")
}

// TestRefreshAdvisesNoStart: the App has started, and goes on.
func TestRefreshAdvisesNoStart(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"out of reach": {errRefused, ": connection refused; see whether the store can be reached"},
		"no access":    {fs.ErrPermission, ": permission denied; let the program read it"},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := newProbe(), static("key")
			p.set(s, "one")
			app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
			requireStart(t, app)
			p.step(func(context.Context, secret.Address) error { return c.err })
			err := app.Refresh(t.Context())
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "start again")
			other := static("key")
			err = secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(other).Start(t.Context())
			require.ErrorContains(t, err, c.want+", then start again")
		})
	}
}
