//go:build js

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

const sessionLife = 12 * time.Hour

var errLogin = errors.New("log in first")

// issue makes a session: version, user, end, signature. It names the version of the key, so whoever checks it need not try
// several.
func issue(ctx context.Context, sessions *secret.Secret, user string, now time.Time) (token string, err error) {
	key, err := sessions.Current().Get(ctx)
	if err != nil {
		return "", err
	}
	end := strconv.FormatInt(now.Add(sessionLife).Unix(), 10)
	body := key.ID + "." + base64.RawURLEncoding.EncodeToString([]byte(user)) + "." + end
	sum, err := sign(key, body)
	if err != nil {
		return "", err
	}
	return body + "." + sum, nil
}

// check accepts a session that a version signed which has not expired: the current one, the one before it during the overlap,
// and the next one, which another place may use already.
func check(ctx context.Context, sessions *secret.Secret, token string, now time.Time) (greeting string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 4 {
		return "", errLogin
	}
	id, user64, end, sum64 := parts[0], parts[1], parts[2], parts[3]
	key, err := sessions.ActiveVersion(id).Get(ctx)
	if errors.Is(err, secret.ErrVersionNotFound) || errors.Is(err, secret.ErrNotActive) {
		return "", errLogin
	}
	if err != nil {
		return "", err
	}
	want, err := sign(key, id+"."+user64+"."+end)
	if err != nil {
		return "", err
	}
	// Nothing of the token is believed before its signature is. The characters are compared: base64 has more than one way to
	// write the same bytes.
	if !hmac.Equal([]byte(sum64), []byte(want)) {
		return "", errLogin
	}
	user, err := base64.RawURLEncoding.DecodeString(user64)
	until, err2 := strconv.ParseInt(end, 10, 64)
	if err != nil || err2 != nil || now.Unix() >= until {
		return "", errLogin
	}
	return string(user) + ", signed by " + key.ID, nil
}

func sign(key secret.Version, body string) (signature string, err error) {
	b, err := key.Bytes()
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, b)
	mac.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}
