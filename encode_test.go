package secret_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

var (
	may  = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	june = time.Date(2026, 6, 1, 12, 30, 0, 120_000_000, time.UTC)
	ever = time.Time{}
)

// made is NewDocument for documents that are known to be right.
func made(t *testing.T, current string, versions ...secret.Version) *secret.Document {
	t.Helper()
	d, err := secret.NewDocument(current, versions...)
	require.NoError(t, err)
	return d
}

func parsed(t *testing.T, text string) *secret.Document {
	t.Helper()
	d, err := secret.Parse(text)
	require.NoError(t, err)
	return d
}

func version(id, text string) secret.Version { return secret.NewVersion(id, text, ever, ever) }

// TestEncodedDocumentsAreReadBack: the text of a document in each format, and
// those that it refuses. Where a text is given it is the whole answer.
func TestEncodedDocumentsAreReadBack(t *testing.T) {
	const refused = "\x00refused"
	type texts struct{ plain, json, compact string }
	cases := []struct {
		name string
		doc  *secret.Document
		want texts
	}{
		{"plain", parsed(t, "token"),
			texts{"token", `{"versions":{"v1":{"value":"token"}}}`, "v1=token"}},
		{"plain, white space and byte order mark", parsed(t, "\ufeff token\n"),
			texts{"\ufeff token\n", "{\"versions\":{\"v1\":{\"value\":\"\ufeff token\\n\"}}}", refused}},
		{"plain, not UTF-8", parsed(t, "\xff"), texts{"\xff", refused, "v1=\xff"}},
		{"plain, no version document in fact", parsed(t, `{"versions":{}}`),
			texts{`{"versions":{}}`, `{"versions":{"v1":{"value":"{\"versions\":{}}"}}}`, `v1={"versions":{}}`}},
		{"one version that a plain text can be", made(t, "", version("v1", "token")),
			texts{"token", `{"versions":{"v1":{"value":"token"}}}`, "v1=token"}},
		{"one version, named current", made(t, "v1", version("v1", "token")),
			texts{"token", `{"current":"v1","versions":{"v1":{"value":"token"}}}`, "current=v1;v1=token"}},
		{"one version, another named current", made(t, "v2", version("v1", "token")),
			texts{refused, `{"current":"v2","versions":{"v1":{"value":"token"}}}`, "current=v2;v1=token"}},
		{"another id", made(t, "", version("v2", "token")),
			texts{refused, `{"versions":{"v2":{"value":"token"}}}`, "v2=token"}},
		{"activeFrom", made(t, "", secret.NewVersion("v1", "token", may, ever)),
			texts{refused, `{"versions":{"v1":{"value":"token","activeFrom":"2026-05-01T00:00:00Z"}}}`,
				"v1=token;v1_active=2026-05-01T00:00:00Z"}},
		{"expiresAt", made(t, "", secret.NewVersion("v1", "token", ever, june)),
			texts{refused, `{"versions":{"v1":{"value":"token","expiresAt":"2026-06-01T12:30:00.12Z"}}}`,
				"v1=token;v1_expires=2026-06-01T12:30:00.12Z"}},
		{"two versions, order kept", made(t, "v2", secret.NewVersion("v2", "b", may, june), version("v1", "a")),
			texts{refused,
				`{"current":"v2","versions":{"v2":{"value":"b","activeFrom":"2026-05-01T00:00:00Z","expiresAt":"2026-06-01T12:30:00.12Z"},"v1":{"value":"a"}}}`,
				"current=v2;v2=b;v2_active=2026-05-01T00:00:00Z;v2_expires=2026-06-01T12:30:00.12Z;v1=a"}},
		{"the ends of time", made(t, "", secret.NewVersion("v1", "a", time.Unix(0, 0), time.Unix(253402300799, 999_999_999))),
			texts{refused,
				`{"versions":{"v1":{"value":"a","activeFrom":"1970-01-01T00:00:00Z","expiresAt":"9999-12-31T23:59:59.999999999Z"}}}`,
				"v1=a;v1_active=1970-01-01T00:00:00Z;v1_expires=9999-12-31T23:59:59.999999999Z"}},
		{"current names none", parsed(t, `{"current":"v9","versions":{"v1":{"value":"a"},"v2":{"value":"b"}}}`),
			texts{refused, `{"current":"v9","versions":{"v1":{"value":"a"},"v2":{"value":"b"}}}`, "current=v9;v1=a;v2=b"}},
		{"current names none, no compact id", made(t, "a_b", version("v1", "a")),
			texts{refused, `{"current":"a_b","versions":{"v1":{"value":"a"}}}`, refused}},
		{"ids of the compact grammar", made(t, "k.1", version("k.1", "a"), version("0-Z", "b")),
			texts{refused, `{"current":"k.1","versions":{"k.1":{"value":"a"},"0-Z":{"value":"b"}}}`, "current=k.1;k.1=a;0-Z=b"}},
		{"ids that only current= makes compact", made(t, "", version("k.1", "a"), version("v1", "b")),
			texts{refused, `{"versions":{"k.1":{"value":"a"},"v1":{"value":"b"}}}`, refused}},
		{"an id with an underscore", made(t, "v1_expires", version("v1", "a"), version("v1_expires", "2027-01-01T00:00:00Z")),
			texts{refused,
				`{"current":"v1_expires","versions":{"v1":{"value":"a"},"v1_expires":{"value":"2027-01-01T00:00:00Z"}}}`, refused}},
		{"an id with an underscore, not current", made(t, "v1", version("v1", "a"),
			version("v1_expires", "2027-01-01T00:00:00Z")),
			texts{refused, `{"current":"v1","versions":{"v1":{"value":"a"},"v1_expires":{"value":"2027-01-01T00:00:00Z"}}}`,
				refused}},
		{"an id that begins with a hyphen", made(t, "v1", version("-a", "a"), version("v1", "b")),
			texts{refused, `{"current":"v1","versions":{"-a":{"value":"a"},"v1":{"value":"b"}}}`, refused}},
		{"an id with an equals sign", made(t, "v1", version("a=b", "a"), version("v1", "b")),
			texts{refused, `{"current":"v1","versions":{"a=b":{"value":"a"},"v1":{"value":"b"}}}`, refused}},
		{"the id current", made(t, "v1", version("current", "v1"), version("v1", "a")),
			texts{refused, `{"current":"v1","versions":{"current":{"value":"v1"},"v1":{"value":"a"}}}`, refused}},
		{"the id current, which is current", made(t, "current", version("current", "v1")),
			texts{refused, `{"current":"current","versions":{"current":{"value":"v1"}}}`, refused}},
		{"an id to escape", made(t, "\"\\\x01é", version("\"\\\x01é", "a")),
			texts{refused, `{"current":"\"\\\u0001é","versions":{"\"\\\u0001é":{"value":"a"}}}`, refused}},
		{"an id that is not UTF-8", made(t, "v1", version("\xff", "a"), version("v1", "b")),
			texts{refused, refused, refused}},
		{"a current that is not UTF-8", made(t, "\xff", version("v1", "a")), texts{refused, refused, refused}},
		{"a value to escape", made(t, "", version("v1", "\"\\\b\f\n\r\t\x00\x1f\x7f<é😀\u2028")),
			texts{"\"\\\b\f\n\r\t\x00\x1f\x7f<é😀\u2028",
				`{"versions":{"v1":{"value":"\"\\\u0008\u000c\n\r\t\u0000\u001f` + "\x7f<é😀\u2028" + `"}}}`,
				"v1=\"\\\b\f\n\r\t\x00\x1f\x7f<é😀\u2028"}},
		{"a value with a semicolon", made(t, "", version("v1", "a;b")),
			texts{"a;b", `{"versions":{"v1":{"value":"a;b"}}}`, refused}},
		{"a value that a segment could follow", made(t, "", version("v1", "a;v2=b")),
			texts{"a;v2=b", `{"versions":{"v1":{"value":"a;v2=b"}}}`, refused}},
		{"a value with white space before", made(t, "", version("v1", " a")),
			texts{" a", `{"versions":{"v1":{"value":" a"}}}`, refused}},
		{"a value with white space behind", made(t, "", version("v1", "a\v")),
			texts{"a\v", `{"versions":{"v1":{"value":"a\u000b"}}}`, refused}},
		{"a value of white space", made(t, "", version("v1", " ")),
			texts{refused, `{"versions":{"v1":{"value":" "}}}`, refused}},
		{"a value with white space inside", made(t, "", version("v1", "a b")),
			texts{"a b", `{"versions":{"v1":{"value":"a b"}}}`, "v1=a b"}},
		{"a value with equals signs", made(t, "", version("v1", "==")),
			texts{"==", `{"versions":{"v1":{"value":"=="}}}`, "v1==="}},
		{"a value that is a byte order mark", made(t, "", version("v1", "\ufeff")),
			texts{refused, "{\"versions\":{\"v1\":{\"value\":\"\ufeff\"}}}", "v1=\ufeff"}},
		{"a value taken for compact", made(t, "", version("v1", "v1=b")),
			texts{refused, `{"versions":{"v1":{"value":"v1=b"}}}`, "v1=v1=b"}},
		{"a value taken for malformed compact", made(t, "", version("v1", "current=b")),
			texts{refused, `{"versions":{"v1":{"value":"current=b"}}}`, "v1=current=b"}},
		{"a value taken for JSON", made(t, "", version("v1", `{"versions":{"v1":{"value":"b"}}}`)),
			texts{refused, `{"versions":{"v1":{"value":"{\"versions\":{\"v1\":{\"value\":\"b\"}}}"}}}`,
				`v1={"versions":{"v1":{"value":"b"}}}`}},
		{"a value taken for malformed JSON", made(t, "", version("v1", `{"current":`)),
			texts{refused, `{"versions":{"v1":{"value":"{\"current\":"}}}`, `v1={"current":`}},
		{"members of the document", parsed(t, ` {"a" : [1, {"b":"\u00e9"}] ,"versions":{"v1":{"value":"x"}}} `),
			texts{refused, `{"versions":{"v1":{"value":"x"}},"a" : [1, {"b":"\u00e9"}]}`, refused}},
		{"members of a version", parsed(t, `{"versions":{"v1":{"by" : "\/\ud800" ,"value":"x"}}}`),
			texts{refused, `{"versions":{"v1":{"value":"x","by" : "\/\ud800"}}}`, refused}},
		{"members between the named ones",
			parsed(t,
				`{"a":1.0,"current":"v1","b":2e0,"c": 3,"versions":{"v1":{"d":4,"value":"x","e":5,"activeFrom":null,"f":6,"expiresAt":null,"g":7}},"h":8}`),
			texts{refused,
				`{"current":"v1","versions":{"v1":{"value":"x","d":4,"e":5,"f":6,"g":7}},"a":1.0,"b":2e0,"c": 3,"h":8}`, refused}},
		{"compact", parsed(t, "v1_expires=2026-06-01T14:30:00.120+02:00 ;v2=b; current=v1;;v1=a;"),
			texts{refused,
				`{"current":"v1","versions":{"v2":{"value":"b"},"v1":{"value":"a","expiresAt":"2026-06-01T12:30:00.12Z"}}}`,
				"current=v1;v2=b;v1=a;v1_expires=2026-06-01T12:30:00.12Z"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for format, want := range map[secret.Format]string{
				secret.FormatPlain: c.want.plain, secret.FormatJSON: c.want.json, secret.FormatCompact: c.want.compact,
			} {
				got, err := c.doc.Encode(format)
				if want == refused {
					requireRefusal(t, err, secret.ErrEncoding, got, format.String())
					continue
				}
				require.NoError(t, err, "%v", format)
				require.True(t, want == got, "%v: another text", format)
				back, err := secret.Parse(got)
				require.NoError(t, err, "%v", format)
				require.Equal(t, format, back.StoredAs())
				require.True(t, reads(c.doc) == reads(back), "%v: another document", format)
				again, err := back.Encode(secret.FormatAuto)
				require.True(t, err == nil && again == got, "%v: not the same again: %v", format, err)
			}
		})
	}
}

