package ledger

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/rotate"
)

const passphrase = "madeup-passphrase-Wm29"

// sshPEM returns an SSH private key as ssh-keygen writes it, and its public key.
func sshPEM(t testing.TB, private crypto.Signer, passphrase string) (text, public string) {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "ana@laptop")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "ana@laptop", []byte(passphrase))
	}
	require.NoError(t, err)
	to, err := ssh.NewPublicKey(private.Public())
	require.NoError(t, err)
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(to)))
}

// encrypted returns a text that age has encrypted.
func encrypted(t testing.TB, text string, armored bool, to age.Recipient) string {
	t.Helper()
	if to == nil {
		r, err := age.NewScryptRecipient(passphrase)
		require.NoError(t, err)
		r.SetWorkFactor(5)
		to = r
	}
	var out bytes.Buffer
	var w io.WriteCloser = struct {
		io.Writer
		io.Closer
	}{&out, io.NopCloser(nil)}
	if armored {
		w = armor.NewWriter(&out)
	}
	in, err := age.Encrypt(w, to)
	require.NoError(t, err)
	_, err = io.WriteString(in, text)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, w.Close())
	return out.String()
}

// answers returns Prompts that type these passphrases, and the number of questions.
func answers(list ...string) (Prompts, *int) {
	asked := 0
	return Prompts{Passphrase: func(name string, again bool) (driver.Value, error) {
		asked++
		if name == "" || again != (asked > 1) || asked > len(list) {
			return driver.Value{}, io.ErrUnexpectedEOF
		}
		return driver.NewValue(list[asked-1]), nil
	}}, &asked
}

// Each form of an identity opens a ledger that is sealed to its public key. It needs
// the passphrase if it has one, and its marks are the same however the key is stored.
func TestIdentityFormsOpenTheLedger(t *testing.T) {
	slow.Sequential(t)
	own, ownTo, err := NewIdentity()
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	edText, edTo := sshPEM(t, ed, "")
	edLocked, _ := sshPEM(t, ed, passphrase)
	rsaText, rsaTo := sshPEM(t, rsaKey, "")
	rsaLocked, _ := sshPEM(t, rsaKey, passphrase)
	id := rotate.NewState(rotate.Settings{}).ID()
	line := "# ledger " + id + "\n"
	for name, test := range map[string]struct {
		text, plain, to string
		protected       bool
	}{
		"ssh-ed25519":                     {edText, edText, edTo, false},
		"ssh-ed25519, passphrase":         {edLocked, edText, edTo, true},
		"ssh-rsa":                         {rsaText, rsaText, rsaTo, false},
		"ssh-rsa, passphrase":             {rsaLocked, rsaText, rsaTo, true},
		"encrypted":                       {encrypted(t, line+own.Reveal()+"\n", false, nil), own.Reveal(), ownTo, true},
		"encrypted, armored":              {encrypted(t, own.Reveal(), true, nil), own.Reveal(), ownTo, true},
		"encrypted SSH key":               {encrypted(t, edText, true, nil), edText, edTo, true},
		"armored, below comments":         {line + "\n" + encrypted(t, own.Reveal(), true, nil), own.Reveal(), ownTo, true},
		"SSH key, below comments":         {line + "#\r\n" + edText, edText, edTo, false},
		"SSH key, passphrase and comment": {line + edLocked, edText, edTo, true},
		"SSH key, above comments":         {edText + "\r\n" + line, edText, edTo, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "id")
			require.NoError(t, os.WriteFile(path, []byte(test.text), 0o600))
			_, err := ReadIdentities(path)
			if test.protected {
				require.ErrorContains(t, err, "a passphrase protects it, and there is no terminal to ask for it")
				require.ErrorContains(t, err, path)
			} else {
				require.NoError(t, err)
			}
			how, asked := answers("", "wrong", passphrase)
			ids, err := how.ReadIdentities(path)
			require.NoError(t, err)
			require.Equal(t, test.protected, ids.Attended())
			require.Equal(t, test.protected, *asked == 3)
			require.Equal(t, []string{test.to}, ids.Recipients())
			if strings.Contains(name, "comment") || name == "encrypted" {
				require.Equal(t, []string{id}, ids.Ledgers())
			}

			s := rotate.NewState(rotate.Settings{Recipients: ids.Recipients()})
			sealed, err := rotate.Seal(s, ids.All()...)
			require.NoError(t, err)
			back, err := rotate.Unseal(sealed, ids.All()...)
			require.NoError(t, err)
			require.True(t, back.Equal(s))

			plain, err := ParseIdentities(test.plain)
			require.NoError(t, err)
			require.Len(t, plain.markKeys(), 1)
			require.Equal(t, plain.markKeys(), ids.markKeys())
			for _, v := range []any{ids, err} {
				require.Empty(t, redacttest.Check(v, passphrase, own.Reveal()[16:]))
			}
			named, err := AddLedger(path, strings.Repeat("a", 32))
			require.NoError(t, err)
			require.False(t, named)
			still, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, test.text, string(still), "the file is not changed")
		})
	}
	require.NotEqual(t, edTo, rsaTo)
}

