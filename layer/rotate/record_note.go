package rotate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// This file writes and verifies the notes beside the published texts. The
// target has no compare-and-set and need not return a text, so a run recognizes
// its own by the signed note. Only a note that ownNote accepts may move a
// generation or an id: every other note may be forged.

// note is the parsed form of a note: sv1 gen=17 cur=v3 fp=… by=…. fp is an HMAC
// of name, generation and text. by is an HMAC of the name and of the note
// before it. Both use keys that only the ledger holds, since a plain hash of a
// guessable value would reveal that value.
type note struct {
	gen    uint64
	cur    string
	ours   bool // this ledger signed it
	former bool // a former key signed it, which a removed recipient may still use
}

var noteForm = lazyregexp.New(`^(sv1 gen=([1-9][0-9]{0,18}) cur=(v[1-9][0-9]{0,9}) fp=[0-9a-f]{32}) by=([0-9a-f]{16})$`)

// newNote returns the note of a text. The generation and the id must be in
// bounds: see record.publishable.
func (s *state) newNote(name string, gen uint64, cur, text string) string {
	fp := mac(s.FpKey, name, strconv.FormatUint(gen, 10), text)
	front := "sv1 gen=" + strconv.FormatUint(gen, 10) + " cur=" + cur + " fp=" + hex.EncodeToString(fp[:16])
	return front + " by=" + by(s.ByKey, name, front)
}

func by(key []byte, name, front string) string { return hex.EncodeToString(mac(key, name, front)[:8]) }

func signs(key []byte, name, front, sign string) bool {
	return hmac.Equal([]byte(by(key, name, front)), []byte(sign))
}

// ownNote returns the note if this ledger signed it for the name. It returns
// false otherwise; then no decision may depend on the content of the note.
func (s *state) ownNote(name, text string) (note, bool) {
	if n, ok := s.readNote(name, text); ok && n.ours {
		return n, true
	}
	return note{}, false
}

// readNote returns the content of a note, signed or not, and false if text does
// not have the form of a note.
func (s *state) readNote(name, text string) (note, bool) {
	m := noteForm().FindStringSubmatch(text)
	if m == nil {
		return note{}, false
	}
	gen, err := strconv.ParseUint(m[2], 10, 64)
	if err != nil || !inBounds(gen, number(m[3])) {
		return note{}, false
	}
	n := note{gen: gen, cur: m[3]}
	s.signer(&n, name, m[1], m[4])
	return n, true
}

// sum returns a keyed digest of a value's driver.Published.Modified, by which a
// text in a driver.Recognizer is recognized later. It is keyed because Modified
// may be a plain digest of a guessable value.
func (s *state) sum(modified string) string {
	return hex.EncodeToString(mac(s.SumKey, "sum", modified)[:16])
}

// mac returns the HMAC-SHA256 of the parts, each preceded by its length in
// bytes.
func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		_, _ = h.Write([]byte(p))
	}
	return h.Sum(nil)
}
