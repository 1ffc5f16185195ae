package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// The model decides about a text by the table of the package documentation, row
// by row, without regard to time or memory. It shares no code with the parser.

const (
	modelSpace = " \t\n\v\f\r"
	jsonSpace  = " \t\n\r"
)

var (
	modelKey  = regexp.MustCompile(`^(current|v[0-9]+|v[0-9]+_[^=]*)$`)
	modelID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)
	modelTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	bareName  = regexp.MustCompile("^[a-z]+")
)

// reading is the outcome of one text.
type reading struct {
	kind     string // empty, malformed, plain, json or compact
	versions string // ids, values and times, and which is current
}

func modelTrim(s string) string { return strings.Trim(strings.TrimPrefix(s, "\ufeff"), modelSpace) }

// modelOf returns the contract's reading of a text.
func modelOf(text string) reading {
	t := modelTrim(text)
	switch {
	case t == "":
		return reading{kind: "empty"}
	case row2(t):
		return modelJSON(text, t)
	case row3(t), row3b(t):
		return reading{kind: "malformed"}
	case row4(t), row5(t):
		return modelCompact(t)
	}
	return reading{"plain", fmt.Sprintf("%q", text)}
}

// isDocument reports whether rows 2 to 5 take a text for a version document.
func isDocument(text string) bool {
	t := modelTrim(text)
	return t != "" && (row2(t) || row3(t) || row3b(t) || row4(t) || row5(t))
}

func row2(t string) bool {
	if !strings.HasPrefix(t, "{") || !json.Valid([]byte(t)) {
		return false
	}
	for _, m := range membersIn(t) {
		if m.name == "versions" && strings.HasPrefix(m.value, "{") {
			return true
		}
	}
	return false
}

func row3(t string) bool {
	if !strings.HasPrefix(t, "{") || json.Valid([]byte(t)) {
		return false
	}
	names := wholeNames(t)
	return len(names) > 0 && names[0] == "current" || slices.Contains(names, "versions")
}

func row3b(t string) bool {
	if q := t[0]; (q == '"' || q == '\'') && len(t) > 1 && t[len(t)-1] == q {
		inside := t[1 : len(t)-1]
		var decoded string
		return isDocument(inside) || json.Unmarshal([]byte(`"`+inside+`"`), &decoded) == nil && decoded != inside &&
			isDocument(decoded)
	}
	if n := modelComment(t); n > 0 {
		return isDocument(t[n:])
	}
	if t[0] != '{' {
		return false
	}
	inside := strings.TrimLeft(t[1:], jsonSpace)
	if n := modelComment(inside); n > 0 {
		return isDocument("{" + inside[n:])
	}
	if strings.HasPrefix(inside, "'current'") || strings.HasPrefix(inside, "'versions'") {
		return true
	}
	name := bareName.FindString(inside)
	after := strings.TrimPrefix(inside, name)
	return (name == "current" || name == "versions") && after != "" &&
		strings.ContainsRune(" \t\n\v\f\r:=,}/#", rune(after[0]))
}

func modelComment(t string) int {
	for begin, end := range map[string]string{"#": "\n", "//": "\n", "/*": "*/"} {
		if rest, ok := strings.CutPrefix(t, begin); ok {
			if i := strings.Index(rest, end); i >= 0 {
				return len(begin) + i + len(end)
			}
		}
	}
	return 0
}

func row4(t string) bool { return strings.HasPrefix(t, "current=") }

func row5(t string) bool {
	version := false
	for _, segment := range strings.Split(t, ";") {
		segment = strings.Trim(segment, modelSpace)
		key, _, ok := strings.Cut(segment, "=")
		if segment != "" && (!ok || !modelKey.MatchString(key)) {
			return false
		}
		version = version || segment != "" && key != "current" && !strings.Contains(key, "_")
	}
	return version
}

// jsonMember is a member of a JSON object, in the order of the text.
type jsonMember struct{ name, value string }

func membersIn(object string) (found []jsonMember) {
	d := json.NewDecoder(strings.NewReader(object))
	_, _ = d.Token()
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return found
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return found
		}
		found = append(found, jsonMember{name.(string), string(value)})
	}
	return found
}

