package rotate

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/slow"
)

const hidden = "kT7qZw2mXv9RbL4nHc8s"

// keyed returns a new identity and its public key.
func keyed(t testing.TB) (age.Identity, string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	return id, id.Recipient().String()
}

func postQuantum(t testing.TB) (age.Identity, string) {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	return id, id.Recipient().String()
}

// holding returns a state with one value.
func holding(value string, recipients ...string) State {
	s := NewState(Settings{Recipients: recipients})
	addr := secret.Address{Namespace: "auth", Name: "key"}
	return wrapState(s.state().with(&record{Address: addr, Kind: secret.KindStatic, Name: "x", Current: "v1",
		Versions: []version{{ID: "v1", Value: value}}}))
}

func TestSealRecipients(t *testing.T) {
	a, toA := keyed(t)
	b, toB := keyed(t)
	c, toC := postQuantum(t)
	for _, tc := range []struct {
		name       string
		to         []string
		opens, not []age.Identity
	}{
		{"one", []string{toA}, []age.Identity{a}, []age.Identity{b, c}},
		{"several", []string{toA, toB}, []age.Identity{a, b}, []age.Identity{c}},
		{"the same twice", []string{toA, toA}, []age.Identity{a}, []age.Identity{b}},
		{"post-quantum", []string{toC}, []age.Identity{c}, []age.Identity{a}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := holding(hidden, tc.to...)
			sealed, err := Seal(s)
			require.NoError(t, err)
			require.Empty(t, redacttest.Find(string(sealed), hidden))
			again, err := Seal(s)
			require.NoError(t, err)
			require.NotEqual(t, sealed, again)
			for _, ids := range tc.opens {
				got, err := Unseal(sealed, ids)
				require.NoError(t, err)
				require.True(t, got.Equal(s))
			}
			for _, ids := range tc.not {
				_, err := Unseal(sealed, ids)
				require.ErrorContains(t, err,
					"encrypted to others: none of the identities given opens it. Use the identity of one of its recipients")
			}
			got, err := Unseal(sealed, append(tc.not, tc.opens[0])[0], tc.opens[0])
			require.NoError(t, err)
			require.True(t, got.Equal(s))
		})
	}
}

func TestSealRefuses(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	to := identity.Recipient().String()
	_, quantum := postQuantum(t)
	late := holding(hidden, to)
	late.state().Secrets[0].Created = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		s    State
		want string
	}{
		{"no recipients", holding(hidden), "no recipients: no identity could open it"},
		{"not a key", holding(hidden, to, "age1"+hidden), "recipient 2 of the ledger is not an age public key"},
		{"a private key", holding(hidden, identity.String()),
			"recipient 1 of the ledger is a private key: put the public key"},
		{"mixed", holding(hidden, to, quantum), "age takes only one sort: replace all of them at once"},
		{"zero", State{}.WithSettings(Settings{Recipients: []string{to}}), "a new one begins with NewState"},
		{"not UTF-8", holding(hidden+"\xff", to), "a text in it is not UTF-8"},
		{"time out of range", late, "a time in it is out of range"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Seal(tc.s)
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, redacttest.Check(err, hidden, identity.String()[16:]))
		})
	}
	for _, fine := range []string{"\ufffd", `\ufffd`, `\\ufffd`, "\\\\\ufffd"} {
		_, err := Seal(holding(fine, to))
		require.NoError(t, err, "%q", fine)
	}
}

