package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/secrettest"
)

// TestOneSpelling: no character of a session can be another one, also not the last, which holds two bits that decode to nothing.
func TestOneSpelling(t *testing.T) {
	key := strings.Repeat("k", 32)
	secrettest.Set(t, sessionKey, "current=v1;v1="+base64.RawURLEncoding.EncodeToString([]byte(key)))
	now := time.Now()
	for user := range 20 { // signatures that end in different ways
		body := "v1." + base64.RawURLEncoding.EncodeToString([]byte{byte(user)}) + "." + strconv.FormatInt(now.Add(time.Hour).Unix(), 10)
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(body))
		token := body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		_, err := check(context.Background(), token, now)
		require.NoError(t, err)
		for i := range token {
			for bit := range 7 {
				bent := []byte(token)
				bent[i] ^= 1 << bit
				_, err := check(context.Background(), string(bent), now)
				require.Error(t, err, "character %d of %d bent", i, len(token))
			}
		}
	}
}
