// Package mermaid renders the resource graph of a spec as a Mermaid diagram.
package mermaid

import (
	"strconv"
	"strings"

	"github.com/layeron-hq/secret"
)

// shapes are the brackets around a label, by the kind of a node.
var shapes = map[string][2]string{
	"secret":  {"([", "])"},
	"value":   {"[(", ")]"},
	"binding": {"[", "]"},
}

// Flowchart returns the graph as a flowchart, with a line for each node and
// each edge, in the graph's order. A label is the part of a node's id after the
// kind. The label of a secret also contains the origin of its value, on a
// second line.
func Flowchart(g secret.Graph) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	names := map[string]string{}
	name := func(n secret.Node) string {
		if known, ok := names[n.ID]; ok {
			return known
		}
		// An id may contain syntax, or be a keyword such as end.
		own := "n" + strconv.Itoa(len(names))
		names[n.ID] = own
		shape, ok := shapes[n.Kind]
		if !ok {
			shape = shapes["binding"]
		}
		label := escape(strings.TrimPrefix(n.ID, n.Kind+":"))
		if n.Intent != "" {
			label += "<br/>" + escape(n.Intent)
		}
		b.WriteString("  " + own + shape[0] + `"` + label + `"` + shape[1] + "\n")
		return own
	}
	for _, n := range g.Nodes {
		name(n)
	}
	for _, e := range g.Edges {
		from, to := name(secret.Node{ID: e.From}), name(secret.Node{ID: e.To})
		b.WriteString("  " + from + ` -->|"` + escape(strings.ReplaceAll(e.Kind, "_", " ")) + `"| ` + to + "\n")
	}
	return b.String()
}

// escape escapes a text for a quoted label. Mermaid interprets markup, Markdown
// and formulas there, and replaces #60; by the character with that number.
func escape(text string) string {
	var b strings.Builder
	before := rune(0)
	for _, c := range text {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("-. /,()+=@", c),
			c >= 0xa0:
			b.WriteRune(c)
		case c == '$' && before != '$': // two begin a formula
			b.WriteRune(c)
		case c == '_', c == ':':
			b.WriteRune(c)
		case c < ' ' || 0x7f <= c && c < 0xa0:
			b.WriteRune(' ')
		default:
			b.WriteString("#" + strconv.Itoa(int(c)) + ";")
		}
		before = c
	}
	return b.String()
}
