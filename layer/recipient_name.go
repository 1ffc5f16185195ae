package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/layeron-hq/secret/layer/rotate"
)

// Names of recipients: the comment behind a public key, as in authorized_keys.
// The ledger keeps them beside the keys, so that its recipients and its log can
// be read without a list of keys.

// recipient is a public key of the ledger, with its name or "".
type recipient struct{ key, name string }

// maxRecipientName is the longest name, in characters.
const maxRecipientName = 100

// parseRecipient splits the text of --add or --recipient into the key and the
// name behind it, which may begin with #. It does not check the key. Its errors
// repeat no text: it may be a private key.
func parseRecipient(text string) (recipient, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "-----BEGIN ") {
		return recipient{}, usagef("this is a private key, or another file that is no public key, and the command line is " +
			"in " +
			"the list of processes and in the shell's history: others may have seen it, so make another key. The public " +
			"half of an SSH key is in the file that ends with .pub")
	}
	fields := strings.Fields(text)
	parts := 1
	// The second part of an SSH key is base64, and begins with the length of the
	// name of its algorithm.
	if len(fields) > 1 && !strings.HasPrefix(fields[0], "age1") && strings.HasPrefix(fields[1], "AAAA") {
		parts = 2
	}
	if len(fields) <= parts {
		return recipient{key: strings.Join(fields, " ")}, nil
	}
	rest := text
	for _, field := range fields[:parts] {
		rest = strings.TrimLeft(rest[len(field):], " \t\r\n")
	}
	r := recipient{strings.Join(fields[:parts], " "), strings.TrimSpace(strings.TrimPrefix(rest, "#"))}
	switch {
	case resemblesKey(r.name):
		return r, usagef("the text behind a public key is its name, and this one contains a private key: others may have " +
			"seen that key, so make another one")
	case slices.ContainsFunc([]string{"age1", "ssh-", "ecdsa-sha2-", "sk-ssh-"},
		func(start string) bool { return strings.HasPrefix(r.name, start) }):
		return r, usagef("the text behind a public key is its name, and this one is another key: " +
			"repeat the flag for each key")
	case utf8.RuneCountInString(r.name) > maxRecipientName:
		return r, usagef("the name behind a public key has more than %d characters: shorten it", maxRecipientName)
	case strings.ContainsFunc(r.name, isHidden):
		return r, usagef("the name behind a public key contains a control character or an invisible one: remove it, " +
			"and give one key at a time")
	}
	return r, nil
}

// parseRecipients returns public keys as the ledger keeps them, and their names.
// The error does not repeat a key, which may be a private one.
func parseRecipients(flag string, texts []string) ([]recipient, error) {
	var list []recipient
	for _, text := range texts {
		r, err := parseRecipient(text)
		if err != nil {
			return nil, err
		}
		if r.key, _, err = rotate.CleanRecipient(r.key); err != nil {
			return nil, fmt.Errorf("the key in %s %w", flag, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// withRecipients returns the settings with these recipients added and removed,
// and the changes for the log: +KEY, -KEY, and =KEY for another name. The name
// of a removed recipient stays, for the log.
func withRecipients(set rotate.Settings, add []recipient, remove []string) (_ rotate.Settings, changes []string,
	err error) {
	for _, r := range add {
		switch {
		case !slices.Contains(set.Recipients, r.key):
			set.Recipients = append(set.Recipients, r.key)
			changes = append(changes, "+"+r.key)
		case r.name != "" && set.Names[r.key] != r.name:
			changes = append(changes, "="+r.key)
		}
		if r.name != "" {
			if set.Names == nil {
				set.Names = map[string]string{}
			}
			set.Names[r.key] = r.name
		}
	}
	for _, text := range remove {
		key, err := findRecipient(set, text)
		if err != nil {
			return set, nil, err
		}
		set.Recipients = slices.DeleteFunc(set.Recipients, func(r string) bool { return r == key })
		changes = append(changes, "-"+key)
	}
	return set, changes, nil
}

// findRecipient returns the key of the recipient that a text names by its key,
// with or without a name behind it, or by its name alone. Its errors do not
// repeat the text: it may be a private key.
func findRecipient(set rotate.Settings, text string) (string, error) {
	if r, err := parseRecipient(text); err == nil {
		if key, _, err := rotate.CleanRecipient(r.key); err == nil {
			r.key = key
		}
		if slices.Contains(set.Recipients, r.key) {
			return r.key, nil
		}
	}
	var keys []string
	for _, key := range set.Recipients {
		if name := set.Names[key]; name != "" && name == strings.TrimSpace(text) {
			keys = append(keys, key)
		}
	}
	switch len(keys) {
	case 0:
		return "", usagef("--remove names no recipient of the ledger: `layer secret ledger recipients` lists them")
	case 1:
		return keys[0], nil
	}
	return "", usageError{errors.New("--remove is the name of several recipients: give the key of one, as " +
		"`layer secret ledger recipients` prints it")}
}

// namesOfRecipients returns the names of the present recipients, by key.
func namesOfRecipients(set rotate.Settings) map[string]string {
	names := map[string]string{}
	for _, key := range set.Recipients {
		if name := set.Names[key]; name != "" {
			names[key] = name
		}
	}
	return names
}
