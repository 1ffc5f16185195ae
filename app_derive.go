package secret

import (
	"context"
	"log/slog"
	"slices"

	"github.com/layeron-hq/secret/internal/timeout"
)

var _ derivedHome = (*appSecret)(nil)

func (sec *appSecret) owningApp() any { return sec.app }

// adopt makes Status show the warnings of e.
func (sec *appSecret) adopt(e derivedEntry) {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	sec.derived = slices.DeleteFunc(sec.derived, derivedEntry.gone)
	if !slices.Contains(sec.derived, e) {
		sec.derived = append(sec.derived, e)
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

// settleDerived computes the derived values whose documents have changed. A
// function that does not return holds it for at most the timeout of a load.
func (a *App) settleDerived(secrets []*appSecret) {
	var entries []derivedEntry
	for _, sec := range secrets {
		sec.mu.Lock()
		entries = append(entries, sec.derived...)
		sec.mu.Unlock()
	}
	if len(entries) == 0 {
		return
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
}

// derivedWarnings returns a warning for each derived value that cannot be
// computed. The caller holds mu.
func (sec *appSecret) derivedWarnings() (found []Warning) {
	for _, e := range sec.derived {
		if w, faulty := e.warning(sec); faulty && !slices.Contains(found, w) {
			found = append(found, w)
		}
	}
	return found
}
