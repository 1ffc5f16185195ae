package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// valueLength is the length of every value that a read returns, in every
// library.
const valueLength = 33

func valueOf(i int) string { return fmt.Sprintf("value-of-thirty-three-bytes--%04d", i) }

func idOf(i int) string { return fmt.Sprintf("v%d", i) }

// since returns the start of version i. The versions follow each other by a day.
// The last one is current and has no end; each other is active until 2099.
func since(i int) time.Time { return time.Date(2001, 1, i, 0, 0, 0, 0, time.UTC) }

// middle returns the version in the middle of n. Reads by id and by time look for
// it.
func middle(n int) int { return (n + 1) / 2 }

// documents returns one document of n versions, as JSON and in the compact
// form.
func documents(n int) (asJSON, asCompact string) { return documentsOf(n, valueOf) }

// largeDocuments returns the same document of three versions with almost the
// size that secret.Parse allows, 1 MiB.
func largeDocuments() (asJSON, asCompact string) {
	return documentsOf(3, func(i int) string { return strings.Repeat(valueOf(i), (1<<20-1024)/3/valueLength) })
}

func documentsOf(n int, value func(i int) string) (asJSON, asCompact string) {
	var j, c strings.Builder
	fmt.Fprintf(&j, `{"current":"v%d","versions":{`, n)
	fmt.Fprintf(&c, "current=v%d", n)
	for i := 1; i <= n; i++ {
		const layout = "2006-01-02T15:04:05.000Z"
		from, until := since(i).Format(layout), since(i).AddDate(98, 0, 0).Format(layout)
		if i > 1 {
			j.WriteByte(',')
		}
		fmt.Fprintf(&j, `"v%d":{"value":%q,"activeFrom":%q`, i, value(i), from)
		fmt.Fprintf(&c, ";v%d=%s;v%d_active=%s", i, value(i), i, from)
		if i < n {
			fmt.Fprintf(&j, `,"expiresAt":%q`, until)
			fmt.Fprintf(&c, ";v%d_expires=%s", i, until)
		}
		j.WriteByte('}')
	}
	return j.String() + "}}", c.String()
}

func addressOf(i int) secret.Address {
	return secret.Address{Namespace: "bench", Name: fmt.Sprintf("key-%05d", i)}
}