// requireRefusal wants an *Error of the operation encode, of one kind, and no
// text beside it.
func requireRefusal(t *testing.T, err error, sentinel error, text, what string) {
	t.Helper()
	require.True(t, text == "", "%s: a text beside an error", what)
	require.True(t, errors.Is(err, sentinel), "%s: %v", what, err)
	var e *secret.Error
	require.True(t, errors.As(err, &e) && e.Op == "encode" && offsetOf(e) == -1, what)
}

func TestEncodeAutoIsTheFormatItIsStoredAs(t *testing.T) {
	for _, text := range []string{"token", `{"versions":{"v1":{"value":"token"}}}`, "v1=token"} {
		d := parsed(t, text)
		got, err := d.Encode(secret.FormatAuto)
		require.NoError(t, err, "%v", d.StoredAs())
		require.True(t, got == text, "%v", d.StoredAs())
	}
	got, err := made(t, "", version("v1", "token")).Encode(secret.FormatAuto)
	require.NoError(t, err)
	require.True(t, got == `{"versions":{"v1":{"value":"token"}}}`, "what NewDocument made is JSON")
}

func TestEncodeRefuses(t *testing.T) {
	got, err := parsed(t, "token").Encode(secret.FormatCompact + 1)
	requireRefusal(t, err, secret.ErrInvalid, got, "an unknown format")

	for _, d := range []*secret.Document{nil, new(secret.Document)} {
		for _, f := range []secret.Format{secret.FormatAuto, secret.FormatPlain, secret.FormatJSON, secret.FormatCompact} {
			got, err = d.Encode(f)
			requireRefusal(t, err, secret.ErrEncoding, got, "a document without a version")
		}
	}

	// Encode returns no text that Parse refuses for its size, and accepts one that
	// just fits.
	const overhead = len(`{"versions":{"v1":{"value":""}}}`)
	for size, fits := range map[int]bool{1<<20 - overhead: true, 1<<20 - overhead + 1: false} {
		d := made(t, "", version("v1", strings.Repeat("a", size)))
		got, err = d.Encode(secret.FormatJSON)
		if fits {
			require.True(t, err == nil && len(got) == 1<<20, "%v", err)
		} else {
			requireRefusal(t, err, secret.ErrTooLarge, got, "a text over 1 MiB")
		}
	}

	// A pin may have given a text a meaning that it does not have by itself.
	for text, pin := range map[string]secret.Format{
		"v1=a": secret.FormatPlain, `{"versions":{"v1":{"value":"a"}}}`: secret.FormatPlain,
		`{"current":`: secret.FormatPlain, "prod=a": secret.FormatCompact,
	} {
		d, err := loadPinned(text, pin)
		require.NoError(t, err)
		got, err = d.Encode(secret.FormatAuto)
		requireRefusal(t, err, secret.ErrEncoding, got, "a text that only a pin explains")
	}
}