func TestProtectedIdentityIsRefused(t *testing.T) {
	slow.Sequential(t)
	own, _, err := NewIdentity()
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	edText, _ := sshPEM(t, ed, passphrase)
	plainText, _ := sshPEM(t, ed, "")
	x, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ecText, _ := sshPEM(t, ec, "")
	file := encrypted(t, own.Reveal(), false, nil)
	for name, test := range map[string]struct {
		text, want string
		asked      int
	}{
		"wrong passphrase of an SSH key": {edText, "the passphrase is wrong", 3},
		"wrong passphrase":               {file, "the passphrase is wrong", 3},
		"encrypted to a key": {
			encrypted(t, own.Reveal(), false, x.Recipient()), "encrypted to a key, not with a passphrase", 0,
		},
		"ECDSA":               {ecText, "an SSH key that age does not support", 0},
		"a key below SSH":     {plainText + own.Reveal() + "\n", "put each into a file of its own", 0},
		"two SSH keys":        {plainText + "\n" + plainText, "put each into a file of its own", 0},
		"two, one passphrase": {edText + plainText, "put each into a file of its own", 0},
	} {
		how, asked := answers("one", "two", "three")
		_, err := how.ParseIdentities("identity x", test.text)
		require.ErrorContains(t, err, test.want, name)
		require.Equal(t, test.asked, *asked, name)
		require.Empty(t, redacttest.Check(err, "one", "two", "three", own.Reveal()[16:]))
	}
	for name, test := range map[string]struct{ text, want string }{
		"cut off":         {file[:len(file)-5], "damaged or cut off"},
		"encrypted twice": {encrypted(t, file, false, nil), "encrypted twice"},
		"no key in it":    {encrypted(t, hidden, true, nil), "in the encrypted content: line 1 is no age key"},
	} {
		how, _ := answers(passphrase)
		_, err := how.ParseIdentities("identity x", test.text)
		require.ErrorContains(t, err, test.want, name)
		require.Empty(t, redacttest.Check(err, passphrase, hidden, own.Reveal()[16:]))
	}
	how := Prompts{Passphrase: func(string, bool) (driver.Value, error) { return driver.Value{}, rotate.ErrInterrupted }}
	_, err = how.ParseIdentities("identity x", file)
	require.ErrorIs(t, err, rotate.ErrInterrupted)
}

// The public key of a plugin is in the comments that the plugin writes.
func TestPublicKeyOfAPluginIsRead(t *testing.T) {
	const data = "sixteen bytes ab"
	private, public := plugin.EncodeIdentity("test", []byte(data)), plugin.EncodeRecipient("test", []byte(data))
	second := plugin.EncodeRecipient("other", []byte(data))
	own, ownTo, err := NewIdentity()
	require.NoError(t, err)
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"no comment":    {private, nil},
		"age-plugin-se": {"# public key: " + public + "\n" + private, []string{public}},
		"yubikey": {
			"#       Serial: 1, Slot: 1\n#    Recipient: " + public + "\r\n" + private + "\r\n", []string{public},
		},
		"with a key": {
			"# public key: " + ownTo + "\n" + own.Reveal() + "\n# Recipient: " + public + "\n" + private,
			[]string{ownTo, public},
		},
		"two": {
			"# Recipient: " + public + "\n" + private + "\n# Recipient: " + second + "\n" +
				plugin.EncodeIdentity("other", []byte(data)), []string{public, second},
		},
		"no public key":    {"# public key: " + own.Reveal() + "\n" + private, nil},
		"a damaged one":    {"# public key: " + public[:20] + "\n" + private, nil},
		"a word in it":     {"# my public key: " + public + "\n" + private, nil},
		"named afterwards": {private + "\n# public key: " + public, []string{public}},
	} {
		ids, err := ParseIdentities(test.text)
		require.NoError(t, err, name)
		require.Equal(t, test.want, ids.Recipients(), name)
		require.NotContains(t, ids.String(), "AGE")
		require.Empty(t, redacttest.Check(ids, private[20:]), name)
	}
}
