package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/layeron-hq/secret"
)

// declareSessionKey declares the key that signs cookies. It is renewed every 90
// days, and the replaced key is accepted for a month more, so that no user is
// logged out. In testdata that month lasts until 2099, so that the example
// always shows it.
func declareSessionKey(store secret.Store) *secret.Secret {
	return secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32, Store: store,
		Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainFor, Days: 30}}})
}

func showCookies(w io.Writer, s *secret.Secret) error {
	doc, err := s.Load(context.Background())
	if err != nil {
		return err
	}
	// Each version signed cookies in its time. Only the current one would now.
	for v := range doc.All() {
		cookie, err := sign(v, "user=ada")
		if err != nil {
			return err
		}
		if err := showCookie(w, s, "signed by "+v.ID, cookie); err != nil {
			return err
		}
	}
	return showCookie(w, s, "forged", "user=root."+base64.RawURLEncoding.EncodeToString(make([]byte, sha256.Size)))
}

func showCookie(w io.Writer, s *secret.Secret, what, cookie string) error {
	id, err := verify(s, cookie)
	switch {
	case err != nil:
		return err
	case id == "":
		fmt.Fprintf(w, "Cookie       %s: refused, no active key fits\n", what)
	default:
		fmt.Fprintf(w, "Cookie       %s: verified by %s\n", what, id)
	}
	return nil
}

// sign returns the payload, a dot and the payload's HMAC-SHA256.
func sign(v secret.Version, payload string) (string, error) {
	key, err := v.Bytes()
	if err != nil {
		return "", err
	}
	return payload + "." + mac(key, payload), nil
}

// verify returns the id of the active version that signed the cookie, or "" if
// none did.
func verify(s *secret.Secret, cookie string) (id string, err error) {
	payload, signature, _ := strings.Cut(cookie, ".")
	versions, err := s.Active()
	if err != nil {
		return "", err
	}
	for _, v := range versions {
		key, err := v.Bytes()
		if err != nil {
			return "", err
		}
		if hmac.Equal([]byte(signature), []byte(mac(key, payload))) {
			return v.ID, nil
		}
	}
	return "", nil
}

// mac returns the HMAC in base64. Signatures are compared as these characters:
// base64 has several ways to write the same bytes.
func mac(key []byte, payload string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
