// Package rotate creates, rotates and publishes the values of secrets, so that at no moment one reader rejects what another
// has just signed, whatever crashes on the way. `layer secret` is made of it; a program of one's own uses it for generators
// and targets that `layer` does not have.
//
//	o := rotate.Operator{Ledger: ledger, Publisher: dir.New("/run/secrets"), Spec: app.Spec()}
//	result, err := o.Rotate(ctx, rotate.RotateOptions{})
//
// # Ledger and publisher
//
// A [Ledger] is the record of truth: every version of every secret is in it before anything is published. A [driver.Publisher] puts
// the rendered text where readers look. It can replace a text and never hands one out, and it has no compare-and-swap: of two
// writers the later one wins, and a request that nobody waits for any more may still arrive. So every text carries a note,
// signed under keys that only the ledger holds, by which the next run knows what stands there:
//
//	sv1 gen=17 cur=v3 fp=<32 hex digits> by=<16 hex digits>
//
// gen counts the texts published for this secret, cur is the current version's id, fp an HMAC of name, generation and text,
// by one of name and the note before it.
//
// A note counts only if it is signed, for its name in the target, under a key of the ledger: no id and no generation depends on any
// other note. The removal of a recipient replaces the key. The former key then counts for the notes of before the removal: one with
// a later generation or id, or for another name, counts as not signed, and none proves a later ledger.
//
// Ids end at v2000000000 and generations at 2^63-1. A change that needs a further one is refused before anything is recorded: the
// secret needs another name then.
//
// # Two phases
//
// A rotation never publishes a key and its first use together.
//
//   - add: the new version is published with the planned instant of its first use as activeFrom; current still names the old one.
//   - flip: once the publishing of add is confirmed and a window has passed, current names the new version. Its activeFrom is that
//     instant, rounded down to a second; the old version gets its expiresAt, rounded up.
//   - prune: expired versions leave the document. The ledger forgets the value and keeps id and life.
//
// The window (24 h) is the time after which every reader has seen what was published: readers may be three quarters of it
// behind. An old version expires a window, a margin (24 h: late requests, clocks that differ) and what [secret.Rotation].Retain
// adds after the flip; RetainForever sets no end. A longer Retain lengthens lives that are not pruned yet; a shorter one counts
// from the next flip. A flip that is not confirmed within an eighth of the window, at least a minute, is published again with
// times that count from then.
//
// The first value of a secret is published at once, without activeFrom. So is a new value of a static secret, which is valid
// elsewhere already; the old one stays as after a flip. RotateOptions.Immediate lets both phases happen at once: readers that
// have not seen the new version reject what others make with it, for up to the window.
//
// New ids are v1, v2 and so on, above those of the ledger's own notes, never used twice, and a value never changes under its id. Texts are JSON; compact where JSON
// would be over the limit and every value can be written so; as [secret.Options].Format pins it otherwise. Whatever is written is
// read back by package secret before it leaves.
//
// # Schedule
//
// A rotation is due in each slot of EveryDays days of 24 h in UTC after the one of the last rotation; slots begin at StartAt,
// else at the creation, plus a jitter of up to 6 h that depends on the address alone. Creation counts as a rotation, and so does
// one by hand. Missed slots are made up by one. A secret that only a person can renew is due until somebody does.
//
// # What a run finds, and does
//
// Every run first compares ledger and store, for each secret:
//
//	the ledger says   the store has                     the run
//	intent            an older text of ours             publishes the same bytes again, or with fresh times
//	intent            the intent                        confirms it, or publishes fresh times
//	published         an older text of ours             repairs: a late request may have been used by readers, so every version that
//	                                                    ends lives as long as if it were replaced now; no flip or prune for a
//	                                                    window and a margin
//	published         our note, modified otherwise      repairs where a late request may have come and gone since; else it is
//	                                                    a hand edit: drifted, nothing is done
//	anything          a later text of ours              stops: an old ledger, or a second one
//	a value           somebody's value                  stops for this secret: it is never overwritten
//	no value          somebody's value                  leaves it: the secret is bound to it as it is
//	a value           nothing                           publishes it
//
// RotateOptions.Adopt is a person's word to go on after a stop: it publishes what the ledger has, above what was found.
//
// Then it decides (a pure function: see [Plan]), records the new document in the ledger as an intent, publishes it, asks the
// store, and records that it is published. Each step may be the last one of a run that crashes; the next run finishes what it
// left, and never makes a second value for it. Run twice, it does what it does once.
//
// # Ledgers
//
// Package layer/ledger/file keeps a ledger in one file, for one pipeline. Packages
// layer/ledger/bucket and layer/ledger/postgres keep it for a team: several runs may
// change it at once, and the slower one continues from the result of the faster.
// Remember, in package layer/ledger, rejects a ledger older than one that this
// machine has seen, and one that it does not recognize by its [State.ID]. [Move]
// moves a ledger from one place to another.
//
// # Errors
//
// Why a secret or a run needs a person is a [Problem], whose [Kind] a program can
// test for.
package rotate
