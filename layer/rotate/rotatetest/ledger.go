package rotatetest

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// TestLedger runs a subtest for each rule of a [rotate.Ledger]:
//
//   - absent: before the first write, Load returns [rotate.ErrNotFound] and
//     Revision "". Only a CompareAndSwap from Revision "" creates the ledger.
//   - state: Load returns a state exactly as it was stored, immediately and
//     through another handle, for any content.
//   - large: the same holds for a state of 6 MiB, which is about a hundred
//     secrets with the largest documents.
//   - conflict: a change of any revision but the latest returns
//     [rotate.ErrConflict] and changes nothing.
//   - again: a change that is sent twice is stored once.
//     [rotate.ErrSuperseded] reports that a later change is based on it.
//   - revision: no revision is used again, even if its state is stored again.
//   - creation: exactly one of many concurrent creations succeeds.
//   - concurrent: of many concurrent changes, none is lost or stored twice. No
//     Load fails or returns an older state than the one before.
//   - context: after their context has ended, both methods return its error
//     and change nothing.
//   - lock: if the ledger is a [rotate.Locker], the lock has one holder at a
//     time, the end of the context ends the wait, the holder's changes
//     succeed, and a second call of an old unlock does not release a newer
//     lock.
//   - shown: no verb of fmt, encoding/json or log/slog shows the identities
//     that the ledger holds.
//
// TestLedger calls place once in each subtest, with that subtest's t. place
// makes an empty place for a ledger and returns a function that opens a handle
// to it, as another process would. All handles open the same ledger. Their
// identities decrypt ledgers that are encrypted to their recipients. If the
// place cannot hold a large ledger, place may call t.Skip in the subtest
// "large".
func TestLedger(t *testing.T, place func(t *testing.T, ids ledger.Identities) (open func() rotate.Ledger)) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			identity, _, err := ledger.NewIdentity()
			if err != nil {
				t.Fatal(err)
			}
			ids, err := ledger.ParseIdentities(identity.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			s := subject{open: place(t, ids), to: ids.Recipients(), identity: identity}
			if err := c.run(ctx, s); err != nil {
				t.Error(err)
			}
		})
	}
}

// check tests one rule. It returns a problem instead of failing a test, so that
// it can be tested with ledgers that violate the rule.
type check struct {
	name string
	run  func(ctx context.Context, s subject) error
}

var checks = []check{
	{"absent", checkAbsent},
	{"state", checkState},
	{"large", checkLarge},
	{"conflict", checkConflict},
	{"again", checkAgain},
	{"revision", checkRevision},
	{"creation", checkCreation},
	{"concurrent", checkConcurrent},
	{"context", checkContext},
	{"lock", checkLock},
	{"shown", checkShown},
}

type subject struct {
	open     func() rotate.Ledger
	to       []string
	identity driver.Value
}

// fresh is the state of a new ledger.
func (s subject) fresh() rotate.State { return rotate.NewState(rotate.Settings{Recipients: s.to}) }

// begin creates the ledger, and returns a handle, the state and its revision.
func (s subject) begin(ctx context.Context) (rotate.Ledger, rotate.State, rotate.Revision, error) {
	l := s.open()
	st, rev, err := rotate.Commit(ctx, l, "", s.fresh())
	if err != nil {
		return nil, st, rev, fmt.Errorf("a ledger that does not exist cannot be created: %w", err)
	}
	return l, st, rev, nil
}

func step(st rotate.State, by string) rotate.State {
	return st.WithLog(rotate.LogEntry{By: by, Op: "test"})
}

// holds returns an error unless the ledger holds exactly this state and
// revision.
func holds(ctx context.Context, l rotate.Ledger, want rotate.State, rev rotate.Revision) error {
	got, found, err := l.Load(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("load: %w", err)
	case !got.Equal(want):
		return fmt.Errorf("load returns %v instead of the stored state %v", got, want)
	case found != rev || rev == "":
		return fmt.Errorf("load returns revision %q for a state that was stored as %q", found, rev)
	}
	return nil
}

