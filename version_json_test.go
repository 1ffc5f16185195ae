package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

type credentials struct {
	ID     string `json:"clientId"`
	Secret string `json:"clientSecret"`
	Port   int    `json:"port"`
}

func versionOf(text string) secret.Version {
	return secret.NewVersion("v7", text, time.Time{}, time.Time{})
}

func TestJSON(t *testing.T) {
	const text = ` {"clientId":"a","clientSecret":"b\u00e9\n","port":5432,"other":[1,2]} `
	want := credentials{"a", "bé\n", 5432}
	s := sessionKey(oneSecret(text))

	got, err := secret.JSON[credentials](s.Current())
	require.NoError(t, err)
	require.True(t, got == want)

	var dst credentials
	require.NoError(t, s.Current().JSON(&dst))
	require.True(t, dst == want)

	v, err := s.Current().Get(t.Context())
	require.NoError(t, err)
	dst = credentials{}
	require.NoError(t, v.JSON(&dst))
	require.True(t, dst == want)

	pointer, err := secret.JSON[*credentials](s.Current())
	require.NoError(t, err)
	require.True(t, *pointer == want)
}

func TestJSONOfAVersion(t *testing.T) {
	s := sessionKey(oneSecret(`{"current":"v2","versions":{"v1":{"value":"{\"port\":1}"},"v2":{"value":"{\"port\":2}"}}}`))
	for ref, want := range map[secret.Ref]int{s.Current(): 2, s.Version("v1"): 1, s.Version("v2"): 2} {
		got, err := secret.JSON[credentials](ref)
		require.NoError(t, err)
		require.Equal(t, want, got.Port)
	}
	_, err := secret.JSON[credentials](s.Version("v3"))
	require.ErrorIs(t, err, secret.ErrVersionNotFound)
}

// quoting is a type whose own error quotes all it was given.
type quoting struct{}

func (*quoting) UnmarshalJSON(b []byte) error { return fmt.Errorf("cannot read %s", b) }

// textQuoting does the same for a string.
type textQuoting struct{}

func (*textQuoting) UnmarshalText(b []byte) error { return fmt.Errorf("cannot read %q", b) }

type wrappingQuoting struct{}

func (*wrappingQuoting) UnmarshalJSON(b []byte) error {
	var n int
	return fmt.Errorf("cannot read %s: %w", b, json.Unmarshal(b, &n))
}

// syntaxQuoting returns a syntax error of its own for valid JSON.
type syntaxQuoting struct{}

func (*syntaxQuoting) UnmarshalJSON(b []byte) error {
	return fmt.Errorf("%s: %w", b, json.Unmarshal([]byte("{"+string(b)), new(any)))
}

// typed returns an error of the decoder's type that quotes its input.
type typed struct{}

func (*typed) UnmarshalJSON(b []byte) error {
	return &json.UnmarshalTypeError{Value: "string " + string(b), Field: string(b), Struct: string(b)}
}

type keyed int

func (k *keyed) UnmarshalText(b []byte) error { return errors.New(string(b)) }

// JSON's errors come from encoding/json, whose messages quote characters,
// numbers, names and more. None may show.
func TestJSONErrorsQuoteNothing(t *testing.T) {
	const marker = "Qz7kWv2mXt9RbLp4"
	const number = "91827364550192837465"
	for _, tc := range []struct {
		name      string
		text      string
		dst       any
		malformed bool
	}{
		{"plain text", marker, new(any), true},
		{"syntax", `{"a":"` + marker + `",}`, new(any), true},
		{"cut off", `{"a":"` + marker, new(any), true},
		{"text after the end", `{"a":1} ` + marker, new(any), true},
		{"single quotes", `{'` + marker + `':1}`, new(any), true},
		{"control character", "\"" + marker + "\n\"", new(any), true},
		{"bad escape", `"` + marker + `\q"`, new(any), true},
		{"bad literal", "true" + marker, new(any), true},
		{"bad number", "-" + marker, new(any), true},
		{"invalid UTF-8", "\"" + marker + "\xff\"", new(any), true},
		{"invalid UTF-8 in a name", "{\"" + marker + "\xc3\x28\":1}", new(any), true},
		{"too deep", strings.Repeat("[", 10_001) + marker + strings.Repeat("]", 10_001), new(any), true},
		{"string for a number", `{"port":"` + marker + `"}`, new(credentials), false},
		{"number for a string", `{"clientId":` + number + `}`, new(credentials), false},
		{"number too large", `{"port":` + number + `}`, new(credentials), false},
		{"fraction for an integer", `{"port":0.` + number + `}`, new(credentials), false},
		{"object for a string", `{"clientId":{"` + marker + `":1}}`, new(credentials), false},
		{"array for an object", `["` + marker + `"]`, new(credentials), false},
		{"string for an object", `"` + marker + `"`, new(credentials), false},
		{"name for a number key", `{"` + marker + `":1}`, new(map[int]int), false},
		{"number key too large", `{"` + number + `":1}`, new(map[int8]int), false},
		{"name for a key of one's own", `{"` + marker + `":1}`, new(map[keyed]int), false},
		{"time", `"` + marker + `"`, new(time.Time), false},
		{"time in a field", `{"at":"` + marker + `"}`, new(struct {
			At time.Time `json:"at"`
		}), false},
		{"number for a time", number, new(time.Time), false},
		{"json.Number", `"` + marker + `"`, new(json.Number), false},
		{"base64", `"` + marker + `!"`, new([]byte), false},
		{"UnmarshalJSON that quotes", `"` + marker + `"`, new(quoting), false},
		{"UnmarshalText that quotes", `"` + marker + `"`, new(textQuoting), false},
		{"UnmarshalJSON that wraps", `"` + marker + `"`, new(wrappingQuoting), false},
		{"UnmarshalJSON with a syntax error", `"` + marker + `"`, new(syntaxQuoting), false},
		{"UnmarshalJSON with the decoder's type", `"` + marker + `"`, new(typed), false},
		{"string option", `{"n":"` + marker + `"}`, new(struct {
			N int `json:"n,string"`
		}), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := versionOf(tc.text).JSON(tc.dst)
			require.ErrorIs(t, err, secret.ErrEncoding)
			require.Equal(t, tc.malformed, errors.Is(err, secret.ErrMalformed),
				"ErrMalformed where it is no JSON, and only there")
			var e *secret.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "json", e.Op)
			require.Equal(t, "v7", e.Version)
			require.GreaterOrEqual(t, offsetOf(e), -1)
			require.LessOrEqual(t, offsetOf(e), len(tc.text))
			require.Empty(t, redacttest.Check(err, marker, number))
			// No error of the decoder stays reachable: its fields hold the quoted text.
			for _, inner := range []any{new(*json.SyntaxError), new(*json.UnmarshalTypeError), new(*json.MarshalerError),
				new(*time.ParseError)} {
				require.False(t, errors.As(err, inner), "%T", inner)
			}
		})
	}
}

