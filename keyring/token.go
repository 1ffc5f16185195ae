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

	// pieceLen is a number of triples that leaves room for the start of a token in
	// mac.scratch
	pieceLen = 696
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

// newToken returns the token of a payload. It encodes and signs piece by piece,
// so that the token is the only memory as long as the payload.
func (k *key) newToken(id string, expires int64, payload []byte) string {
	m := k.mac()
	defer k.giveBack(m)
	m.hash.Reset()
	token := make([]byte, 0, len(tokenPrefix)+len(id)+1+base64url.EncodedLen(expiryLen+len(payload))+1+tagLen)

	// nine bytes, so that the rest of the payload is encoded by itself
	start := binary.BigEndian.AppendUint64(make([]byte, 0, expiryLen+1), uint64(expires))
	start = append(start, payload[:min(1, len(payload))]...)
	payload = payload[len(start)-expiryLen:]
	text := append(append(append(m.scratch[:0], tokenPrefix...), id...), '.')
	text = base64url.AppendEncode(text, start)
	for {
		piece := payload[:min(pieceLen, len(payload))]
		end := len(text) + base64url.EncodedLen(len(piece))
		encode(m.scratch[len(text):end], piece)
		m.hash.Write(m.scratch[:end])
		token = append(token, m.scratch[:end]...)
		if payload = payload[len(piece):]; len(payload) == 0 {
			break
		}
		text = m.scratch[:0]
	}
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
