package golangci

import (
	"testing"

	"github.com/golangci/plugin-module-register/register"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"

	"github.com/layeron-hq/secret/layer/vet"
)

func TestPluginIsRegistered(t *testing.T) {
	made, err := register.GetPlugin("layersecret")
	require.NoError(t, err)
	linter, err := made(nil)
	require.NoError(t, err)
	list, err := linter.BuildAnalyzers()
	require.NoError(t, err)
	require.Equal(t, []*analysis.Analyzer{vet.Analyzer}, list)
	require.Equal(t, register.LoadModeTypesInfo, linter.GetLoadMode())
	require.NoError(t, analysis.Validate(list))
}
