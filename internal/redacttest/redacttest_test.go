package redacttest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const value = "kT7q\"Zw2mXv9\nRbL4nHc8s"

type shy struct{ inner string }

// Unexported: only reflection reaches it.
type holder struct{ s shy }

type jsonOnly struct{ inner string }

func (jsonOnly) Format(f fmt.State, _ rune)     { _, _ = f.Write([]byte("nothing")) }
func (j jsonOnly) MarshalJSON() ([]byte, error) { return json.Marshal(j.inner) }

type runes []rune

var wrongVerb = "%e" // a variable, so that vet does not complain

func TestFindSeesEveryEncoding(t *testing.T) {
	raw := []byte(value)
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "secret: load $SECRET.auth.session-key: not found 0xc000123456 [107 84] {6b54}", ""},
		{"whole", "x" + value + "y", "as it is"},
		{"eight bytes", "Xv9\nRbL4", "as it is"},
		{"seven bytes", "Xv9\nRbL", ""},
		{"%q", fmt.Sprintf("%q", value), "quoted"},
		{"%+q", fmt.Sprintf("%+q", value), "quoted"},
		{"%x", fmt.Sprintf("%x", value), "in hex"},
		{"%X", fmt.Sprintf("%X", value), "in hex"},
		{"% x", fmt.Sprintf("% x", value), "in hex"},
		{"%# X", fmt.Sprintf("%# X", value), "in hex"},
		{"%#v of bytes", fmt.Sprintf("%#v", raw), "in hex"},
		{"%d", fmt.Sprintf("%d", raw), "in decimal"},
		{"%+d", fmt.Sprintf("%+d", raw), "in decimal"},
		{"%06d", fmt.Sprintf("%06d", raw), "in decimal"},
		{"%#v of runes", fmt.Sprintf("%#v", runes(value)), "in decimal"},
		{"%e", fmt.Sprintf(wrongVerb, raw), "in decimal"},
		{"%o", fmt.Sprintf("%o", raw), "in octal"},
		{"%#o", fmt.Sprintf("%#o", raw), "in octal"},
		{"%O", fmt.Sprintf("%O", raw), "in octal"},
		{"%b", fmt.Sprintf("%b", raw), "in binary"},
		{"%#b", fmt.Sprintf("%#b", raw), "in binary"},
		{"%U", fmt.Sprintf("%U", runes(value)), "as code points"},
		{"%c", fmt.Sprintf("%c", runes(value)), "as single characters"},
		{"base64", base64.StdEncoding.EncodeToString(raw), "in base64"},
		{"base64 inside another", base64.URLEncoding.EncodeToString([]byte("a" + value)), "in base64"},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, Find(tc.text, value)) })
	}
}

func TestCheckSeesEveryFormat(t *testing.T) {
	for _, tc := range []struct {
		name string
		v    any
		how  string // one of the ways in which it must be found
	}{
		{"string", value, "%v "},
		{"string under a wrong verb", value, "%d "},
		{"bytes", []byte(value), "%+d "},
		{"bytes", []byte(value), "encoding/json "},
		{"array", [3]string{"", value}, "%#v "},
		{"error", fmt.Errorf("got %s", value), "fmt.Errorf "},
		{"unexported", holder{shy{value}}, "%+v "},
		{"unexported pointer", struct{ s *shy }{&shy{value}}, "%s "},
		{"json alone", jsonOnly{value}, "encoding/json "},
		{"xml and gob", struct{ S string }{value}, "encoding/gob "},
		{"slog", struct{ S string }{value}, "slog JSON "},
	} {
		t.Run(tc.name+" "+tc.how, func(t *testing.T) {
			found := Check(tc.v, "some other value", value)
			require.Condition(t, func() bool {
				for _, f := range found {
					if strings.HasPrefix(f, tc.how) {
						return true
					}
				}
				return false
			}, "not among %q", found)
			require.Empty(t, Find(fmt.Sprint(found), value), "the answer repeats the value")
		})
	}
	require.Empty(t, Check(&struct{ A, B any }{1, "harmless"}, value))
}
