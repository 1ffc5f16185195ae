package keyring

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

const (
	tokenPrefix = "s1."
	expiryLen   = 8
	maxPayload  = 64 << 10
	lastSecond  = 253402300799 // 9999-12-31T23:59:59Z
)

var (
	base64url  = base64.RawURLEncoding.Strict()
	tagLen     = base64url.EncodedLen(sha256.Size)
	maxBodyLen = base64url.EncodedLen(expiryLen + maxPayload)
)

// token is a parsed token. Its fields are not trusted before the tag is
// verified.
type token struct {
	id      string
	signed  string // the signed text
	tag     string
	expires int64 // Unix seconds; 0: never
	payload []byte
}

// parseToken parses a token. Each token has one spelling, and parseToken
// refuses all others.
func parseToken(text string) (t token, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(rest) > maxID+1+maxBodyLen+1+tagLen {
		return token{}, false
	}
	id, rest := cut(rest)
	body, tag := cut(rest)
	if !validID(id) || len(tag) != tagLen || len(body) > maxBodyLen {
		return token{}, false
	}
	var sum [sha256.Size]byte
	if _, ok := decode(sum[:], tag); !ok {
		return token{}, false
	}
	plain := make([]byte, base64url.DecodedLen(len(body)))
	plain, ok = decode(plain, body)
	if !ok || len(plain) < expiryLen {
		return token{}, false
	}
	expires := binary.BigEndian.Uint64(plain)
	if expires > lastSecond {
		return token{}, false
	}
	return token{id, text[:len(text)-tagLen-1], tag, int64(expires), plain[expiryLen:]}, true
}

// cut returns the text before and after the first dot. strings.Cut would add the
// search for longer separators to a Worker.
func cut(s string) (before, after string) {
	if i := strings.IndexByte(s, '.'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// decode decodes unpadded base64url into dst. It refuses line breaks, which
// package base64 skips: they would be another spelling.
func decode(dst []byte, text string) ([]byte, bool) {
	if strings.IndexByte(text, '\n') >= 0 || strings.IndexByte(text, '\r') >= 0 {
		return nil, false
	}
	n, err := base64url.Decode(dst, []byte(text))
	return dst[:n], err == nil
}

// appendUnsigned appends a token without its tag and without the dot before the
// tag.
func appendUnsigned(b []byte, id string, expires int64, payload []byte) []byte {
	b = append(append(append(b, tokenPrefix...), id...), '.')
	body := make([]byte, expiryLen, expiryLen+len(payload))
	binary.BigEndian.PutUint64(body, uint64(expires))
	return base64url.AppendEncode(b, append(body, payload...))
}
