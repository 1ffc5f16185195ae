package dotenv

import (
	"strings"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// The white space of JavaScript's \s and String.trim, which is not that of Go.
const jsSpace = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`

// npmLine is the expression of npm's dotenv, from version 15 to 18.
var npmLine = lazyregexp.New(strings.ReplaceAll(
	`(?m)^S*(?:exportS+)?([\w.-]+)(?:S*=S*?|:S+?)`+
		"(S*'(?:\\\\'|[^'])*'|S*\"(?:\\\\\"|[^\"])*\"|S*`(?:\\\\`|[^`])*`|[^#\\r\\n]+)?S*(?:#.*)?$",
	"S", "["+jsSpace+"]"))

var npmEdges = lazyregexp.New(`^[` + jsSpace + `]+|[` + jsSpace + `]+$`)

// NPM returns the variables that npm's dotenv reads from a file. It expands no
// references; that is another package.
func NPM(text string) map[string]string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	read := map[string]string{}
	for _, found := range npmLine().FindAllStringSubmatch(text, -1) {
		value := npmEdges().ReplaceAllString(found[2], "")
		quote := byte(0)
		if value != "" {
			quote = value[0]
		}
		if len(value) > 1 && strings.IndexByte("'\"`", quote) >= 0 && value[len(value)-1] == quote {
			value = value[1 : len(value)-1]
		}
		if quote == '"' {
			value = strings.ReplaceAll(strings.ReplaceAll(value, `\n`, "\n"), `\r`, "\r")
		}
		read[found[1]] = value
	}
	return read
}
