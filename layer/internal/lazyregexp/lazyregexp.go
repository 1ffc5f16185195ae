// Package lazyregexp compiles regular expressions at their first use. Compiling
// all of the command's took a sixth of its start time.
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
