package vet

import "strings"

// line is a line of a file.
type line struct {
	file string
	n    int
}

const ignoreDirective = "//layer:ignore"

// findIgnored collects the lines on which findings are suppressed. A comment
// applies to its own line and to the next one.
func (c *checker) findIgnored() {
	c.ignored = map[line]bool{}
	for _, file := range c.files {
		for _, group := range file.Comments {
			for _, comment := range group.List {
				reason, ok := strings.CutPrefix(comment.Text, ignoreDirective)
				if !ok || reason != "" && reason[0] != ' ' && reason[0] != '\t' {
					continue
				}
				if reason, _, _ = strings.Cut(reason, "//"); strings.TrimSpace(reason) == "" {
					c.report(comment.Pos(), "ignore", "%s has no reason and suppresses nothing; write the reason after it",
						ignoreDirective)
					continue
				}
				p := c.Fset.Position(comment.Pos())
				c.ignored[line{p.Filename, p.Line}], c.ignored[line{p.Filename, p.Line + 1}] = true, true
			}
		}
	}
}
