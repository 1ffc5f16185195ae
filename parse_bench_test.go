package secret_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// documents returns n versions of a 33-byte value each, as JSON and in the
// compact form.
func documents(n int) (asJSON, asCompact string) {
	var j, c strings.Builder
	fmt.Fprintf(&j, `{"current":"v%d","versions":{`, n)
	fmt.Fprintf(&c, `current=v%d`, n)
	for i := 1; i <= n; i++ {
		value := fmt.Sprintf("value-of-thirty-three-bytes--%05d", i)
		from := fmt.Sprintf("20%02d-05-01T00:00:00.000Z", i)
		until := fmt.Sprintf("20%02d-06-01T00:00:00.000Z", i)
		if i > 1 {
			j.WriteByte(',')
		}
		fmt.Fprintf(&j, `"v%d":{"value":%q,"activeFrom":%q,"expiresAt":%q}`, i, value, from, until)
		fmt.Fprintf(&c, ";v%d=%s;v%d_active=%s;v%d_expires=%s", i, value, i, from, i, until)
	}
	return j.String() + "}}", c.String()
}

// BenchmarkParse sets Parse beside encoding/json, which decodes the same
// versions into a map.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{3, 50} {
		asJSON, asCompact := documents(n)
		b.Run(fmt.Sprintf("versions=%d/of=encodingjson", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var m map[string]any
				if json.Unmarshal([]byte(asJSON), &m) != nil {
					b.Fatal("not JSON")
				}
			}
		})
		for name, text := range map[string]string{"json": asJSON, "compact": asCompact} {
			b.Run(fmt.Sprintf("versions=%d/of=%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := secret.Parse(text); err != nil {
						b.Fatal("not parsed")
					}
				}
			})
		}
	}
}

// BenchmarkParsePlain parses the plain values that a store usually holds.
func BenchmarkParsePlain(b *testing.B) {
	pem := "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat(strings.Repeat("M", 64)+"\n", 26) +
		"-----END PRIVATE KEY-----\n"
	for name, text := range map[string]string{
		"token":      "sk_live_abcdefghijklmnopqrstuvwxyz0123456789",
		"pem":        pem,
		"connection": "Server=db.example;User=sa;Password=abcdefghijklmnop;Encrypt=true",
		"credentials": `{"type":"service_account","project_id":"p","private_key":"` + strings.ReplaceAll(pem, "\n", `\n`) +
			`"}`,
		"quoted": `"sk_live_abcdefghijklmnopqrstuvwxyz0123456789"`,
	} {
		b.Run("of="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := secret.Parse(text); err != nil {
					b.Fatal("not parsed")
				}
			}
		})
	}
}

// TestParseAllocations holds the budget: the Document, its versions and, for
// more than eight versions, the index.
func TestParseAllocations(t *testing.T) {
	for _, c := range []struct {
		versions int
		most     float64
	}{{1, 3}, {3, 3}, {8, 3}, {50, 4}, {1_000, 4}} {
		inside := numbered(c.versions, `"v#":{"value":"value-of-thirty-three-bytes--00001",`+
			`"activeFrom":"2026-05-01T00:00:00Z","expiresAt":"2026-06-01T00:00:00Z"}`, ",")
		for name, text := range map[string]string{
			"json":    `{"current":"v0","versions":{` + inside + `}}`,
			"compact": numbered(c.versions, "v#=value-of-thirty-three-bytes--00001", ";"),
			"compact with times": numbered(c.versions, "v#=value-of-thirty-three-bytes--00001;"+
				"v#_expires=2026-06-01T00:00:00Z", ";"),
		} {
			allocs := testing.AllocsPerRun(20, func() { _, _ = secret.Parse(text) })
			require.LessOrEqual(t, allocs, c.most, "%s, %d versions", name, c.versions)
		}
	}
}
