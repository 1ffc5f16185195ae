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

// sessionKey signs the cookies. Kept for a day beyond the overlap of its rotation, a replaced key outlives every cookie.
var sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32,
	Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainFor, Days: 1}}})

const cookieLife = 12 * time.Hour

var errLogin = errors.New("log in first")

// login is what a cookie says.
type login struct {
	user string
	key  string // the id of the version that signed it
}

// issue makes a cookie: version, user, end, signature. It names the version of the key, so that whoever checks it need not
// try several.
func issue(ctx context.Context, user string, now time.Time) (cookie string, err error) {
	key, err := sessionKey.Current().Get(ctx)
	if err != nil {
		return "", err
	}
	end := strconv.FormatInt(now.Add(cookieLife).Unix(), 10)
	body := key.ID + "." + base64.RawURLEncoding.EncodeToString([]byte(user)) + "." + end
	sum, err := sign(key, body)
	if err != nil {
		return "", err
	}
	return body + "." + sum, nil
}

// check accepts a cookie that a version signed which has not expired: the current one, the one before it during the overlap,
// and the next one, which another machine may use already.
func check(ctx context.Context, cookie string, now time.Time) (login, error) {
	parts := strings.Split(cookie, ".")
	if len(parts) != 4 {
		return login{}, errLogin
	}
	id, user64, end, sum64 := parts[0], parts[1], parts[2], parts[3]
	key, err := sessionKey.ActiveVersion(id).Get(ctx)
	if errors.Is(err, secret.ErrVersionNotFound) || errors.Is(err, secret.ErrNotActive) {
		return login{}, errLogin
	}
	if err != nil {
		return login{}, err
	}
	want, err := sign(key, id+"."+user64+"."+end)
	if err != nil {
		return login{}, err
	}
	// Nothing of the cookie is believed before its signature is. The characters are compared, not what they decode to: base64
	// has more than one way to write the same bytes.
	if !hmac.Equal([]byte(sum64), []byte(want)) {
		return login{}, errLogin
	}
	user, err := base64.RawURLEncoding.DecodeString(user64)
	until, err2 := strconv.ParseInt(end, 10, 64)
	if err != nil || err2 != nil || now.Unix() >= until {
		return login{}, errLogin
	}
	return login{user: string(user), key: id}, nil
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
