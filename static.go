package secret

// Static declares a secret whose value an operator supplies: an API key, credentials as JSON, a connection string.
// Options.Bytes and Options.Generator are refused on it.
//
// Static never fails and never panics: a declaration that breaks a rule is reported by [Secret.Err], by every read and
// by an App's Start, so that declarations can stand in var blocks.
func Static(o Options) *Secret { return declare(KindStatic, o) }
