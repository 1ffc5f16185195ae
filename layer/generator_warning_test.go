package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// remove says before its question that the program cannot end the value, once.
func TestWarningOfAGeneratorComesBeforeTheQuestion(t *testing.T) {
	t.Parallel()
	dir := folder(t, `{"address": "$SECRET.billing.acme", "namespace": "billing", "name": "acme", "kind": "generated", `+
		`"binding": "BILLING_ACME", "generator": "program", "params": {"make": "./rotate.sh"}}`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rotate.sh"), []byte(`#!/bin/sh
case $(cat) in
*'"step":"make"'*) echo '{"id":"k1","value":"madeup_Wm29bHs4Ly"}' ;;
*'"step":"steps"'*) echo '{"steps":["make"]}' ;;
*) echo '{"unsupported":true}' ;;
esac
`), 0o700))
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	declare(t, dir)
	for _, status := range []int{1, 0} {
		x := atTerminal(t, dir, nil, 200, "secret", "remove", "billing.acme", "--spec", "spec.json")
		x.expect("for good? [y/N] ")
		const warning = "program cannot end a value: the value of version v1 works until it is ended"
		require.Contains(t, x.shown(), warning)
		x.types(map[int]string{1: "n\n", 0: "y\n"}[status])
		require.Equal(t, 1, strings.Count(x.ends(status), warning))
	}
}
