package secret

import (
	"context"
	"log/slog"
	"slices"

	"github.com/layeron-hq/secret/internal/timeout"
)

var _ derivedHome = (*appSecret)(nil)

func (sec *appSecret) owningApp() any { return sec.app }

func (sec *appSecret) holding() (doc *Document, unset uint64) {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	return sec.doc, sec.unset
}

// adopt makes Status show the warnings of e.
func (sec *appSecret) adopt(e derivedEntry) {
	a := sec.app
	a.mu.Lock()
	defer a.mu.Unlock()
	a.derived = slices.DeleteFunc(a.derived, derivedEntry.gone)
	if !slices.Contains(a.derived, e) {
		a.derived = append(a.derived, e)
	}
}

func (sec *appSecret) reportDerived(of, fault string, kept bool) {
	a := sec.app
	switch {
	case a.closed():
	case fault == "":
		a.log(slog.LevelInfo, "derived value can be computed again", "secrets", of)
	case kept:
		a.log(slog.LevelWarn, "derived value cannot be computed, the last good one stays in use", "secrets", of, "error",
			fault)
	default:
		a.log(slog.LevelError, "derived value cannot be computed", "secrets", of, "error", fault)
	}
}

// settleDerived computes the derived values whose documents have changed, and
// returns all. A function that does not return holds it for at most the timeout
// of a load.
func (a *App) settleDerived() []derivedEntry {
	if !a.made() {
		return nil
	}
	a.mu.Lock()
	entries := slices.Clone(a.derived)
	a.mu.Unlock()
	if len(entries) == 0 {
		return nil
	}
	limit := a.options.Timeout
	if limit < 0 {
		limit = timeout.Default // an App with a negative Timeout never starts
	}
	ctx, cancel := timeout.Context(context.Background(), limit)
	defer cancel()
	for _, e := range entries {
		e.settle(ctx)
	}
	return entries
}

// warnDerived adds a warning for each derived value that cannot be computed.
func (sec *appSecret) warnDerived(st *SecretStatus, entries []derivedEntry) {
	if st.Current == "" {
		return // sec holds no document
	}
	for _, e := range entries {
		if w, faulty := e.warning(sec); faulty && !slices.Contains(st.Warnings, w) {
			st.Warnings, st.NeedsPerson = append(st.Warnings, w), true
		}
	}
}
