// Package timeout limits the time of a store's read, on platforms that have
// timers.
package timeout

import "time"

// Default is the time limit of a read that takes no context.
const Default = 10 * time.Second
