package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
)

// seeds are texts of every kind; the fuzzer finds the way from them into the
// corners.
var seeds = []string{
	"", " \t\n", "\ufeff", "sk_test_abc", " sk_test \n", "v1=abc;def", "Server=db;User=sa;Password=x", "v1==",
	"current=v1",
	`{"clientId":"a","clientSecret":"b"}`, `{"versions":{}}`, `{"versions":[]}`, `{"current":"v3","versions":{"v3":`,
	`{"current":"v3","versions":{"v2":{"value":"old","activeFrom":"2026-05-01T00:00:00.000Z","expiresAt":"2026-06-01T00:00:00.000Z"},"v3":{"value":"new","activeFrom":"2026-05-25T00:00:00.000Z"}}}`,
	`{"x":[1,-2.5e+3,true,null,{"y":"z"}],"versions":{"v1":{"note":"a","value":"b\u00e9\ud83d\ude00\n","by":{"who":"c"}}},"z":false}`,
	`{"versions":{"v1":{"value":"a"},"v1":{"value":"b"}}}`, `{"versions":{"v1":{"value":"\ud800"}}}`,
	`{"\u0076ersions":{"a":{"value":"x"}}}`,
	"current=v3;v2=old-secret-value;v2_expires=2026-06-01T00:00:00.000Z;v3=new-secret-value",
	"v2_expires=2026-06-01T00:00:00+23:59; v2 = x;v2=a=b==;",
	"current=k.1;k.1=x;k.1_active=1970-01-01T00:00:00.123456789Z",
	strings.Repeat("[", 64) + "1" + strings.Repeat("]", 64),
	`{"a":` + strings.Repeat(`{"b":`, 70) + "1" + strings.Repeat("}", 71),
	"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n",
	strings.Repeat("v1=a;", 100), numbered(100, "v#=a", ";") + ";v0_active=x",
	`{"versions":{` + numbered(100, `"#":{"value":"x"}`, ",") + `,"0":{}}}`,
	`"{\"versions\":{\"v1\":{\"value\":\"x\"}}}"`, "# key\n'v1=a'", "'/**/'/**/\\u0061''", "{'current':'v1'}",
	"v1=a\nv2=b", `{/**/"current":"v1"}`,
}

// pieces returns the parts of a text that a message must not repeat: the words
// between its punctuation that are too long to be in a message by chance.
func pieces(text string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(text, func(r rune) bool {
		return strings.ContainsRune("{}[]\":;,=_ \t\n\v\f\r\\", r)
	}), func(s string) bool { return len(s) < 12 })
}

// FuzzParse: Parse never panics, fails with one of its sentinels and little
// memory, and shows nothing of the text. Encode writes each document that it
// reads.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := secret.Parse(text)
		if err != nil {
			cost := 0
			for range 3 { // something else may allocate meanwhile
				if cost = allocated(func() { _, _ = secret.Parse(text) }); cost <= refusedBytes(len(text)) {
					break
				}
			}
			if cost > refusedBytes(len(text)) {
				t.Fatalf("a refused text of %d bytes costs %d", len(text), cost)
			}
			if !errors.Is(err, secret.ErrEmpty) && !errors.Is(err, secret.ErrMalformed) && !errors.Is(err, secret.ErrTooLarge) {
				t.Fatalf("an error of another kind: %T", err)
			}
			var e *secret.Error
			if !errors.As(err, &e) || offsetOf(e) > len(text) {
				t.Fatal("no *Error, or an offset outside the text")
			}
			message := fmt.Sprintf("%v %+v", err, e)
			for _, piece := range pieces(text) {
				if strings.Contains(message, piece) && !strings.Contains(sayings, piece) {
					t.Fatal("the error shows a part of the text")
				}
			}
			return
		}
		values := slices.Collect(d.All())
		if len(values) == 0 || d.Current().ID == "" {
			t.Fatal("a document without a version")
		}
		shown := fmt.Sprintf("%v %+v %#v %s %q %x", d, d, d, d, d, d) + fmt.Sprint(values)
		for _, v := range values {
			if v.ID == "" || v.Text() == "" {
				t.Fatal("an empty id or value")
			}
			if !v.ExpiresAt.IsZero() && !v.ExpiresAt.After(v.ActiveFrom) {
				t.Fatal("a life that ends before it begins")
			}
			if len(v.Text()) >= 12 && strings.Contains(shown, v.Text()) && !strings.Contains(idsOf(values), v.Text()) {
				t.Fatal("a document shows a value")
			}
		}
		if written, err := d.Encode(secret.FormatAuto); err != nil {
			if len(text) < 1<<17 {
				t.Fatalf("%v cannot be written as what it was: %v", d.StoredAs(), err)
			}
		} else if back, err := secret.Parse(written); err != nil || reads(back) != reads(d) {
			t.Fatalf("not read back as the same document: %v", err)
		}
	})
}

