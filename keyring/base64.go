package keyring

import (
	"encoding/base64"
	"encoding/binary"
	"runtime"
	"strings"
)

// base64url is unpadded, and refuses bits that belong to no byte.
var base64url = base64.RawURLEncoding.Strict()

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Package base64 needs almost as long for a body as the CPU needs for its HMAC.
// These tables encode twelve bits at once, and decode a character to the place
// that it has in three little-endian bytes, in less than half of that time.
var (
	pairs  [1 << 12][2]byte
	places [4][256]uint32 // undecodable outside the alphabet
)

const undecodable = 1 << 31

// fast is false where the loops below add 4 KB to a Worker, and win little.
const fast = runtime.GOARCH != "wasm"

func init() {
	if !fast {
		return
	}
	for i := range pairs {
		pairs[i] = [2]byte{alphabet[i>>6], alphabet[i&63]}
	}
	for place := range places {
		for i := range places[place] {
			places[place][i] = undecodable
		}
		for value, c := range []byte(alphabet) {
			x := uint32(value) << (18 - 6*place)
			places[place][c] = x>>16 | x&0xff00 | x&0xff<<16
		}
	}
}

// encode is base64url.Encode. Its time depends on src, which must not be a key.
func encode(dst, src []byte) {
	for fast && len(src) >= 24 && len(dst) >= 32 {
		d, s := (*[32]byte)(dst), (*[24]byte)(src)
		encode6((*[8]byte)(d[0:]), binary.BigEndian.Uint64(s[0:]))
		encode6((*[8]byte)(d[8:]), binary.BigEndian.Uint64(s[6:]))
		encode6((*[8]byte)(d[16:]), binary.BigEndian.Uint64(s[12:]))
		encode6((*[8]byte)(d[24:]), binary.BigEndian.Uint64(s[16:])<<16)
		dst, src = dst[32:], src[24:]
	}
	base64url.Encode(dst, src)
}

// encode6 encodes the six higher bytes of x.
func encode6(d *[8]byte, x uint64) {
	*(*[2]byte)(d[0:]) = pairs[x>>52]
	*(*[2]byte)(d[2:]) = pairs[x>>40&0xfff]
	*(*[2]byte)(d[4:]) = pairs[x>>28&0xfff]
	*(*[2]byte)(d[6:]) = pairs[x>>16&0xfff]
}

// decode decodes unpadded base64url into dst. It refuses line breaks, which
// package base64 skips: they would be another spelling.
func decode(dst []byte, text string) ([]byte, bool) {
	done, ok := decodeBlocks(dst, []byte(text)) // not a copy
	text = text[done/3*4:]
	if !ok || strings.IndexByte(text, '\n') >= 0 || strings.IndexByte(text, '\r') >= 0 {
		return nil, false
	}
	n, err := base64url.Decode(dst[done:], []byte(text))
	return dst[:done+n], err == nil
}

// decodeBlocks decodes as many blocks of 16 characters as it can, and returns the
// number of bytes that it wrote.
func decodeBlocks(dst, src []byte) (done int, ok bool) {
	rest, all := dst, uint32(0)
	for fast && len(rest) >= 13 && len(src) >= 16 {
		d, s := (*[13]byte)(rest), (*[16]byte)(src)
		w := places[0][s[0]] | places[1][s[1]] | places[2][s[2]] | places[3][s[3]]
		x := places[0][s[4]] | places[1][s[5]] | places[2][s[6]] | places[3][s[7]]
		y := places[0][s[8]] | places[1][s[9]] | places[2][s[10]] | places[3][s[11]]
		z := places[0][s[12]] | places[1][s[13]] | places[2][s[14]] | places[3][s[15]]
		binary.LittleEndian.PutUint32(d[0:], w)
		binary.LittleEndian.PutUint32(d[3:], x)
		binary.LittleEndian.PutUint32(d[6:], y)
		binary.LittleEndian.PutUint32(d[9:], z)
		all |= w | x | y | z
		rest, src = rest[12:], src[16:]
	}
	return len(dst) - len(rest), all < undecodable
}
