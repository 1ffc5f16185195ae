package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// numbered joins n pieces made of their numbers.
func numbered(n int, format, separator string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
	}
	return b.String()
}

const oneVersion = `"versions":{"v1":{"value":"x"}}`

// hostile are texts of a size that grows with n, made to cost as much as they
// can. Each is still under 1 MiB at 8n.
var hostile = []struct {
	name     string
	n        int
	text     func(n int) string
	versions func(n int) int // nil: malformed
}{
	{"JSON versions", 5_000, func(n int) string {
		return `{"versions":{` + numbered(n, `"v#":{"value":"x"}`, ",") + `}}`
	}, same},
	{"JSON versions, ids escaped", 3_500, func(n int) string {
		return `{"versions":{` + numbered(n, `"\u0076#":{"value":"x"}`, ",") + `}}`
	}, same},
	{"JSON versions, an id given twice at the end", 5_000, func(n int) string {
		return `{"versions":{` + numbered(n, `"v#":{"value":"x"}`, ",") + `,"v0":{"value":"x"}}}`
	}, nil},
	{"compact versions", 6_250, func(n int) string { return numbered(n, "v#=x", ";") }, same},
	{"compact versions, an id given twice at the end", 6_250, func(n int) string {
		return numbered(n, "v#=x", ";") + ";v0=x"
	}, nil},
	{"early attributes", 2_500, func(n int) string {
		return numbered(n, "v#_expires=2027-01-01T00:00:00Z", ";") + ";" + numbered(n, "v#=x", ";")
	}, same},
	{"late attributes", 2_500, func(n int) string {
		return numbered(n, "v#=x", ";") + ";" + numbered(n, "v#_active=2027-01-01T00:00:00Z", ";")
	}, same},
	{"early attributes of one version", 3_000, func(n int) string {
		return strings.Repeat("v1_expires=2027-01-01T00:00:00Z;", n) + "v1=x"
	}, nil},
	{"orphan attributes", 3_000, func(n int) string {
		return numbered(n, "v#_expires=2027-01-01T00:00:00Z", ";") + ";v=x;v1=x"
	}, one},
	{"semicolons", 1 << 17, func(n int) string { return strings.Repeat(";", n) }, one},
	{"semicolons before a version", 130_000, func(n int) string { return "current=v1" + strings.Repeat(";", n) + "v1=x" },
		one},
	{"blank segments", 40_000, func(n int) string { return "v1=x" + strings.Repeat("; \t", n) + ";v2=x" },
		func(int) int { return 2 }},
	{"equals signs", 130_000, func(n int) string { return "v1=" + strings.Repeat("=", n) }, one},
	{"underscores", 130_000, func(n int) string { return "v1=x;v1" + strings.Repeat("_", n) + "=x" }, nil},
	{"a long id", 60_000, func(n int) string {
		return "current=a" + strings.Repeat("a", n) + ";a" +
			strings.Repeat("a", n) + "=x"
	}, one},
	{"white space", 65_000, func(n int) string {
		return strings.Repeat(" ", n) + "v1=x" + strings.Repeat("\n", n)
	}, one},
	{"nested objects", 26_000, func(n int) string { return strings.Repeat(`{"a":`, n) }, one},
	{"nested arrays", 130_000, func(n int) string { return "{" + oneVersion + `,"x":` + strings.Repeat("[", n) }, nil},
	{"open braces", 130_000, func(n int) string { return strings.Repeat("{", n) }, one},
	{"open brackets", 130_000, func(n int) string { return strings.Repeat("[", n) }, one},
	{"nested objects with names around", 1_200, func(n int) string {
		return "{" + oneVersion + `,"x":` + strings.Repeat(`{"a":0,"b":0,"c":`, n) + "0" + strings.Repeat(`,"d":0}`, n) + "}"
	}, one},
	{"names open over nested objects", 5_000, func(n int) string {
		return "{" + oneVersion + "," + numbered(n, `"k#":0`, ",") + `,"x":[` + numbered(n, `{"a":0}`, ",") + "]}"
	}, one},
	{"unnamed members at the top", 9_000, func(n int) string {
		return "{" + oneVersion + "," + numbered(n, `"k#":0`, ",") + "}"
	}, one},
	{"unnamed members at the top, names escaped", 6_000, func(n int) string {
		return "{" + numbered(n, `"\u0063#":0`, ",") + "," + oneVersion + "}"
	}, one},
	{"unnamed members in a version", 9_000, func(n int) string {
		return `{"versions":{"v1":{` + numbered(n, `"k#":0`, ",") + `,"value":"x"}}}`
	}, one},
	{"unnamed members between named ones", 3_500, func(n int) string {
		return `{"versions":{` + numbered(n, `"v#":{"a":0,"value":"x","b":0}`, ",") + `},"z":0}`
	}, same},
	{"a name given twice at the end", 9_000, func(n int) string {
		return "{" + oneVersion + `,"x":{` + numbered(n, `"k#":0`, ",") + `,"k0":0}}`
	}, nil},
	{"one name, again and again", 18_000, func(n int) string {
		return "{" + oneVersion + `,"x":{` + numbered(n, `"a":0`, ",") + `}}`
	}, nil},
	{"many objects, the last with a name given twice", 7_000, func(n int) string {
		return "{" + oneVersion + `,"x":[` + numbered(n, `{"a":0,"b":0}`, ",") + `,{"a":0,"a":0}]}`
	}, nil},
	{"many versions that are none", 25_000, func(n int) string {
		return `{"versions":{` + numbered(n, `"":0`, ",") + `}}`
	}, nil},
	{"escapes", 20_000, func(n int) string {
		return `{"versions":{"v1":{"value":"` + strings.Repeat(`\u00e9`, n) +
			`"}}}`
	}, one},
	{"backslashes", 60_000, func(n int) string {
		return `{"versions":{"v1":{"value":"` + strings.Repeat(`\\`, n) +
			`"}}}`
	}, one},
	{"an open string of backslashes", 60_000, func(n int) string {
		return `{"versions":{"v1":{"value":"` + strings.Repeat(`\\`, n)
	}, nil},
	{"single quotes", 65_000, func(n int) string { return strings.Repeat("'", 2*n) }, one},
	{"double quotes", 65_000, func(n int) string { return strings.Repeat(`"`, 2*n) }, one},
	{"quotes around a document", 60_000, func(n int) string {
		return strings.Repeat("'", n) + "v1=x" + strings.Repeat("'", n)
	}, nil},
	{"quotes and white space around a token", 30_000, func(n int) string {
		return strings.Repeat("' ", n) + "x" + strings.Repeat(" '", n)
	}, one},
	{"quotes around an escape", 60_000, func(n int) string {
		return strings.Repeat("'", n) + `\u0061` + strings.Repeat("'", n)
	}, one},
	{"quotes around a long string of escapes", 20_000, func(n int) string {
		return strings.Repeat("'", n) + strings.Repeat(`\\`, n) + strings.Repeat("'", n)
	}, one},
	{"quotes and escapes of escapes", 12_000, func(n int) string {
		return strings.Repeat("'", n) + `\` + strings.Repeat("u005c", n) + strings.Repeat("'", n)
	}, nil},
	{"quotes and comments", 13_000, func(n int) string {
		return strings.Repeat("'/**/", n) + `\u0061` + strings.Repeat("'", n)
	}, nil},
	{"quotes and comments with a control character", 10_000, func(n int) string {
		return strings.Repeat("'#\n", n) + `\u0061` + strings.Repeat("'", n)
	}, nil},
	{"comments", 60_000, func(n int) string { return strings.Repeat("#\n", n) + "x" }, one},
	{"comments in blocks", 30_000, func(n int) string { return strings.Repeat("/**/", n) + "v1=x" }, nil},
	{"comments without an end", 60_000, func(n int) string { return strings.Repeat("/*", n) }, one},
	{"a comment after a brace", 30_000, func(n int) string { return "{" + strings.Repeat("/**/", n) + `"x":1}` }, one},
	{"comments after a brace", 60_000, func(n int) string { return "{" + strings.Repeat("#\n", n) + oneVersion + "}" },
		nil},
	{"a long bare name", 120_000, func(n int) string { return "{" + strings.Repeat("c", n) + ":1}" }, one},
	{"lines in a value", 60_000, func(n int) string { return "v1=x" + strings.Repeat("\na", n) + "=" }, one},
	{"lines like versions without an equals sign", 30_000,
		func(n int) string { return "v1=x" + strings.Repeat("\nv1_", n) }, one},
	{"empty lines in a value", 60_000, func(n int) string { return "v1=x" + strings.Repeat("\r\n", n) + "=" }, one},
	{"a version a line", 10_000, func(n int) string { return numbered(n, "v#=x", "\n") }, nil},
	{"a long number", 120_000, func(n int) string { return "{" + oneVersion + `,"x":` + strings.Repeat("1", n) + "}" },
		one},
	{"a long fraction of a second", 100_000, func(n int) string {
		return "v1=x;v1_expires=2027-01-01T00:00:00." + strings.Repeat("0", n) + "Z"
	}, nil},
}

func same(n int) int { return n }
func one(int) int    { return 1 }

// TestHostileTexts requires time and memory in proportion to the text. Eight
// parses of the small text and one of the large then take the same time;
// quadratic growth would take eight times as long. A bound of five leaves room
// for caches and a busy machine. A text over the bound is measured again, and
// the least time counts.
func TestHostileTexts(t *testing.T) {
	slow.Sequential(t)
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			small, large := h.text(h.n), h.text(8*h.n)
			require.LessOrEqual(t, len(large), 1<<20, "the text is refused for its size alone")
			for factor, text := range map[int]string{1: small, 8: large} {
				doc, err := secret.Parse(text)
				if h.versions == nil {
					require.True(t, errors.Is(err, secret.ErrMalformed), "%v", err)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, h.versions(factor*h.n), countOf(doc))
			}

			if slow.Raced {
				return // measurements follow: the runs without the race detector make them
			}
			const most = 5
			once, eightTimes := timeOf(large, 1), timeOf(small, 8)
			for start := time.Now(); once > most*eightTimes && time.Since(start) < 5*time.Second; {
				once, eightTimes = min(once, timeOf(large, 1)), min(eightTimes, timeOf(small, 8))
			}
			require.LessOrEqual(t, float64(once)/float64(eightTimes), float64(most),
				"one large text takes so many times what eight small ones take")

			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = secret.Parse(large)
			runtime.ReadMemStats(&after)
			// A growing list of versions passes through several sizes.
			allowed := refusedBytes(len(large))
			if h.versions != nil {
				allowed = 32*len(large) + 800*h.versions(8*h.n)
			}
			require.LessOrEqual(t, int(after.TotalAlloc-before.TotalAlloc), allowed, "bytes allocated")
		})
	}
}

// timeOf returns the time of so many parses.
func timeOf(text string, times int) time.Duration {
	runtime.GC()
	start := time.Now()
	for range times {
		_, _ = secret.Parse(text)
	}
	return max(time.Since(start), 50*time.Microsecond) // less is below the clock's resolution
}

func countOf(d *secret.Document) (n int) {
	for range d.All() {
		n++
	}
	return n
}

// TestNestingIsThatOfEncodingJSON looks at the depths around the limit, and far
// beyond it.
func TestNestingIsThatOfEncodingJSON(t *testing.T) {
	kinds := []struct{ open, middle, close string }{
		{"[", "", "]"}, {`{"a":`, "0", "}"}, {`[{"a":`, "[]", "}]"}, {"[0,", "{}", "]"},
	}
	for _, k := range kinds {
		depths := []int{1, 4_999, 5_000, 9_997, 9_998, 9_999, 10_000, 10_001, 100_000}
		for _, depth := range depths {
			text := "{" + oneVersion + `,"x":` + strings.Repeat(k.open, depth) + k.middle + strings.Repeat(k.close, depth) + "}"
			_, err := secret.Parse(text)
			require.Equal(t, json.Valid([]byte(text)), err == nil, "%d times %s", depth, k.open)
			if err != nil {
				require.True(t, errors.Is(err, secret.ErrMalformed), "%d times %s", depth, k.open)
			}
		}
	}
}

// TestReadsOfLargeDocuments: a lookup by id does not walk the versions.
func TestReadsOfLargeDocuments(t *testing.T) {
	const n = 40_000
	doc, err := secret.Parse("current=v7;" + numbered(n, "v#=value-#", ";"))
	require.NoError(t, err)
	for i := range n {
		v, err := doc.Version(fmt.Sprintf("v%d", i))
		require.True(t, err == nil && v.Text() == fmt.Sprintf("value-%d", i), "v%d", i)
	}
	_, err = doc.Version(fmt.Sprintf("v%d", n))
	require.ErrorIs(t, err, secret.ErrVersionNotFound)

	few, err := secret.Parse(numbered(20, "v#=value-#", ";"))
	require.NoError(t, err)
	lookups := func(d *secret.Document) time.Duration {
		least := time.Duration(1<<63 - 1)
		for range 5 {
			start := time.Now()
			for range 2_000 {
				_, _ = d.Version("v19")
				_, _ = d.Version("none")
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	require.Less(t, lookups(doc), 50*max(lookups(few), 20*time.Microsecond), "2,000 times the versions")

	active := doc.Active(time.Unix(1_800_000_000, 0))
	require.Len(t, active, n)
	require.Equal(t, "v7", active[0].ID)
	require.Equal(t, fmt.Sprintf("v%d", n-1), active[1].ID)
	require.Equal(t, "v0", active[n-1].ID)
}

// keptText is a pattern for many texts: @ in it is replaced by the number of
// the text.
type keptText struct {
	name     string
	versions int
	text     string
}

func (k keptText) of(i int) string { return strings.ReplaceAll(k.text, "@", fmt.Sprint(10_000+i)) }

// TestDocumentsKeepLittleAlive: a program that holds many documents holds their
// texts once, and little more for each version.
func TestDocumentsKeepLittleAlive(t *testing.T) {
	const perVersion = 250
	pem := `-----BEGIN PRIVATE KEY-----\n` + strings.Repeat(strings.Repeat("M", 64)+`\n`, 20) +
		`-----END PRIVATE KEY-----\n`
	long := strings.Repeat("x", 2_000)
	cases := []keptText{
		{"plain", 1, "token-@-" + long},
		{"JSON", 3, `{"id":@,"versions":{` + numbered(3, `"v#":{"value":"`+long+`"}`, ",") + "}}"},
		{"JSON with times", 20, `{"id":@,"current":"v3","versions":{` +
			numbered(20, `"v#":{"value":"x","activeFrom":"2026-01-01T00:00:00Z","expiresAt":"2027-01-01T00:00:00Z"}`, ",") +
			"}}"},
		{"JSON, many versions", 200, `{"id":@,"versions":{` + numbered(200, `"v#":{"value":"x"}`, ",") + "}}"},
		{"JSON, just over a power of two", 33, `{"id":@,"versions":{` + numbered(33, `"v#":{"value":"x"}`, ",") + "}}"},
		{"JSON, one escaped value", 3, `{"versions":{"v0":{"value":"@"},"v1":{"value":"` + long + `"},"v2":{"value":"\n"}}}`},
		{"JSON, PEM keys", 5, `{"id":@,"versions":{` + numbered(5, `"v#":{"value":"`+pem+`"}`, ",") + "}}"},
		{"JSON, all escaped", 3, `{"id":@,"versions":{` +
			numbered(3, `"v#":{"value":"`+strings.Repeat(`\u00e9`, 400)+`"}`, ",") + "}}"},
		{"JSON, members in one place", 3, `{"id":@,"versions":{` +
			numbered(3, `"v#":{"value":"x","note":"`+long+`"}`, ",") + `},"more":"` + long + `"}`},
		{"JSON, members between the named ones", 3, `{"id":@,"versions":{` +
			numbered(3, `"v#":{"a":"`+long+`","value":"`+long+`","b":"`+long+`","expiresAt":null,"c":"`+long+`"}`, ",") +
			`},"more":"` + long + `"}`},
		{"JSON, members between the named ones, escapes", 3, `{"id":@,"versions":{` +
			numbered(3, `"\u0076#":{"a":"`+long+`","value":"`+pem+`","b":"`+long+`"}`, ",") + `},"more":"` + long + `"}`},
		{"JSON, names escaped in what is kept", 3, `{"id":@,"m":{"\u0061":1},"versions":{` +
			numbered(3, `"v#":{"value":"`+long+`"}`, ",") + "}}"},
		{"JSON, one version", 1, `{"versions":{"v1":{"value":"@` + long + `"}}}`},
		{"compact, one version", 1, "v1=@" + long},
		{"compact", 3, "current=v1;" + numbered(3, "v#=@"+long, ";")},
		{"compact with times", 20, numbered(20, "v#=@;v#_active=2026-01-01T00:00:00Z;v#_expires=2027-01-01T00:00:00Z", ";")},
		{"compact, attributes first", 200, numbered(200, "v#_expires=2027-01-01T00:00:00Z", ";") + ";" +
			numbered(200, "v#=@", ";")},
		{"compact, many semicolons", 3, numbered(3, "v#=@"+strings.Repeat(";", 1_000), ";")},
		{"compact, many versions", 200, numbered(200, "v#=@", ";")},
	}
	slow.Timed(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			const n, noise = 1_000, 32 << 10
			texts, documents := make([]string, n), make([]*secret.Document, n)
			empty := heap()
			for i := range texts {
				texts[i] = c.of(i)
			}
			alone := heap() - empty // more than their lengths: the allocator rounds up
			clear(texts)

			empty = heap()
			for i := range documents {
				doc, err := secret.Parse(c.of(i))
				require.True(t, err == nil && countOf(doc) == c.versions, "not read as it was meant: %v", err)
				documents[i] = doc
			}
			kept := heap() - empty
			require.LessOrEqual(t, kept, alone+n*c.versions*perVersion+noise, "bytes; the texts alone are %d", alone)
			runtime.KeepAlive(documents)
		})
	}
}

// heap returns how many bytes are in use once the garbage is gone.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
