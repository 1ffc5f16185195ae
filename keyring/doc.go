// Package keyring signs, encrypts and verifies with a versioned key, across
// rotations. Each token or sealed text contains the id of the version that made
// it. New work uses the current version, and old work is checked with the
// version that it names.
//
//	tokens := keyring.NewSigner(sessionKey, "session cookie")
//	token, err := tokens.Sign(payload, time.Now().Add(24*time.Hour))
//	payload, err := tokens.Verify(ctx, token)
//
//	records := keyring.NewSealer(encryptionKey, "customer record")
//	sealed, err := records.Seal(plaintext, []byte("customer 42"))
//	plaintext, err := records.Open(ctx, sealed, []byte("customer 42"))
//
//	err := keyring.VerifyHMAC(webhookSecret, body, mac)
//
//	version, err := keyring.Find(ctx, jwtKey, kid)
//
// # Which one
//
//   - A client keeps data that you issue, may read it, and sends it back:
//     [Signer]. Session cookies, links to confirm an address.
//   - You store or issue data that no one else may read: [Sealer]. Columns,
//     files of some megabytes, cookies with a secret.
//   - Another party signs with a secret that you share: [VerifyHMAC]. Webhooks.
//   - A token of another form names its key, such as a JWT in its header kid:
//     [Find].
//   - A program must start while its store is out of reach: [SealCache], which
//     encrypts the entries of a [secret.Cache].
//   - Another party must verify your signature: none of these alone, because a
//     party that can verify can also sign. Use a signature with a public key,
//     such as a JWT with EdDSA: see examples/jwks.
//
// # What each promises
//
// A token that Verify accepts was made by a holder of the key, for this
// purpose, and was not changed. The token hides nothing: base64 is no
// encryption. It can be copied, and used again until it expires. To end a token
// earlier, keep a list of ended tokens.
//
// A text that Open accepts was sealed by a holder of the key, for this purpose
// and context, and was not changed. Without the key a reader learns only its
// length and the id of its version. An older text for the same context opens as
// well: if that matters, put a number into the context. If the version is lost,
// the text is lost.
//
// A key is derived from the version's value, the use (to sign or to seal) and
// the purpose. The secret's address plays no part, so a renamed secret accepts
// the tokens and opens the texts from before. Two secrets that hold an equal
// value under the same version id accept each other's tokens and texts of one
// purpose. Where this must not happen, as between staging and production, give
// each secret a value of its own.
//
// Keys must be random. A password of 32 characters is accepted as a key but can
// be guessed. Declare keys with [secret.Random] and let `layer secret` make
// them.
//
// # Rotation
//
// A program needs no code for a rotation. An announced version is accepted
// before any program uses it. After the flip, tokens of the old version are
// accepted until it expires. A token expires with its version, so retain
// versions for at least as long as tokens live. Sealed texts open for as long
// as the store holds the version, expired or not. Retain the versions of a
// Sealer for ever. Otherwise, before a version is removed, seal again every
// text for which Stale returns true.
//
// After `layer secret rotate --immediate` a machine receives tokens and sealed
// texts of versions that it has not read yet. Verify, Open and Find then ask the
// store, at most once in ten seconds for all uses of a secret and of the copies
// that [secret.Secret.With] made. So a client that invents ids causes at most
// one request to the store in ten seconds. All callers with an unknown version
// that come while the store is asked wait for the answer, each no longer than
// its context. After the answer, until the ten seconds are over, a version that
// is still unknown is refused at once. The copies that With makes for several
// tenants share the ten seconds: declare a secret for each tenant if one must
// not wait for another.
//
// `layer secret revoke` removes a version from the store. As soon as a machine
// has read the change, tokens of that version are refused and its sealed texts
// do not open.
//
// If a text in the store has no versions, it counts as v1, always. Replacing
// such a text is no rotation: without a warning, all tokens become invalid and
// all sealed texts are lost. Options.Bytes must not change either: older
// versions would no longer decode.
//
// docs/keyring.md explains the same in more detail, with the formats byte by
// byte. testdata/keyring.json has test vectors for an implementation in another
// language.
package keyring
