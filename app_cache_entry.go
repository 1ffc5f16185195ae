package secret

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/layeron-hq/secret/internal/sha256"
)

// An entry of a Cache has three parts: the line
//
//	layer cache 1 <SHA-256 of the rest, in hex>
//
// a line of JSON, see [entryHeader], and the text as the store returned it. The
// digest detects damage. It is no protection against a writer of the cache.
const (
	entryFormat  = "layer cache "
	entryVersion = "1 "
	maxEntry     = maxText + 64<<10
)

// entryHeader describes the text: for which secret of which App it is.
type entryHeader struct {
	Confirmed   time.Time `json:"confirmed"`
	Workspace   string    `json:"workspace"`
	Project     string    `json:"project"`
	Environment string    `json:"environment"`
	Address     string    `json:"address"`
	Binding     string    `json:"binding"`
	Missing     bool      `json:"missing,omitempty"`
}

// header returns the header of an entry of sec.
func (sec *appSecret) header(confirmed time.Time, missing bool) entryHeader {
	o := sec.app.options
	return entryHeader{utc(confirmed), o.Workspace, o.Project, o.Environment, sec.decl.addr.String(), sec.decl.binding,
		missing}
}

func (sec *appSecret) encode(e cacheEntry) string {
	header, err := json.Marshal(sec.header(e.at, e.missing))
	if err != nil {
		return "" // a year that RFC 3339 cannot hold; an empty entry is ignored
	}
	rest := string(header) + "\n" + e.text
	return entryFormat + entryVersion + digestOf(rest) + "\n" + rest
}

func digestOf(text string) string {
	sum := sha256.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// decode parses an entry of sec. A fault says why the entry is of no use; it
// contains no part of the entry.
func (sec *appSecret) decode(entry string, now time.Time) (e cacheEntry, fault string) {
	if len(entry) > maxEntry {
		return e, "the entry is too large"
	}
	rest, ok := strings.CutPrefix(entry, entryFormat)
	if !ok {
		return e, "the entry is damaged"
	}
	rest, ok = strings.CutPrefix(rest, entryVersion)
	if !ok {
		return e, "the entry has another format; perhaps a newer version of this program wrote it"
	}
	digest, rest, _ := strings.Cut(rest, "\n")
	if digest != digestOf(rest) {
		return e, "the entry is damaged"
	}
	line, text, ok := strings.Cut(rest, "\n")
	var h entryHeader
	if err := json.Unmarshal([]byte(line), &h); err != nil || !ok || h.Confirmed.IsZero() {
		return e, "the entry is damaged"
	}
	want := sec.header(h.Confirmed, h.Missing)
	want.Confirmed = h.Confirmed // only its form may differ
	switch {
	case h != want:
		return e, "the entry is of another workspace, project, environment, address or binding"
	case h.Confirmed.After(now.Add(clockTolerant)):
		return e, "the entry is from the future; was the clock set back?"
	}
	at := h.Confirmed
	if at.After(now) {
		at = now
	}
	return cacheEntry{at: at, text: text, missing: h.Missing}, ""
}
