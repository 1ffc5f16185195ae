package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

const (
	wholeJSON    = `{"current": "v2", "versions": {"v1": {"value": "madeup_Qv71xKz8Rt"}, "v2": {"value": "madeup_Wm29bHs4Ly"}}}`
	wholeCompact = "current=v2;v1=madeup_Qv71xKz8Rt;v2=madeup_Wm29bHs4Ly"
)

// declarations are the specs of a static secret by their format.
func declarations() map[secret.Format]secret.SpecSecret {
	list := map[secret.Format]secret.SpecSecret{}
	for _, format := range []secret.Format{secret.FormatAuto, secret.FormatPlain, secret.FormatJSON,
		secret.FormatCompact} {
		list[format] = secret.SpecSecret{Kind: secret.KindStatic, Namespace: "billing", Name: "stripe", Format: format}
	}
	return list
}

func TestValueThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"empty":                    {"", "empty"},
		"white space":              {" \t\n ", "only white space"},
		"too large":                {strings.Repeat("x", maxValue+1), "over 1048576 bytes"},
		"not UTF-8":                {"madeup\xff", "not UTF-8 text: store bytes as base64"},
		"UTF-8 mark":               {"\ufeffmadeup_Wm29bHs4Ly", "byte order mark, .* save it as UTF-8 without a mark"},
		"UTF-16 mark, little":      {"\xff\xfem\x00a\x00d\x00e\x00", "byte order mark of UTF-16.* save it as UTF-8"},
		"UTF-16 mark, big":         {"\xfe\xff\x00m\x00a\x00d\x00e", "byte order mark of UTF-16"},
		"JSON":                     {wholeJSON, "whole stored document, in JSON: .*`jq -r '.versions\\[.current\\].value'`"},
		"JSON, white space around": {"\n " + wholeJSON + "\n", "whole stored document, in JSON"},
		"JSON, cut off":            {wholeJSON[:60], "whole stored document, .*damaged"},
		"compact": {wholeCompact,
			"whole stored document, in the compact format: .*behind the id that `current=` names"},
		"compact, one version": {"current=v1;v1=madeup_Qv71xKz8Rt", "in the compact format"},
		"compact, with an end": {"v1=madeup_Qv71xKz8Rt;v1_expires=2026-06-01T00:00:00Z", "in the compact format"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for format, spec := range declarations() {
				err := checkValue(spec, tc.text)
				require.Error(t, err, format)
				require.Regexp(t, tc.want, err.Error(), format)
				require.Regexp(t, "(?i)nothing was changed", err.Error())
				require.Empty(t, redacttest.Check(err, "madeup_Qv71xKz8Rt", "madeup_Wm29bHs4Ly"))
			}
		})
	}
}

// Package secret recognises a document by its text, in any wrapping.
func TestWrappedDocumentIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"in quotes":     `'` + wholeJSON + `'`,
		"encoded twice": `"{\"current\": \"v1\", \"versions\": {\"v1\": {\"value\": \"madeup_Qv71xKz8Rt\"}}}"`,
		"a comment":     "// from the store\n" + wholeJSON,
		"a dict":        strings.ReplaceAll(wholeJSON, `"`, `'`),
		"compact":       `"` + wholeCompact + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for format, spec := range declarations() {
				require.ErrorContains(t, checkValue(spec, text), "whole stored document", format)
			}
		})
	}
}

// A program would read another value than the given one, unless the format is
// pinned.
func TestValueReadAsAnotherIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"v1=hunter2", "v12=hunter2;", "current=hunter2 or so", "v1=hunter2;v1=hunter3"} {
		for format, spec := range declarations() {
			err := checkValue(spec, text)
			if format != secret.FormatAuto {
				require.NoError(t, err, "%s", format)
				continue
			}
			require.ErrorContains(t, err, "declare it with Format: FormatPlain")
			require.Empty(t, redacttest.Check(err, text))
			rotates := spec
			rotates.Rotation = &secret.Rotation{EveryDays: 90}
			require.ErrorContains(t, checkValue(rotates, text), "FormatJSON if it has a Rotation")
		}
	}
	require.NoError(t, checkValue(declarations()[secret.FormatPlain], "v1=hunter2;v2=hunter3"))
	for format, spec := range declarations() {
		if format != secret.FormatPlain {
			require.ErrorContains(t, checkValue(spec, "v1=hunter2;v2=hunter3"), "whole stored document", "%s", format)
		}
	}
}

