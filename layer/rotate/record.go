package rotate

import (
	"strconv"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// record is what the ledger knows of one secret. Versions and Current are the document as it is meant to stand in the store:
// an intent says that this is not confirmed yet.
type record struct {
	Address secret.Address `json:"address"`
	Kind    secret.Kind    `json:"kind"`
	Name    string         `json:"name"`              // in the store
	Gen     uint64         `json:"gen"`               // of the document; raised with every intent
	Highest int            `json:"highest,omitempty"` // the highest number of an id ever used
	Current string         `json:"current,omitempty"`
	// Announced is the id of a version that is published and not in use yet.
	Announced string     `json:"announced,omitempty"`
	Versions  []version  `json:"versions,omitempty"` // in the order of the document
	Intent    *intent    `json:"intent,omitempty"`
	Published *published `json:"published,omitempty"` // what was last confirmed
	Created   time.Time  `json:"created,omitzero"`
	Rotated   time.Time  `json:"rotated,omitzero"` // the last rotation; creation is one
	Ready     time.Time  `json:"ready,omitzero"`   // the announced version may come into use from then on
	Hold      time.Time  `json:"hold,omitzero"`    // no flip or prune before
	Stray     time.Time  `json:"stray,omitzero"`   // until when a request may arrive that nobody waits for any more
	Making    *making    `json:"making,omitempty"`
	Removed   bool       `json:"removed,omitempty"` // only ids and generation are remembered
	Sent      []sent     `json:"sent,omitempty"`    // texts that may still be found in the target, beside those of Intent and Published
}

// version is one version's value and life. One that has left the document has no value any more; id and life stay.
type version struct {
	ID         string    `json:"id"`
	Value      string    `json:"value,omitempty"`
	ActiveFrom time.Time `json:"activeFrom,omitzero"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	// Base is the end of its life without what Rotation.Retain adds; zero until it is replaced.
	Base     time.Time `json:"base,omitzero"`
	Gone     Gone      `json:"gone,omitempty"`
	Resource *resource `json:"resource,omitempty"`
}

// resource is what a generator made for a version.
type resource struct {
	Generator string `json:"generator"`
	Name      string `json:"name"`
	ID        string `json:"id"`
}

// making is a generator's work under way.
type making struct {
	Generator string    `json:"generator"`
	Name      string    `json:"name"`
	At        time.Time `json:"at"`
}

// sweep is a name under which a generator may have made something that nobody knows.
type sweep struct {
	Generator string    `json:"generator"`
	Name      string    `json:"name"`
	Until     time.Time `json:"until"` // a late request may make it until then
}

// intent is a document that is to be published: in the ledger before it leaves.
type intent struct {
	Op   Op        `json:"op"`
	Text string    `json:"text"`
	Note string    `json:"note"`
	At   time.Time `json:"at"`
	// Timed: the lives in it count from At, so it must be confirmed soon after.
	Timed bool `json:"timed,omitempty"`
	// Replaced is the id of the version that a flip put out of use.
	Replaced string `json:"replaced,omitempty"`
	// Unsent: somebody else's value stands in its place; only the person's word lets it leave.
	Unsent bool `json:"unsent,omitempty"`
	// Taken: another run has taken it over, so it may have been sent more than once.
	Taken bool `json:"taken,omitempty"`
	// By is the operator who recorded it.
	By string `json:"by,omitempty"`
	// Sum recognises the text in a target that is a driver.Recognizer; else empty.
	Sum string `json:"sum,omitempty"`
}

// sent is a text that was sent before the one that is published, and that a late
// request may bring back.
type sent struct {
	Sum string `json:"sum"` // see state.sum
	// Until is when no request can bring it back any more: a margin after the next
	// text was confirmed. Zero: none was.
	Until time.Time `json:"until,omitzero"`
}

// published is what was last confirmed to stand in the store.
type published struct {
	Gen      uint64    `json:"gen"`
	Note     string    `json:"note"`
	Modified string    `json:"modified"`
	At       time.Time `json:"at"`
	Bytes    int       `json:"bytes"`
	Sum      string    `json:"sum,omitempty"` // as that of the intent
}

func compareAddress(a, b secret.Address) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// number returns N of an id vN, or 0.
func number(id string) int {
	digits, ok := strings.CutPrefix(id, "v")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || strconv.Itoa(n) != digits {
		return 0
	}
	return n
}
