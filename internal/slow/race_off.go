//go:build !race

package slow

// Raced reports that the race detector is on, which makes everything many times
// slower.
const Raced = false
