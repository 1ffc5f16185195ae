// Package rotate creates, rotates and publishes the values of secrets, so that at no moment one reader rejects what another
// has just signed, whatever crashes on the way.
//
// A [Ledger] is the record of truth: every version of every secret is in it before anything is published. A [Publisher] puts
// the rendered text where readers look; it can replace a text, and never hands one out. An [Operator] brings the two together.
package rotate