func mustBe(what string, err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%s: the error is %v and does not wrap %q", what, err, want)
	}
	return nil
}

func checkAbsent(ctx context.Context, s subject) error {
	l := s.open()
	absent := func() error {
		_, rev, err := l.Load(ctx)
		if err == nil || rev != "" {
			return fmt.Errorf("load before the first write returns revision %q and error %v", rev, err)
		}
		return mustBe("load before the first write", err, rotate.ErrNotFound)
	}
	if err := absent(); err != nil {
		return err
	}
	rev, err := l.CompareAndSwap(ctx, "made up", step(s.fresh(), "nobody"))
	if err == nil {
		return fmt.Errorf("a change of a ledger that does not exist was stored as %q", rev)
	}
	if err := mustBe("a change of a ledger that does not exist", err, rotate.ErrConflict); err != nil {
		return err
	}
	if err := absent(); err != nil {
		return err
	}
	st, rev, err := rotate.Commit(ctx, l, "", s.fresh())
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := holds(ctx, l, st, rev); err != nil {
		return err
	}
	_, _, err = rotate.Commit(ctx, s.open(), "", s.fresh())
	if err := mustBe("create over a ledger that exists", err, rotate.ErrConflict); err != nil {
		return err
	}
	return holds(ctx, s.open(), st, rev)
}

