package main

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// Operators paste values, and addresses with a password, where a name belongs.
// So a refused argument is not repeated, and a name is repeated only if it has
// the form of one.

var (
	// credentialName matches a part of the name of a parameter that contains a
	// credential.
	credentialName = lazyregexp.New(`(?i)pass(?:word|wd|phrase|code)|pwd|secret|token|credential|bearer|jwt|signature|(?:api|access|private|client|server)[-_.]?key`)
	// driveForm matches a ledger's name that begins with a drive letter.
	driveForm = lazyregexp.New(`^[A-Za-z]:[^:]*\.age$`)
	// keyForm matches a part of a private key.
	keyForm = lazyregexp.New(`(?i)AGE-(?:SECRET-KEY|PLUGIN)-|-----BEGIN `)
	escaped = lazyregexp.New(`%[0-9A-Fa-f]{2}`)
	// extensions are the extensions of files that layer works with. No key ends
	// with one.
	extensions = []string{".age", ".json", ".identity", ".pem", ".crt", ".key", ".txt", ".svg"}
)

// resemblesAddress reports whether a text may be an address, or the parameters
// of one, and not the name of a file. A path that begins with a slash or a dot
// is a name.
func resemblesAddress(text string) bool {
	if strings.HasPrefix(text, "//") || strings.HasPrefix(text, `\\`) {
		return true
	}
	if isPath(text) {
		return false
	}
	for range 3 { // as given, decoded once and decoded twice
		if strings.ContainsAny(text, "@=") || strings.Contains(text, ":") && !driveForm().MatchString(text) {
			return true
		}
		text = escaped().ReplaceAllStringFunc(text, func(code string) string {
			decoded, _ := url.PathUnescape(code)
			return decoded
		})
	}
	return false
}

// isPath reports whether a text has the form of a file's path.
func isPath(text string) bool {
	return strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") || filepath.IsAbs(text)
}

// resemblesKey reports whether a text contains a private key.
func resemblesKey(text string) bool { return keyForm().MatchString(text) }

// fileName returns the words for a file in a message: its name, if there is
// such a file or if the name cannot be a value; else instead.
func (p process) fileName(name, instead string) string {
	folder := filepath.Dir(name)
	switch {
	case p.exists(name):
		return name
	case resemblesAddress(name), resemblesKey(name), len(name) > 200, strings.ContainsFunc(name, unicode.IsControl):
		return instead
	case strings.HasPrefix(name, "./"), strings.HasPrefix(name, "../"), slices.Contains(extensions, filepath.Ext(name)):
		return name
	case folder != "." && folder != string(filepath.Separator) && p.exists(folder):
		return name
	}
	return instead
}

func (p process) exists(name string) bool {
	_, err := os.Lstat(p.path(name))
	return err == nil
}

// holdsCredential reports whether a parameter of a database's address contains
// a credential, by its name or by its value.
func holdsCredential(name, value string) bool {
	if isCredential(name) || userinfo().MatchString(value) {
		return true
	}
	// The start of an address that slipped into a part of one.
	if slices.Contains([]string{"user", "host", "hostaddr", "dbname"}, name) && userinfo().MatchString("//"+value) {
		return true
	}
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool {
		return r == ' ' || r == '&' || r == ';' ||
			r == ','
	}) {
		if name, _, ok := strings.Cut(part, "="); ok && isCredential(name) {
			return true
		}
	}
	return false
}

// userinfo matches a user with a password in an address.
var userinfo = lazyregexp.New(`//[^/?#@\s]*:[^/?#@\s]*@`)

func isCredential(name string) bool {
	// A setting of Postgres.
	return credentialName().MatchString(name) && name != "password_encryption"
}
