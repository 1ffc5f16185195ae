package secret

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// keyRule is the rule for decoding a text to bytes. Zero bytes: the value is
// not a key, and its bytes are those of the text.
type keyRule struct {
	bytes    int
	encoding Encoding
}

func (k keyRule) decode(text string) ([]byte, error) {
	switch {
	case text == "":
		return nil, because(ErrEncoding, "there is no value")
	case k.bytes == 0:
		return []byte(text), nil
	case k.encoding == EncodingRaw:
		if len(text) != k.bytes {
			return nil, because(ErrEncoding, "the text is "+strconv.Itoa(len(text))+" bytes long, declared are "+
				strconv.Itoa(k.bytes)+" raw bytes")
		}
		return []byte(text), nil
	}
	return k.decodeDigits(dropSpace(text))
}

// decodeDigits distinguishes hex from base64 by the length alone, which is
// possible from 16 bytes on.
func (k keyRule) decodeDigits(text string) ([]byte, error) {
	n := k.bytes
	unpadded, padded := base64.RawStdEncoding.EncodedLen(n), base64.StdEncoding.EncodedLen(n)
	allHex := isHex(text)
	digits := text
	for strings.HasSuffix(digits, "=") {
		digits = digits[:len(digits)-1]
	}
	switch {
	case len(text) == 2*n && allHex:
		key := make([]byte, n)
		for i := range key {
			key[i] = byte(hexDigit(text[2*i])<<4 | hexDigit(text[2*i+1]))
		}
		return key, nil
	case len(text) == 2*n:
		return nil, because(ErrEncoding, "the text has the length of "+strconv.Itoa(n)+" bytes in hex, but other characters")
	case len(text) != unpadded && len(text) != padded:
		return nil, because(ErrEncoding, "the text has "+strconv.Itoa(len(text))+" characters without white space; "+k.want())
	case allHex:
		return nil, because(ErrEncoding, "the text is hex of "+strconv.Itoa(len(text))+" digits; "+k.want())
	case len(digits) != unpadded:
		return nil, because(ErrEncoding, "the text has the wrong padding for "+strconv.Itoa(n)+" bytes in base64")
	}
	alphabet := base64.RawStdEncoding
	if strings.IndexByte(digits, '-') >= 0 || strings.IndexByte(digits, '_') >= 0 {
		alphabet = base64.RawURLEncoding
	}
	b, err := alphabet.Strict().DecodeString(digits)
	if err != nil {
		return nil, because(ErrEncoding,
			"the text is not base64: another character, mixed alphabets, or bits set after its end")
	}
	return b, nil
}

func (k keyRule) want() string {
	unpadded, padded := base64.RawStdEncoding.EncodedLen(k.bytes), base64.StdEncoding.EncodedLen(k.bytes)
	s := strconv.Itoa(k.bytes) + " bytes are " + strconv.Itoa(2*k.bytes) + " hex digits or " + strconv.Itoa(unpadded)
	if padded != unpadded {
		s += " (padded " + strconv.Itoa(padded) + ")"
	}
	return s + " base64 characters"
}

func isHex(s string) bool {
	for i := range len(s) {
		if hexDigit(s[i]) < 0 {
			return false
		}
	}
	return true
}

// dropSpace removes ASCII white space: tools wrap lines and add a newline at
// the end.
func dropSpace(s string) string {
	i := 0
	for i < len(s) && !isSpace(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if !isSpace(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
