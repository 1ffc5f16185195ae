package rotate

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret"
)

// This file is the state that a ledger stores, all secrets together. A run
// replaces it only as a whole, by Commit: either every record, queue and log
// entry of a step is in the ledger, or none is. A State in memory never
// changes; every step works on a copy.

// State is the content of a ledger: its settings, and every version of every
// secret. It is immutable and safe for concurrent use. No verb of fmt, no JSON
// and no log shows a value in it. The zero State is empty and has no id.
type State struct {
	p *atomic.Pointer[state] // reflection, and so fmt, shows only an address here
}

// Settings are the ledger's settings, from `layer secret init`.
type Settings struct {
	Workspace   string `json:"workspace,omitempty"`
	Project     string `json:"project,omitempty"`
	Environment string `json:"environment,omitempty"`
	// Target is where values are published, such as "cloudflare" or "dir:secrets".
	// Package rotate stores it and does not open it.
	Target string `json:"target,omitempty"`
	// Window is the time after which every reader has the published text. Zero
	// means 24 h.
	Window time.Duration `json:"window,omitempty"`
	// Margin is the allowance for late requests and clock skew. Zero means 24 h.
	Margin time.Duration `json:"margin,omitempty"`
	// Recipients are the age public keys that the state is sealed to.
	Recipients []string `json:"recipients,omitempty"`
	// Names are the names of recipients, by public key, for people. Former
	// recipients may be among them.
	Names map[string]string `json:"names,omitempty"`
}

// clone returns a copy that shares neither the slice nor the map.
func (s Settings) clone() Settings {
	s.Recipients, s.Names = slices.Clone(s.Recipients), maps.Clone(s.Names)
	return s
}

// LogEntry is one entry of the ledger's log: an operator's change and its time.
// The log is for information. It does not prove who made a change, because
// every process that can write the ledger can write any entry.
type LogEntry struct {
	Gen     uint64    `json:"gen"` // the ledger's generation with this change
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Op      Op        `json:"op"`
	Address string    `json:"address,omitempty"`
	IDs     []string  `json:"ids,omitempty"`
	// Document is the generation of the secret's text with this change. Zero: the
	// entry concerns no text, or an earlier version of layer wrote it.
	Document uint64 `json:"document,omitempty"`
}

// state is the content of a State. It never changes once a State holds it, and
// neither do its records.
type state struct {
	// Format is the format of this JSON: see state.format.
	Format int `json:"format"`
	// ID is the result of State.Origin. NewState sets it; nothing changes it.
	ID string `json:"id"`
	// Gen is the ledger's generation: Commit raises it by one.
	Gen uint64 `json:"gen"`
	// Writes are the last 64 commits, the newest last. Commit adds one.
	Writes []write `json:"writes,omitempty"`
	// Fenced is the place that the ledger moved to. Empty: it is in use. Move sets
	// it, and clears it in the copy at the new place. A failed move and an operator
	// who resumes the old ledger clear it too.
	Fenced string `json:"fenced,omitempty"`
	// FpKey and ByKey are the keys of fp and by in the notes. Rekeyed replaces
	// them.
	FpKey []byte `json:"fpKey"`
	ByKey []byte `json:"byKey"`
	// Former are the earlier ByKeys, the oldest first. Notes that were signed under
	// them before they were replaced are the ledger's too, within Reach. See released
	// for how long.
	Former [][]byte `json:"former,omitempty"`
	// Anchor is the key behind State.ID. Rekeyed replaces it.
	Anchor []byte `json:"anchor,omitempty"`
	// Reach is the reach of each key in Former, at the same index.
	Reach []extent `json:"reach,omitempty"`
	// SumKey is the key of state.sum. Rekeyed keeps it, so that sums of earlier
	// texts still match.
	SumKey []byte `json:"sumKey,omitempty"`
	// Targets are the former targets that still hold values. MoveTarget adds one,
	// RemoveFormer drops it, and so does a move back to it.
	Targets []former `json:"targets,omitempty"`
	// Place is the driver.Placer's place at the last confirmation. A move to
	// another target clears it.
	Place   string    `json:"place,omitempty"`
	Config  Settings  `json:"settings"`
	Secrets []*record `json:"secrets,omitempty"` // by address
	// Retire are the generators' resources that no version uses any more. clean
	// drops one once its generator has retired it.
	Retire []resource `json:"retire,omitempty"`
	// Sweep are the names under which a crash may have left a resource.
	Sweep []sweep `json:"sweep,omitempty"`
	// Log are the last entries, the newest last: see bounded.
	Log []LogEntry `json:"log,omitempty"`
	// Reporting: the records keep which generation was reported last. The first
	// run with Operator.Reports sets it; nothing clears it.
	Reporting bool `json:"reporting,omitempty"`
}

