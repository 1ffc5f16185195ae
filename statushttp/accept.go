package statushttp

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// prefersHTML reports whether a request asks for HTML rather than JSON, by the
// rules of RFC 9110, section 12.5.1. JSON is the answer to everything that does
// not: to a request without Accept, to */*, and to types that are not served.
func prefersHTML(header http.Header) bool {
	accept := strings.Join(header.Values("Accept"), ",")
	html, exactly := quality(accept, "text", "html")
	json, asExactly := quality(accept, "application", "json")
	return html > json || html > 0 && html == json && exactly > asExactly
}

// element matches an element of a list, which may have a comma within quotes.
var element = regexp.MustCompile(`(?:[^,"]|"(?:[^"\\]|\\.)*"?)+`)

// weight matches the values that a q may have.
var weight = regexp.MustCompile(`^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$`)

// quality returns the q of the most specific range that matches a type, and how
// specific that range is: 3 for the type, 2 for type/*, 1 for */*. Both are zero
// if none matches. A range with an invalid q is ignored.
func quality(accept, kind, subtype string) (q float64, specific int) {
	for _, e := range element.FindAllString(accept, -1) {
		parameters := strings.Split(e, ";")
		match := 0
		switch strings.ToLower(strings.TrimSpace(parameters[0])) {
		case kind + "/" + subtype:
			match = 3
		case kind + "/*":
			match = 2
		case "*/*":
			match = 1
		}
		one, valid := 1.0, true
		for _, p := range parameters[1:] {
			if name, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "q") {
				value = strings.TrimSpace(value)
				valid = weight.MatchString(value)
				one, _ = strconv.ParseFloat(value, 64)
				break
			}
		}
		if valid && match > specific || match == specific && match > 0 && one > q && valid {
			q, specific = one, match
		}
	}
	return q, specific
}
