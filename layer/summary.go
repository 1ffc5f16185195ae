package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/layeron-hq/secret/layer/rotate"
)

// summary returns one sentence about the shown secrets: how many are in each
// state, and how many need a person. all is the number of secrets before the
// filter.
func summary(r rotate.Result, all int) string {
	if all == 0 {
		return "no secrets are declared"
	}
	shown := slices.Concat(r.Secrets, r.Undeclared)
	counts, person := map[rotate.SecretState]int{}, 0
	for _, s := range shown {
		counts[s.State]++
		if s.NeedsPerson {
			person++
		}
	}
	var parts []string
	for _, state := range states {
		if n := counts[state]; n > 0 {
			parts = append(parts, number(n)+" "+string(state))
		}
	}
	text := "1 secret"
	if all != 1 {
		text = number(all) + " secrets"
	}
	if len(shown) != all {
		text = number(len(shown)) + " of " + text
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	switch {
	case person == 1:
		text += "; 1 needs a person"
	case person > 1:
		text += fmt.Sprintf("; %s need a person", number(person))
	}
	return text
}

// number writes a whole number with commas: 1,000.
func number(n int) string {
	digits := strconv.Itoa(n)
	first := (len(digits)-1)%3 + 1
	text := digits[:first]
	for i := first; i < len(digits); i += 3 {
		text += "," + digits[i:i+3]
	}
	return text
}

// wrap breaks a text into lines of at most width, between words.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteString("\n")
			column = 0
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
