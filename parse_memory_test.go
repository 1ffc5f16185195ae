package secret_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// refusedBytes is the most memory that a refused text of a size may cost.
func refusedBytes(size int) int { return 4*size + 32<<10 }

// allocated returns how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// fill joins pieces made of their numbers until they have a size.
func fill(size int, format, separator string) string {
	var b strings.Builder
	for i := 0; b.Len()+len(format)+8 < size; i++ {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(strings.ReplaceAll(format, "#", short(i)))
	}
	return b.String()
}

// short returns a short text for each number.
func short(i int) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	text := string(digits[i%len(digits)])
	for i /= len(digits); i > 0; i /= len(digits) {
		text += string(digits[i%len(digits)])
	}
	return text
}

// escapes writes every character of a text as an escape.
func escapes(text string) string {
	var b strings.Builder
	for _, c := range text {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return b.String()
}

// encoded encodes a text as the inside of a JSON string, so many times. Each
// time it becomes longer.
func encoded(text string, times int) string {
	for range times {
		text = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
	}
	return text
}

// layers wraps a text in quotes and comments, each pair a layer that is decoded
// for itself: to decode one, those around it are kept.
func layers(n int, inside string) string {
	for range n {
		inside = `'/**/` + inside + `'`
	}
	return inside
}

// TestRefusedTextCostsLittleMemory: in every format, with the fault in every
// place.
func TestRefusedTextCostsLittleMemory(t *testing.T) {
	const bad = "no equals sign"
	texts := map[string]func(size int) string{
		"one version again and again":     func(n int) string { return fill(n, "v1=a", ";") },
		"versions, the last given twice":  func(n int) string { return "current=0;" + fill(n, "#=a", ";") + ";0=a" },
		"versions, the first given twice": func(n int) string { return "current=0;0=a;" + fill(n, "#=a", ";") },
		"versions, then no segment":       func(n int) string { return "current=0;" + fill(n, "#=a", ";") + ";" + bad },
		"versions, then a bad time": func(n int) string {
			return "current=0;" + fill(n, "#=a", ";") + ";0_expires=2027"
		},
		"versions, then an orphan": func(n int) string {
			return "current=0;" + fill(n, "#=a", ";") + ";-_expires=2027-01-01T00:00:00Z"
		},
		"versions, then a life in disorder": func(n int) string {
			return "current=0;0_active=2028-01-01T00:00:00Z;" + fill(n, "#=a", ";") + ";0_expires=2027-01-01T00:00:00Z"
		},
		"versions, then a line like another": func(n int) string {
			return "current=0;" + fill(n, "#=a", ";") + ";last=a\nv1=b"
		},
		"versions of v and a number": func(n int) string { return numbered(n/11, "v#=x", ";") + ";v0=x" },
		"versions with white space":  func(n int) string { return "current=0;" + fill(n, " #=a\n", ";") + ";0=a" },
		"early attributes, the last an orphan": func(n int) string {
			return "current=0;" + fill(n/2, "#_active=2027-01-01T00:00:00Z", ";") + ";" + fill(n/12, "#=a", ";")
		},
		"early attributes of one version": func(n int) string {
			return fill(n, "v1_expires=2027-01-01T00:00:00Z", ";") + ";v1=x"
		},
		"late attributes, the last given twice": func(n int) string {
			return "current=0;" + fill(n/9, "#=a", ";") + ";" + fill(n/9*6, "#_expires=2027-01-01T00:00:00Z", ";") +
				";0_expires=2027-01-01T00:00:00Z"
		},
		"semicolons": func(n int) string { return "current=v1;v1=a" + strings.Repeat(";", n) + bad },
		"a long id": func(n int) string {
			return "current=a;" + strings.Repeat("a", n/2) + "=x;" + strings.Repeat("a", n/2) + "=x"
		},
		"values of many lines": func(n int) string {
			return "current=0;" + fill(n, "#=a\nb=c\n\nd", ";") + ";0=a"
		},

		"JSON versions, the last given twice": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"value":"x"}`, ",") + `,"0":{"value":"x"}}}`
		},
		"JSON versions, the last without value": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"value":"x"}`, ",") + `,"-":{}}}`
		},
		"JSON versions, the last no object": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"value":"x"}`, ",") + `,"-":1}}`
		},
		"JSON versions that are none": func(n int) string { return `{"versions":{` + fill(n, `"":0`, ",") + `}}` },
		"JSON versions, then versions again": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"value":"x"}`, ",") + `},"versions":{}}`
		},
		"JSON versions, ids escaped": func(n int) string {
			return `{"versions":{` + fill(n, `"\n#":{"value":"x"}`, ",") + `,"\n0":{"value":"x"}}}`
		},
		"JSON versions, values escaped": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"value":"\n\n"}`, ",") + `,"0":{"value":"x"}}}`
		},
		"JSON versions, names escaped": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"`+escapes("value")+`":"x"}`, ",") + `,"0":{"value":"x"}}}`
		},
		"JSON versions with members of their own": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"a":0,"value":"x","b":0,"activeFrom":null,"c":0}`, ",") +
				`,"0":{"value":"x"}}}`
		},
		"JSON versions of the size of their memory": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"a":"`+strings.Repeat("a", 40)+`","value":"`+strings.Repeat(`\n`, 16)+
				`","\n":""}`, ",") + `,"0":{"value":"x"}}}`
		},
		"members, the last given twice": func(n int) string {
			return "{" + oneVersion + "," + fill(n, `"#":0`, ",") + `,"0":0}`
		},
		"members, names escaped": func(n int) string {
			return "{" + oneVersion + "," + fill(n, `"\n#":0`, ",") +
				`,"\n0":0}`
		},
		"members of a member": func(n int) string {
			return "{" + oneVersion + `,"x":{` + fill(n, `"#":0`, ",") + `,"0":0}}`
		},
		"members of a member, names escaped": func(n int) string {
			return "{" + oneVersion + `,"x":{` + fill(n, `"\n#":0`, ",") + `,"\n0":0}}`
		},
		"members, long names escaped": func(n int) string {
			return "{" + oneVersion + `,"x":{` + fill(n, `"\n#`+strings.Repeat("a", 99)+`":0`, ",") + `,"y":0,"y":0}}`
		},
		"members, two long names escaped": func(n int) string {
			return "{" + oneVersion + `,"\n` + strings.Repeat("a", n/2) + `":0,"\n` + strings.Repeat("a", n/2) + `":0}`
		},
		"members of many members": func(n int) string {
			return "{" + oneVersion + `,"x":[` + fill(n, `{"a":0,"b":0}`, ",") + `,{"a":0,"a":0}]}`
		},
		"members in two runs, then a fault": func(n int) string {
			return `{` + fill(n/2, `"#":0`, ",") + `,"versions":{"v1":{` + fill(n/2-99, `"-#":0`, ",") +
				`,"value":"x","y":0},"v1":{"value":"x"}}}`
		},
		"members in four runs, then a fault": func(n int) string {
			return `{"versions":{"v1":{` + fill(n-99, `"#":0`, ",") +
				`,"value":"x","-":0,"activeFrom":null,"--":0,"expiresAt":null,"---":0},"v1":{"value":"x"}}}`
		},
		"a long value with an escape": func(n int) string {
			return `{"versions":{"v1":{"value":"\n` + strings.Repeat("a", n) + `"},"v1":{"value":"x"}}}`
		},
		"a long time": func(n int) string {
			return `{"versions":{"v1":{"value":"x","expiresAt":"\n` + strings.Repeat("2", n) + `"}}}`
		},
		"nested arrays": func(n int) string {
			return "{" + oneVersion + `,"x":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) +
				fill(n, `,"#":0`, "") + `,"0":0}`
		},
		"nested arrays without an end": func(n int) string { return "{" + oneVersion + `,"x":` + strings.Repeat("[", n) },
		"nested objects": func(n int) string {
			return "{" + oneVersion + `,"x":` + strings.Repeat(`{"a":`, 9_000) + "0" + strings.Repeat("}", 9_000) +
				`,"y":0,"y":0}`
		},
		"a document that is cut off": func(n int) string { return `{"versions":{` + fill(n, `"#":{"value":"x"}`, ",") },
		"invalid UTF-8": func(n int) string {
			return `{"versions":{` + fill(n, `"#":{"value":"x"}`, ",") + ",\"-\":{\"value\":\"\xff\"}}}"
		},

		"a quoted document": func(n int) string {
			return `"` + encoded(`{"versions":{`+fill(n/2, `"#":{"value":"x"}`, ",")+`}}`, 1) + `"`
		},
		"a document in three pairs of quotes": func(n int) string {
			return `'''` + encoded(`{"versions":{`+fill(n/8, `"#":{"value":"x"}`, ",")+`}}`, 3) + `'''`
		},
		"a long text in too many layers": func(n int) string {
			return strings.Repeat("'", 20) + strings.Repeat("a", n) + encoded(`\`, 15)[:min(n, 1<<15)] + strings.Repeat("'", 20)
		},
		"a long text, comments in all layers": func(n int) string {
			return strings.Repeat("'", 20) + "/**/" + strings.Repeat("a", n) + encoded(`\`, 15)[:min(n, 1<<15)] +
				strings.Repeat("'", 20)
		},
		"a long text, quotes in every layer": func(n int) string { return layers(18, strings.Repeat("a", n)+`\n`) },
		"a long text, two quotes in each layer": func(n int) string {
			return "'" + layers(18, "'"+strings.Repeat("a", n)+`\n`+"'") + "'"
		},
		"white space in every layer": func(n int) string {
			return strings.Repeat("'"+strings.Repeat(" ", 50), n/102) + "v1=x" +
				strings.Repeat(strings.Repeat(" ", 50)+"'", n/102)
		},
	}
	for name, text := range texts {
		sizes := []int{1 << 7, 1 << 12, 1 << 16, 1<<20 - 70_000}
		if slow.Raced {
			sizes = sizes[:2] // the runs without the race detector measure the large ones
		}
		for _, size := range sizes {
			s := text(size)
			require.LessOrEqual(t, len(s), 1<<20, name)
			for _, pin := range []secret.Format{secret.FormatAuto, secret.FormatJSON, secret.FormatCompact} {
				if pin != secret.FormatAuto && size > 1<<16 {
					continue
				}
				var err error
				got := allocated(func() { _, err = loadPinned(s, pin) }) - allocated(func() { _, _ = loadPinned(" ", pin) })
				if pin == secret.FormatAuto && size > 1<<16 {
					if !errors.Is(err, secret.ErrMalformed) {
						t.Errorf("%s: %v", name, err)
					}
				}
				if err != nil && got > refusedBytes(len(s)) {
					t.Errorf("%s, pinned %v: %d bytes cost %d, %.1f times as much", name, pin, len(s), got,
						float64(got)/float64(len(s)))
				}
			}
		}
	}
}
