package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// Checks a value before it enters the ledger. A value that programs would read
// differently from the text that the operator gave is refused, because the
// mistake would appear only in production. No error and no warning shows any
// part of the value.

// maxValue is the size limit of a value in bytes. Package secret parses no
// more.
const maxValue = 1 << 20

// checkValue returns an error if a text cannot, or should not, be the value of
// a secret. No error shows any part of the text.
func checkValue(spec secret.SpecSecret, text string) error {
	const utf8Mark, utf16Little, utf16Big = "\ufeff", "\xff\xfe", "\xfe\xff"
	switch {
	case text == "":
		return errors.New("the value is empty: nothing was changed")
	case len(text) > maxValue:
		return fmt.Errorf("the value has over %d bytes: nothing was changed", maxValue)
	case strings.HasPrefix(text, utf8Mark):
		return errors.New("the value begins with a byte order mark, which programs would read as a part of the value: " +
			"save it as UTF-8 without a mark. Nothing was changed")
	case strings.HasPrefix(text, utf16Little), strings.HasPrefix(text, utf16Big):
		return errors.New("the value begins with the byte order mark of UTF-16, as Windows writes it: save it as UTF-8 " +
			"without a mark. Nothing was changed")
	case !utf8.ValidString(text):
		return errors.New("the value is not UTF-8 text: store bytes as base64. Nothing was changed")
	}
	return checkReading(spec, text)
}

// checkReading returns an error for a text that is a whole stored document, or
// that a program which detects the format would read as another value.
func checkReading(spec secret.SpecSecret, text string) error {
	const whole = "the value is a whole stored document, %s: set only the value in it. %s, and `layer secret reveal` " +
		"prints the one in a ledger. Nothing was changed"
	const behind = "The current one is the text behind the id that `current=` names"
	doc, err := secret.Parse(text)
	versions := 0
	dated := false
	if err == nil {
		for v := range doc.All() {
			versions++
			dated = dated || !v.ActiveFrom.IsZero() || !v.ExpiresAt.IsZero()
		}
	}
	compact := err == nil && doc.StoredAs() == secret.FormatCompact
	switch {
	case errors.Is(err, secret.ErrEmpty):
		return errors.New("the value contains only white space: nothing was changed")
	case err == nil && doc.StoredAs() == secret.FormatJSON:
		return fmt.Errorf(whole, "in JSON", "`jq -r '.versions[.current].value'` prints the current one")
	case err != nil && strings.ContainsAny(strings.TrimSpace(text)[:1], "{\"'/#"):
		return fmt.Errorf(whole, "in quotes, with a comment or damaged", "`jq -r '.versions[.current].value'` prints the "+
			"current one of a sound one")
	case compact && (dated || hasMarker(text)), compact && versions > 1 && spec.Format != secret.FormatPlain:
		return fmt.Errorf(whole, "in the compact format", behind)
	case spec.Format == secret.FormatAuto && (err != nil || doc.StoredAs() != secret.FormatPlain ||
		!doc.Current().Equal(text)):
		return errors.New("the value looks like stored versions, ID=VALUE, and a program that detects the format would " +
			"read another value: declare it with Format: FormatPlain, or FormatJSON if it has a Rotation. Nothing was " +
			"changed")
	}
	return nil
}

// hasMarker reports whether a compact text names the current version.
func hasMarker(text string) bool {
	for segment := range strings.SplitSeq(text, ";") {
		if strings.HasPrefix(strings.TrimSpace(segment), "current=") {
			return true
		}
	}
	return false
}

// warnings returns the reasons why a value looks like a mistake. They show no
// part of the value.
func warnings(text string) (list []string) {
	switch {
	case looksUTF16(text):
		list = append(list, "the value looks like UTF-16 without a byte order mark: every second byte is zero. Programs "+
			"get the zeros too")
	case strings.Contains(text, "\x00"):
		list = append(list, "the value has a zero byte (NUL) in it: environment variables and many programs end there")
	}
	for _, space := range []rune{'\u00a0', '\u2007', '\u202f', '\ufeff', '\u200b', '\u2060'} {
		if strings.ContainsRune(text, space) {
			list = append(list, fmt.Sprintf("the value has a no-break space in it (%U), as copied text does: it is "+
				"invisible, but it is a part of the value", space))
		}
	}
	if isPlaceholder(text) {
		list = append(list, "the value looks like a placeholder that a template or a script left, not like a secret")
	}
	return list
}

func looksUTF16(text string) bool {
	if len(text) < 4 {
		return false
	}
	zeros := [2]int{}
	for i := range len(text) {
		if text[i] == 0 {
			zeros[i%2]++
		}
	}
	even, odd := (len(text)+1)/2, len(text)/2
	return zeros[0] == 0 && zeros[1] == odd || zeros[1] == 0 && zeros[0] == even
}

var (
	// Words that programs print for a missing value, and that people write for a
	// future one.
	placeholder = lazyregexp.New(`(?i)^(?:null|undefined|none|nil|[<\[](?:null|none|nil|no value|redacted)[>\]]|\[object object\]|change[-_]?me|\*+)$`)
	// References that a template engine, a password manager or a shell should have
	// replaced.
	reference = lazyregexp.New(`^(?:op://|\$\{\{|\{\{|\$\{[A-Za-z_][A-Za-z0-9_]*\}$)`)
)

func isPlaceholder(text string) bool {
	text = strings.TrimSpace(text)
	return placeholder().MatchString(text) || reference().MatchString(text)
}