func checkState(ctx context.Context, s subject) error {
	l, st, rev, err := s.begin(ctx)
	if err != nil {
		return err
	}
	at := time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	for _, change := range []func(rotate.State) rotate.State{
		func(st rotate.State) rotate.State { return st },
		func(st rotate.State) rotate.State { return st.WithLog(rotate.LogEntry{}) },
		func(st rotate.State) rotate.State {
			return st.WithLog(rotate.LogEntry{At: at, By: "a\x00b\u2028\ufffd\U0001f511<&>\"\\", Op: " op\n",
				Address: "$SECRET.a.b", IDs: []string{"", "v1"}})
		},
		func(st rotate.State) rotate.State { return st.WithSettings(rotate.Settings{Recipients: s.to}) },
		func(st rotate.State) rotate.State {
			return st.WithSettings(rotate.Settings{Workspace: "acme", Project: "shop", Environment: "production",
				Target: "dir:x",
				Window: time.Hour, Margin: 1, Recipients: append(slices.Clone(s.to), s.to...)})
		},
	} {
		if st, rev, err = rotate.Commit(ctx, l, rev, change(st)); err != nil {
			return fmt.Errorf("change: %w", err)
		}
		for _, h := range []rotate.Ledger{l, s.open()} {
			if err := holds(ctx, h, st, rev); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkLarge(ctx context.Context, s subject) error {
	l, st, rev, err := s.begin(ctx)
	if err != nil {
		return err
	}
	for range 6 {
		st = step(st, strings.Repeat("0123456789abcdef", 1<<16))
	}
	st, rev, err = rotate.Commit(ctx, l, rev, st)
	if err != nil {
		return fmt.Errorf("a state of 6 MiB is rejected: %w", err)
	}
	return holds(ctx, s.open(), st, rev)
}

func checkConflict(ctx context.Context, s subject) error {
	l, st, rev, err := s.begin(ctx)
	if err != nil {
		return err
	}
	second := s.open()
	won, now, err := rotate.Commit(ctx, second, rev, step(st, "second"))
	if err != nil {
		return fmt.Errorf("change through a second handle: %w", err)
	}
	for _, old := range []rotate.Revision{rev, "", "made up"} {
		for _, h := range []rotate.Ledger{l, second} {
			_, _, err = rotate.Commit(ctx, h, old, step(st, "late"))
			if err := mustBe(fmt.Sprintf("a change of revision %q when the latest is %q", old, now), err,
				rotate.ErrConflict); err != nil {
				return err
			}
			if errors.Is(err, rotate.ErrSuperseded) || errors.Is(err, rotate.ErrUnknown) {
				return fmt.Errorf("a conflict reports that the change was, or may have been, stored: %w", err)
			}
			if err := holds(ctx, l, won, now); err != nil {
				return fmt.Errorf("after a conflict: %w", err)
			}
		}
	}
	return nil
}

func checkAgain(ctx context.Context, s subject) error {
	l, st, first, err := s.begin(ctx)
	if err != nil {
		return err
	}
	stored, rev, err := rotate.Commit(ctx, l, first, step(st, "once"))
	if err != nil {
		return err
	}
	again, err := s.open().CompareAndSwap(ctx, first, stored)
	if err == nil && again != rev {
		return fmt.Errorf("a change that was sent twice returns revision %q, but is stored as %q", again, rev)
	}
	if err != nil {
		if err := mustBe("a change that was sent twice", err, rotate.ErrConflict); err != nil {
			return err
		}
	}
	if err := holds(ctx, l, stored, rev); err != nil {
		return fmt.Errorf("after a change was sent twice: %w", err)
	}
	built, rev, err := rotate.Commit(ctx, l, rev, step(stored, "built on it"))
	if err != nil {
		return err
	}
	_, err = s.open().CompareAndSwap(ctx, first, stored)
	if err := mustBe("a change that was sent again after a later change", err, rotate.ErrSuperseded); err != nil {
		return err
	}
	return holds(ctx, l, built, rev)
}

func checkRevision(ctx context.Context, s subject) error {
	l, st, rev, err := s.begin(ctx)
	if err != nil {
		return err
	}
	settings := []rotate.Settings{{Project: "a", Recipients: s.to}, {Project: "b", Recipients: s.to}}
	was := map[rotate.Revision]bool{rev: true}
	for i := range 12 {
		if st, rev, err = rotate.Commit(ctx, l, rev, st.WithSettings(settings[i%2])); err != nil {
			return err
		}
		if was[rev] {
			return fmt.Errorf("revision %q was used twice", rev)
		}
		was[rev] = true
	}
	// Even the same state gets another revision when it is stored again.
	again, err := l.CompareAndSwap(ctx, rev, st)
	if err == nil && was[again] && again != rev {
		return fmt.Errorf("revision %q was used twice for the same state", again)
	}
	if err == nil {
		was[again], rev = true, again
	}
	for old := range was {
		if old == rev {
			continue
		}
		_, _, err := rotate.Commit(ctx, s.open(), old, step(st, "late"))
		if err := mustBe("a change of an old revision", err, rotate.ErrConflict); err != nil {
			return err
		}
	}
	return holds(ctx, l, st, rev)
}

func checkContext(ctx context.Context, s subject) error {
	l, st, rev, err := s.begin(ctx)
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, _, err = l.Load(over)
	if err := mustBe("load after its context has ended", err, context.Canceled); err != nil {
		return err
	}
	_, _, err = rotate.Commit(over, l, rev, step(st, "too late"))
	if err := mustBe("a change after its context has ended", err, context.Canceled); err != nil {
		return err
	}
	return holds(ctx, l, st, rev)
}

func checkShown(ctx context.Context, s subject) error {
	l, st, _, err := s.begin(ctx)
	if err != nil {
		return err
	}
	for _, v := range []any{l, struct{ L rotate.Ledger }{l}, struct{ l rotate.Ledger }{l}, st} {
		for how, text := range printed(v) {
			if strings.Contains(strings.ToLower(text), strings.ToLower(strings.TrimPrefix(s.identity.Reveal(),
				"AGE-SECRET-KEY-1"))) {
				return fmt.Errorf("the identity is shown by %s", how)
			}
		}
	}
	return nil
}

// printed returns the text of v under every way of printing.
func printed(v any) map[string]string {
	texts := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		texts[verb] = fmt.Sprintf(verb, v)
		for _, part := range strings.Fields(texts[verb]) { // %x prints bytes as digits
			if b, err := hex.DecodeString(part); err == nil {
				texts[verb] += " " + string(b)
			}
		}
	}
	if b, err := json.Marshal(v); err == nil {
		texts["encoding/json"] = string(b)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("printed", "v", v)
	texts["log/slog"] = log.String()
	return texts
}
