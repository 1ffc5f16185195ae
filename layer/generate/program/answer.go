package program

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layeron-hq/secret/driver"
)

// This file reads the answer of a program. Its text may contain a value, so no
// error repeats any part, except the text of the member error without values.

const (
	maxOutput = 128 << 10 // bytes of stdout, and of stderr
	maxID     = 256       // bytes
	maxReason = 500       // bytes of the member error
)

// answer is the parsed stdout of a program.
type answer struct {
	members     map[string]json.RawMessage
	unsupported bool
	values      []string // texts that are never shown
}

// parse reads the only JSON object of an output. The answer's values are set in
// any case.
func parse(output []byte) (answer, error) {
	a := answer{values: []string{string(output)}}
	text := bytes.TrimSpace(output)
	switch {
	case len(text) == 0:
		return a, errors.New("the program wrote no answer: it writes one JSON object to stdout, {} if there is nothing " +
			"to return")
	case !utf8.Valid(text):
		return a, errors.New("the answer is not UTF-8")
	case text[0] != '{':
		return a, errors.New("the answer is not a JSON object: the program writes one JSON object to stdout and all " +
			"else to stderr")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var members map[string]json.RawMessage
	if err := d.Decode(&members); err != nil {
		return a, errors.New("the answer is not valid JSON, or is cut off")
	}
	if len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return a, errors.New("there is more output after the JSON object: the program writes one object to stdout and " +
			"all else to stderr")
	}
	a.members, a.values = members, nil
	for name, raw := range members {
		if name != "id" && name != "error" && !(name == "steps" && namesSteps(raw)) {
			a.values = append(a.values, leaves(raw)...)
		}
	}
	if raw, ok := members["version"]; ok && string(raw) != fmt.Sprint(Version) {
		return a, fmt.Errorf("the answer is of another version of the protocol: this layer uses version %d", Version)
	}
	if raw, ok := members["unsupported"]; ok {
		if json.Unmarshal(raw, &a.unsupported) != nil || string(raw) == "null" {
			return a, errors.New("the member unsupported is not true or false")
		}
	}
	return a, nil
}

// reason returns the text of the member error, and whether there is one.
func (a answer) reason() (string, bool, error) {
	raw, ok := a.members["error"]
	if !ok {
		return "", false, nil
	}
	text, err := text(raw)
	if err != nil || text == "" {
		return "", false, errors.New("the member error is not a text")
	}
	return text, true, nil
}

// made returns the value of an answer to make, whose id must not be one of
// those in use.
func (a answer) made(inUse []string) (driver.Made, error) {
	var m [2]string
	for i, name := range []string{"id", "value"} {
		raw, ok := a.members[name]
		if !ok {
			return driver.Made{}, fmt.Errorf("the answer has no member %s", name)
		}
		var err error
		if m[i], err = text(raw); err != nil {
			return driver.Made{}, fmt.Errorf("the member %s is not a text", name)
		}
		if m[i] == "" {
			return driver.Made{}, fmt.Errorf("the member %s is empty", name)
		}
	}
	id, value := m[0], m[1]
	switch {
	case strings.Contains(id, cmp.Or(strings.TrimSpace(value), value)): // a script may add a line end
		return driver.Made{}, errors.New("the id contains the value: an id is shown and stored as it is, so it must " +
			"not be secret")
	case len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }):
		return driver.Made{}, fmt.Errorf("the id is longer than %d bytes, or contains a character that cannot be printed",
			maxID)
	case slices.Contains(inUse, id):
		return driver.Made{}, errors.New("the id is that of an earlier value which is still in use: each value needs an " +
			"id of its own")
	}
	return driver.Made{ID: id, Value: driver.NewValue(value)}, nil
}

// namesSteps reports whether a member consists of names of steps, which are no
// values.
func namesSteps(raw json.RawMessage) bool {
	return !slices.ContainsFunc(leaves(raw), func(text string) bool {
		return !slices.Contains([]string{"make", "test", "retire", "sweep", "steps"}, text)
	})
}

// errNoList is the error of an answer to steps that was meant as one.
var errNoList = errors.New("the member steps is not a list of texts")

// steps returns the steps in an answer to steps. Names that this layer does not
// know are allowed: they are of a later one.
func (a answer) steps() ([]string, error) {
	raw, ok := a.members["steps"]
	if !ok {
		return nil, errors.New("the answer has no member steps")
	}
	var members []json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, errNoList
	}
	list := []string{}
	for _, member := range members {
		name, err := text(member)
		if err != nil {
			return nil, errNoList
		}
		list = append(list, name)
	}
	return list, nil
}

// text returns a JSON string.
func text(raw json.RawMessage) (string, error) {
	var p *string
	if err := json.Unmarshal(raw, &p); err != nil || p == nil {
		return "", errors.New("not a text")
	}
	return *p, nil
}

// leaves returns all texts in a JSON value.
func leaves(raw json.RawMessage) (list []string) {
	var value any
	_ = json.Unmarshal(raw, &value) // it was decoded before
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			list = append(list, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(value)
	return list
}
