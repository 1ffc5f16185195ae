package secret

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEntryIsDue when it is another one, when it is old, and when the clock was
// set back: else it would be from the future for as long.
func TestEntryIsDue(t *testing.T) {
	const every = 5 * time.Minute
	doc, other := new(Document), new(Document)
	at := func(minutes int) time.Time { return time.Unix(0, 0).Add(time.Duration(minutes) * time.Minute) }
	kept := cacheEntry{at: at(10), doc: doc}
	for name, tc := range map[string]struct {
		place cachePlace
		e     cacheEntry
		want  bool
	}{
		"first":          {cachePlace{}, cacheEntry{at: at(0), doc: doc}, true},
		"same":           {cachePlace{kept: kept}, cacheEntry{at: at(14), doc: doc}, false},
		"old":            {cachePlace{kept: kept}, cacheEntry{at: at(15), doc: doc}, true},
		"changed":        {cachePlace{kept: kept}, cacheEntry{at: at(11), doc: other}, true},
		"missing by now": {cachePlace{kept: kept}, cacheEntry{at: at(11), missing: true}, true},
		"clock set back": {cachePlace{kept: kept}, cacheEntry{at: at(9), doc: doc}, true},
		"being written":  {cachePlace{writing: &kept}, cacheEntry{at: at(11), doc: doc}, false},
		"changed while written": {cachePlace{kept: cacheEntry{at: at(10), doc: other}, writing: &kept},
			cacheEntry{at: at(11), doc: other}, true},
		"still missing": {cachePlace{kept: cacheEntry{at: at(10), missing: true}},
			cacheEntry{at: at(11), missing: true}, false},
		"first that is missing": {cachePlace{}, cacheEntry{at: at(0), missing: true}, true},
		"missing, then a value": {cachePlace{kept: cacheEntry{at: at(10), missing: true}},
			cacheEntry{at: at(11), doc: doc}, true},
		"missing for a long time": {cachePlace{kept: cacheEntry{at: at(10), missing: true}},
			cacheEntry{at: at(15), missing: true}, true},
	} {
		require.Equal(t, tc.want, tc.place.due(tc.e, every), name)
	}
}

// oneEntry is a Cache with an entry that every address has.
type oneEntry string

func (c oneEntry) Get(context.Context, Address) (string, error) { return string(c), nil }
func (c oneEntry) Put(context.Context, Address, string) error   { return nil }

// TestMissingEntryOfARequiredSecret is of no use: the secret may have been
// optional for the process that wrote it.
func TestMissingEntryOfARequiredSecret(t *testing.T) {
	down := errors.New("connection refused")
	store := NewMemory(nil)
	store.Fail(down)
	s := Static(Options{Namespace: "app", Name: "key"})
	o := AppOptions{Store: store, Cache: oneEntry(""), Logger: slog.New(slog.DiscardHandler)}
	sec := NewApp(o).Use(s).secrets[0]
	entry := sec.encode(cacheEntry{at: time.Now(), missing: true})
	read, fault := sec.decode(entry, time.Now())
	require.Empty(t, fault)
	require.True(t, read.missing)
	o.Cache = oneEntry(entry)
	require.ErrorIs(t, NewApp(o).Use(Static(Options{Namespace: "app", Name: "key"})).Start(context.Background()), down)
}

// FuzzCacheEntry: an entry is whole or of no use, and the reason shows no part
// of it.
func FuzzCacheEntry(f *testing.F) {
	s := Static(Options{Namespace: "app", Name: "key"})
	sec := NewApp(AppOptions{Store: NewMemory(nil), Cache: oneEntry(""), Workspace: "acme"}).Use(s).secrets[0]
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	whole := sec.encode(cacheEntry{at: now, text: "madeup_Wm29bHs4Ly\n"})
	f.Add(whole)
	f.Add(sec.encode(cacheEntry{at: now, missing: true}))
	f.Add(whole[:len(whole)-1])
	f.Add(strings.Replace(whole, " 1 ", " 2 ", 1))
	f.Add(strings.Replace(whole, "acme", "evil", 1))
	f.Add(entryFormat + entryVersion + digestOf("{}") + "\n{}")
	f.Fuzz(func(t *testing.T, entry string) {
		e, fault := sec.decode(entry, now)
		if fault != "" {
			require.Zero(t, e)
			require.Contains(t, []string{"the entry is too large", "the entry is damaged",
				"the entry has another format; perhaps a newer version of this program wrote it",
				"the entry is of another workspace, project, environment, address or binding",
				"the entry is from the future; was the clock set back?"}, fault)
			return
		}
		again, fault := sec.decode(sec.encode(e), now)
		require.Empty(t, fault)
		require.True(t, again.at.Equal(e.at))
		require.Equal(t, e.missing, again.missing)
		require.True(t, e.text == again.text, "the text comes back")
	})
}

// TestEntriesFollowTheWallClock: a monotonic clock reading would hide that the
// clock was set.
func TestEntriesFollowTheWallClock(t *testing.T) {
	s := Static(Options{Namespace: "app", Name: "key"})
	o := AppOptions{Store: NewMemory(map[string]string{"$SECRET.app.key": "one"}), Cache: DirCache(t.TempDir() + "/cache"),
		Logger: slog.New(slog.DiscardHandler)}
	app := NewApp(o).Use(s)
	require.NoError(t, app.Start(context.Background()))
	require.NoError(t, app.Close())
	at := app.secrets[0].cache.place.kept.at
	require.False(t, at.IsZero())
	require.Equal(t, at.Round(0), at)
}
