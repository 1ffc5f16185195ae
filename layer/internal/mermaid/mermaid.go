// Package mermaid draws the resource graph of a spec as text that Mermaid renders.
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

// Flowchart returns the graph as a flowchart, a line for each node and each edge, in the graph's order. A label shows what
// follows the kind in a node's id, and a secret's shows below it who makes its value.
func Flowchart(g secret.Graph) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	names := map[string]string{}
	name := func(n secret.Node) string {
		if known, ok := names[n.ID]; ok {
			return known
		}
		own := "n" + strconv.Itoa(len(names)) // an id could hold what is syntax, or be a word of the language, such as end
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

// escape writes a text so that it stands in a quoted label as it is: Mermaid knows markup, Markdown and formulas there, and
// reads #60; as the character with that number.
func escape(text string) string {
	var b strings.Builder
	before := rune(0)
	for _, c := range text {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("-. /,()+=@", c), c >= 0xa0:
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
