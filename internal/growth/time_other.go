//go:build !unix

package growth

import "time"

var began = time.Now()

// processorTime returns the time since the start of the process: the processor
// time is not known here.
func processorTime() time.Duration { return time.Since(began) }
