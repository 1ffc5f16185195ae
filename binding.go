package secret

import (
	"context"
	"strings"

	"github.com/layeron-hq/secret/internal/binding"
)

const bindingPrefix = "LAYERON_SECRET_"

// Binding returns the name under which a runtime provides the value: an
// environment variable, a binding of a Worker, a file in a mounted directory.
// For $SECRET.auth.session-key it is LAYERON_SECRET_AUTH_SESSION_KEY.
//
// Two addresses can have the same binding (auth/session-key and
// auth-session/key do). An App refuses to hold both. Options.Binding replaces
// the name for one secret: a store uses [BindingOf].
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

// BindingOf returns the name under which a [Store] looks for addr:
// Options.Binding of the secret that is read, else [Address.Binding]. ctx is
// the context that Get, GetAll or Watch was called with. A store calls it; it may
// be called concurrently.
func BindingOf(ctx context.Context, addr Address) string {
	if names, ok := ctx.Value(binding.Key).(*binding.Names); ok {
		if name := names.Of[addr.String()]; name != "" {
			return name
		}
	}
	return addr.Binding()
}

// bound returns ctx with the declared binding name, if there is one.
func (d *declaration) bound(ctx context.Context) context.Context {
	if d.Binding == "" {
		return ctx
	}
	return &binding.Names{In: ctx, Of: map[string]string{d.addr.String(): d.Binding}}
}

const bindingRule = `1 to 128 letters, digits, _, - and "."; not - or . or "layer." first, nor ".note" last`

// validBinding reports whether a declared binding name follows bindingRule.
func validBinding(name string) bool {
	return binding.Only(name, "-.") && 0 < len(name) && len(name) <= 128 && name[0] != '-' && name[0] != '.' &&
		!strings.HasPrefix(name, "layer.") && !strings.HasSuffix(name, ".note")
}

// lowerCase returns name in lower case. Two names that differ only in case are
// one file on some systems. Names have no other letters than ASCII's.
func lowerCase(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// isBinding reports whether s is the derived binding name of an address.
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