// TestEncodeErrorsShowNoValue: the reasons name ids at most.
func TestEncodeErrorsShowNoValue(t *testing.T) {
	for _, value := range []string{"hush;", " hush", "hush\xff", `{"current":"hush`, "current=hush"} {
		d := made(t, "v1", version("v1", value), version("v2", "hush"))
		one := made(t, "", version("v1", value))
		for _, f := range []secret.Format{secret.FormatPlain, secret.FormatJSON, secret.FormatCompact} {
			for _, d := range []*secret.Document{d, one} {
				if _, err := d.Encode(f); err != nil {
					var e *secret.Error
					require.True(t, errors.As(err, &e))
					quiet(t, err, e, "hush")
				}
			}
		}
	}
}

func TestNewDocument(t *testing.T) {
	end := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	many := func(last string) (vs []secret.Version) {
		for i := range 20 {
			vs = append(vs, version("v"+string(rune('a'+i)), "hush"))
		}
		return append(vs, version(last, "hush"))
	}
	renamed := version("v1", "hush")
	renamed.ID = ""
	backwards := secret.NewVersion("v1", "hush", may, june)
	backwards.ActiveFrom = june
	cases := []struct {
		name     string
		versions []secret.Version
		id       string // of the version that the error names
		valid    bool
	}{
		{name: "no version"},
		{name: "the zero Version", versions: []secret.Version{{}}},
		{name: "an empty id", versions: []secret.Version{version("", "hush")}},
		{name: "an id made empty", versions: []secret.Version{renamed}},
		{name: "an empty value", versions: []secret.Version{version("v1", "hush"), version("v2", "")}, id: "v2"},
		{name: "no value", versions: []secret.Version{{ID: "v3"}}, id: "v3"},
		{name: "an id twice", versions: []secret.Version{version("v1", "hush"), version("v2", "b"), version("v1", "c")},
			id: "v1"},
		{name: "an id twice among many", versions: many("vc"), id: "vc"},
		{name: "many ids", versions: many("vz"), valid: true},
		{name: "equal times", versions: []secret.Version{secret.NewVersion("v1", "hush", may, may)}, id: "v1"},
		{name: "equal instants", versions: []secret.Version{secret.NewVersion("v1", "hush", may,
			may.In(time.FixedZone("", 3600)))}, id: "v1"},
		{name: "expires before it begins", versions: []secret.Version{secret.NewVersion("v1", "hush", june, may)}, id: "v1"},
		{name: "a life turned round by the caller", versions: []secret.Version{backwards}, id: "v1"},
		{name: "a nanosecond of life", versions: []secret.Version{secret.NewVersion("v1", "hush", may, may.Add(1))},
			valid: true},
		{name: "before 1970", versions: []secret.Version{secret.NewVersion("v1", "hush", time.Unix(0, -1), ever)}, id: "v1"},
		{name: "1970", versions: []secret.Version{secret.NewVersion("v1", "hush", time.Unix(0, 0), ever)}, valid: true},
		{name: "expires before 1970", versions: []secret.Version{secret.NewVersion("v1", "hush", ever, time.Unix(0, -1))},
			id: "v1"},
		{name: "expires in 1970", versions: []secret.Version{secret.NewVersion("v1", "hush", ever, time.Unix(0, 0))},
			valid: true},
		{name: "the end of 9999", versions: []secret.Version{secret.NewVersion("v1", "hush", may, end.Add(-1))}, valid: true},
		{name: "after 9999", versions: []secret.Version{secret.NewVersion("v1", "hush", may, end)}, id: "v1"},
		{name: "begins after 9999", versions: []secret.Version{secret.NewVersion("v1", "hush", end, ever)}, id: "v1"},
		{name: "after 9999 in UTC", versions: []secret.Version{secret.NewVersion("v1", "hush", ever,
			time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3600)))}, id: "v1"},
		{name: "any id", versions: []secret.Version{version(" ;=_\xff", "hush")}, valid: true},
		{name: "any value", versions: []secret.Version{version("v1", "\x00\xff ")}, valid: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d, err := secret.NewDocument("v1", c.versions...)
			if c.valid {
				require.NoError(t, err)
				require.Equal(t, len(c.versions), countOf(d))
				return
			}
			require.True(t, d == nil, "a document beside an error")
			require.True(t, errors.Is(err, secret.ErrInvalid), "%v", err)
			var e *secret.Error
			require.True(t, errors.As(err, &e))
			require.Equal(t, c.id, e.Version)
			require.Equal(t, -1, offsetOf(e))
			quiet(t, err, e, "hush")
		})
	}
}

