package program

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"unicode"
)

// This file removes values from the lines that a program writes for people. A
// program may print a value whole, in another encoding, or over several lines.

const (
	masked = "•••"
	piece  = 8 // bytes of a value that are masked wherever they occur
)

// mask removes values from texts. The zero mask removes nothing.
type mask struct {
	pieces map[string]bool // of piece bytes
	short  []string        // values with fewer bytes
}

// maskOf returns a mask of these values, also in their usual encodings.
func maskOf(values []string) mask {
	m := mask{pieces: map[string]bool{}}
	for _, v := range values {
		// A piece of the JSON, base64 and hex forms covers most of these forms.
		quoted, _ := json.Marshal(v)
		for _, form := range []string{v, string(quoted[1 : len(quoted)-1]), url.QueryEscape(v),
			base64.StdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v)),
			hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v)))} {
			if 0 < len(form) && len(form) < piece {
				m.short = append(m.short, form)
			}
			for i := 0; i+piece <= len(form); i++ {
				m.pieces[form[i:i+piece]] = true
			}
		}
	}
	return m
}

// line returns a line without the values, and without control characters.
func (m mask) line(text string) string {
	hide := make([]bool, len(text))
	cover := func(from, n int) {
		for i := from; i < from+n; i++ {
			hide[i] = true
		}
	}
	for i := range len(text) {
		if i+piece <= len(text) && m.pieces[text[i:i+piece]] {
			cover(i, piece)
		}
		for _, s := range m.short {
			if strings.HasPrefix(text[i:], s) {
				cover(i, len(s))
			}
		}
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		if !hide[i] {
			b.WriteByte(text[i])
			i++
			continue
		}
		b.WriteString(masked)
		for i < len(text) && hide[i] {
			i++
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, strings.ToValidUTF8(b.String(), "?"))
}
