package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

func TestTheTextBehindAKeyIsItsName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]recipient{
		"age1abc":                                  {"age1abc", ""},
		"  age1abc\t\n":                            {"age1abc", ""},
		"age1abc ann@laptop":                       {"age1abc", "ann@laptop"},
		"age1abc\tann's  old laptop":               {"age1abc", "ann's  old laptop"},
		"age1abc # ann@laptop":                     {"age1abc", "ann@laptop"},
		"age1abc #":                                {"age1abc", ""},
		"age1yubikey1abc Zoë":                      {"age1yubikey1abc", "Zoë"},
		"ssh-ed25519 AAAAC3Nz":                     {"ssh-ed25519 AAAAC3Nz", ""},
		"ssh-ed25519 AAAAC3Nz ann@laptop":          {"ssh-ed25519 AAAAC3Nz", "ann@laptop"},
		"ssh-rsa  AAAAB3Nz   # Ann, her 2nd key":   {"ssh-rsa AAAAB3Nz", "Ann, her 2nd key"},
		"ecdsa-sha2-nistp256 AAAAE2Vj ann@laptop":  {"ecdsa-sha2-nistp256 AAAAE2Vj", "ann@laptop"},
		"age1abc AAAAn":                            {"age1abc", "AAAAn"},
		"AGE-SECRET-KEY-1QYQSZ":                    {"AGE-SECRET-KEY-1QYQSZ", ""}, // refused when it is used as a key
		"age1abc " + strings.Repeat("é", 100):      {"age1abc", strings.Repeat("é", 100)},
		"age1abc ann@laptop (not age1, not ssh-x)": {"age1abc", "ann@laptop (not age1, not ssh-x)"},
	} {
		got, err := parseRecipient(text)
		require.NoError(t, err, "%q", text)
		require.Equal(t, want, got, "%q", text)
	}
	for name, text := range map[string]string{
		"too long":           "age1abc " + strings.Repeat("é", 101),
		"an escape sequence": "age1abc ann\x1b[2J",
		"a newline":          "age1abc ann\nlayer: forged",
		"a direction":        "age1abc ann\u202e",
		"not UTF-8":          "age1abc ann\xff",
		"a private key":      "age1abc AGE-SECRET-KEY-1QYQSZ",
		"an SSH key":         "age1abc ssh-ed25519 AAAAC3Nz",
		"two keys":           "age1abc age1def",
		"two lines of keys":  "ssh-ed25519 AAAAC3Nz\nssh-ed25519 AAAAC3Nx",
		"a PEM block":        "age1abc -----BEGIN OPENSSH PRIVATE KEY-----",
	} {
		_, err := parseRecipient(text)
		require.ErrorAs(t, err, &usageError{}, name)
		require.NotContains(t, err.Error(), "QYQSZ", name)
		require.NotContains(t, err.Error(), "abc", name)
	}
}

func TestRecipientsAreAddedNamedAndRemoved(t *testing.T) {
	t.Parallel()
	type names = map[string]string
	before := func() rotate.Settings {
		return rotate.Settings{Recipients: []string{"age1a", "age1b", "ssh-ed25519 AAAAC"},
			Names: names{"age1a": "ann", "ssh-ed25519 AAAAC": "ann", "age1b": "bob", "age1old": "zoe"}}
	}
	for name, tc := range map[string]struct {
		add, remove, keys, changes []string
		names                      names
		err                        string
	}{
		"nothing":          {keys: before().Recipients, names: before().Names},
		"known, unnamed":   {add: []string{"age1b"}, keys: before().Recipients, names: before().Names},
		"known, same name": {add: []string{"age1b bob"}, keys: before().Recipients, names: before().Names},
		"known, other name": {add: []string{"age1b rob"}, keys: before().Recipients,
			changes: []string{"=age1b"}, names: names{"age1b": "rob"}},
		"new": {add: []string{"age1c"}, keys: append(before().Recipients, "age1c"),
			changes: []string{"+age1c"}},
		"new, named": {add: []string{"age1c eve"}, keys: append(before().Recipients, "age1c"),
			changes: []string{"+age1c"}, names: names{"age1c": "eve"}},
		"removed by key": {remove: []string{"age1b"}, keys: []string{"age1a", "ssh-ed25519 AAAAC"},
			changes: []string{"-age1b"}, names: names{"age1b": "bob"}},
		"removed by the printed line": {remove: []string{"ssh-ed25519 AAAAC\tann"}, keys: []string{"age1a", "age1b"},
			changes: []string{"-ssh-ed25519 AAAAC"}},
		"removed by name": {remove: []string{"bob"}, keys: []string{"age1a", "ssh-ed25519 AAAAC"},
			changes: []string{"-age1b"}},
		"name of two":             {remove: []string{"ann"}, err: "several recipients"},
		"name of a former one":    {remove: []string{"zoe"}, err: "no recipient"},
		"no name":                 {remove: []string{""}, err: "no recipient"},
		"unknown, with a private": {remove: []string{"AGE-SECRET-KEY-1QYQSZ"}, err: "no recipient"},
	} {
		var add []recipient
		for _, text := range tc.add {
			r, err := parseRecipient(text)
			require.NoError(t, err, name)
			add = append(add, r)
		}
		set, changes, err := withRecipients(before(), add, tc.remove)
		if tc.err != "" {
			require.ErrorContains(t, err, tc.err, name)
			require.NotContains(t, err.Error(), "QYQSZ")
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, tc.keys, set.Recipients, name)
		require.Equal(t, tc.changes, changes, name)
		for key, want := range tc.names {
			require.Equal(t, want, set.Names[key], name)
		}
		require.Equal(t, "zoe", set.Names["age1old"], "former names stay, for the log")
	}
}
