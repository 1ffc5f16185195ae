package secret

// Random declares a secret whose value is Options.Bytes random bytes (16 to
// 1024; 0 means 32): a signing key, an encryption key, a session key. Random
// only declares: it creates no value and writes to no store. `layer secret
// apply` creates the value and publishes it; until then reads fail with
// [ErrNotFound]. [Ref.Bytes] decodes the stored text and returns exactly that
// many bytes.
//
// Like [Static] it never fails: see [Secret.Err].
func Random(o Options) *Secret { return declare(KindRandom, o) }
