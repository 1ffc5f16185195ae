// Package secret declares secrets and reads the right version of a rotated
// value.
//
//	var sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32})
//
//	text, err := sessionKey.Current().Text()
//
// A secret is [Static] (an operator supplies it), [Random] (16 to 1024 random
// bytes) or [Generated] (made by a step outside the program). One stored text
// holds one plain value or several versions. A program reads the current
// version, a version by id, the version in force at a given time, or all
// versions that are accepted now. By default a secret is read from the
// environment, from the variable named by its binding:
// LAYERON_SECRET_AUTH_SESSION_KEY. [Dir] and [NewMemory] are other stores, and
// [Chain] asks several.
//
// The package uses the standard library alone.
//
// # Stored values
//
// A store returns one string, the stored text. This section defines, for every
// string, the versions that it holds. A version has an id, a value (neither is
// ever empty), an instant from which it is active (absent: always active) and
// one at which it expires (absent: never). It is active at t when activeFrom <=
// t < expiresAt. The text may also name the current version: this is the
// marker. A parsed text is called a document.
//
// The format is decided in this order. "Trimmed" means without a byte order
// mark at the very beginning and without white space (space, \t, \n, \v, \f,
// \r) at either end; a plain value is returned untrimmed.
//
//  1. Trimmed is empty: [ErrEmpty].
//  2. Trimmed begins with {, is one valid JSON object and has an object
//     "versions": JSON.
//  3. Trimmed begins with { and is not valid JSON. Consider the top-level names
//     that are complete before the fault: if the first one is "current", or one
//     of them is "versions", the text is [ErrMalformed]. It is a damaged version
//     document, and would do harm if it were used as a key.
//     The same holds for a version document in disguise: in quotes, unchanged
//     or encoded again as a JSON string; with comments (//, # or /* */) before
//     it or right after its brace; or with the first name, current or versions,
//     in single quotes or bare, as in a Python dict. If such a text were used as
//     a plain value, the program would send every version to a third party.
//     The work on one text is bounded. A text is also [ErrMalformed] if its
//     quotes are nested so deeply that its escapes would have to be resolved
//     more than 16 times, or that the resolved texts together would exceed three
//     times its size plus 16 KiB.
//  4. Trimmed begins with current=: compact.
//  5. Every non-empty segment of trimmed between semicolons is KEY=VALUE, KEY
//     being current, v<digits>, or v<digits>_ and anything, and at least one is
//     v<digits>: compact.
//  6. Anything else is plain: one version v1 without times, exactly as stored.
//     Tokens, PEM blocks, JSON credentials, connection strings and URLs fall
//     under this rule.
//
// Options.Format pins the format, and no detection takes place. A pinned JSON
// or compact text that is not in that format or holds no version is
// [ErrMalformed], and a pinned plain text is never parsed. A text over 1 MiB
// (1,048,576 bytes) is [ErrTooLarge].
//
// # JSON
//
//	{ "current": "v3",
//	  "versions": {
//	    "v2": { "value": "old", "activeFrom": "2026-05-01T00:00:00.000Z", "expiresAt": "2026-06-01T00:00:00.000Z" },
//	    "v3": { "value": "new", "activeFrom": "2026-05-25T00:00:00.000Z" } } }
//
// Valid JSON is the JSON that encoding/json accepts. Names are matched exactly,
// after unescaping. "current" is a string, null or absent, and "versions" an
// object of objects, each with a "value", a non-empty string; "activeFrom" and
// "expiresAt" are times, null or absent. Other members are allowed in both
// places, and [Document.Encode] keeps them byte for byte. These are errors: a
// name given twice in one object, at any depth; invalid UTF-8 anywhere; half of
// a surrogate pair in an id, a value or "current". If "versions" is empty and
// no format is pinned, the whole text is the plain value.
//
// # Compact
//
//	current=v3;v2=old;v2_expires=2026-06-01T00:00:00.000Z;v3=new
//
// Segments are split at semicolons, each at its first =. White space around a
// segment is dropped; beside the = it is an error. Empty segments are skipped.
// ID=value is a version. ID_active=time and ID_expires=time are its life, and
// may come before or after it. An id is a letter or digit followed by letters,
// digits, . and -. Errors: no version; an empty value; a key given twice;
// versions separated by line breaks instead of semicolons (a value may contain
// line breaks, but no line after the first line of the value may begin with a
// KEY= of rule 5); an _active or _expires whose id has no version; a suffix
// other than these two; a bad time; a segment without =.
//
// # Times
//
// RFC 3339, strictly: T and Z in upper case, two digits for each of month, day,
// hour, minute and second, no leap second, 1 to 9 digits after a dot, an offset
// of at most 23:59, an instant from 1970-01-01T00:00:00Z to the end of 9999 in
// UTC. The end of a life must lie after its beginning.
//
// # Reads
//
//   - Current: the version that the marker names, else the last in the text.
//     It does not look at times.
//   - Version(id): the version with that id, expired or not, because old data
//     must stay readable.
//   - At(t): the version in force at t; see [Document.At].
//   - ActiveAt(t): every version active at t, the current one first, then the
//     latest activeFrom first.
//   - Active: the versions to accept now: all that have not expired. Announced
//     versions, whose activeFrom is in the future, are included, because the
//     clock or the copy of another machine may be ahead of this one.
//   - ActiveVersion(id): the version with that id unless it has expired, for
//     tokens that contain the id of their key.
//
// [Secret.Load] returns the whole [Document], for several reads that must
// agree. [Derive] computes a value from documents, once for each change.
//
// # Apps
//
// Without an [App] every read asks the store. An App loads all secrets of a
// program in [App.Start] and reports all problems at once. Then reads return
// from memory, and the App refreshes the secrets in the background.
// [App.OnChange] reports changes, and [App.Status] the state of each secret.
// AppOptions.Cache lets a program start while its store is out of reach, and
// Options.Optional while a value is missing.
//
// # What is never shown
//
// No error, no verb of fmt, no JSON and no log line shows any part of a value.
// It is safe to print or log a [Version], [Document] or [Secret], and a struct
// with one of them in any field.
package secret
