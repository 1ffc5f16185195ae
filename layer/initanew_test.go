package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A place in which this machine remembers a ledger is refused before anything is
// made, and the identity that is there is not edited. The way out that the error names
// works.
func TestInitInRememberedPlaceMakesNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		flags  []string
		before func(w *tree)
	}{
		"ledger here":                  {},
		"identity elsewhere":           {flags: []string{"--identity", "keys/k"}},
		"ledger in a subfolder":        {flags: []string{"--ledger", "keys/l.age"}},
		"identity that is gone too":    {before: func(w *tree) { require.NoError(w.t, os.Remove(w.in("layer.identity"))) }},
		"memory of an unreadable form": {before: func(w *tree) { w.write("damaged", "layer.seen") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			w.folder("keys")
			init := append([]string{"init", "--to", "dir:s"}, tc.flags...)
			w.succeeds(init...)
			if tc.before != nil {
				tc.before(w)
			}
			folder := w.top
			if err := os.Remove(w.in("layer.secrets.age")); err != nil {
				folder = w.in("keys")
				require.NoError(t, os.Remove(w.in("keys", "l.age")))
			}
			before := everyFile(t, w.top)
			r := w.run(init...)
			require.Equal(t, 1, r.status, r.stdout)
			require.Contains(t, r.stderr, "delete ")
			require.Contains(t, r.stderr, filepath.Join(folder, "layer.seen"))
			require.NotContains(t, r.stderr, "--ledger-id")
			require.Equal(t, before, everyFile(t, w.top))
			require.NoError(t, os.Remove(filepath.Join(folder, "layer.seen")))
			w.succeeds(init...)
		})
	}
}

// A ledger elsewhere that was deleted there is remembered here.
func TestInitInRememberedPlaceElsewhereMakesNothing(t *testing.T) {
	t.Parallel()
	e := fakeS3(t, nil)
	w := newTree(t)
	place := e.place()
	w.env = append(e.environment(), "LAYER_LEDGER="+place)
	w.succeeds("init", "--to", "dir:s")
	require.NoError(t, e.drop(place))
	before := everyFile(t, w.top)
	r := w.run("init", "--to", "dir:s")
	require.Equal(t, 1, r.status, r.stdout)
	require.Contains(t, r.stderr, "delete "+w.in("layer.seen"))
	require.Equal(t, before, everyFile(t, w.top))
	require.NoError(t, os.Remove(w.in("layer.seen")))
	w.succeeds("init", "--to", "dir:s")
}

// A name that is a link to nothing is said to be that, and nothing is made.
func TestInitRefusesLinkThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	for link, flags := range map[string][]string{
		"layer.identity":    nil,
		"k":                 {"--identity", "k"},
		"keys/k.key":        {"--identity", "keys/k.key"},
		"layer.secrets.age": nil,
		"keys/l.age":        {"--ledger", "keys/l.age"},
	} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			w.folder("keys")
			require.NoError(t, os.Symlink("nowhere", w.in(link)))
			init := append([]string{"init", "--to", "dir:s"}, flags...)
			r := w.run(init...)
			require.Equal(t, 1, r.status, r.stdout)
			require.Contains(t, r.stderr, link+": it is a link that leads nowhere")
			require.NotContains(t, r.stderr, "only key")
			require.NoFileExists(t, w.in(".gitignore"))
			_, err := os.Stat(w.in("layer.secrets.age"))
			require.ErrorIs(t, err, os.ErrNotExist)
			require.NoError(t, os.Remove(w.in(link)))
			w.succeeds(init...)
		})
	}
}

// So is the link when a command reads the identity.
func TestIdentityThatIsLinkToNowhereIsSaid(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.succeeds("init", "--to", "dir:s")
	require.NoError(t, os.Rename(w.in("layer.identity"), w.in("..", "gone")))
	require.NoError(t, os.Symlink("nowhere", w.in("layer.identity")))
	r := w.run("status")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "layer.identity: it is a link that leads nowhere")
}

// A name that no file can have may be a pasted value, so it is not repeated.
func TestLongIdentityNameIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	r := w.run("init", "--to", "dir:s", "--identity", strings.Repeat("madeup", 100))
	require.Equal(t, 1, r.status, r.stdout)
	require.NotContains(t, r.stderr, "madeup")
	require.NoFileExists(t, w.in("layer.secrets.age"))
}
