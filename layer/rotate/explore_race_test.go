//go:build race

package rotate

// raced reports that the race detector is on, which makes everything many times
// slower.
const raced = true
