// Package keyring does with a versioned key what most programs have one for, so that it goes on through every rotation: what is
// made names the version that made it, new work uses the current version, and old work is judged by the version it names.
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
// # Which one
//
//   - Somebody brings back what you gave out, and may read it: [Signer]. Session cookies, links to confirm an address.
//   - You store something, or give it out, that nobody may read: [Sealer]. Columns, files of some megabytes, cookies with a secret.
//   - Somebody else signs with a secret that you both have: [VerifyHMAC]. Webhooks.
//   - Somebody else must verify what you signed: none of these, since whoever can verify can also sign. Use a signature with a
//     public key, such as a JWT with EdDSA; [secret.Secret.ActiveVersion] finds the key that it names.
//
// # What each promises
//
// A token that Verify accepts was made by somebody who has the key, for this purpose, and not changed. The token hides nothing:
// base64 is no encryption. It can be copied, and used again until it expires. To end one before that, keep a list.
//
// A text that Open accepts was sealed by somebody who has the key, for this purpose and context, and not changed; without the key
// nobody reads more of it than its length and its version's id. An older text for the same context opens as well: if that
// matters, put a number into the context. Losing the version is losing the text.
//
// A key is derived from the version's value, the use (to sign or to seal) and
// the purpose. The secret's address plays no part. So a renamed secret
// accepts the tokens and opens the texts from before. And two secrets that hold
// an equal value under the same version id accept each other's tokens and texts
// of one purpose. Where that must not be, as between staging and production,
// give each secret a value of its own.
//
// Keys must be random: a password of 32 characters passes for one, and can be guessed all the same. Declare them with
// [secret.Random] and have `layer secret` make them.
//
// # Rotation
//
// Nothing has to be done. A version that is announced is accepted before anybody uses it; while both are good, tokens of the
// old version are accepted; a token dies with its version, so retain versions for at least as long as tokens live. Sealed texts
// open for as long as the store holds the version, expired or not: retain those of a Sealer for ever, or seal again what
// Stale finds before the version goes.
//
// After `layer secret rotate --immediate` a machine meets versions that it has
// not read. Verify and Open then ask the store, at most once in ten seconds for
// all Signers and Sealers of a secret and of the copies that
// [secret.Secret.With] made, so made-up ids are no load for it. All callers that
// come while the store is asked wait for the answer, each no longer than its
// context. After the answer, until the ten seconds are over, a version that is
// still unknown is refused at once. Copies for tenants share the ten seconds:
// declare a secret for each tenant if one must not wait for another.
//
// `layer secret revoke` takes a version out of the store: its tokens are refused, and its sealed texts do not open, as soon as a
// machine has read that.
//
// A text without versions in the store is always v1. To replace it is no rotation: all tokens become invalid and all sealed
// texts are lost, whatever is asked. So is Options.Bytes no place for a change: older versions would no longer decode.
//
// docs/keyring.md tells the same with more words, and the formats byte by byte; testdata/keyring.json has vectors for whoever
// writes the other half in another language.
package keyring
