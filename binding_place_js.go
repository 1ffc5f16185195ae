package secret

// declaredPlace returns the place of a declared binding name. In a Worker all
// places are bindings, and a shorter function keeps it small.
func declaredPlace(_ string, d *declaration) string { return "binding " + d.Binding }
