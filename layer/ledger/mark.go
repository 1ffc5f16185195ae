package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/layeron-hq/secret/layer/rotate"
)

// layer.seen lies where a commit or a colleague may put another one, so by itself it
// proves nothing. A mark in it does: it is made with an identity, and says that the
// holder has accepted a ledger. Without a valid mark the memory still refuses what
// contradicts it, and a ledger needs its id as on a machine that has seen none.

// markKeys returns a key for the marks of each identity. The key of an age plugin
// makes no marks: layer does not have it, and the text that stands for it is no
// secret.
func (ids Identities) markKeys() [][]byte {
	var keys [][]byte
	for _, k := range ids.list() {
		if k.secret != nil {
			mac := hmac.New(sha256.New, k.secret)
			_, _ = mac.Write([]byte("layer memory of ledgers seen"))
			keys = append(keys, mac.Sum(nil))
		}
	}
	return keys
}

// CanMark reports whether the identities can mark a ledger as seen, see
// [RememberOptions].Identities. A key that an age plugin has cannot.
func (ids Identities) CanMark() bool { return len(ids.markKeys()) > 0 }

// mark returns the mark of a ledger by its origin and the fingerprint of its keys.
func mark(key []byte, origin, fingerprint string) string {
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%d %s %s", len(origin), origin, fingerprint)
	return fingerprint + " " + hex.EncodeToString(mac.Sum(nil)[:16])
}

// fingerprintOf returns the fingerprint that a mark made with one of the keys is for.
func fingerprintOf(text string, keys [][]byte, origin string) (fingerprint string, ok bool) {
	fingerprint, _, _ = strings.Cut(text, " ")
	return fingerprint, slices.ContainsFunc(keys, func(key []byte) bool {
		return hmac.Equal([]byte(mark(key, origin, fingerprint)), []byte(text))
	})
}

// accepted reports whether the holder of one of the keys has accepted the ledger. A
// memory that is read without identities is believed.
func (s seen) accepted(m memory, st rotate.State) bool {
	if m.believed {
		last, ok := s.Ledgers[st.Origin()]
		return ok && st.Succeeds(last.Fingerprint)
	}
	return slices.ContainsFunc(s.Marks[st.Origin()], func(text string) bool {
		fingerprint, ok := fingerprintOf(text, m.keys, st.Origin())
		return ok && st.Succeeds(fingerprint)
	})
}

// maxMarks is how many marks a ledger has, one for each colleague who shares the
// memory. The oldest leave first.
const maxMarks = 64

// marked returns the marks of a ledger with those of the keys, in place of their
// earlier ones.
func (s seen) marked(keys [][]byte, st rotate.State) []string {
	var list []string
	for _, text := range s.Marks[st.Origin()] {
		if _, mine := fingerprintOf(text, keys, st.Origin()); !mine {
			list = append(list, text)
		}
	}
	for _, key := range keys {
		list = append(list, mark(key, st.Origin(), st.Fingerprint()))
	}
	return list[max(0, len(list)-maxMarks):]
}
