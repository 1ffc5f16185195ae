package secret

// Static declares a secret whose value an operator supplies: an API key,
// credentials as JSON, a connection string. Options.Bytes and Options.Generator
// are refused on it.
//
// Static never fails and never panics, so declarations can be in var blocks.
// [Secret.Err], every read and an App's Start report a declaration that breaks
// a rule.
func Static(o Options) *Secret { return declare(KindStatic, o) }