// write is one CompareAndSwap. By the id a writer recognizes its own write
// after an answer was lost.
type write struct {
	Gen uint64 `json:"gen"`
	ID  string `json:"id"`
}

const keepWrites = 64

// NewState returns the state of a new ledger, with no secrets, a new id and new
// keys.
func NewState(s Settings) State {
	s = s.clone()
	return wrapState(&state{Format: stateFormat, ID: randomHex(16), Anchor: randomBytes(32),
		FpKey: randomBytes(32), ByKey: randomBytes(32), SumKey: randomBytes(32), Config: s})
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it crashes the program instead
	return b
}

func randomHex(n int) string { return hex.EncodeToString(randomBytes(n)) }

func wrapState(s *state) State {
	held := State{new(atomic.Pointer[state])}
	held.p.Store(s)
	return held
}

var noState state

func (s State) state() *state {
	if s.p == nil {
		return &noState
	}
	return s.p.Load()
}

// ID returns the ledger's id, 32 hexadecimal digits: a commitment to a random
// key inside the encrypted state. Only a program with that key can make a
// ledger with that id. So a machine that has only the identity, a private age
// key, can check by the id that a ledger was not forged with a recipient's
// public key. The id changes when a recipient is removed ([State.Rekeyed]), and
// never otherwise. It is not secret. The zero State has an empty id.
func (s State) ID() string {
	if anchor := s.state().Anchor; len(anchor) > 0 {
		return fingerprint(anchor)
	}
	return ""
}

// Origin returns the name that the ledger received when it was made. It never
// changes, even if the ID does. It proves nothing: with any recipient's public
// key another ledger of the same origin can be made.
func (s State) Origin() string { return s.state().ID }

// Generation returns the number of changes of the ledger. A higher one is
// later.
func (s State) Generation() uint64 { return s.state().Gen }

// Settings returns the ledger's settings. The caller may change the slice
// and the map.
func (s State) Settings() Settings {
	return s.state().Config.clone()
}

// WithSettings returns the state with other settings, for [Commit].
func (s State) WithSettings(set Settings) State {
	next := *s.state()
	next.Config = set.clone()
	return wrapState(&next)
}

// Fingerprint returns a digest of the ledger's present key: it differs for
// ledgers with different keys, and reveals nothing about a key.
func (s State) Fingerprint() string { return fingerprint(s.state().ByKey) }

func fingerprint(key []byte) string {
	return hex.EncodeToString(mac(key, "layer ledger fingerprint")[:16])
}

// Succeeds reports whether print is the fingerprint of this ledger's present
// key or of one of its former keys. Then this ledger continues the other one.
func (s State) Succeeds(print string) bool {
	return print == s.Fingerprint() ||
		slices.ContainsFunc(s.state().Former, func(key []byte) bool { return print == fingerprint(key) })
}

// Rekeyed returns the state with new keys for its notes and a new ID, for
// [Commit], after a recipient with the old keys was removed. Earlier notes
// remain the ledger's; later ones under the old keys do not count.
func (s State) Rekeyed() State {
	next := *s.state()
	next.Anchor = randomBytes(32)
	next.Former, next.Reach = append(slices.Clip(next.Former), next.ByKey), append(next.reaches(), next.reachedNow())
	next.FpKey, next.ByKey = randomBytes(32), randomBytes(32)
	return wrapState(&next)
}

// Moved returns the place that the ledger moved to, and "" if it is in use.
func (s State) Moved() string { return s.state().Fenced }

// MovedTo returns the state with a fence, for [Commit]. No run changes a ledger
// with a fence; each returns an error that names the place. An empty place
// removes the fence.
func (s State) MovedTo(place string) State {
	next := *s.state()
	next.Fenced = place
	return wrapState(&next)
}

// Addresses returns the addresses of the secrets with a value in the ledger,
// declared or not, in order.
func (s State) Addresses() []secret.Address {
	var list []secret.Address
	for _, r := range s.state().Secrets {
		if !r.empty() {
			list = append(list, r.Address)
		}
	}
	return list
}

// Log returns the ledger's log, the oldest entry first. The caller may change
// the slice.
func (s State) Log() []LogEntry { return slices.Clone(s.state().Log) }

// WithLog returns the state with one more entry, for [Commit]. The entry's Gen
// is the generation that Commit will give the state.
func (s State) WithLog(e LogEntry) State {
	next := *s.state()
	next.log(e)
	return wrapState(&next)
}

