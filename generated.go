package secret

// Generated declares a secret whose value is made by the step that owns it, outside this program: R2 API credentials,
// a key that another product hands out. Options.Generator names that step; without one the value has to be written by
// somebody before the program starts. With Options.Bytes (16 to 1024) [Ref.Bytes] decodes as it does for [Random]; with
// 0 it returns the text's bytes.
//
// Like [Static] it never fails: see [Secret.Err].
func Generated(o Options) *Secret { return declare(KindGenerated, o) }
