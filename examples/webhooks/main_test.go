package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestBothKeysAreAccepted(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out))
	require.Equal(t, `sender with the old key: 204 No Content
sender with the new key: 204 No Content
somebody else:           401 Unauthorized
`, out.String())
}

func TestSigned(t *testing.T) {
	body := []byte("body")
	key := secret.NewVersion("v1", "key", time.Time{}, time.Time{})
	right := hexSignature([]byte("key"), body)
	for name, test := range map[string]struct {
		keys      []secret.Version
		signature string
		want      bool
	}{
		"right":         {[]secret.Version{key}, right, true},
		"wrong":         {[]secret.Version{key}, hexSignature([]byte("other"), body), false},
		"empty":         {[]secret.Version{key}, "", false},
		"cut":           {[]secret.Version{key}, right[:len(right)-1], false},
		"no key":        {nil, right, false},
		"empty, no key": {nil, "", false},
	} {
		require.Equal(t, test.want, signed(test.keys, body, test.signature), name)
	}
}
