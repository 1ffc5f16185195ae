package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/dotenv"
)

// Reads the names and values of a file that import is given. These functions
// are pure. No error shows any part of the file but names that have the form of
// one.

// errSops names the next step for a file whose values are still encrypted.
var errSops = errors.New("the values are encrypted by sops: pipe the output of `sops decrypt --output-type json " +
	"FILE` into `layer secret import -`")

// parseFile returns the entries of a file. An empty format is detected: a file
// that begins with a brace is JSON.
func parseFile(text, format string) ([]dotenv.Entry, error) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return nil, errors.New("it begins with the byte order mark of UTF-16, as Windows writes it: save it as UTF-8")
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not UTF-8 text")
	}
	read := dotenv.Parse
	if format == "json" || format == "" && strings.HasPrefix(strings.TrimSpace(text), "{") {
		read = parseJSON
	}
	list, err := read(text)
	if err != nil {
		return nil, err
	}
	lines := map[string]int{}
	for _, e := range list {
		if before, twice := lines[e.Name]; twice {
			return nil, fmt.Errorf("line %d: it defines %s again, after line %d: remove one of them", e.Line, shownName(e),
				before)
		}
		lines[e.Name] = e.Line
		if strings.HasPrefix(e.Value.Reveal(), "ENC[AES256_GCM,") {
			return nil, errSops
		}
	}
	return list, nil
}

// parseJSON returns the members of a JSON object. A member that is no string
// has a Problem: a number or a boolean has several spellings, and a secret only
// one.
func parseJSON(text string) ([]dotenv.Entry, error) {
	d := json.NewDecoder(strings.NewReader(text))
	broken := func() error {
		return &dotenv.SyntaxError{Line: lineAt(text, d.InputOffset()), Reason: "it is not valid JSON"}
	}
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it is no JSON object with a member for each value")
	}
	var list []dotenv.Entry
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, broken()
		}
		e := dotenv.Entry{Line: lineAt(text, d.InputOffset())}
		e.Name, _ = name.(string)
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, broken()
		}
		var value string
		switch {
		case raw[0] != '"':
			e.Problem = jsonKinds[raw[0]]
			if e.Problem == "" {
				e.Problem = "it is a number, and numbers have several spellings: write the value as a string"
			}
		case hasLoneSurrogate(raw), json.Unmarshal(raw, &value) != nil:
			e.Problem = "it has half of a surrogate pair, which is no text"
		default:
			e.Value = driver.NewValue(value)
		}
		list = append(list, e)
	}
	if _, err := d.Token(); err != nil {
		return nil, broken()
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, &dotenv.SyntaxError{Line: lineAt(text, d.InputOffset()), Reason: "text follows the JSON object"}
	}
	return list, nil
}

// jsonKinds are the reasons why a value of JSON is no secret, by its first byte.
var jsonKinds = map[byte]string{
	'{': "it is an object: write the value as a string, and an object that is the value as its JSON text",
	'[': "it is an array: write the value as a string, and an array that is the value as its JSON text",
	't': "it is a boolean: write the value as a string",
	'f': "it is a boolean: write the value as a string",
	'n': "it is null: leave it out, or write the value as a string",
}

func lineAt(text string, offset int64) int {
	return 1 + strings.Count(text[:min(int64(len(text)), offset)], "\n")
}

// hasLoneSurrogate reports whether a JSON string has an escaped half of a pair,
// which encoding/json replaces by another character.
func hasLoneSurrogate(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		if raw[i] != 'u' {
			continue
		}
		unit := codeUnit(raw[i:])
		i += 4
		switch {
		case 0xdc00 <= unit && unit < 0xe000:
			return true
		case 0xd800 <= unit && unit < 0xdc00:
			if !bytes.HasPrefix(raw[i+1:], []byte(`\u`)) {
				return true
			}
			if low := codeUnit(raw[i+2:]); low < 0xdc00 || low >= 0xe000 {
				return true
			}
			i += 6
		}
	}
	return false
}

// codeUnit returns the number in a text that begins with uXXXX.
func codeUnit(raw []byte) uint64 {
	n, _ := strconv.ParseUint(string(raw[1:5]), 16, 16)
	return n
}
