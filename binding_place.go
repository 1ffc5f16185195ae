//go:build !js

package secret

import "strings"

// declaredPlace returns the place of a declared binding name, from the place of
// the derived one.
func declaredPlace(derived string, d *declaration) string {
	if folder, ok := strings.CutSuffix(derived, d.addr.Binding()); ok {
		return folder + d.Binding
	}
	return derived // the store's places are not by binding name
}
