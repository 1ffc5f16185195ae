package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// makesOnly returns a folder with a value of a program that cannot end one.
func makesOnly(t *testing.T) string {
	t.Helper()
	dir := folder(t, `{"address": "$SECRET.billing.acme", "namespace": "billing", "name": "acme", "kind": "generated", `+
		`"binding": "BILLING_ACME", "generator": "program", "params": {"make": "./rotate.sh"}}`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rotate.sh"), []byte(`#!/bin/sh
n=$(cat count 2>/dev/null || echo 0)
case $(cat) in
*'"step":"make"'*) n=$((n+1)); echo $n >count; echo '{"id":"k'$n'","value":"madeup_Wm29bHs4Ly'$n'"}' ;;
*'"step":"steps"'*) echo '{"steps":["make"]}' ;;
*) echo '{"unsupported":true}' ;;
esac
`), 0o700))
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	return dir
}

// remove says before its question that the program cannot end the value, once.
func TestWarningOfAGeneratorComesBeforeTheQuestion(t *testing.T) {
	t.Parallel()
	dir := makesOnly(t)
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

// An interrupted run whose changes are recorded has its warnings in JSON too.
func TestInterruptedRunReportsItsWarnings(t *testing.T) {
	t.Parallel()
	from := makesOnly(t)
	changed, stride := 0, 1
	if !slow.All() {
		stride = 4
	}
	for at := 0; ; at += stride {
		_, stdout, _, done := interrupted(t, from, at, "secret", "rotate", "--immediate", "--json", "--spec", "spec.json")
		if done {
			break
		}
		var r reportJSON
		require.NoError(t, json.Unmarshal([]byte(stdout), &r))
		if len(r.Actions)+len(r.Unconfirmed) > 0 {
			changed++
			require.Len(t, r.Warnings, 1, "before step %d", at)
			require.Equal(t, "v1", r.Warnings[0].Version)
		}
	}
	require.Positive(t, changed)
}
