package dotenv

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// simple matches a value that every program reads in the same way without
// quotes.
var simple = lazyregexp.New(`^[A-Za-z0-9_./:@%+,=-]+$`)

// Reasons why a value cannot be written.
var (
	errZero    = errors.New("the value contains a zero byte, which a variable cannot")
	errNoText  = errors.New("the value is not UTF-8 text")
	errNoEmpty = errors.New("the value needs a reference to a variable that is not defined, " + Empty + ", and another " +
		"secret has that name")
)

// Quote returns the line that defines a variable, without the newline at its
// end. names are the names of all variables of the file. The line has the form
// that most programs read in the same way. Some values only fit a form that
// godotenv and [Parse] read: NPM finds these.
func Quote(name, value string, names []string) (string, error) {
	switch {
	case strings.Contains(value, "\x00"):
		return "", errZero
	case !utf8.ValidString(value):
		return "", errNoText
	}
	literal := !strings.ContainsAny(value, "'\r") && !strings.HasSuffix(value, `\`)
	oneLine := literal && !strings.Contains(value, "\n")
	// Without an escape that npm's dotenv does not know.
	plain := !strings.ContainsAny(value, "\"\\$`")
	switch {
	case simple().MatchString(value):
		return name + "=" + value, nil
	case oneLine, literal && !plain:
		return name + "='" + value + "'", nil
	case plain: // a key in the form of PEM, say
		return name + "=" + double(value) + `"`, nil
	case isBare(value):
		return name + "=" + value, nil
	case strings.HasSuffix(value, `\`):
		// godotenv takes \" for no end, although the backslash is escaped. It accepts a
		// second quote, and drops both.
		return name + "=" + double(value) + `""`, nil
	case !strings.HasSuffix(value, `"`):
		return name + "=" + double(value) + `"`, nil
	case slices.Contains(names, Empty):
		return "", errNoEmpty
	}
	return name + "=" + double(value) + emptyReference + `"`, nil
}

// isBare reports whether all programs read a value without quotes in the same
// way.
func isBare(value string) bool {
	return !strings.ContainsAny(value, "\n\r#$\u2028\u2029") && strings.TrimFunc(value, isAnySpace) == value &&
		strings.IndexAny(value, "\"'`") != 0
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`)

// double returns a value in double quotes, without the closing one.
func double(value string) string { return `"` + escaper.Replace(value) }
