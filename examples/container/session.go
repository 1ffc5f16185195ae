package main

import (
	"context"
	"strings"

	"github.com/layeron-hq/secret/keyring"
)

// sessions has the key and the purpose of the Worker, so it accepts the
// Worker's sessions.
var sessions = keyring.NewSigner(sessionKey, "session")

// check accepts a session that was signed by a version that has not expired.
func check(ctx context.Context, token string) (greeting string, err error) {
	user, err := sessions.Verify(ctx, token)
	if err != nil {
		return "", err
	}
	return string(user) + ", signed by " + strings.Split(token, ".")[1], nil // s1.v2.…
}