// Offsets count from 0, as in every error of this package (encoding/json counts
// the bytes it has read). An error of a decoder inside UnmarshalJSON has no
// offset: that decoder sees only its own piece.
func TestJSONErrorOffset(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		dst        any
		want       int
	}{
		{"first character", "plain", new(any), 0},
		{"in the middle", `{"a":"b",}`, new(any), 9},
		{"cut off", `{"a":"b"`, new(any), 8},
		{"text after the end", `{"a":1} x`, new(any), 8},
		{"control character", "\"ab\n\"", new(any), 3},
		{"bad literal", "trux", new(any), 3},
		{"bad number", "-x", new(any), 1},
		{"invalid UTF-8", "\"ab\xff\"", new(any), 3},
		{"invalid UTF-8 first", "\xff", new(any), 0},
		{"UnmarshalJSON that wraps", `{"a":"long enough to be before it","q":"x"}`, new(struct {
			A string          `json:"a"`
			Q wrappingQuoting `json:"q"`
		}), -1},
		{"custom error", `"x"`, new(quoting), -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var e *secret.Error
			require.ErrorAs(t, versionOf(tc.text).JSON(tc.dst), &e)
			require.Equal(t, tc.want, offsetOf(e))
		})
	}
}

// One character may be a whole digit of a short secret; the messages therefore
// do not depend on it.
func TestJSONErrorsNameNoCharacter(t *testing.T) {
	message := func(text string, dst any) string {
		err := versionOf(text).JSON(dst)
		require.ErrorIs(t, err, secret.ErrEncoding)
		return err.Error()
	}
	want := message(`{"a" Q}`, new(any))
	for _, c := range `x7!'ZÿQ` {
		got := message(`{"a" `+string(c)+`}`, new(any))
		require.Equal(t, want, got)
	}
	wantNumber := message(`{"clientId":1234}`, new(credentials))
	for _, n := range []string{"5678", "-9.5", "1e10"} {
		require.Equal(t, wantNumber, message(`{"clientId":`+n+`}`, new(credentials)))
	}
}

func TestJSONNamesTheGoType(t *testing.T) {
	err := versionOf(`{"port":"x"}`).JSON(new(credentials))
	require.ErrorContains(t, err, "int")
	err = versionOf(`"x"`).JSON(new(quoting))
	require.ErrorContains(t, err, "*secret_test.quoting")
	err = versionOf("plain").JSON(new(any))
	require.ErrorContains(t, err, "use Text for a plain one")
}

func TestJSONIntoNoPointer(t *testing.T) {
	const marker = "Qz7kWv2mXt9RbLp4"
	for name, dst := range map[string]any{
		"nil": nil, "a struct": credentials{}, "a map": map[string]string{"held": marker}, "a typed nil": (*credentials)(nil),
		"a number": 7, "a string": marker,
	} {
		t.Run(name, func(t *testing.T) {
			err := versionOf(`{"clientSecret":"` + marker + `"}`).JSON(dst)
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.NotErrorIs(t, err, secret.ErrMalformed)
			require.ErrorContains(t, err, "non-nil pointer")
			require.Empty(t, redacttest.Check(err, marker))
			require.ErrorIs(t, sessionKey(oneSecret("{}")).Current().JSON(dst), secret.ErrInvalid)
		})
	}
}

// After an error no half of the credentials is handed out.
func TestJSONReturnsZeroOnError(t *testing.T) {
	got, err := secret.JSON[credentials](sessionKey(oneSecret(`{"clientId":"half","port":"not a number"}`)).Current())
	require.ErrorIs(t, err, secret.ErrEncoding)
	require.True(t, got == credentials{})
}
