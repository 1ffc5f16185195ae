// Package binding holds the parts of binding names that several packages of
// this module share. Package secret does not export them.
package binding

import (
	"context"
	"strings"
	"time"
)

// Names is a context with declared binding names, and the key under which it
// returns itself. context.WithValue would add 9 KB to a Worker, and an embedded
// Context would add methods.
type Names struct {
	In context.Context
	Of map[string]string // by address
}

// Key is the key of a context's Names.
var Key any = (*Names)(nil)

// Deadline implements [context.Context].
func (n *Names) Deadline() (time.Time, bool) { return n.In.Deadline() }

// Done implements [context.Context].
func (n *Names) Done() <-chan struct{} { return n.In.Done() }

// Err implements [context.Context].
func (n *Names) Err() error { return n.In.Err() }

// Value implements [context.Context].
func (n *Names) Value(key any) any {
	if _, ok := key.(*Names); ok {
		return n
	}
	return n.In.Value(key)
}

// NotAVariable is the reason for a name that [IsVariable] refuses.
const NotAVariable = "such a name has only letters, digits and _, and no digit first; declare another Options.Binding"

// IsVariable reports whether a name can be that of an environment variable and
// of a Worker's binding.
func IsVariable(name string) bool {
	return Only(name, "") && name != "" && !('0' <= name[0] && name[0] <= '9')
}

// Only reports whether a text has only letters, digits, _ and bytes of more. It
// is not inlined: at its calls that would add 1 KB to a Worker.
//
//go:noinline
func Only(text, more string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '_', strings.IndexByte(more, c) >= 0:
		default:
			return false
		}
	}
	return true
}
