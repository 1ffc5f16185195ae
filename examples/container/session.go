package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

var errLogin = errors.New("log in first")

// check accepts a session (version, user, end, signature) that a version signed which has not expired.
func check(ctx context.Context, token string, now time.Time) (greeting string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 4 {
		return "", errLogin
	}
	key, err := sessionKey.ActiveVersion(parts[0]).Get(ctx)
	if errors.Is(err, secret.ErrVersionNotFound) || errors.Is(err, secret.ErrNotActive) {
		return "", errLogin
	}
	if err != nil {
		return "", err
	}
	b, err := key.Bytes()
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, b)
	mac.Write([]byte(strings.Join(parts[:3], ".")))
	want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	// Nothing of the token is believed before its signature is. The characters are compared: base64 has more than one way to
	// write the same bytes.
	if !hmac.Equal([]byte(parts[3]), []byte(want)) {
		return "", errLogin
	}
	user, err := base64.RawURLEncoding.DecodeString(parts[1])
	until, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || err2 != nil || now.Unix() >= until {
		return "", errLogin
	}
	return string(user) + ", signed by " + key.ID, nil
}
