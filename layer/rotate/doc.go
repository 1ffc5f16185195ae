// Package rotate creates, rotates and publishes the values of secrets. During a
// rotation no reader rejects a signature that another reader has just made, even if
// a run crashes. The command `layer secret` is built on this package. A program uses
// it directly for targets and generators that `layer` does not have.
//
//	o := rotate.Operator{Ledger: ledger, Publisher: dir.New("/run/secrets"), Spec: app.Spec()}
//	result, err := o.Rotate(ctx, rotate.RotateOptions{})
//
// The protocol is described in [docs/protocol.md]: the model, the invariants, the
// state table, the sizes of window and margin, and each rule with the failure
// without it. This page is a summary.
//
// # Ledger and target
//
// A [Ledger] is the source of truth. It has compare-and-swap, and contains
// every version of every secret before anything is published.
//
// A [driver.Publisher] is a target: it replaces the text that programs read. It
// returns no text and has no compare-and-swap. Of two writers the later one
// wins, and a request may be applied after its sender stopped waiting. So a
// note is published beside each text, signed with keys that only the ledger
// contains:
//
//	sv1 gen=17 cur=v3 fp=<32 hex digits> by=<16 hex digits>
//
// gen counts the texts of this secret, cur is the id of the current version, fp is
// an HMAC of name, generation and text, and by is an HMAC of name and the note
// before it.
//
// A note counts only if it is signed, for its name in the target, with a key of
// the ledger. Other notes have no effect on ids and generations. The removal of
// a recipient, a holder of an age key that decrypts the ledger, replaces the
// keys. A former key is then valid only for notes from before the removal. A
// note under it with a later generation or id, or for another name, counts as
// not signed. A note under a former key never proves that the ledger is an old
// copy.
//
// Ids end at v2000000000 and generations at 2^63-1. A change beyond that is refused
// before it is recorded. The secret then needs another name.
//
// # Two phases
//
// A new version is published before it is used.
//
//   - Announce ([OpAdd]): the new version is published, and current names the old
//     one. activeFrom of the new version is the planned flip.
//   - Flip ([OpFlip]): a window after the target has confirmed the announcement,
//     current names the new version. Its activeFrom is the present instant, rounded
//     down to a second. The old version gets an expiresAt, rounded up.
//   - Prune ([OpPrune]): expired versions leave the text. The ledger forgets their
//     values, and keeps ids and lives.
//
// The window, 24 h if zero, is the time after which every reader has a published
// text. A reader's text is at most three quarters of a window old. The margin, 24 h
// if zero, allows for late requests and for clocks that differ. An old version
// expires a window, a margin and the time of [secret.Rotation].Retain after the
// flip. RetainForever sets no end. If Retain becomes longer, the next run extends
// the lives of versions that are not pruned yet. If it becomes shorter, the new one
// applies from the next flip on. If a flip is not confirmed within an eighth of the
// window (a minute, if that is longer), it is published again, with lives that count
// from the instant of the new text.
//
// The first value of a secret is current at once, and has no activeFrom. A new value
// of a static secret is valid elsewhere already, and is current at once too; the old
// one expires as after a flip. RotateOptions.Immediate does both phases at once:
// readers that do not have the new version yet reject it, for up to a window.
//
// Ids are v1, v2 and so on. A new id is above every id that the ledger has
// used, and above the id in a note of this ledger that a set or an adoption
// (RotateOptions.Adopt) has found. No id is used twice, and in documents a value
// never changes under its id. A text has the format that [secret.Options].Format
// pins. If none is pinned, a static secret without a Rotation is its bare value,
// which readers know as v1. It stays v1 when a later declaration makes it a
// document. The opposite change needs the operator (Operator.LosesIDs), unless
// only v1 is in use. Every other text is JSON, or compact if JSON exceeds the
// limit and compact can hold every value. Before a text is sent, package secret
// must be able to read it.
//
// # Schedule
//
// Time is divided into slots of EveryDays days of 24 h. A rotation is due as
// soon as a later slot than that of the last rotation has begun. Slots begin at
// StartAt, else at the creation, plus a jitter of up to 6 h that depends on the
// address alone. The creation counts as a rotation, and so does a rotation by
// command. Missed slots are made up by one rotation. If only an operator has a
// secret's values, it remains due until the operator sets one.
//
// # Runs
//
// A run first compares ledger and target. An intent is a text that the ledger
// records and the target has not confirmed, and published is the text that it
// confirmed last. Fresh times are lives that count from the instant of a new
// text. Modified is the time or the revision of the last write, or a digest of
// the text, as the target reports it:
//
//	ledger        target                          the run
//	intent        an older text of the ledger     sends the same bytes again, or with fresh times
//	intent        the intent                      confirms it, or sends it with fresh times
//	published     an older text of the ledger     repairs: extends lives, since readers may use that
//	                                              text; no flip or prune for a window and a margin
//	published     its note, another Modified      repairs after a possible late request; else it is
//	                                              drifted, and the run leaves it
//	any           a later text of the ledger      stops: the ledger is an old copy, or a second one
//	a value       another writer's value          leaves it, and reports it: it is drifted
//	no value      another writer's value          leaves it: the secret is bound to it
//	a value       no value                        publishes it
//
// Then it decides, without I/O (see [Plan]), and records the new text in the ledger
// as an intent. It publishes the text, asks the target, and records the text as
// published. A run may crash after any step. The next run finishes the intent and
// never makes a second value for it. A second run directly after the first changes
// nothing.
//
// RotateOptions.Adopt is the operator's consent to continue after a stop, or to
// overwrite a value that is drifted. The run then publishes the ledger's
// versions with a generation above the one in the target.
//
// # Reports
//
// With Operator.Reports a run returns the confirmed changes that were not reported
// to a program outside yet, in Result.Unreported, also those of earlier runs.
// [Operator.MarkReported] records that a report has succeeded. A change is
// reported at least once, also after a crash. The first such run begins the
// reports, and returns nothing from before.
//
// # Ledgers
//
// Package layer/ledger/file keeps a ledger in one file, for one pipeline.
// Packages layer/ledger/bucket and layer/ledger/postgres keep it for a team:
// several runs may change it at once, and the slower one continues from the
// result of the faster. The function Remember of package layer/ledger wraps a
// Ledger. It rejects a state older than one that this machine has seen, and a
// ledger whose [State.ID] the machine does not know. [Move] moves a ledger from
// one place to another.
//
// # Errors
//
// A [Problem] is the reason why a secret or a run failed or needs the operator. A
// program tests for its [Kind].
//
// [docs/protocol.md]: https://github.com/layeron-hq/secret/blob/main/docs/protocol.md
package rotate