// log adds entries. The next write drops the oldest ones: see bounded.
func (s *state) log(entries ...LogEntry) {
	s.Log = slices.Grow(slices.Clip(s.Log), len(entries))
	for _, e := range entries {
		e.Gen, e.At = s.Gen+1, e.At.UTC()
		s.Log = append(s.Log, e)
	}
}

// stamped returns the state as CompareAndSwap stores it: with the next
// generation and an id for this write.
func (s State) stamped() State {
	next := *s.state().bounded()
	next.Format = next.format()
	next.Gen++
	old := next.Writes
	if len(old) >= keepWrites {
		old = old[len(old)-keepWrites+1:]
	}
	next.Writes = append(slices.Clip(old), write{next.Gen, randomHex(16)})
	return wrapState(&next)
}

// WriteID returns the id of the write that made this state. If the answer to a
// write was lost, a [Ledger] loads the state and asks [State.Wrote] whether the
// write with this id is in it. It is empty if Commit has not prepared the
// state.
func (s State) WriteID() string {
	if w := s.state().Writes; len(w) > 0 {
		return w[len(w)-1].ID
	}
	return ""
}

// Wrote reports whether the write with that id is among the last 64 that led to
// this state.
func (s State) Wrote(id string) bool {
	return id != "" && slices.ContainsFunc(s.state().Writes, func(w write) bool { return w.ID == id })
}

// Covers reports whether the last 64 writes, which this state lists, include
// every write after generation gen. If so, and Wrote returns false for such a
// write, the write was not stored.
func (s State) Covers(gen uint64) bool {
	st := s.state()
	return gen >= st.Gen || len(st.Writes) > 0 && st.Writes[0].Gen <= gen+1
}

// Equal reports whether both are the same state of the same ledger.
func (s State) Equal(o State) bool {
	a, errA := s.encode()
	b, errB := o.encode()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// encode returns everything, values included. Only [Seal] may store the result.
func (s State) encode() ([]byte, error) { return json.Marshal(s.state()) }

var errNoState = errors.New("not the state of a ledger")

// decodeState parses a result of encode. Its errors show nothing from data.
func decodeState(data []byte) (State, error) {
	st := new(state)
	if json.Unmarshal(data, st) != nil {
		return State{}, errNoState
	}
	switch {
	case st.Format > requestFormat || st.Format < 0:
		return State{}, fmt.Errorf("the ledger was written by a newer version of layer (format %d): update layer",
			st.Format)
	case st.Format == 0 || st.ID == "" || len(st.FpKey) < 16 || len(st.ByKey) < 16 ||
		st.Format >= 3 && len(st.Anchor) < 16:
		return State{}, errNoState
	}
	if len(st.SumKey) == 0 {
		// Format 1 has none. The key is derived from the oldest ByKey, so that every
		// program finds the same one, and is stored with the next change.
		st.SumKey = mac(append(slices.Clone(st.Former), st.ByKey)[0], "layer sums")
	}
	if len(st.Anchor) == 0 && st.Format < 3 {
		st.Anchor = st.ByKey // the id is then the fingerprint, which colleagues may have noted
	}
	if st.Format < 4 {
		for _, r := range st.Secrets {
			r.recognizeBare()
		}
	}
	st.Reach = st.reaches()
	return wrapState(st), nil
}

// find returns the record of an address, or nil.
func (s *state) find(addr secret.Address) *record {
	i, ok := s.index(addr)
	if !ok {
		return nil
	}
	return s.Secrets[i]
}

// index returns the index of an address in Secrets, which is sorted, and
// whether it is there.
func (s *state) index(addr secret.Address) (int, bool) {
	return slices.BinarySearchFunc(s.Secrets, addr, func(r *record, a secret.Address) int {
		return compareAddress(r.Address, a)
	})
}

// with returns the state with these records instead of those of the same
// address. It adds a record whose address is new.
func (s *state) with(records ...*record) *state {
	next := *s
	next.Secrets = slices.Clone(s.Secrets)
	added := false
	for _, r := range records {
		if i, ok := s.index(r.Address); ok {
			next.Secrets[i] = r
		} else {
			next.Secrets, added = append(next.Secrets, r), true
		}
	}
	if added {
		slices.SortFunc(next.Secrets, func(x, y *record) int { return compareAddress(x.Address, y.Address) })
	}
	return &next
}

// String returns the ledger's id, its generation and the number of its secrets.
func (s State) String() string {
	st := s.state()
	return fmt.Sprintf("ledger %s, generation %d, %d secrets", s.ID(), st.Gen, len(st.Secrets))
}

// Format writes the result of String under every verb and flag.
func (s State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
