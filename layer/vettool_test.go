package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The script vet runs go vet with layer as its tool.
func TestOnlyCommandLinesOfGoVetRunTheTool(t *testing.T) {
	for line, want := range map[string]bool{
		"-V=full": true, "-flags": true, "/tmp/b001/vet.cfg": true, "-json -secret /tmp/b001/vet.cfg": true,
		"": false, "--version": false, "-V": false, "secret vet": false, "secret vet vet.cfg": false, "--help": false,
		"secret reveal a.b --ledger x.cfg": false, "-V=full secret": false, "--ledger=x.cfg": false, "completion bash": false,
	} {
		require.Equal(t, want, isVetTool(strings.Fields(line)), line)
	}
}
