package driver_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// A target's Modified may be the plain digest of a value that can be guessed.
func TestNothingPrintsThePlainDigestOfAValue(t *testing.T) {
	sum := sha256.Sum256([]byte("hunter2"))
	digest := hex.EncodeToString(sum[:])
	type embedding struct {
		driver.Published
		Exists bool
	}
	for name, p := range map[string]driver.Published{
		"a note and a digest": {Note: "sv1 gen=1 cur=v1", Modified: digest},
		"a digest alone":      {Modified: digest},
		"pending":             {Note: "sv1 gen=1 cur=v1", Modified: digest, Pending: true},
		"the digest's bytes":  {Modified: string(sum[:])},
	} {
		t.Run(name, func(t *testing.T) {
			for how, shown := range map[string]any{
				"itself":                         p,
				"its address":                    &p,
				"in a slice":                     []driver.Published{p},
				"in a map":                       map[string]driver.Published{"KEY": p},
				"in a map of addresses":          map[string]*driver.Published{"KEY": &p},
				"as the key of a map":            map[driver.Published]bool{p: true},
				"in an exported field":           struct{ P driver.Published }{p},
				"in an interface":                struct{ P any }{p},
				"embedded":                       embedding{p, true},
				"the address of one that embeds": &embedding{p, true},
			} {
				require.Empty(t, slices.DeleteFunc(redacttest.Check(shown, p.Modified), wrongVerb), how)
			}
		})
	}
}

// wrongVerb reports whether a finding is that of a verb for which fmt calls no
// method: %p of no pointer and %w outside Errorf, which go vet reports.
func wrongVerb(finding string) bool {
	verb, _, _ := strings.Cut(finding, " shows it")
	return strings.HasPrefix(verb, "%") && strings.ContainsAny(verb[len(verb)-1:], "pw")
}

func TestPublishedPrintsItsNote(t *testing.T) {
	for want, p := range map[string]driver.Published{
		`no note, [no modified]`:          {},
		`note "by \x1b hand", [modified]`: {Note: "by \x1b hand", Modified: "x"},
		`note "n", [modified], pending`:   {Note: "n", Modified: "x", Pending: true},
	} {
		require.Equal(t, want, p.String())
	}
}
