// Package lazyregexp compiles regular expressions when they are first used:
// compiling them all took a sixth of the time in which the command starts.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns a function that compiles expr at its first call and returns the
// result at every call. It panics there if expr is invalid, as
// [regexp.MustCompile] does. It is safe for concurrent use.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
