package main

import (
	"strings"
)

// didYouMean returns the end of a message about a wrong word: the first list
// that is not empty, or nothing if all are empty.
func didYouMean(lists ...[]string) string {
	for _, list := range lists {
		if len(list) > 0 && len(list) <= 3 {
			quoted := make([]string, len(list))
			for i, word := range list {
				quoted[i] = "`" + word + "`"
			}
			return ": did you mean " + alternatives(quoted) + "?"
		}
	}
	return ""
}

// alternatives joins words as in "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// distance returns the number of letters that must be inserted, deleted,
// replaced or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	var before []int // the row before last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			other := 1
			if a[i] == b[j] {
				other = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+other)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
