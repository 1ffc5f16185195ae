package postgres

import "strings"

// quoteName returns a quoted identifier.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteText returns a string literal that has the same meaning under every
// standard_conforming_strings.
func quoteText(text string) string {
	return ` E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + `'`
}