// sayings are our own words, which a text may hold by chance: the fuzzer learns
// them.
const sayings = "secret: parse version versions document malformed activeFrom expiresAt 2026-05-25T00:00:00.000Z " +
	"current declaration"

// idsOf returns the ids and times, which a document may show.
func idsOf(versions []secret.Version) string {
	var b strings.Builder
	for _, v := range versions {
		fmt.Fprintf(&b, "%q %s %s ", v.ID, v.ActiveFrom.Format(time.RFC3339Nano), v.ExpiresAt.Format(time.RFC3339Nano))
	}
	return b.String()
}

// FuzzJSON: this package and encoding/json accept the same JSON. The test
// compares by the handling of a text that would be a version document.
func FuzzJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<19 {
			return
		}
		// A member that the format does not name may hold any JSON. A name given twice
		// and bad UTF-8 are forbidden by the version document itself, with messages of
		// their own.
		whole := `{"versions":{"v1":{"value":"x"}},"other":` + text + "}"
		_, err := secret.Parse(whole)
		syntax := err != nil && strings.Contains(err.Error(), "syntax error")
		if valid := json.Valid([]byte(whole)); valid == syntax {
			t.Fatalf("encoding/json says valid=%v, Parse says %v", valid, err)
		}
	})
}

// FuzzEncode: Encode writes every parsed document in every format that can hold
// it, and every read of the result is the same.
func FuzzEncode(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := secret.Parse(text)
		if err != nil {
			return
		}
		for _, format := range []secret.Format{secret.FormatAuto, secret.FormatPlain, secret.FormatJSON,
			secret.FormatCompact} {
			written, err := d.Encode(format)
			if err != nil {
				own := format == secret.FormatAuto || format == d.StoredAs()
				if own && len(text) < 1<<17 {
					t.Fatalf("%v cannot be written as what it was: %v", d.StoredAs(), err)
				}
				continue
			}
			back, err := secret.Parse(written)
			if err != nil {
				t.Fatalf("not read back from %v: %v", format, err)
			}
			if got, want := reads(back), reads(d); got != want {
				t.Fatalf("another document after %v", format)
			}
		}
	})
}

// reads returns all that a document answers, values included: for comparison,
// not for output.
func reads(d *secret.Document) string {
	var b strings.Builder
	put := func(v secret.Version, err error) {
		fmt.Fprintf(&b, "%q %q %v %v %v\n", v.ID, v.Text(), v.ActiveFrom, v.ExpiresAt, err)
	}
	put(d.Current(), nil)
	times := []time.Time{time.Unix(0, 0), time.Unix(253402300799, 0)}
	for v := range d.All() {
		put(v, nil)
		put(d.Version(v.ID))
		for _, at := range []time.Time{v.ActiveFrom, v.ExpiresAt} {
			times = append(times, at, at.Add(-1))
		}
	}
	for _, at := range times[:min(len(times), 40)] {
		put(d.At(at))
		for _, v := range append(d.ActiveAt(at), d.Active(at)...) {
			put(v, nil)
		}
	}
	return b.String()
}
