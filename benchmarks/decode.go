package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
)

// decodings returns the benchmarks of taking one document of n versions apart.
// They are compared with the structs: these too end as texts and times.
func decodings(n int) []benchmark {
	asJSON, asCompact := documents(n)
	parse := func(text string) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				if d, err := secret.Parse(text); err != nil || len(d.Current().Text()) != valueLength {
					b.Fatal("not parsed")
				}
			}
		}
	}
	return []benchmark{
		{name: "encoding/json into a map", run: func(b *testing.B) {
			for b.Loop() {
				var document map[string]any
				if json.Unmarshal([]byte(asJSON), &document) != nil || len(document) != 2 {
					b.Fatal("not decoded")
				}
			}
		}},
		{name: "encoding/json into structs", base: true, run: func(b *testing.B) {
			for b.Loop() {
				var document struct {
					Current  string
					Versions map[string]struct {
						Value                 string
						ActiveFrom, ExpiresAt time.Time
					}
				}
				if json.Unmarshal([]byte(asJSON), &document) != nil || len(document.Versions) != n {
					b.Fatal("not decoded")
				}
			}
		}},
		{name: "**secret** Parse, JSON", most: 0.3, run: parse(asJSON)},
		{name: "**secret** Parse, compact", most: 0.25, run: parse(asCompact)},
	}
}
