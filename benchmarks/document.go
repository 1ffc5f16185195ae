package main

import (
	"fmt"
	"strings"
	"time"
)

// valueLength is the length of every value that a benchmark reads, in every
// library.
const valueLength = 33

func valueOf(i int) string { return fmt.Sprintf("value-of-thirty-three-bytes--%04d", i) }

// inForce is an instant at which v2 of a document is in force.
var inForce = time.Date(2002, 5, 15, 0, 0, 0, 0, time.UTC)

// documents returns one document of n versions, as JSON and in the compact
// form.
func documents(n int) (asJSON, asCompact string) {
	var j, c strings.Builder
	fmt.Fprintf(&j, `{"current":"v%d","versions":{`, n)
	fmt.Fprintf(&c, "current=v%d", n)
	for i := 1; i <= n; i++ {
		from, until := fmt.Sprintf("20%02d-05-01T00:00:00.000Z", i), fmt.Sprintf("20%02d-06-01T00:00:00.000Z", i)
		if i > 1 {
			j.WriteByte(',')
		}
		fmt.Fprintf(&j, `"v%d":{"value":%q,"activeFrom":%q,"expiresAt":%q}`, i, valueOf(i), from, until)
		fmt.Fprintf(&c, ";v%d=%s;v%d_active=%s;v%d_expires=%s", i, valueOf(i), i, from, i, until)
	}
	return j.String() + "}}", c.String()
}
