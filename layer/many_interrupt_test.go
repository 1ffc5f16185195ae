package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// Ctrl-C ends a run of 1,000 secrets within 0.3 s, in every phase. The
// report claims no secret that the target has not confirmed, and the next run
// finishes the rest without a second value.
func TestInterruptedRunOfManySecretsEndsAtOnce(t *testing.T) {
	slow.Test(t)
	slow.Timed(t)
	const n, parts = 1000, 8
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"kind": "random", "namespace": "many", "name": "key-%d"}`, i))
	}
	other, dir := folder(t), folder(t)
	declare(t, other, list...)
	declare(t, dir, list...)
	began := time.Now()
	layerIn(t, other, nil, 0, "secret", "apply", "--spec", "spec.json")
	whole := time.Since(began)
	var took []time.Duration
	for part := range parts {
		cmd, stdout, stderr := start(t, dir, nil, "secret", "apply", "--spec", "spec.json", "--json")
		var sent time.Time
		timer := time.AfterFunc(whole*time.Duration(part+1)/parts, func() {
			sent = time.Now()
			_ = cmd.Process.Signal(os.Interrupt)
		})
		_ = cmd.Wait()
		if timer.Stop() || cmd.ProcessState.ExitCode() == 0 {
			break // every secret is confirmed
		}
		took = append(took, time.Since(sent))
		require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
		claimsOnlyConfirmed(t, dir, stdout.String())
	}
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	for address, s := range statusOf(t, dir, nil) {
		require.Equal(t, "ok", s.State, address)
		require.Equal(t, "v1", *s.Current, "a value was made twice")
	}
	require.Empty(t, leftovers(t, dir))
	slices.Sort(took)
	t.Logf("a run of %v, interrupted: %v", whole, took)
	require.NotEmpty(t, took)
	require.Less(t, took[0], 300*time.Millisecond)
	require.Less(t, took[len(took)-1], 2*time.Second, "a busy machine")
}

// claimsOnlyConfirmed checks the report of an interrupted run: each action that
// it claims is in the target, with its note.
func claimsOnlyConfirmed(t *testing.T, dir, stdout string) {
	t.Helper()
	var r reportJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.False(t, r.OK)
	require.True(t, strings.HasPrefix(r.Error, "interrupted: "), r.Error)
	for _, a := range r.Actions {
		addr, err := secret.ParseAddress(a.Address)
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dir, "secrets", addr.Binding()))
		require.FileExists(t, filepath.Join(dir, "secrets", "."+addr.Binding()+".note"))
	}
}
