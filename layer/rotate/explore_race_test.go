//go:build race

package rotate

// raced: the race detector makes everything many times slower.
const raced = true
