package keyring_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// vectors is testdata/keyring.json: docs/keyring.md describes the members.
type vectors struct {
	Versions []struct {
		ID        string   `json:"id"`
		Key       hexBytes `json:"key"`
		ExpiresAt int64    `json:"expiresAt"`
		Current   bool     `json:"current"`
	} `json:"versions"`
	Tokens []struct {
		Name    string   `json:"name"`
		Comment string   `json:"comment"`
		Purpose string   `json:"purpose"`
		Now     int64    `json:"now"`
		Token   string   `json:"token"`
		ID      string   `json:"id"`
		Expires uint64   `json:"expires"`
		Payload hexBytes `json:"payload"`
		Error   string   `json:"error"`
	} `json:"tokens"`
	Sealed []struct {
		Name      string   `json:"name"`
		Comment   string   `json:"comment"`
		Purpose   string   `json:"purpose"`
		Context   hexBytes `json:"context"`
		Sealed    hexBytes `json:"sealed"`
		ID        string   `json:"id"`
		Salt      hexBytes `json:"salt"`
		Plaintext hexBytes `json:"plaintext"`
		Error     string   `json:"error"`
	} `json:"sealed"`
	SealedTexts []struct {
		Name    string `json:"name"`
		Comment string `json:"comment"`
		Text    string `json:"text"`
		Good    bool   `json:"good"`
	} `json:"sealedTexts"`
	HMAC []struct {
		Name    string   `json:"name"`
		Comment string   `json:"comment"`
		Message hexBytes `json:"message"`
		MAC     hexBytes `json:"mac"`
		Error   string   `json:"error"`
	} `json:"hmac"`
}

type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode([]byte{}, text)
	return err
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	file, err := os.ReadFile("../testdata/keyring.json")
	require.NoError(t, err)
	require.False(t, bytes.ContainsFunc(file, func(r rune) bool { return r > '~' }), "the file is ASCII")
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&v))
	return v
}

func (v vectors) key(id string) []byte {
	for _, x := range v.Versions {
		if x.ID == id {
			return x.Key
		}
	}
	return nil
}

// secret returns the vectors' secret, declared with the length that the key of
// that version has.
func (v vectors) secret(t *testing.T, id string) *secret.Secret {
	t.Helper()
	var all []secret.Version
	current := ""
	for _, x := range v.Versions {
		expires := time.Time{}
		if x.ExpiresAt != 0 {
			expires = time.Unix(x.ExpiresAt, 0)
		}
		if x.Current {
			current = x.ID
		}
		all = append(all, secret.NewVersion(x.ID, hex.EncodeToString(x.Key), time.Time{}, expires))
	}
	doc, err := secret.NewDocument(current, all...)
	require.NoError(t, err)
	text, err := doc.Encode(secret.FormatJSON)
	require.NoError(t, err)
	size := len(v.key(id))
	if size == 0 {
		size = 32
	}
	return secret.Random(secret.Options{Name: "k", Bytes: size}).With(memory("k", text))
}

// errorName returns the name of an error in the vectors.
func errorName(err error) string {
	for _, c := range []struct {
		name   string
		reason error
	}{{"expired", keyring.ErrExpired}, {"not-active", secret.ErrNotActive},
		{"version-not-found", secret.ErrVersionNotFound},
		{"invalid", keyring.ErrInvalidToken}, {"open", keyring.ErrOpen}} {
		if errors.Is(err, c.reason) {
			return c.name
		}
	}
	return ""
}

func TestTokenVectors(t *testing.T) {
	v := readVectors(t)
	names := map[string]bool{}
	for _, x := range v.Tokens {
		t.Run(x.Name, func(t *testing.T) {
			require.False(t, names[x.Name])
			names[x.Name] = true
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(x.Now, 0)))
				tokens := keyring.NewSigner(v.secret(t, x.ID), x.Purpose)
				payload, err := tokens.Verify(ctx, x.Token)
				if x.Error != "" {
					require.ErrorIs(t, err, keyring.ErrInvalidToken)
					require.Equal(t, x.Error, errorName(err))
					return
				}
				require.NoError(t, err)
				require.Equal(t, []byte(x.Payload), payload)
				require.Equal(t, x.Token, tokenOf(v.key(x.ID), x.Purpose, x.ID, x.Expires, string(x.Payload)))
				if x.ID == "v2" { // the current one
					expires := time.Time{}
					if x.Expires != 0 {
						expires = time.Unix(int64(x.Expires), 0)
					}
					again, err := tokens.Sign(x.Payload, expires)
					require.NoError(t, err)
					require.Equal(t, x.Token, again)
				}
			})
		})
	}
	require.Greater(t, len(names), 35)
}

func TestSealedVectors(t *testing.T) {
	v := readVectors(t)
	names := map[string]bool{}
	for _, x := range v.Sealed {
		t.Run(x.Name, func(t *testing.T) {
			require.False(t, names[x.Name])
			names[x.Name] = true
			records := keyring.NewSealer(v.secret(t, x.ID), x.Purpose)
			plain, err := records.Open(ctx, x.Sealed, x.Context)
			if x.Error != "" {
				require.ErrorIs(t, err, keyring.ErrOpen)
				require.Equal(t, x.Error, errorName(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, []byte(x.Plaintext), plain)
			require.Equal(t, []byte(x.Sealed), sealedOf(t, v.key(x.ID), x.Purpose, x.ID, x.Salt, x.Context, x.Plaintext))
		})
	}
	require.Greater(t, len(names), 25)
	good := v.Sealed[0]
	records := keyring.NewSealer(v.secret(t, good.ID), good.Purpose)
	for _, x := range v.SealedTexts {
		plain, err := records.OpenText(ctx, x.Text, good.Context)
		require.Equal(t, x.Good, err == nil, x.Name)
		if x.Good {
			require.Equal(t, encode(good.Sealed), x.Text)
			require.Equal(t, []byte(good.Plaintext), plain)
		} else {
			require.ErrorIs(t, err, keyring.ErrOpen, x.Name)
		}
	}
}

func TestHMACVectors(t *testing.T) {
	v := readVectors(t)
	for _, x := range v.HMAC {
		err := keyring.VerifyHMAC(v.secret(t, "v2"), x.Message, x.MAC)
		require.Equal(t, x.Error, errorName(err), x.Name)
		require.Equal(t, x.Error == "", err == nil, x.Name)
	}
}
