package rotate

import (
	"strconv"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// This file is the memory of the protocol: the record that the ledger keeps for
// each secret between two runs. A run may crash after any step, so every rule
// that looks back reads its facts here, never in the memory of a process. Three
// things must hold: a value and an id are in the record before any request
// contains them; an id and a generation are never used twice; and only an order
// to revoke, withdraw or remove a version shortens its life.

// record is the ledger's record of one secret. Versions and Current are the
// document that the target is meant to hold. While Intent is set, the target
// has not confirmed that document.
type record struct {
	Address secret.Address `json:"address"`
	// Kind is the kind of the declaration, as of the last change.
	Kind secret.Kind `json:"kind"`
	// Name is the name of the value in the target. It is the declared name while
	// the ledger holds no value. After that only a rename or a move to another
	// target changes it.
	Name string `json:"name"`
	// Binding is the declared Options.Binding, as of the last change. Empty: the
	// name derived from the address.
	Binding string `json:"binding,omitempty"`
	// Left are the values that earlier renames left in the target, under other
	// names. RemoveFormerNames and a removal clear it, and a move to another target
	// hands them to former.Values.
	Left []left `json:"left,omitempty"`
	// Gen is the generation of the document: publish raises it by one for every
	// intent. An adoption, and a move or a set that finds a note of this ledger,
	// first raise it to that note's generation. It never falls.
	Gen uint64 `json:"gen"`
	// Highest is the highest N of an id vN that was ever used, also for versions
	// that have left. A note of this ledger that an adoption or a set finds raises
	// it too. It never falls.
	Highest int `json:"highest,omitempty"`
	// Current is the id of the current version; empty while the ledger holds no
	// value. The first value and every flip set it; a removal clears it.
	Current string `json:"current,omitempty"`
	// Bare: the text is the value of Current alone, and readers see it as v1. The
	// form of the first text is the declared one; reform changes it.
	Bare bool `json:"bare,omitempty"`
	// Announced is the id of the version that is published and not yet current.
	// The first phase of a rotation sets it; the flip to that version, its
	// withdrawal and a removal clear it.
	Announced string `json:"announced,omitempty"`
	// Versions are all versions that were ever made, in the order of the document.
	// A version that leaves the document stays here without its value.
	Versions []version `json:"versions,omitempty"`
	// Intent is the text that is to be published next: publish sets it before the
	// request is sent. Its confirmation, or a removal, clears it.
	Intent *intent `json:"intent,omitempty"`
	// Published is the text that the target confirmed last: confirm sets it. A
	// removal, a rename to another name, and a move to another target clear it.
	Published *published `json:"published,omitempty"`
	// Created is when the first value was made. The slots of the schedule begin
	// then if the declaration has no StartAt.
	Created time.Time `json:"created,omitzero"`
	// Rotated is the instant at which the last rotation began; the schedule counts
	// from it. The creation counts as a rotation, and so does a new value that
	// becomes current at once.
	Rotated time.Time `json:"rotated,omitzero"`
	// Ready is the earliest instant of the flip to Announced: a window after the
	// target first confirmed the announcement, and not before Stray. Zero: it was
	// not confirmed yet. confirm sets it. The flip and a withdrawal clear it, and
	// so does every repair and every loss of the value in the target, since the
	// window begins anew then.
	Ready time.Time `json:"ready,omitzero"`
	// Hold is the instant before which nothing is pruned, and nothing is flipped
	// unless the operator asks for an immediate flip. The confirmation of a repair
	// or of a move sets it a window and a margin ahead: until then readers may use
	// an earlier text. It is not cleared; it has no effect once it is past.
	Hold time.Time `json:"hold,omitzero"`
	// Stray is the end of the time in which a late request may still change the
	// target. It is set a margin ahead when an intent is sent again or replaced by
	// one with fresh times, and at a confirmation unless the confirming run sent
	// the only request and received its answer. If it is after Published.At, a
	// change of Published.Modified may be the work of a late request, and is
	// repaired; otherwise it is drift. It is not cleared.
	Stray time.Time `json:"stray,omitzero"`
	// Making is the request to a generator whose value is in no version yet. It is
	// set before the request is sent. The version that takes over the value clears
	// it, and so does a run that does not need the value. Its name is then swept.
	Making *making `json:"making,omitempty"`
	// Removed: the secret was removed, or its versions went to another address
	// under the same name. Only ids and generation count then. The next intent
	// clears it.
	Removed bool `json:"removed,omitempty"`
	// Sent are the texts before the last intent that a late request may bring back.
	// publish adds the previous text, and drops a text whose time is over. A move
	// to another target clears them. It is empty unless the target is a
	// driver.Recognizer.
	Sent []sent `json:"sent,omitempty"`
	// Reported is the generation of the text that was reported last: see
	// state.Reporting. MarkReported sets it. It never falls.
	Reported uint64 `json:"reported,omitempty"`
}

// version is the value and the life of one version.
type version struct {
	ID string `json:"id"`
	// Value is empty once the version has left the document.
	Value string `json:"value,omitempty"`
	// ActiveFrom is the planned instant of the flip while the version is announced,
	// then the instant of the flip. Zero: no start; it is the first value.
	ActiveFrom time.Time `json:"activeFrom,omitzero"`
	// ExpiresAt is the end of the version's life. Zero: no end, since the version
	// was never replaced or is retained forever. The flip to its successor sets it.
	// A repair, a refresh and a longer Retain move it later; only a revocation
	// makes it earlier.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Base is ExpiresAt without the time that Rotation.Retain adds. The flip to the
	// version's successor sets it, so that a longer Retain can count from it; a
	// repair or a refresh moves it later. Zero: the version was never replaced.
	Base time.Time `json:"base,omitzero"`
	// Bare: no document has the version under this id. It was made, or replaced,
	// while the text was a bare value. A later document contains it only if it is
	// current then, as v1.
	Bare bool `json:"bare,omitempty"`
	// Gone is why the version has left the document; empty while it is in it.
	Gone Gone `json:"gone,omitempty"`
	// Resource is the generator's resource for the value; nil if there is none. It
	// moves to state.Retire when the target has confirmed a text without the
	// version and no other version uses the resource.
	Resource *resource `json:"resource,omitempty"`
}

// resource is the thing that a generator made for a version, such as a token.
type resource struct {
	Generator string `json:"generator"`
	Name      string `json:"name"` // it was made under
	ID        string `json:"id"`   // driver.Made.ID
	request
}

// same reports whether both are the same resource.
func (r resource) same(o resource) bool {
	return r.Generator == o.Generator && r.Name == o.Name && r.ID == o.ID
}

// request is the part of a declaration that a driver.RequestGenerator needs to
// end a value, also when the declaration has gone. It is empty for any other
// generator.
type request struct {
	Address string            `json:"address,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
}

// making is a request to a generator. Its name is in the ledger before the
// request is sent, so that a sweep finds the result after a crash.
type making struct {
	Generator string    `json:"generator"`
	Name      string    `json:"name"`
	At        time.Time `json:"at"` // when it was recorded
	request
}

// sweep is a name under which a generator may have made a resource that is in
// no record. clean drops it after the first sweep that succeeds at Until or
// later.
type sweep struct {
	Generator string    `json:"generator"`
	Name      string    `json:"name"`
	Until     time.Time `json:"until"` // a late request may make it until then
	request
}

// swept returns the entry for the name of a request whose value no version has.
func (m *making) swept(until time.Time) sweep {
	return sweep{Generator: m.Generator, Name: m.Name, Until: until.UTC(), request: m.request}
}

// intent is a text that is to be published. It is in the ledger before the
// request is sent.
type intent struct {
	// Op is the change that made the text.
	Op Op `json:"op"`
	// Text and Note are sent in one request. A resend sends the same bytes.
	Text string `json:"text"`
	Note string `json:"note"`
	// At is when the intent was recorded. A resend does not change it.
	At time.Time `json:"at"`
	// Timed: lives in the text count from At, so it must be confirmed within
	// policy.fresh after that. Later it is replaced by an intent with fresh times.
	Timed bool `json:"timed,omitempty"`
	// Replaced is the id of the version that this flip replaced. Fresh times give
	// that version a later end too.
	Replaced string `json:"replaced,omitempty"`
	// Unsent: the value was recorded and not sent, because the target holds a value
	// of another writer. The intent is sent once that value is gone from the
	// target, which clears Unsent. An adoption replaces the intent by one to send.
	Unsent bool `json:"unsent,omitempty"`
	// Taken: another run took over the intent and sent it again, so the target may
	// receive it more than once. It is recorded before the second request is sent,
	// and cleared with the intent.
	Taken bool `json:"taken,omitempty"`
	// By is the operator who recorded it. It may be empty.
	By string `json:"by,omitempty"`
	// Sum recognizes the text in a target that is a driver.Recognizer; else it is
	// empty. See state.sum.
	Sum string `json:"sum,omitempty"`
}

// sent is a text that was sent before the present one, and that a late request
// may bring back.
type sent struct {
	Sum string `json:"sum"` // see state.sum
	// Until is the end of the time in which a request can bring it back: a margin
	// after the next text was confirmed. Zero: no later text was confirmed yet.
	Until time.Time `json:"until,omitzero"`
}

// published is the text that the target confirmed last.
type published struct {
	Gen  uint64 `json:"gen"`
	Note string `json:"note"`
	// Modified is driver.Published.Modified at the confirmation. Another one later
	// means that the value was written since.
	Modified string    `json:"modified"`
	At       time.Time `json:"at"`            // when this ledger recorded the confirmation
	Bytes    int       `json:"bytes"`         // length of the text
	Sum      string    `json:"sum,omitempty"` // intent.Sum
}

func compareAddress(a, b secret.Address) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// number returns N of an id vN, or 0 if id has another form.
func number(id string) int {
	digits, ok := strings.CutPrefix(id, "v")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || strconv.Itoa(n) != digits {
		return 0
	}
	return n
}
