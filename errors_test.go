package secret_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestErrorMessage(t *testing.T) {
	addr := secret.Address{Namespace: "auth", Name: "session-key"}
	reason := errors.New("reason")
	for _, tc := range []struct {
		name string
		e    secret.Error
		want string
	}{
		{"the least", secret.Error{Op: "parse", Err: reason}, "secret: parse: reason"},
		{"address", secret.Error{Op: "load", Address: addr, Err: reason}, "secret: load $SECRET.auth.session-key: reason"},
		{"where", secret.Error{Op: "load", Address: addr, Where: "file /run/x", Err: reason},
			"secret: load $SECRET.auth.session-key from file /run/x: reason"},
		{"version", secret.Error{Op: "version", Version: "v2", Err: reason}, "secret: version, version v2: reason"},
		{"member", secret.Error{Op: "parse", Version: "v2", Member: "expiresAt", Err: reason},
			"secret: parse, version v2, expiresAt: reason"},
		{"all but the place", secret.Error{Op: "load", Address: addr, Where: "file /run/x", Version: "v2", Member: "value",
			Err: reason},
			"secret: load $SECRET.auth.session-key from file /run/x, version v2, value: reason"},
		{"no reason", secret.Error{Op: "parse"}, "secret: parse: "},
		{"an id in quotes", secret.Error{Op: "version", Version: "a b\n\x1b[0mé", Err: reason},
			`secret: version, version "a b\n\x1b[0m\u00e9": reason`},
		{"harmless id", secret.Error{Op: "version", Version: "2026-05_rc.1", Err: reason},
			"secret: version, version 2026-05_rc.1: reason"},
		{"id of 64", secret.Error{Op: "version", Version: strings.Repeat("v", 64), Err: reason},
			"secret: version, version " + strings.Repeat("v", 64) + ": reason"},
		{"id of 65", secret.Error{Op: "version", Version: strings.Repeat("v", 65), Err: reason},
			"secret: version, version " + strings.Repeat("v", 64) + "…: reason"},
		{"id cut inside a character", secret.Error{Op: "version", Version: strings.Repeat("v", 63) + "é", Err: reason},
			`secret: version, version "` + strings.Repeat("v", 63) + `\xc3"…: reason`},
	} {
		t.Run(tc.name, func(t *testing.T) { require.EqualError(t, &tc.e, tc.want) })
	}
}

// offsetOf returns the offset of the fault, or -1 where it is unknown.
func offsetOf(e *secret.Error) int {
	if offset, known := e.Offset(); known {
		return offset
	}
	return -1
}

func TestZeroErrorHasNoOffset(t *testing.T) {
	offset, known := new(secret.Error).Offset()
	require.False(t, known)
	require.Zero(t, offset)
}

func TestErrorUnwraps(t *testing.T) {
	cause := fmt.Errorf("why: %w", secret.ErrNotFound)
	err := error(&secret.Error{Op: "load", Err: cause})
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.Equal(t, cause, errors.Unwrap(err))
	wrapped := fmt.Errorf("start: %w", err)
	var e *secret.Error
	require.ErrorAs(t, wrapped, &e)
	require.Same(t, err, error(e))
}

// An error of one kind must not match another sentinel.
func TestSentinelsAreApart(t *testing.T) {
	sentinels := map[string]error{
		"not found": secret.ErrNotFound, "version not found": secret.ErrVersionNotFound,
		"no version active": secret.ErrNotActive,
		"empty":             secret.ErrEmpty, "malformed": secret.ErrMalformed, "too large": secret.ErrTooLarge,
		"wrong encoding": secret.ErrEncoding,
		"invalid":        secret.ErrInvalid,
	}
	for a, x := range sentinels {
		require.EqualError(t, x, a)
		for b, y := range sentinels {
			require.Equal(t, a == b, errors.Is(x, y), "%s and %s", a, b)
		}
	}
}

// Op is part of what a program can rely on.
func TestErrorOps(t *testing.T) {
	doc, err := secret.Parse("v1=a;v1_active=2026-05-01T00:00:00Z;v1_expires=2026-06-01T00:00:00Z")
	require.NoError(t, err)
	before, after := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	fail := func(_ any, err error) error { return err }
	for _, tc := range []struct {
		err     error
		op      string
		version string
		wraps   error
	}{
		{fail(secret.Parse("")), "parse", "", secret.ErrEmpty},
		{fail(secret.Parse("current=v1;v1=")), "parse", "v1", secret.ErrMalformed},
		{fail(doc.Version("v2")), "version", "v2", secret.ErrVersionNotFound},
		{fail(doc.At(before)), "at", "", secret.ErrNotActive},
		{fail(doc.ActiveVersion("v2", before)), "active version", "v2", secret.ErrVersionNotFound},
		{fail(doc.ActiveVersion("v1", after)), "active version", "v1", secret.ErrNotActive},
		{fail(nil, versionOf("x").JSON(new(any))), "json", "v7", secret.ErrEncoding},
		{fail(keyOf(32, secret.EncodingAuto, "x")), "bytes", "v1", secret.ErrEncoding},
		{fail(doc.Encode(secret.FormatPlain)), "encode", "v1", secret.ErrEncoding},
		{fail(secret.NewDocument("")), "new document", "", secret.ErrInvalid},
		{fail(secret.ParseAddress("x")), "parse address", "", secret.ErrInvalid},
		{secret.Static(secret.Options{}).Err(), "declare", "", secret.ErrInvalid},
		{fail(sessionKey(secret.NewMemory(nil)).Current().Text()), "load", "", secret.ErrNotFound},
	} {
		var e *secret.Error
		require.ErrorAs(t, tc.err, &e, tc.op)
		require.Equal(t, tc.op, e.Op)
		require.Equal(t, tc.version, e.Version, tc.op)
		require.ErrorIs(t, tc.err, tc.wraps, tc.op)
		require.True(t, strings.HasPrefix(tc.err.Error(), "secret: "+tc.op), tc.op)
	}
}