func encryptText(t testing.TB, text string, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func armored(t testing.TB, sealed []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := armor.NewWriter(&out)
	_, err := w.Write(sealed)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestUnsealRefuses(t *testing.T) {
	ids, to := keyed(t)
	sealed, err := Seal(holding(hidden, to))
	require.NoError(t, err)
	text := armored(t, sealed)
	recipient, err := age.ParseX25519Recipient(to)
	require.NoError(t, err)
	passphrase, err := age.NewScryptRecipient(hidden)
	require.NoError(t, err)
	passphrase.SetWorkFactor(10)
	conflict := "-----BEGIN AGE ENCRYPTED FILE-----\n<<<<<<< HEAD\nYWdl\n=======\nYWdm\n>>>>>>> theirs\n"
	const damaged, restored = "it is damaged or cut off: restore the last good one from git or a backup", "restore the last good one from git or a backup"
	for _, tc := range []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", nil, "it is empty: " + restored},
		{"white space", []byte(" \n"), "it is empty: " + restored},
		{"another file", []byte("hello, " + hidden), "it is not encrypted with age, so it is no ledger"},
		{"conflict", []byte(conflict), "git's conflict markers: it was changed in two clones"},
		{"conflict on the first line", []byte("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x"), "git's conflict markers"},
		{"header alone", []byte(ageHeader), damaged},
		{"armor alone", []byte(armorHeader), damaged},
		{"cut off", sealed[:len(sealed)-1], damaged},
		{"cut off in the middle", sealed[:len(sealed)/2], damaged},
		{"armored, cut off", text[:len(text)-40], damaged},
		{"more behind it", append(bytes.Clone(sealed), 'x'), damaged},
		{"armored, more behind it", append(bytes.Clone(text), "x\n"...), damaged},
		{"passphrase", encryptText(t, hidden, passphrase), "encrypted with a passphrase"},
		{"not a state", encryptText(t, hidden, recipient), "its content is not a ledger: another file was put in its place"},
		{"half a state", encryptText(t, `{"format":1,"id":"`+hidden+`"}`, recipient), "its content is not a ledger"},
		{"a secret that is null", nullSecret(t, recipient, to), "its content is not a ledger"},
		{"from the future", encryptText(t, `{"format":6,"id":"`+hidden+`"}`, recipient),
			"written by a newer version of layer (format 6): update layer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Unseal(tc.in, ids)
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, redacttest.Check(err, hidden))
		})
	}
	for _, none := range [][]age.Identity{nil, {nil}} {
		_, err = Unseal(sealed, none...)
		require.ErrorContains(t, err,
			"no identity to open it with: name the file that holds one, or put the key into LAYER_IDENTITY")
	}
	windows := bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	for name, in := range map[string][]byte{"binary": sealed, "armored": text, "line ends of Windows": windows,
		"space around it": []byte("\n" + string(text) + "\n\n")} {
		_, err := Unseal(in, ids)
		require.NoError(t, err, name)
	}
}

// TestUnsealEveryBit flips each bit of the header and of the ends of a ledger,
// and some in between.
func TestUnsealEveryBit(t *testing.T) {
	t.Parallel()
	if slow.Raced {
		t.Skip("nothing in it is concurrent")
	}
	ids, to := keyed(t)
	sealed, err := Seal(holding(hidden, to))
	require.NoError(t, err)
	for _, whole := range [][]byte{sealed, armored(t, sealed)} {
		want, err := Unseal(whole, ids)
		require.NoError(t, err)
		for i := range whole {
			for bit := range 8 {
				if i > 300 && i < len(whole)-100 && (i+bit)%13 != 0 {
					continue
				}
				broken := bytes.Clone(whole)
				broken[i] ^= 1 << bit
				got, err := Unseal(broken, ids)
				if err == nil {
					// White space around the armor has no meaning.
					require.True(t, got.Equal(want), "byte %d, bit %d", i, bit)
					require.Empty(t, strings.TrimSpace(string(whole[i])), "byte %d, bit %d", i, bit)
				}
			}
		}
	}
}

// nullSecret decodes without an error, and gives its reader a nil pointer.
func nullSecret(t testing.TB, recipient age.Recipient, to string) []byte {
	t.Helper()
	s := NewState(Settings{Recipients: []string{to}})
	s.state().Secrets = []*record{nil}
	plain, err := s.encode()
	require.NoError(t, err)
	return encryptText(t, string(plain), recipient)
}

// forTests opens the fuzzer's corpus: each of its processes must have the same
// key.
const forTests = "AGE-SECRET-KEY-1G452YK80UYX4GKWVLPS8NA9FTYG4P9RTRWH9X05L38U0LD54KLTSS0GE9K"

func FuzzUnseal(f *testing.F) {
	ids, err := age.ParseX25519Identity(forTests)
	require.NoError(f, err)
	s := holding(hidden, ids.Recipient().String())
	sealed, err := Seal(s)
	require.NoError(f, err)
	for _, in := range [][]byte{nil, sealed, armored(f, sealed), []byte(ageHeader + "\n-> X25519 a\n\n---"),
		[]byte("<<<<<<< a\n>>>>>>> b")} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) { fuzzed(t, func() (State, error) { return Unseal(in, ids) }) })
}

// FuzzState begins behind the encryption, because anyone with the recipients
// can encrypt to them.
func FuzzState(f *testing.F) {
	plain, err := holding(hidden, "age1").encode()
	require.NoError(f, err)
	for _, in := range []string{"", "{}", string(plain), `{"format":2}`,
		`{"format":1,"id":"` + hidden + `","secrets":[null]}`} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) { fuzzed(t, func() (State, error) { return decodeState(in) }) })
}

func fuzzed(t *testing.T, read func() (State, error)) {
	s, err := read()
	if err != nil {
		if found := redacttest.Find(err.Error(), hidden); found != "" {
			t.Fatalf("the error shows a value %s", found)
		}
		return
	}
	_ = s.String()
	_ = s.Fingerprint()
	if !s.Equal(s) {
		t.Fatal("a state that was read cannot be written")
	}
}