func TestValueIsTakenWithoutAWarning(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"madeup_Wm29bHs4Ly", " with spaces ", "line\nline\n", `{"accessKeyId": "a", "secretAccessKey": "b"}`,
		"Server=db;User=sa;Password=x", "v1=abc;def",
		`{"versions": {}}`, `"quoted"`, "# no comment", "nullable", "undefined_behaviour", "none of it", "shop://x", "{ {",
		"$HOME/x", "${A}b", "été",
		"emoji \U0001f469\u200d\U0001f4bb", "[1, 2]", "***x", "x",
	} {
		for format, spec := range declarations() {
			require.NoError(t, checkValue(spec, text), "%s", format)
		}
		require.Empty(t, warnings(text))
	}
}

func TestValueThatLooksLikeAMistakeIsTakenWithAWarning(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"m\x00a\x00d\x00e\x00":  "UTF-16 without a byte order mark",
		"\x00m\x00a\x00d\x00e":  "UTF-16 without a byte order mark",
		"m\x00a\x00d\x00e":      "UTF-16 without a byte order mark", // the newline took the last zero with it
		"madeup\x00Wm29":        "a zero byte (NUL)",
		"madeup_Wm29\u00a0":     "no-break space in it (U+00A0)",
		"madeup\u202fWm29":      "no-break space in it (U+202F)",
		"madeup\u2007Wm29":      "no-break space in it (U+2007)",
		"madeup\ufeffWm29":      "no-break space in it (U+FEFF)",
		"null":                  "placeholder",
		"NULL":                  "placeholder",
		" undefined ":           "placeholder",
		"None":                  "placeholder",
		"<no value>":            "placeholder",
		"<nil>":                 "placeholder",
		"[object Object]":       "placeholder",
		"changeme":              "placeholder",
		"***":                   "placeholder",
		"op://vault/item/key":   "placeholder",
		"${{ secrets.STRIPE }}": "placeholder",
		"{{ .Values.stripe }}":  "placeholder",
		"${STRIPE_SECRET}":      "placeholder",
	} {
		for format, spec := range declarations() {
			require.NoError(t, checkValue(spec, text), "%s", format)
		}
		list := warnings(text)
		require.Len(t, list, 1)
		require.Contains(t, list[0], want)
		require.NotContains(t, list[0], strings.TrimSpace(text))
		require.NotContains(t, list[0], "\n")
	}
	require.Len(t, warnings("null\u00a0\x00"), 2)
}

// The value is checked, from any source.
func TestEveryWayOfSetChecksTheValue(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe)
	file := filepath.Join(dir, "value")
	set := []string{"secret", "set", "$SECRET.billing.stripe-secret", "--spec", "spec.json"}
	for text, want := range map[string]string{
		"\ufeffmadeup_Wm29bHs4Ly": "layer: the value begins with a byte order mark",
		wholeJSON:                 "layer: the value is a whole stored document, in JSON",
		"v1=hunter2":              "Format: FormatPlain",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, stderr := layerIn(t, dir, nil, 1, append(set, "--from-file", file)...)
		require.Contains(t, stderr, want)
		_, stderr = layerIn(t, dir, []string{"VALUE=" + text}, 1, append(set, "--value-env", "VALUE")...)
		require.Contains(t, stderr, want)
		x := atTerminal(t, dir, nil, 80, set...)
		x.expect("(not shown): ")
		x.types(text + "\r")
		require.Contains(t, strings.Join(strings.Fields(x.ends(1)), " "), want)
	}
	for text, want := range map[string]string{"null": "layer: the value looks like a placeholder",
		"a\u00a0b": "layer: the value has a no-break space"} {
		_, stderr := layerIn(t, dir, []string{"VALUE=" + text}, 0, append(set, "--value-env", "VALUE", "--json")...)
		require.Contains(t, stderr, want)
		require.Equal(t, 1, strings.Count(stderr, "\n"))
	}
}