func TestNewDocumentPicksCurrent(t *testing.T) {
	v1, v2 := version("v1", "a"), version("v2", "b")
	for current, want := range map[string]string{"": "v2", "v1": "v1", "v2": "v2", "v9": "v2"} {
		d := made(t, current, v1, v2)
		require.Equal(t, want, d.Current().ID, current)
		require.Equal(t, secret.FormatJSON, d.StoredAs())
	}
}

// TestNewDocumentReadsAsParsed: a document built in a program reads like the
// parsed text of the same document.
func TestNewDocumentReadsAsParsed(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Now()
	cases := map[string]*secret.Document{
		`{"current":"v1","versions":{"v1":{"value":"a","activeFrom":"2026-05-01T00:00:00Z"},"v2":{"value":"b","expiresAt":"2026-06-01T12:30:00.12Z"}}}`: made(t, "v1",
			secret.NewVersion("v1", "a", may.In(zone), ever), secret.NewVersion("v2", "b", ever, june.In(zone))),
		`{"versions":{"v1":{"value":"a","activeFrom":"` + now.UTC().Format(time.RFC3339Nano) + `"}}}`: made(t, "",
			secret.NewVersion("v1", "a", now, ever)),
	}
	for text, d := range cases {
		require.True(t, reads(parsed(t, text)) == reads(d))
		for v := range d.All() {
			require.True(t, v.ActiveFrom == v.ActiveFrom.Round(0).UTC(), "in UTC, without a monotonic reading")
		}
	}
}

