package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
)

var _ = register("parse", group{pairs: func(*session) ([]pair, error) {
	var rows []pair
	for _, n := range []int{1, 3, 50, 1000} {
		asJSON, asCompact := documents(n)
		rows = append(rows, parsing(fmt.Sprint(n), asJSON, asCompact, n)...)
	}
	asJSON, asCompact := largeDocuments()
	return append(rows, parsing("1MiB", asJSON, asCompact, 3)...), nil
}})

// parsing returns the rows of one document of n versions. They are compared with
// encoding/json into structs: these too end as texts and times.
func parsing(size, asJSON, asCompact string, n int) []pair {
	current := idOf(n)
	parse := func(text string) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				if d, err := secret.Parse(text); err != nil || d.Current().ID != current {
					b.Fatal("not parsed")
				}
			}
		}
	}
	structs := func(b *testing.B) {
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
	}
	aMap := func(b *testing.B) {
		for b.Loop() {
			var document map[string]any
			if json.Unmarshal([]byte(asJSON), &document) != nil || len(document) != 2 {
				b.Fatal("not decoded")
			}
		}
	}
	return []pair{
		{size + "/JSON", "encoding/json into structs", parse(asJSON), structs},
		{size + "/compact", "encoding/json into structs", parse(asCompact), structs},
		{size + "/JSON/vs-map", "encoding/json into a map", parse(asJSON), aMap},
	}
}
