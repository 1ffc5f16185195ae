package secret

// Generated declares a secret whose value comes from a step outside this
// program, such as R2 API credentials or a key that another product issues.
// Options.Generator names that step. Without a Generator the operator must
// write the value before the program starts. With Options.Bytes (16 to 1024)
// [Ref.Bytes] decodes as it does for [Random]; with 0 it returns the bytes of
// the text.
//
// Generated creates nothing. Like [Static] it never fails: see [Secret.Err].
func Generated(o Options) *Secret { return declare(KindGenerated, o) }
