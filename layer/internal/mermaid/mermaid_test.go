package mermaid_test

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/mermaid"
)

func TestFlowchartOfAGraph(t *testing.T) {
	spec := secret.NewApp(secret.AppOptions{}).Use(
		secret.Random(secret.Options{Namespace: "auth", Name: "session-key"}),
		secret.Static(secret.Options{Name: "a", SecretName: "KEPT"}),
		secret.Static(secret.Options{Name: "b", SecretName: "KEPT"}),
	).Spec()
	require.Equal(t, `flowchart LR
  n0(["$SECRET.auth.session-key<br/>random"])
  n1[("lo_2ef9826ea46fddc291a647c2")]
  n2["LAYERON_SECRET_AUTH_SESSION_KEY"]
  n3(["$SECRET.default.a<br/>operator"])
  n4[("KEPT")]
  n5["LAYERON_SECRET_DEFAULT_A"]
  n6(["$SECRET.default.b<br/>operator"])
  n7["LAYERON_SECRET_DEFAULT_B"]
  n0 -->|"stored as"| n1
  n2 -->|"reads"| n1
  n3 -->|"stored as"| n4
  n5 -->|"reads"| n4
  n6 -->|"stored as"| n4
  n7 -->|"reads"| n4
`, mermaid.Flowchart(spec.Graph))
	require.Equal(t, "flowchart LR\n", mermaid.Flowchart(secret.Graph{}))
}

// TestEdgeToNoNode: a graph that was shortened by hand is still drawn.
func TestEdgeToNoNode(t *testing.T) {
	g := secret.Graph{Edges: []secret.Edge{{From: "secret:a", To: "value:b", Kind: "stored_as"}}}
	require.Equal(t, "flowchart LR\n  n0[\"secret:a\"]\n  n1[\"value:b\"]\n  n0 -->|\"stored as\"| n1\n",
		mermaid.Flowchart(g))
}

// code matches a character by number in Mermaid.
var code = regexp.MustCompile(`#(\d+);`)

// A generator's name may be any text. It must neither end its label nor be
// interpreted as markup.
func TestLabelsAreNoMarkup(t *testing.T) {
	tests := map[string]struct{ intent, want string }{
		"plain":     {"cloudflare/r2-credentials", "cloudflare/r2-credentials"},
		"quote":     {`own/"]x`, "own/#34;#93;x"},
		"markup":    {"<script>&amp;", "#60;script#62;#38;amp#59;"},
		"entity":    {"#35;", "#35;35#59;"},
		"markdown":  {"`**b**`", "#96;#42;#42;b#42;#42;#96;"},
		"formula":   {"$$x$$", "$#36;x$#36;"},
		"lines":     {"a\nb\tc\x00", "a b c "},
		"directive": {"%%{init: {}}%%", "#37;#37;#123;init: #123;#125;#125;#37;#37;"},
		"arrow":     {"a-->b;c|d\\", "a--#62;b#59;c#124;d#92;"},
		"letters":   {"schlüssel-鍵", "schlüssel-鍵"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			g := secret.Graph{Nodes: []secret.Node{{ID: "secret:x", Kind: "secret", Intent: c.intent}}}
			require.Equal(t, "flowchart LR\n  n0([\"x<br/>"+c.want+"\"])\n", mermaid.Flowchart(g))
		})
	}
}

func FuzzLabel(f *testing.F) {
	f.Add("own/\"]x\n<b>")
	f.Fuzz(func(t *testing.T, text string) {
		g := secret.Graph{Nodes: []secret.Node{{ID: "secret:x", Kind: "secret", Intent: text + "."}}}
		out := mermaid.Flowchart(g)
		label, ok := strings.CutPrefix(out, "flowchart LR\n  n0([\"x<br/>")
		require.True(t, ok)
		label, ok = strings.CutSuffix(label, "\"])\n")
		require.True(t, ok)
		require.NotContains(t, label, "$$")
		require.False(t, strings.ContainsAny(label, "\"`<>[]{}|&\\%*\n\r"), label)
		shown := html.UnescapeString(code.ReplaceAllString(label, "&#$1;"))
		clean := strings.Map(func(c rune) rune {
			if c < ' ' || 0x7f <= c && c < 0xa0 {
				return ' '
			}
			return c
		}, string([]rune(text+".")))
		require.Equal(t, clean, shown)
	})
}
