package main

import (
	"context"
	"strings"

	"github.com/layeron-hq/secret/keyring"
)

// sessions has the key and the purpose of the Worker's: what that issues is accepted here.
var sessions = keyring.NewSigner(sessionKey, "session")

// check accepts a session that a version signed which has not expired.
func check(ctx context.Context, token string) (greeting string, err error) {
	user, err := sessions.Verify(ctx, token)
	if err != nil {
		return "", err
	}
	return string(user) + ", signed by " + strings.Split(token, ".")[1], nil // s1.v2.…
}
