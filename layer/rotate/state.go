package rotate

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret"
)

// State is what a ledger holds: settings, and every version of every secret. It is immutable and safe for concurrent use, and
// no verb of fmt, no JSON and no log shows a value that is in it. The zero State is an empty one without an id.
type State struct {
	p *atomic.Pointer[state] // reflection, and so fmt, shows no more than an address here
}

// Settings are what `layer secret init` is told.
type Settings struct {
	Workspace   string `json:"workspace,omitempty"`
	Project     string `json:"project,omitempty"`
	Environment string `json:"environment,omitempty"`
	// Target is where values are published, such as "cloudflare" or "dir:secrets". Package rotate only keeps it.
	Target string `json:"target,omitempty"`
	// Window is the time after which every reader has seen what was published. Zero: 24 h.
	Window time.Duration `json:"window,omitempty"`
	// Margin is added for late requests and for clocks that differ. Zero: 24 h.
	Margin time.Duration `json:"margin,omitempty"`
	// Recipients are the age public keys that the state is sealed to.
	Recipients []string `json:"recipients,omitempty"`
}

// LogEntry tells who did what when. It is a record among colleagues: whoever can write the ledger can write its log.
type LogEntry struct {
	Gen     uint64    `json:"gen"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Op      Op        `json:"op"`
	Address string    `json:"address,omitempty"`
	IDs     []string  `json:"ids,omitempty"`
}

// state is what a State holds. It never changes once it is in one; its records don't either.
type state struct {
	Format  int        `json:"format"` // see stateFormat
	ID      string     `json:"id"`     // see State.Origin
	Gen     uint64     `json:"gen"`
	Writes  []write    `json:"writes,omitempty"`  // the last 64, newest last
	Fenced  string     `json:"fenced,omitempty"`  // where the ledger has moved to; empty: it is in use
	FpKey   []byte     `json:"fpKey"`             // of the notes' fp
	ByKey   []byte     `json:"byKey"`             // of the notes' by
	Former  [][]byte   `json:"former,omitempty"`  // earlier ByKeys: the notes made under them are ours too
	Anchor  []byte     `json:"anchor,omitempty"`  // see State.ID; renewed when a recipient is removed
	Reach   []extent   `json:"reach,omitempty"`   // of each key in Former
	SumKey  []byte     `json:"sumKey,omitempty"`  // of the sums of texts that were sent; kept when the note keys are renewed
	Targets []former   `json:"targets,omitempty"` // those from which the values were moved, and that still hold them
	Place   string     `json:"place,omitempty"`   // where the target was at the last confirmation, if it is a driver.Placer
	Config  Settings   `json:"settings"`
	Secrets []*record  `json:"secrets,omitempty"` // by address
	Retire  []resource `json:"retire,omitempty"`  // made by generators, used by no version any more
	Sweep   []sweep    `json:"sweep,omitempty"`   // names under which a crash may have left something
	Log     []LogEntry `json:"log,omitempty"`
}

// write is one CompareAndSwap: by its id a writer recognises its own after an answer was lost.
type write struct {
	Gen uint64 `json:"gen"`
	ID  string `json:"id"`
}

// stateFormat is the format that is written. Format 1, without sums and place, and
// format 2, without an anchor and the reach of former keys, are read. A program
// refuses a later format, instead of dropping fields.
const stateFormat = 3

const (
	keepWrites = 64
	keepLog    = 10_000
)

// NewState returns the state of a new ledger: no secrets, an id and keys of its own.
func NewState(s Settings) State {
	s.Recipients = slices.Clone(s.Recipients)
	return wrapState(&state{Format: stateFormat, ID: randomHex(16), Anchor: randomBytes(32), FpKey: randomBytes(32), ByKey: randomBytes(32),
		SumKey: randomBytes(32), Config: s})
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
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

// ID returns the ledger's id, 32 hexadecimal digits: a commitment to a random key
// inside the encrypted state. A ledger with that id was made by a program that knew
// the key, so the id shows a machine that holds only the identity that a ledger is
// no forgery made with a recipient's public key. The id changes when a recipient is
// removed ([State.Rekeyed]), and never otherwise. It is no secret.
func (s State) ID() string {
	if anchor := s.state().Anchor; len(anchor) > 0 {
		return fingerprint(anchor)
	}
	return ""
}

// Origin returns the name that the ledger got when it was made and keeps for ever,
// also when its ID changes. It proves nothing: any recipient's public key is enough
// to make another ledger of the same origin.
func (s State) Origin() string { return s.state().ID }

// Generation counts the changes of the ledger: a higher one is later.
func (s State) Generation() uint64 { return s.state().Gen }

// Settings returns what the ledger was told. The slice is the caller's.
func (s State) Settings() Settings {
	set := s.state().Config
	set.Recipients = slices.Clone(set.Recipients)
	return set
}

// WithSettings returns the state with other settings, for [Commit].
func (s State) WithSettings(set Settings) State {
	next := *s.state()
	set.Recipients = slices.Clone(set.Recipients)
	next.Config = set
	return wrapState(&next)
}

// Fingerprint tells ledgers with different keys apart, and nothing of the keys.
func (s State) Fingerprint() string { return fingerprint(s.state().ByKey) }

func fingerprint(key []byte) string {
	return hex.EncodeToString(mac(key, "layer ledger fingerprint")[:16])
}

// Succeeds tells whether a ledger of that fingerprint is this one, now or before its keys were changed.
func (s State) Succeeds(print string) bool {
	return print == s.Fingerprint() || slices.ContainsFunc(s.state().Former, func(key []byte) bool { return print == fingerprint(key) })
}

// Rekeyed returns the state with new keys for its notes and a new ID, for [Commit],
// after a recipient who knew the old ones was removed. The notes of before stay the
// ledger's; later ones under the old keys do not count.
func (s State) Rekeyed() State {
	next := *s.state()
	next.Anchor = randomBytes(32)
	next.Former, next.Reach = append(slices.Clip(next.Former), next.ByKey), append(next.reaches(), next.reached())
	next.FpKey, next.ByKey = randomBytes(32), randomBytes(32)
	return wrapState(&next)
}

// Moved tells where the ledger has moved to; empty: it is in use.
func (s State) Moved() string { return s.state().Fenced }

// MovedTo returns the state with a fence, for [Commit]: no run changes it any more, and each is told where to go.
func (s State) MovedTo(place string) State {
	next := *s.state()
	next.Fenced = place
	return wrapState(&next)
}

// Addresses lists the secrets of which the ledger holds values, declared or not, in order.
func (s State) Addresses() []secret.Address {
	var list []secret.Address
	for _, r := range s.state().Secrets {
		if !r.empty() {
			list = append(list, r.Address)
		}
	}
	return list
}

// Log returns who did what, oldest first. The slice is the caller's.
func (s State) Log() []LogEntry { return slices.Clone(s.state().Log) }

// WithLog returns the state with one more entry, for [Commit], whose generation it gets.
func (s State) WithLog(e LogEntry) State {
	next := *s.state()
	next.log(e)
	return wrapState(&next)
}

func (s *state) log(e LogEntry) {
	e.Gen, e.At = s.Gen+1, e.At.UTC()
	old := s.Log
	if len(old) >= keepLog {
		old = old[len(old)-keepLog+1:]
	}
	s.Log = append(slices.Clip(old), e)
}

// stamped is the state as CompareAndSwap stores it.
func (s State) stamped() State {
	next := *s.state()
	next.Format = stateFormat
	next.Gen++
	old := next.Writes
	if len(old) >= keepWrites {
		old = old[len(old)-keepWrites+1:]
	}
	next.Writes = append(slices.Clip(old), write{next.Gen, randomHex(16)})
	return wrapState(&next)
}

// WriteID is the id of the write that made this state: what a Ledger looks for, by [State.Wrote], in what it finds after an
// answer was lost. Empty where Commit has not prepared it.
func (s State) WriteID() string {
	if w := s.state().Writes; len(w) > 0 {
		return w[len(w)-1].ID
	}
	return ""
}

// Wrote tells whether the write of that id is among the last 64 that led to this state.
func (s State) Wrote(id string) bool {
	return id != "" && slices.ContainsFunc(s.state().Writes, func(w write) bool { return w.ID == id })
}

// Covers tells whether Wrote knows every write after that generation.
func (s State) Covers(gen uint64) bool {
	st := s.state()
	return gen >= st.Gen || len(st.Writes) > 0 && st.Writes[0].Gen <= gen+1
}

// Equal tells whether both are the same state of the same ledger.
func (s State) Equal(o State) bool {
	a, errA := s.encode()
	b, errB := o.encode()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// encode writes everything, values too: it goes nowhere but into [Seal].
func (s State) encode() ([]byte, error) { return json.Marshal(s.state()) }

var errNoState = errors.New("not the state of a ledger")

// decodeState reads what encode wrote. Its errors show nothing of it.
func decodeState(data []byte) (State, error) {
	st := new(state)
	if json.Unmarshal(data, st) != nil {
		return State{}, errNoState
	}
	switch {
	case st.Format > stateFormat || st.Format < 0:
		return State{}, fmt.Errorf("the ledger was written by a newer version of layer (format %d): update layer", st.Format)
	case st.Format == 0 || st.ID == "" || len(st.FpKey) < 16 || len(st.ByKey) < 16 || st.Format >= 3 && len(st.Anchor) < 16:
		return State{}, errNoState
	}
	if len(st.SumKey) == 0 {
		st.SumKey = mac(append(slices.Clone(st.Former), st.ByKey)[0], "layer sums") // format 1: stored with the next change
	}
	if len(st.Anchor) == 0 && st.Format < 3 {
		st.Anchor = st.ByKey // so that the id is the fingerprint, which colleagues may know
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

func (s *state) index(addr secret.Address) (int, bool) {
	return slices.BinarySearchFunc(s.Secrets, addr, func(r *record, a secret.Address) int {
		return compareAddress(r.Address, a)
	})
}

// with returns the state with these records in place of those of the same address.
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

// String tells the ledger's id and generation and the number of secrets.
func (s State) String() string {
	st := s.state()
	return fmt.Sprintf("ledger %s, generation %d, %d secrets", s.ID(), st.Gen, len(st.Secrets))
}

// Format writes what String returns, under every verb and flag.
func (s State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String does, for encoding/json and log/slog.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
