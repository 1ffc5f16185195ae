// Package secret declares secrets and reads the right version of a rotated value.
//
//	var sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32})
//
//	text, err := sessionKey.Current().Text()
//
// A secret is [Static] (an operator supplies it), [Random] (16 to 1024 random bytes) or [Generated] (made by the step that
// owns it). One stored string holds one plain value or several versions; a program reads the current one, a named one, the
// one in force at a given time, or all that are accepted now. Without set-up a secret is read from the environment, from the
// variable named like its binding: LAYERON_SECRET_AUTH_SESSION_KEY. [Dir] and [NewMemory] are other stores.
//
// The package uses the standard library alone.
//
// # Stored values
//
// What a store hands back is one string. This section says, for every string, which versions it holds. A version has an id, a
// value (neither is ever empty), an instant from which it is active (absent: since ever) and one at which it expires (absent:
// never). It is active at t when activeFrom <= t < expiresAt. The document may also name the current version.
//
// The format is decided in this order. "Trimmed" means without a byte order mark at the very beginning and without white space
// (space, \t, \n, \v, \f, \r) at either end; a plain value is handed out untrimmed.
//
//  1. Trimmed is empty: [ErrEmpty].
//  2. Trimmed begins with {, is one valid JSON object and has an object "versions": JSON.
//  3. Trimmed begins with { and is not valid JSON, and of the top-level names that stand whole before the fault the first is
//     "current" or any is "versions": [ErrMalformed]. It was a version document; as a key it would do harm.
//     The same holds for a version document in disguise: in quotes, as it is or encoded again as a JSON string; with comments
//     (//, # or /* */) before it or right after its brace; or with the first name, current or versions, in single quotes or
//     bare, as in a Python dict. As a plain value it would hand every version to a third party.
//     The work on one text is bounded: a text in so many quotes that its escapes are resolved 16 times, or that the resolved
//     texts have three times its size and 16 KiB in all, is [ErrMalformed] as well.
//  4. Trimmed begins with current=: compact.
//  5. Every non-empty segment of trimmed between semicolons is KEY=VALUE, KEY being current, v<digits>, or v<digits>_ and
//     anything, and at least one is v<digits>: compact.
//  6. Anything else is plain: one version v1 without times, exactly as stored. Tokens, PEM blocks, JSON credentials,
//     connection strings and URLs end here.
//
// Options.Format pins the format: then nothing is guessed, a pinned JSON or compact text that is not in that format or holds
// no version is [ErrMalformed], and a pinned plain one is never parsed. A text over 1 MiB (1,048,576 bytes) is [ErrTooLarge].
//
// # JSON
//
//	{ "current": "v3",
//	  "versions": {
//	    "v2": { "value": "old", "activeFrom": "2026-05-01T00:00:00.000Z", "expiresAt": "2026-06-01T00:00:00.000Z" },
//	    "v3": { "value": "new", "activeFrom": "2026-05-25T00:00:00.000Z" } } }
//
// Valid JSON is what encoding/json takes for it. Names are matched exactly, after unescaping. "current" is a string, null or
// absent, and "versions" an object of objects, each with a "value", a non-empty string; "activeFrom" and "expiresAt" are
// times, null or absent. Other members are allowed in both places and survive [Document.Encode] byte for byte. A name given
// twice in one object, at any depth, invalid UTF-8 anywhere, and half of a surrogate pair in an id, a value or "current" are
// errors. Where "versions" is empty, the whole text is the plain value.
//
// # Compact
//
//	current=v3;v2=old;v2_expires=2026-06-01T00:00:00.000Z;v3=new
//
// Segments are split at semicolons, each at its first =. White space around a segment is dropped, beside its = it is an error;
// empty segments are skipped. ID=value is a version, ID_active=time and ID_expires=time are its life, before or after it. An
// id is a letter or digit followed by letters, digits, . and -. Errors: no version, an empty value, a key given twice, one
// version a line (a value may have line breaks, but none that a KEY= of rule 5 follows), an attribute of an id that has no
// value, another suffix, a bad time, a segment without =.
//
// # Times
//
// RFC 3339, strictly: T and Z in upper case, two digits each, no leap second, 1 to 9 digits after a dot, an offset of at most
// 23:59, an instant from 1970-01-01T00:00:00Z to the end of 9999 in UTC. The end of a life must lie after its beginning.
//
// # Reads
//
//   - Current: the version that is marked, else the last in the text. Times play no part.
//   - Version(id): that version, expired or not, since old data must stay readable.
//   - At(t): what was in force at t; see [Document.At].
//   - ActiveAt(t): every version active at t, the current one first, then the latest activeFrom first.
//   - Active: what to accept now: versions that have not expired. Announced ones, whose activeFrom is to come, count:
//     another machine's clock or copy may be ahead of this one.
//   - ActiveVersion(id): that version unless it has expired, for tokens that name their key.
//
// [Secret.Load] returns the whole [Document], for several reads that must agree.
//
// # What is never shown
//
// No error, no verb of fmt, no JSON and no log line shows any part of a value. A [Version], [Document] or [Secret] may be
// printed, logged, or sit in any field of a struct that is.
package secret
