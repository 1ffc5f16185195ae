package main

import (
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// sessionKey signs the cookies. Kept for a day beyond the overlap of its
// rotation, a replaced key outlives every cookie.
var sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32,
	Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainFor, Days: 1}}})

// cookies signs the name of the user who has logged in.
var cookies = keyring.NewSigner(sessionKey, "session cookie")

const cookieLife = 12 * time.Hour

// signedBy returns the version that a token names: s1.v2.….
func signedBy(token string) string { return strings.Split(token, ".")[1] }
