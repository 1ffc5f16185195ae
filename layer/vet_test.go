package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// The code of this repository has no finding, on no platform.
func TestVetHasNoFindingHere(t *testing.T) {
	slow.Test(t)
	for _, c := range []struct {
		name, dir string
		env       []string
		args      []string
	}{
		{"the modules of the workspace", "..", nil, []string{"work"}},
		{"Workers", "..", []string{"GOOS=js", "GOARCH=wasm"}, []string{"./workers/...", "./examples/worker/..."}},
		{"benchmarks", "../benchmarks", []string{"GOWORK=off"}, []string{"./..."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			environ := slices.Concat(os.Environ(), c.env)
			lookup := func(name string) (value string, ok bool) {
				for _, v := range environ {
					if text, is := strings.CutPrefix(v, name+"="); is {
						value, ok = text, true
					}
				}
				return value, ok
			}
			var out, errs bytes.Buffer
			status := execute(t.Context(), append([]string{"secret", "vet"}, c.args...), process{in: strings.NewReader(""),
				stdout: &out, stderr: &errs, dir: c.dir, lookup: lookup,
				environ: func() []string { return environ }, exec: nil})
			require.Empty(t, out.String())
			require.Zero(t, status, errs.String())
		})
	}
}
