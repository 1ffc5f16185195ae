package main

import (
	"runtime/debug"
	"strings"
)

// buildVersion returns the version that `layer --version` prints.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "layer, built without module support"
	}
	return versionOf(info)
}

// versionOf returns the module's version, the revision if the binary was built
// in a checkout, and the version of Go.
func versionOf(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	parts := []string{"layer", info.Main.Version}
	if info.Main.Version == "" {
		parts[1] = "(devel)"
	}
	if revision := settings["vcs.revision"]; revision != "" {
		parts = append(parts, revision)
		if settings["vcs.modified"] == "true" {
			parts = append(parts, "modified")
		}
	}
	return strings.Join(append(parts, info.GoVersion), " ")
}
