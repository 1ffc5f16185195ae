package keyring

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strings"
	"unsafe"
)

const (
	tokenPrefix = "s1."
	expiryLen   = 8
	maxPayload  = 64 << 10
	lastSecond  = 253402300799 // 9999-12-31T23:59:59Z
)

var (
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

// newToken returns the token of a payload. The token is the only memory that it
// allocates.
func (k *key) newToken(id string, expires int64, payload []byte) string {
	m := k.mac()
	defer k.giveBack(m)
	size := len(tokenPrefix) + len(id) + 1 + base64url.EncodedLen(expiryLen+len(payload))
	token := append(append(append(make([]byte, 0, size+1+tagLen), tokenPrefix...), id...), '.')

	// nine bytes, so that the rest of the payload is encoded by itself
	start := binary.BigEndian.AppendUint64(make([]byte, 0, expiryLen+1), uint64(expires))
	start = append(start, payload[:min(1, len(payload))]...)
	token = base64url.AppendEncode(token, start)
	encode(token[len(token):size], payload[len(start)-expiryLen:])
	token = token[:size]

	m.hash.Reset()
	m.hash.Write(token)
	token = append(append(token, '.'), m.tag()...)
	return unsafe.String(unsafe.SliceData(token), len(token)) // not a copy; strings.Builder adds 1 KB to a Worker
}

// signed reports whether k signed the token. It compares the tag's characters,
// not the decoded bytes: each tag has one spelling.
func (k *key) signed(t token) bool {
	m := k.mac()
	defer k.giveBack(m)
	m.hash.Reset()
	for text := t.signed; text != ""; {
		n := copy(m.scratch[:], text)
		m.hash.Write(m.scratch[:n])
		text = text[n:]
	}
	return subtle.ConstantTimeCompare(m.tag(), []byte(t.tag)) == 1
}
