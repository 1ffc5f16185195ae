package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionNamesModuleRevisionAndGo(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "4fd683b0c1"}
	modified := func(value string) debug.BuildSetting { return debug.BuildSetting{Key: "vcs.modified", Value: value} }
	for name, tc := range map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"installed by version": {debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.0"}},
			"layer v0.1.0 go1.26.8"},
		"no version is known": {debug.BuildInfo{GoVersion: "go1.26.8"}, "layer (devel) go1.26.8"},
		"built in a checkout": {debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{revision, modified("false")}}, "layer (devel) 4fd683b0c1 go1.26.8"},
		"in a changed checkout": {debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"},
			Settings: []debug.BuildSetting{revision, modified("true")}}, "layer (devel) 4fd683b0c1 modified go1.26.8"},
		"changed, no revision": {debug.BuildInfo{GoVersion: "go1.26.8", Settings: []debug.BuildSetting{modified("true")}},
			"layer (devel) go1.26.8"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, versionOf(&tc.info)) })
	}
}

func TestVersionFlagPrintsOneLineOnStdout(t *testing.T) {
	r := runHere(t, t.TempDir(), nil, "--version")
	require.Zero(t, r.status)
	require.Regexp(t, `^layer \S.* `+runtime.Version()+`\n$`, r.stdout)
	require.Empty(t, r.stderr)
}

func TestVersionIsAFlagOfTheRootAlone(t *testing.T) {
	for _, args := range [][]string{{"secret", "--version"}, {"-v"}} {
		r := runHere(t, t.TempDir(), nil, args...)
		require.Equal(t, exitUsage, r.status, args)
		require.Empty(t, r.stdout)
	}
}