// TestDocumentsRemade: versions taken from parsed documents go into another one
// with all that they hold.
func TestDocumentsRemade(t *testing.T) {
	old := parsed(t,
		`{"x":1,"current":"v1","versions":{"v1":{"by":"\u0061","value":"a\n","activeFrom":"2026-05-01T00:00:00Z"},"v2":{"value":"b"}}}`)
	other := parsed(t, "v1=token;v7=c;v7_expires=2026-06-01T12:30:00.12Z")
	plain := parsed(t, " plain ")

	same := made(t, "v1", slices.Collect(old.All())...)
	got, err := same.Encode(secret.FormatAuto)
	require.NoError(t, err)
	require.True(t,
		got == `{"current":"v1","versions":{"v1":{"value":"a\n","activeFrom":"2026-05-01T00:00:00Z","by":"\u0061"},"v2":{"value":"b"}}}`,
		"a version's own members go with it, the document's do not")
	require.True(t, reads(old) == reads(same))

	v1, err := old.Version("v1")
	require.NoError(t, err)
	v7, err := other.Version("v7")
	require.NoError(t, err)
	p := plain.Current()
	v1.ExpiresAt = june.In(time.FixedZone("", 3600))
	v7.ExpiresAt = ever
	p.ID = "v3"
	mixed := made(t, "", v7, p, v1)
	got, err = mixed.Encode(secret.FormatJSON)
	require.NoError(t, err)
	require.True(t,
		got == `{"versions":{"v7":{"value":"c"},"v3":{"value":" plain "},"v1":{"value":"a\n","activeFrom":"2026-05-01T00:00:00Z","expiresAt":"2026-06-01T12:30:00.12Z","by":"\u0061"}}}`,
		"fields that the caller changed count, and the value stays")

	// The documents that the versions came from did not notice.
	before, err := old.Version("v1")
	require.NoError(t, err)
	require.True(t, before.ExpiresAt.IsZero())
	require.Equal(t, "v1", plain.Current().ID)

	// A changed copy of a version still has its text.
	require.True(t, p.Text() == " plain " && p.Equal(" plain "))
}
