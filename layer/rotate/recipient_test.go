package rotate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/layeron-hq/secret/internal/redacttest"
)

// authorized returns the line of an SSH public key, without a comment.
func authorized(t *testing.T, public crypto.PublicKey) string {
	t.Helper()
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func TestCleanRecipient(t *testing.T) {
	x, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	_, quantum := postQuantum(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ed := authorized(t, public)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	rsaTo := authorized(t, rsaKey.Public())
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	pluginTo := plugin.EncodeRecipient("test", []byte("data"))
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	for name, test := range map[string]struct{ text, key, comment, refused string }{
		"age":                    {x.Recipient().String(), x.Recipient().String(), "", ""},
		"spaces around":          {" " + x.Recipient().String() + "\r\n", x.Recipient().String(), "", ""},
		"post-quantum":           {quantum, quantum, "", ""},
		"ssh-ed25519":            {ed, ed, "", ""},
		"ssh-ed25519, a comment": {ed + " ana@laptop of work\n", ed, "ana@laptop of work", ""},
		"ssh-rsa":                {rsaTo + "  bo", rsaTo, "bo", ""},
		"plugin":                 {pluginTo, pluginTo, "", ""},
		"plugin, damaged":        {pluginTo[:len(pluginTo)-1] + "b", "", "", "is not the public key of an age plugin"},
		"ssh, damaged":           {ed[:40], "", "", "is not an SSH public key that age supports"},
		"ssh, cut in the middle": {strings.Replace(ed, " ", "", 1), "", "", "is not an SSH public key that age supports"},
		"ECDSA":                  {authorized(t, ec.Public()), "", "", "is not an SSH public key that age supports"},
		"RSA, too short":         {smallRSA, "", "", "is not an SSH public key that age supports"},
		"a private key":          {x.String(), "", "", "is a private key"},
		"a plugin's identity":    {plugin.EncodeIdentity("test", []byte("data")), "", "", "is a private key"},
		"an SSH private key":     {"-----BEGIN OPENSSH PRIVATE KEY-----\n" + string(block.Bytes), "", "", "is a private key"},
		"empty":                  {"", "", "", "is not an age public key"},
		"a value":                {hidden, "", "", "is not an age public key"},
		"a value behind a start": {"ssh-" + hidden, "", "", "is not an SSH public key"},
		"a name of an account":   {"github:" + hidden, "", "", "is not an age public key"},
	} {
		t.Run(name, func(t *testing.T) {
			key, comment, err := CleanRecipient(test.text)
			require.Equal(t, test.key, key)
			require.Equal(t, test.comment, comment)
			if test.refused == "" {
				require.NoError(t, err)
				again, _, err := CleanRecipient(key)
				require.NoError(t, err)
				require.Equal(t, key, again)
				return
			}
			require.ErrorContains(t, err, test.refused)
			require.Empty(t, redacttest.Check(err, hidden, x.String()[16:]))
			_, err = Seal(holding(hidden, x.Recipient().String(), test.text))
			require.ErrorContains(t, err, "recipient 2 of the ledger "+test.refused[:10])
		})
	}
}

// A ledger is sealed to SSH keys and age keys together; each opens it.
func TestSealToSSHKeys(t *testing.T) {
	x, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	edID, err := agessh.NewEd25519Identity(private)
	require.NoError(t, err)
	rsaID, err := agessh.NewRSAIdentity(rsaKey)
	require.NoError(t, err)
	to := []string{x.Recipient().String(), authorized(t, public), authorized(t, rsaKey.Public())}
	s := holding(hidden, to...)
	sealed, err := Seal(s)
	require.NoError(t, err)
	for _, id := range []age.Identity{x, edID, rsaID} {
		back, err := Unseal(sealed, id)
		require.NoError(t, err)
		require.True(t, back.Equal(s))
	}
	without, err := Seal(holding(hidden, to[0]))
	require.NoError(t, err)
	_, err = Unseal(without, edID, rsaID)
	require.ErrorContains(t, err, "encrypted to others")
	_, quantum := postQuantum(t)
	_, err = Seal(holding(hidden, to[1], quantum))
	require.ErrorContains(t, err, "age takes only one sort")
}

// A missing plugin is named, and the next step.
func TestSealNeedsThePlugin(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Seal(holding(hidden, plugin.EncodeRecipient("absent", []byte("data"))))
	require.ErrorContains(t, err, "the program age-plugin-absent is missing: install it into a folder of PATH")
	var failed *PluginError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "absent", failed.Name)
}

// smallRSA is an RSA key with 1024 bits.
const smallRSA = "" +
	"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDQgcu3HdfpIocbXk1xfkMNjXTLGVtdZpviY8oVpa9B5RmBaIO6E6je5b8RS7EA" +
	"h4kaPWJLnYxZPOfY4G7a91y0mzpncE0CXgp35DF/aSryiO56LAR9JOCaNbrpiTyRpLSYK4ucGB/N7lbIt3r5up23Oa+C8Y954+M4+i6M5KgM2w=="
