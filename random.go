package secret

// Random declares a secret that is made of Options.Bytes random bytes (16 to 1024; 0 means 32): a signing key, an
// encryption key, a session key. `layer secret apply` creates it. [Ref.Bytes] returns exactly that many bytes, decoded.
//
// Like [Static] it never fails: see [Secret.Err].
func Random(o Options) *Secret { return declare(KindRandom, o) }
