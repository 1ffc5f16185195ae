package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed has the licences that a linked module may have, by their SPDX names.
// Each asks for no more than to repeat its text and the notices beside a binary.
var allowed = []string{"Apache-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// title is a line of a licence's text that is no part of its terms.
var title = regexp.MustCompile(`(?i)^(the )?(apache|bsd|isc|mit)( \d-clause)? licen[cs]e( \(\w+\))?$`)

// scope is a line that says which files of a module have which of its licences.
// The rest of the licence's text has the terms.
var scope = regexp.MustCompile(`^(` + strings.Join([]string{
	// sigs.k8s.io/json
	`Files other than internal/golang/\* licensed under:`, `internal/golang/\* files licensed under:`,
	// sigs.k8s.io/yaml and go.yaml.in/yaml
	`# The forked go-yaml\.v[23] library under (this|the) project is covered by (two|an)`, `different licenses \(MIT and Apache\):`,
	`#+ (MIT|Apache) License #+`, `The following files were ported to Go from C files of libyaml, and thus`,
	`are still covered by their original( MIT license, with the additional)?`, `Apache license:`, `-+`,
	`copyright star?ting in 2011 when the project was ported over:`,
	`(\w+\.go ?)+`, `All the remaining project files are covered by the Apache license:`,
}, `|`) + `)$`)

// licences returns the licences in the text. It fails where one is not allowed,
// and where a line belongs to none, since that line may be a condition.
func licences(text string) ([]string, error) {
	ids, unknown := scan(text)
	for line := range strings.Lines(unknown) {
		if line = strings.TrimSpace(line); line != "" && !title.MatchString(line) && !scope.MatchString(line) {
			return nil, fmt.Errorf("no known licence has the line %.100q", line)
		}
	}
	if len(ids) == 0 {
		return nil, errors.New("it has no text of a licence")
	}
	return ids, permitted(ids)
}

func permitted(ids []string) error {
	for _, id := range ids {
		if !slices.Contains(allowed, id) {
			return fmt.Errorf("%s is not among the allowed licences %s", id, strings.Join(allowed, ", "))
		}
	}
	return nil
}

// scan returns the licences in a text, and the text without them.
func scan(text string) (ids []string, rest string) {
	end := 0
	for _, match := range licensecheck.Scan([]byte(text)).Match {
		if match.IsURL { // an address is not the text
			continue
		}
		rest += text[end:match.Start] + "\n"
		end = match.End
		if !slices.Contains(ids, match.ID) {
			ids = append(ids, match.ID)
		}
	}
	return ids, rest + text[end:]
}

// excerpt is a licence in a source file.
type excerpt struct{ id, text string }

// excerpts returns the licences in a source file, without the marks of comments.
func excerpts(source string) []excerpt {
	var found []excerpt
	for _, match := range licensecheck.Scan([]byte(source)).Match {
		var text strings.Builder
		for line := range strings.Lines(source[match.Start:match.End]) {
			text.WriteString(strings.TrimSpace(marks.ReplaceAllString(line, "")) + "\n")
		}
		found = append(found, excerpt{match.ID, tidy(text.String())})
	}
	return found
}

var marks = regexp.MustCompile(`^\s*(//+|/\*+|\*+/|\*|#+|;+)|\*/\s*$`)

// copyrights returns the lines of a text that name a holder of its copyright.
func copyrights(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); holder.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

var holder = regexp.MustCompile(`(?i)^(portions )?(copyright|\(c\)|©).*[0-9]{4}`)

// tidy returns the text without the white space that ends its lines and the
// empty lines around it.
func tidy(text string) string {
	var tidied strings.Builder
	for line := range strings.Lines(text) {
		tidied.WriteString(strings.TrimRight(line, " \t\r\n\f") + "\n")
	}
	return strings.Trim(tidied.String(), "\n") + "\n"
}
