package secret

import "strings"

const bindingPrefix = "LAYERON_SECRET_"

// Binding returns the name under which a runtime provides the value: an
// environment variable, a binding of a Worker, a file in a mounted directory.
// For $SECRET.auth.session-key it is LAYERON_SECRET_AUTH_SESSION_KEY.
//
// Two addresses can have the same binding (auth/session-key and
// auth-session/key do). An App refuses to hold both.
func (a Address) Binding() string {
	a = a.withDefault()
	b := make([]byte, len(bindingPrefix)+len(a.Namespace)+1+len(a.Name))
	n := copy(b, bindingPrefix)
	n += copy(b[n:], a.Namespace)
	b[n] = '_'
	copy(b[n+1:], a.Name)
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z':
			b[i] = c - 'a' + 'A'
		case c == '-':
			b[i] = '_'
		}
	}
	return string(b)
}

// isBinding reports whether s is the binding name of an address.
func isBinding(s string) bool {
	rest, ok := strings.CutPrefix(s, bindingPrefix)
	lower := strings.ToLower(rest)
	if !ok || strings.ToUpper(rest) != rest || strings.IndexByte(rest, '-') >= 0 {
		return false
	}
	for i := range len(rest) {
		if rest[i] == '_' && validName(lower[:i]) && validName(lower[i+1:]) {
			return true
		}
	}
	return false
}
