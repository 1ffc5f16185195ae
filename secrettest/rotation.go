package secrettest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
)

// Announce writes the first half of a rotation into store: text becomes a new
// version, active from flip on, and the current version stays current. It
// returns the id of the new version, one above the highest id.
//
// In testing/synctest a sleep moves the clock, so Announce, [Flip] and [Prune]
// take a program through whole rotations in no time.
func Announce(t testing.TB, store *secret.Memory, s *secret.Secret, text string, flip time.Time) (id string) {
	t.Helper()
	doc := load(t, store, s)
	versions := slices.Collect(doc.All())
	id = "v" + strconv.Itoa(highest(versions)+1)
	versions = append(versions, secret.NewVersion(id, text, flip, time.Time{}))
	save(t, store, s, doc.Current().ID, versions)
	return id
}

// Flip writes the second half: the last version becomes current from now on,
// and the version that was current expires after overlap.
func Flip(t testing.TB, store *secret.Memory, s *secret.Secret, overlap time.Duration) {
	t.Helper()
	doc := load(t, store, s)
	versions := slices.Collect(doc.All())
	last := len(versions) - 1
	now := time.Now()
	for i := range versions {
		switch {
		case i == last:
			versions[i].ActiveFrom = now
		case versions[i].ID == doc.Current().ID:
			versions[i].ExpiresAt = now.Add(overlap)
		}
	}
	save(t, store, s, versions[last].ID, versions)
}

// Prune removes the expired versions from the document; the current one always
// stays.
func Prune(t testing.TB, store *secret.Memory, s *secret.Secret) {
	t.Helper()
	doc := load(t, store, s)
	now := time.Now()
	versions := slices.DeleteFunc(slices.Collect(doc.All()), func(v secret.Version) bool {
		return v.ID != doc.Current().ID && !v.ExpiresAt.IsZero() && !now.Before(v.ExpiresAt)
	})
	save(t, store, s, doc.Current().ID, versions)
}

func load(t testing.TB, store *secret.Memory, s *secret.Secret) *secret.Document {
	t.Helper()
	doc, err := s.With(store).Load(context.Background())
	if err != nil {
		t.Fatalf("secrettest: nothing to rotate: %v", err)
	}
	return doc
}

func save(t testing.TB, store *secret.Memory, s *secret.Secret, current string, versions []secret.Version) {
	t.Helper()
	doc, err := secret.NewDocument(current, versions...)
	if err != nil {
		t.Fatalf("secrettest: %v", err)
	}
	text, err := doc.Encode(secret.FormatJSON)
	if err != nil {
		t.Fatalf("secrettest: %v", err)
	}
	store.Set(s.Address().String(), text)
}

// highest returns the largest number in ids of the form v<number>.
func highest(versions []secret.Version) int {
	most := 0
	for _, v := range versions {
		if digits, ok := strings.CutPrefix(v.ID, "v"); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				most = max(most, n)
			}
		}
	}
	return most
}
