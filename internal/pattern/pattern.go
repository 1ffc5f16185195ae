// Package pattern makes regular expressions that cost nothing until they are used: compiling some dozen took a sixth of the time in
// which the command starts.
package pattern

import (
	"regexp"
	"sync"
)

// Lazy returns what compiles an expression at the first call, and returns it at each. It panics there as [regexp.MustCompile] does. It
// may be called concurrently.
func Lazy(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
