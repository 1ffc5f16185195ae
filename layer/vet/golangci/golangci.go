// Package golangci makes [vet.Analyzer] a linter of golangci-lint, in the form
// of a module plugin. Its name is layersecret. To use it, build a golangci-lint
// that contains it, from a file .custom-gcl.yml:
//
//	version: v2.15.0
//	plugins:
//	  - module: github.com/layeron-hq/secret/layer
//	    import: github.com/layeron-hq/secret/layer/vet/golangci
//	    version: v0.1.0
//
// and enable it in .golangci.yml:
//
//	version: "2"
//	linters:
//	  enable: [layersecret]
//	  settings:
//	    custom:
//	      layersecret:
//	        type: module
//	        description: finds wrong uses of package secret
//
// The command golangci-lint custom builds ./custom-gcl, which takes the place of
// golangci-lint. Both forms of suppression work: //nolint:layersecret and
// //layer:ignore.
package golangci

import (
	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/layeron-hq/secret/layer/vet"
)

func init() { register.Plugin("layersecret", newPlugin) }

type plugin struct{}

// newPlugin takes no settings.
func newPlugin(any) (register.LinterPlugin, error) { return plugin{}, nil }

// BuildAnalyzers returns the analyzer.
func (plugin) BuildAnalyzers() ([]*analysis.Analyzer, error) {
	return []*analysis.Analyzer{vet.Analyzer}, nil
}

// GetLoadMode asks for types.
func (plugin) GetLoadMode() string { return register.LoadModeTypesInfo }
