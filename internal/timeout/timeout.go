// Package timeout bounds how long a store may take, on platforms that have timers.
package timeout

import "time"

// Default is the time that a store is given by a read that takes no context.
const Default = 10 * time.Second
