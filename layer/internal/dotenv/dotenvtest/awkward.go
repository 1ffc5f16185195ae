// Package dotenvtest makes values for tests of formats of variables.
package dotenvtest

import (
	"math/rand/v2"
	"strings"
)

// Awkward returns n values that are made of the pieces that dialects read
// differently, and always the same ones.
func Awkward(n int) []string {
	pieces := []string{"\n", "\r", "\r\n", `"`, "'", "`", `\`, "$", "#", " ", "\t", "=", ":", `\n`, `\r`, `\"`, `\'`, `\$`,
		"${EMPTY}", "$HOME", "${X}", "$(id)", "$$", "!", "{", "}", "export ", " #", "# ", "a", "Z", "0", "key=value", "é",
		"\u00a0", "\u2028", "\ufeff", "\u0085", "\v", "\x01", "😀", ";", "&", "|", "<", ">", "%s", "-----BEGIN KEY-----\n"}
	r := rand.New(rand.NewPCG(17, 4))
	list := []string{"a", " ", `\`, `"`, "'", "$", "#", "\n", "\r"}
	for len(list) < n {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		list = append(list, b.String())
	}
	return list
}
