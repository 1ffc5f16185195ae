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
// program may print a value whole, in another encoding, or in parts: over
// several lines, or with spaces between its bytes, as od does. So a value is
// searched without white space, and without regard to case.

const (
	masked = "•••"
	piece  = 8 // bytes of a value that are masked wherever they occur
)

// mask removes values from texts. The zero mask removes nothing.
type mask struct {
	pieces map[[piece]byte]bool
	short  []string // values with fewer bytes
}

// maskOf returns a mask of these values, also in their usual encodings.
func maskOf(values []string) mask {
	m := mask{pieces: map[[piece]byte]bool{}}
	for _, v := range values {
		// A piece of the JSON, base64 and hex forms covers most of these forms.
		quoted, _ := json.Marshal(v)
		forms := append(base64Of(v), v, string(quoted[1:len(quoted)-1]), url.QueryEscape(v),
			hex.EncodeToString([]byte(v)))
		for _, form := range forms {
			folded, _ := fold(form)
			if 0 < len(folded) && len(folded) < piece {
				m.short = append(m.short, string(folded))
			}
			for i := 0; i+piece <= len(folded); i++ {
				m.pieces[[piece]byte(folded[i:])] = true
			}
		}
	}
	return m
}

// base64Of returns a value in base64, and as a part of a longer text, such as
// USER:VALUE in the header Authorization.
func base64Of(v string) (forms []string) {
	for before := range 3 {
		text := append(make([]byte, before), v...)
		from := []int{0, 2, 3}[before] // these characters depend on the text before
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			form := e.EncodeToString(text)
			if before > 0 && len(text)%3 != 0 {
				form = form[:len(form)-1] // the last one depends on the text after
			}
			if before == 0 || len(form) >= from+piece {
				forms = append(forms, form[from:])
			}
		}
	}
	return forms
}

// fold returns the text in lower case and without white space, and the place of
// each byte in the text.
func fold(text string) (folded []byte, places []int) {
	folded, places = make([]byte, 0, len(text)), make([]int, 0, len(text))
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if !isSpace(c) {
			folded, places = append(folded, c), append(places, i)
		}
	}
	return folded, places
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// text returns a text without the values, and without control characters except
// line ends.
func (m mask) text(text string) string {
	hide := m.hide(text)
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
		case r == '\n' || unicode.IsPrint(r):
			return r
		}
		return -1
	}, strings.ToValidUTF8(b.String(), "?"))
}

// hide reports for each byte of a text whether it is a part of a value, or white
// space inside one. A line end never is.
func (m mask) hide(text string) []bool {
	folded, places := fold(text)
	found := make([]bool, len(folded))
	cover := func(from, n int) {
		for i := from; i < from+n; i++ {
			found[i] = true
		}
	}
	for i := range folded {
		if i+piece <= len(folded) && m.pieces[[piece]byte(folded[i:])] {
			cover(i, piece)
		}
		for _, s := range m.short {
			if strings.HasPrefix(string(folded[i:min(i+piece, len(folded))]), s) {
				cover(i, len(s))
			}
		}
	}
	hide := make([]bool, len(text))
	for i, ok := range found {
		if !ok {
			continue
		}
		hide[places[i]] = true
		for j := places[i] - 1; i > 0 && found[i-1] && j > places[i-1]; j-- {
			hide[j] = text[j] != '\n'
		}
	}
	return hide
}
