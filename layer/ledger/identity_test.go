package ledger

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// hidden is a text that no error may show.
const hidden = "kT7qZw2mXv9RbL4nHc8s"

func TestIdentityFile(t *testing.T) {
	identity, recipient, err := NewIdentity()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "layer.identity")
	require.NoError(t, WriteIdentity(path, identity))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	ids, err := ReadIdentities(path)
	require.NoError(t, err)
	require.Equal(t, []string{recipient}, ids.Recipients())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	theirs, err := age.ParseIdentities(strings.NewReader(string(text)))
	require.NoError(t, err, "age reads it too")
	require.Len(t, theirs, 1)

	second, _, err := NewIdentity()
	require.NoError(t, err)
	err = WriteIdentity(path, second)
	require.ErrorIs(t, err, fs.ErrExist)
	require.ErrorContains(t, err, "so it is not overwritten")
	still, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text, still)
	require.Error(t, WriteIdentity(filepath.Join(t.TempDir(), "no", "folder"), second))
	require.ErrorContains(t, WriteIdentity(filepath.Join(t.TempDir(), "x"), driver.NewValue(hidden)), "is no age key")
	dangling := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink("nowhere", dangling))
	require.ErrorIs(t, WriteIdentity(dangling, second), fs.ErrExist)

	require.NotEmpty(t, identity.Reveal())
	for _, v := range []any{identity, ids, &ids, struct{ I Identities }{ids}, err} {
		require.Empty(t, redacttest.Check(v, identity.Reveal()[16:], second.Reveal()[16:]))
	}
}

func TestParseIdentities(t *testing.T) {
	one, to, err := NewIdentity()
	require.NoError(t, err)
	two, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	ids, err := ParseIdentities("# a comment\r\n\r\n  " + one.Reveal() + " \r\n" + two.String())
	require.NoError(t, err)
	require.Equal(t, []string{to, two.Recipient().String()}, ids.Recipients())
	require.Equal(t, "[2 identities]", ids.String())
	require.Empty(t, Identities{}.Recipients())

	key := one.Reveal()
	body := strings.TrimPrefix(key, "AGE-SECRET-KEY-1")
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", "no private key is in it"},
		{"comments", "# " + key, "no private key is in it"},
		{"public", "\n" + to, "line 2 is a public key: use the private key"},
		{"typing error", key[:20] + "b" + key[21:], "line 1 is a damaged age key: a character is wrong or missing"},
		{"cut off", key[:40], "line 1 is a damaged age key"},
		{"one too many", key + "A", "line 1 is a damaged age key"},
		{"lower case", strings.ToLower(key), "line 1 is no age key: it should begin with AGE-SECRET-KEY-1"},
		{"post-quantum, damaged", two.String()[:60], "line 1 is a damaged age key"},
		{"plugin, damaged", "AGE-PLUGIN-YUBIKEY-" + hidden, "line 1 is a damaged age key"},
		{"encrypted, damaged", "-----BEGIN AGE ENCRYPTED FILE-----\n" + hidden, "encrypted with age, and damaged or cut off"},
		{"ssh, damaged", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + hidden, "no SSH private key that age supports"},
		{"public ssh", "ssh-ed25519 " + hidden, "line 1 is a public key"},
		{"two forms", key + "\n-----BEGIN OPENSSH PRIVATE KEY-----\n" + hidden, "line 2 begins a second identity"},
		{"anything", key + "\n" + hidden, "line 2 is no age key"},
		{"not UTF-8", "\xff" + hidden, "line 1 is no age key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ids, err := ParseIdentities(tc.text)
			require.ErrorContains(t, err, tc.want)
			require.Zero(t, ids)
			require.Empty(t, redacttest.Check(err, body, strings.ToLower(body), hidden))
			want := IdentityVariable + ": " + err.Error()

			t.Setenv(IdentityVariable, tc.text)
			_, ok, err := IdentitiesFromEnv()
			require.Equal(t, tc.text != "", ok)
			if ok {
				require.EqualError(t, err, want)
			}
		})
	}
}

func TestReadIdentitiesRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("huge"), make([]byte, maxIdentities+1), 0o600))
	require.NoError(t, os.WriteFile(at("wrong"), []byte(hidden), 0o600))
	require.NoError(t, syscall.Mkfifo(at("pipe"), 0o600))
	for name, want := range map[string]string{
		"missing": "file does not exist: give the file with the private key in --identity, or the key itself in " +
			"LAYER_IDENTITY. For a new ledger, begin with `layer secret init`",
		"":      "it is a folder: give the name of a file",
		"huge":  "more than 65536 bytes",
		"wrong": "line 1 is no age key",
		"pipe":  "not a regular file",
	} {
		_, err := ReadIdentities(at(name))
		require.ErrorContains(t, err, "identity "+at(name)+": ")
		require.ErrorContains(t, err, want)
		require.Empty(t, redacttest.Check(err, hidden))
	}
}