// wholeNames returns the top-level names before the first fault.
func wholeNames(object string) (names []string) {
	d := json.NewDecoder(strings.NewReader(object))
	depth, isName := 0, []bool{}
	for {
		token, err := d.Token()
		if err != nil {
			return names
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			isName = append(isName, token == json.Delim('{'))
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			isName = isName[:depth]
		default:
			if isName[depth-1] {
				if depth == 1 {
					names = append(names, token.(string))
				}
				isName[depth-1] = false
				continue
			}
		}
		if depth == 0 {
			return names
		}
		// A value has ended. In an object a name follows; in an array, whose flag is
		// never set, another value.
		isName[depth-1] = inObject(object, d.InputOffset(), depth)
	}
}

// inObject reports whether the bracket that encloses the offset at that depth
// is a brace.
func inObject(text string, offset int64, depth int) bool {
	d := json.NewDecoder(strings.NewReader(text[:offset]))
	var open []json.Delim
	for {
		token, err := d.Token()
		if err != nil {
			return open[depth-1] == '{'
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			open = append(open, token.(json.Delim))
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

func namesRepeat(value string) bool {
	value = strings.Trim(value, jsonSpace)
	switch value[0] {
	case '{':
		seen := map[string]bool{}
		for _, m := range membersIn(value) {
			if seen[m.name] || namesRepeat(m.value) {
				return true
			}
			seen[m.name] = true
		}
	case '[':
		var elements []json.RawMessage
		_ = json.Unmarshal([]byte(value), &elements)
		for _, e := range elements {
			if namesRepeat(string(e)) {
				return true
			}
		}
	}
	return false
}

func instant(s string) (time.Time, bool) {
	if !modelTime.MatchString(s) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err == nil && t.Unix() >= 0 && t.Unix() < time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
}

// modelVersion is one version.
type modelVersion struct {
	id, value string
	from, end time.Time
}

func sound(kind, marker string, versions []modelVersion) reading {
	ids := map[string]bool{}
	current := versions[len(versions)-1].id
	for _, v := range versions {
		if ids[v.id] || v.id == "" || v.value == "" || !v.from.IsZero() && !v.end.IsZero() && !v.end.After(v.from) {
			return reading{kind: "malformed"}
		}
		ids[v.id] = true
		if v.id == marker {
			current = marker
		}
	}
	r := reading{kind: kind}
	for _, v := range versions {
		r.versions += fmt.Sprintf("%q=%q %v %v\n", v.id, v.value, v.from, v.end)
	}
	r.versions += fmt.Sprintf("current %q", current)
	return r
}

func modelJSON(text, t string) reading {
	bad := reading{kind: "malformed"}
	if !utf8.ValidString(t) || namesRepeat(t) {
		return bad
	}
	marker := ""
	var versions []modelVersion
	for _, m := range membersIn(t) {
		switch m.name {
		case "current":
			if m.value != "null" && json.Unmarshal([]byte(m.value), &marker) != nil {
				return bad
			}
		case "versions":
			for _, one := range membersIn(m.value) {
				v := modelVersion{id: one.name}
				if one.value[0] != '{' {
					return bad
				}
				for _, part := range membersIn(one.value) {
					var s string
					isString := part.value[0] == '"' && json.Unmarshal([]byte(part.value), &s) == nil
					at, isTime := instant(s)
					isTime = isTime && isString
					switch {
					case part.name == "value" && isString:
						v.value = s
					case part.name == "activeFrom" && isTime:
						v.from = at
					case part.name == "expiresAt" && isTime:
						v.end = at
					case part.name == "value", (part.name == "activeFrom" || part.name == "expiresAt") && part.value != "null":
						return bad
					}
				}
				if v.id == "" || v.value == "" {
					return bad
				}
				versions = append(versions, v)
			}
		}
	}
	if len(versions) == 0 {
		return reading{"plain", fmt.Sprintf("%q", text)}
	}
	return sound("json", marker, versions)
}

func modelCompact(t string) reading {
	bad := reading{kind: "malformed"}
	var versions []modelVersion
	keys := map[string]string{}
	for _, segment := range strings.Split(t, ";") {
		if segment = strings.Trim(segment, modelSpace); segment == "" {
			continue
		}
		key, value, ok := strings.Cut(segment, "=")
		_, twice := keys[key]
		if !ok || twice || value == "" || strings.Trim(key, modelSpace) != key ||
			strings.TrimLeft(value, modelSpace) != value {
			return bad
		}
		keys[key] = value
		if key != "current" && !strings.Contains(key, "_") {
			if !modelID.MatchString(key) || oneALine(value) {
				return bad
			}
			versions = append(versions, modelVersion{id: key, value: value})
		}
	}
	for key, value := range keys {
		id, suffix, isAttribute := strings.Cut(key, "_")
		i := slices.IndexFunc(versions, func(v modelVersion) bool { return v.id == id })
		at, isTime := instant(value)
		switch {
		case key == "current" && !modelID.MatchString(value):
			return bad
		case !isAttribute:
		case i < 0 || !isTime:
			return bad
		case suffix == "active":
			versions[i].from = at
		case suffix == "expires":
			versions[i].end = at
		default:
			return bad
		}
	}
	if len(versions) == 0 {
		return bad
	}
	return sound("compact", keys["current"], versions)
}

// oneALine reports whether a line after the first is KEY=VALUE.
func oneALine(value string) bool {
	lines := strings.FieldsFunc(value, func(c rune) bool { return c == '\n' || c == '\r' })
	for i, line := range lines {
		key, _, ok := strings.Cut(strings.Trim(line, modelSpace), "=")
		if i > 0 && ok && modelKey.MatchString(key) {
			return true
		}
	}
	return false
}

// readingOf is the parser's outcome, written as the model writes it.
func readingOf(text string) reading {
	d, err := secret.Parse(text)
	switch {
	case errors.Is(err, secret.ErrEmpty):
		return reading{kind: "empty"}
	case errors.Is(err, secret.ErrMalformed):
		return reading{kind: "malformed"}
	case err != nil:
		return reading{kind: err.Error()}
	case d.StoredAs() == secret.FormatPlain:
		return reading{"plain", fmt.Sprintf("%q", d.Current().Text())}
	}
	var versions []modelVersion
	for v := range d.All() {
		versions = append(versions, modelVersion{v.ID, v.Text(), v.ActiveFrom, v.ExpiresAt})
	}
	return sound(d.StoredAs().String(), d.Current().ID, versions)
}

// hostileWords build texts and damage them.
var hostileWords = []string{
	"", " ", "\n", "\r", "\r\n", "\t", "\v", "\f", "\ufeff", "\u00a0", "\x00", "\xff", ";", "=", ";;", "_", "{", "}", "[",
	"]", ",", ":", `"`, "'", "\\", `\"`, `\n`, `\u007b`, `\u0022`,
	"current", "versions", "current=", "current=v1;", "v1=", "v2=", "v1_expires=", "v1_x", "v٣=", "v=", "V1=", "vx=",
	"a=", "k.1=x", "hush", "null", "1", "-0.5e+3", "true",
	`"current":"v1"`, `"versions"`, `"versions":{`, `"versions":[]`, `{"versions":{}}`, "'current'", "'versions'",
	"'versions':{", "{current", "{versions", "{'current", "{'versions'",
	"//", "// c\n", "# c\n", "#", "/*", "*/", "/* c */", `"x":1`, `"value":"hush"`, "2026-06-01T00:00:00Z",
	"1969-12-31T23:59:59Z", "\nv2=new", "\ncurrent=v1", "\n v1_expires=", "\\u0076",
}

// hostileDocuments are where most texts begin.
var hostileDocuments = []string{
	`{"current":"v2","versions":{"v1":{"value":"old"},"v2":{"value":"new","activeFrom":"2026-05-01T00:00:00Z","expiresAt":"2026-06-01T00:00:00+02:00"}}}`,
	`{"versions":{"v1":{"value":"a\nb\"c"}}}`, `{"versions":{}}`,
	`{"x":[1,{"y":"z"}],"versions":{"v1":{"value":"a"}},"current":null}`, `{"current":"v1"}`,
	`{"type":"service_account","private_key":"hush"}`, `{'current': 'v1', 'versions': {'v1': {'value': 'old'}}}`,
	`{current: "v1", versions: {}}`, `{"a":1,}`,
	"current=v2;v1=old;v1_expires=2026-06-01T00:00:00Z;v2=new", "v1=old;v2=new", "v1=old\nv2=new", "current=v1\nv1=old",
	"v1=abc;def", "v1=-----BEGIN KEY-----\nabc=\n-----END KEY-----;v2=b",
	"sk_live_hush", "Server=db;User=sa;Password=hush", "postgres://u:hush@db/x?v1=2",
	"-----BEGIN KEY-----\nabc=\n-----END KEY-----\n", `"hush"`, "# a comment\nhush", "v1_expires=2026-06-01T00:00:00Z",
}

// hostileText returns the next text of a generator: documents and words, cut,
// damaged, quoted, encoded and commented.
func hostileText(r *rand.Rand) string {
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	text := pick(hostileDocuments)
	if r.IntN(4) == 0 {
		text = ""
		for range 1 + r.IntN(5) {
			text += pick(hostileWords)
		}
	}
	for range r.IntN(5) {
		at := r.IntN(len(text) + 1)
		switch r.IntN(14) {
		case 0, 1:
			text = text[:at] + pick(hostileWords) + text[at:]
		case 2:
			text = text[:at]
		case 3:
			text = text[:at] + text[min(len(text), at+1+r.IntN(4)):]
		case 4:
			text = "'" + text + "'"
		case 5:
			text = `"` + text + `"`
		case 6:
			encoded, _ := json.Marshal(text)
			text = string(encoded)
		case 7:
			encoded, _ := json.Marshal(text)
			text = string(encoded[1 : len(encoded)-1])
		case 8:
			text = pick([]string{"# c\n", "// {\n", "/* c */", "/**/ ", "#\r\n", "/* \" ' \\ */\n"}) + text
		case 9:
			text = strings.Replace(text, "{", "{"+pick([]string{"# c\n", "// {\n", " /* c */", "\n#\n//\n", "\v//\n"}),
				1+r.IntN(2))
		case 10:
			text = pick(hostileWords) + text + pick(hostileWords)
		case 11:
			text = strings.ReplaceAll(text, ";", pick([]string{"\n", "; ", ";\n", "\r\n"}))
		case 12:
			text = strings.ReplaceAll(text, `"`, "'")
		case 13:
			text = strings.Replace(text, pick([]string{"v1", "v2", "old", "new", "current", `"`}), pick(hostileWords), 1)
		}
	}
	return text
}

// TestParseAgreesWithTheModel compares all that a document holds, on texts made
// to be mistaken.
func TestParseAgreesWithTheModel(t *testing.T) {
	n := 20_000
	if slow.All() {
		n = 200_000
	}
	r := rand.New(rand.NewPCG(14, 18))
	kinds := map[string]int{}
	for i := range n {
		text := hostileText(r)
		want, got := modelOf(text), readingOf(text)
		require.Equal(t, want, got, "text %d: %q", i, text)
		kinds[want.kind]++
	}
	t.Log(kinds)
	for _, kind := range []string{"empty", "malformed", "plain", "json", "compact"} {
		require.Greater(t, kinds[kind], n/1000, "too few are %s", kind)
	}
}

// Each byte of a JSON document matters: the parser and the model agree about all
// texts that differ from a good one in one byte that JSON gives a meaning to.
func TestJSONTextsThatDifferInOneByte(t *testing.T) {
	slow.Sequential(t)
	for _, good := range []string{
		`{"current":"v1","versions":{"v1":{"value":"a long value","expiresAt":"2026-06-25T00:00:00.000Z"},` +
			`"value":{"activeFrom":"2026-05-25T00:00:00.000Z","value":"two"}}}`,
		`{"value":"of no version","versions":{"v1":{"x":{"value":"x","expiresAt":"y"},"value":"one"}}}`,
		"{ \"versions\" : { \"v1\" : { \"value\" : \"one\" ,\n\"expiresAt\" :\"2026-06-25T00:00:00Z\" } } }",
	} {
		require.Equal(t, "json", modelOf(good).kind)
		for i := range len(good) + 1 {
			agree(t, good[:i])
			for _, c := range "\x00 \n\"'\\{}[]:,/#x0-\x7fé" {
				agree(t, good[:i]+string(c)+good[i:])
				if i < len(good) {
					agree(t, good[:i]+string(c)+good[i+1:])
				}
			}
			if i < len(good) {
				agree(t, good[:i]+good[i+1:])
			}
		}
	}
}

// agree fails the test if the parser and the model differ about a text.
func agree(t *testing.T, text string) {
	if want, got := modelOf(text), readingOf(text); !reflect.DeepEqual(want, got) {
		require.Equal(t, want, got, "%q", text)
	}
}
