package rotate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// told formats changes.
func told(list []Change) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s", c.Address.Name, c.Action, c.Version, c.Phase))
	}
	return out
}

// reports runs rotate with Reports, and returns the changes to report.
func (s *scene) reports() []Change {
	s.t.Helper()
	s.Reports = true
	defer func() { s.Reports = false }()
	r, err := s.seen(s.rotate())
	require.NoError(s.t, err)
	return r.Unreported
}

func (s *scene) mark(list []Change) {
	s.t.Helper()
	require.NoError(s.t, s.MarkReported(context.Background(), list))
}

// The first report contains nothing from before. Later ones contain every
// change since the last success, also those of runs without Reports.
func TestReportsBeginWithTheFirst(t *testing.T) {
	key, token := aRandom("key", retained(2)), aRandom("token", retained(2))
	s := newScene(t, key, token)
	s.did(s.apply())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	require.False(t, s.state().Reporting)
	require.Empty(t, s.reports())
	require.True(t, s.state().Reporting)
	s.still()

	// A run without Reports changes a secret, and the next report contains that,
	// until a report has succeeded.
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	want := []string{"key flip v3 current"}
	require.Equal(t, want, told(s.reports()))
	list := s.reports()
	require.Equal(t, want, told(list))
	require.Equal(t, s.record(key).Published.Gen, list[0].Generation)
	s.mark(list)
	require.Empty(t, s.reports())
	s.still()

	// The phase is the present one.
	s.did(s.rotate(RotateOptions{Now: true, Only: []secret.Address{token.Address()}}))
	require.Equal(t, []string{"token add v3 announced"}, told(s.reports()))
	s.pass(day)
	s.did(s.rotate())
	require.Equal(t, []string{"token add v3 current", "token flip v3 current"}, told(s.reports()))
	s.did(s.revoke(token, "v2"))
	list = s.reports()
	require.Equal(t, []string{"token add v3 current", "token flip v3 current", "token revoke v2 ended"}, told(list))

	// A slow report that ends after a later one does not reopen that.
	early := list[:1]
	early[0].Generation--
	s.mark(list[2:])
	s.mark(early)
	require.Empty(t, s.reports())
}

// A run stopped after any step, and the next run, report every text that the
// target confirmed since the first run with Reports began.
func TestACrashAfterAnyStepLosesNoReport(t *testing.T) {
	ctx := context.Background()
	for name, op := range operations() {
		t.Run(name, func(t *testing.T) {
			s, _ := op.begin(t)
			s.Reports = true
			r, err := s.seen(s.run(ctx, op.orders(s), op.op))
			require.NoError(t, err)
			s.mark(nil)
			want := told(r.Unreported)
			require.NotEmpty(t, want)
			for steps := 0; ; steps++ {
				s, _ := op.begin(t)
				s.Reports = true
				gen := s.state().Gen
				before := map[secret.Address]uint64{}
				for _, rec := range s.state().Secrets {
					if rec.Published != nil {
						before[rec.Address] = rec.Published.Gen
					}
				}
				r := newRun(s.Operator, op.orders(s), op.op)
				for range steps {
					if r.stage != stageDone {
						require.NoError(t, r.step(ctx))
					}
				}
				if s.state().Gen <= gen+1 || slices.ContainsFunc(s.state().Secrets,
					func(r *record) bool { return r.Making != nil }) {
					_, err := s.seen(s.run(ctx, op.orders(s), op.op)) // nothing but the beginning of the reports
					require.NoError(t, err)
				}
				list := s.reports()
				for _, one := range want {
					require.Contains(t, told(list), one, "after step %d", steps)
				}
				for _, spec := range s.Spec.Secrets {
					rec := s.state().find(spec.Address)
					reported := slices.ContainsFunc(list, func(c Change) bool { return c.Address == spec.Address })
					require.Equal(t, rec.Published.Gen > before[spec.Address], reported, "%s after step %d", spec.Address,
						steps)
				}
				s.mark(list)
				require.Empty(t, s.reports())
				s.still()
				if r.stage == stageDone {
					require.Greater(t, steps, 3)
					break
				}
			}
		})
	}
}

// A text that is not confirmed is not reported, also if it was recorded before
// the first report.
func TestAnUnconfirmedTextIsReportedOnceItIsConfirmed(t *testing.T) {
	for name, first := range map[string]bool{"the first value": true, "a later one": false} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", retained(2))
			s := newScene(t, key)
			version := "v1"
			if !first {
				s.did(s.apply())
				version = "v2"
			}
			s.shop.publish = swallowed
			_, err := s.seen(s.rotate(RotateOptions{Immediate: true}))
			require.NoError(t, err)
			require.Empty(t, s.reports())
			s.shop.publish = nil
			list := s.reports()
			require.NotEmpty(t, list)
			require.Equal(t, version, list[len(list)-1].Version)
			require.Equal(t, PhaseCurrent, list[len(list)-1].Phase)
			s.mark(list)
			require.Empty(t, s.reports())
		})
	}
}

// A dry run records nothing, and returns the unreported changes and the planned
// ones.
func TestADryRunListsItsReport(t *testing.T) {
	key := aRandom("key", retained(2))
	s := newScene(t, key)
	s.did(s.apply())
	before := s.state().Gen
	s.DryRun = true
	require.Empty(t, s.reports())
	require.Equal(t, before, s.state().Gen, "a dry run begins no reports")
	s.DryRun = false
	require.Empty(t, s.reports())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	before = s.state().Gen
	s.DryRun, s.Reports = true, true
	r, err := s.seen(s.rotateNow())
	require.NoError(t, err)
	require.Equal(t, []string{"key flip v2 current", "key add v3 announced"}, told(r.Unreported))
	s.mark(r.Unreported)
	require.Equal(t, before, s.state().Gen)
}

// A step that changes no text is in no report, and in that of a dry run neither.
func TestADryRunReportsNoUnchangedText(t *testing.T) {
	key := aStatic("stripe", nil)
	s := newScene(t, key)
	s.bareSet(key, "sk_live_first_value", "sk_live_second_value")
	require.Empty(t, s.reports())
	s.pass(3 * day)
	s.DryRun, s.Reports = true, true
	r, err := s.seen(s.rotate())
	require.NoError(t, err)
	require.Len(t, r.Actions, 1)
	require.Equal(t, OpPrune, r.Actions[0].Action)
	require.Empty(t, r.Unreported)
	s.DryRun = false
	require.Empty(t, s.reports())

	kept := aStatic("paypal", nil)
	s.declare(key, kept)
	s.shop.Set(s.called(kept), "by hand")
	for _, s.DryRun = range []bool{true, false} {
		s.Reports = true
		r, err = s.seen(s.setAll(map[*secret.Secret]string{kept: "paypal_first_value"}))
		require.NoError(t, err)
		require.Equal(t, OpKeep, r.Actions[0].Action)
		require.Empty(t, r.Unreported)
	}
}

// A replaced version is in no text any more if the text is a bare value.
func TestAReplacedBareValueHasEnded(t *testing.T) {
	key := aStatic("stripe", nil)
	s := newScene(t, key)
	s.bareSet(key, "sk_live_first_value")
	require.Empty(t, s.reports())
	s.bareSet(key, "sk_live_second_value", "sk_live_third_value")
	require.Equal(t, []string{"stripe set v2 ended", "stripe set v3 current"}, told(s.reports()))
}

// A move to another target publishes every text again.
func TestAMoveOfTheValuesIsReported(t *testing.T) {
	key := aRandom("key", retained(2))
	s := newScene(t, key)
	s.did(s.apply())
	require.Empty(t, s.reports())
	other := newScene(t, key)
	s.Publisher = other.shop
	_, err := s.MoveTarget(context.Background(), "elsewhere")
	require.NoError(t, err)
	require.Equal(t, []string{"key publish v1 current"}, told(s.reports()))
}

// A ledger that had moved and is adopted begins its reports too.
func TestReportsBeginInAnAdoptedLedger(t *testing.T) {
	key := aRandom("key", retained(2))
	s := newScene(t, key)
	s.did(s.apply())
	s.change(func(st *state) { st.Fenced = "elsewhere" })
	s.Reports = true
	r, err := s.seen(s.rotate(RotateOptions{Immediate: true, Adopt: true}))
	require.NoError(t, err)
	require.True(t, s.state().Reporting)
	require.Equal(t, []string{"key flip v2 current"}, told(r.Unreported))
}

// Two programs with one ledger report their own secrets each.
func TestReportsAreOfDeclaredSecrets(t *testing.T) {
	key, token := aRandom("key", retained(2)), aRandom("token", retained(2))
	s := newScene(t, key, token)
	s.did(s.apply())
	require.Empty(t, s.reports())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	for _, one := range []*secret.Secret{key, token} {
		s.declare(one)
		list := s.reports()
		require.Equal(t, []string{one.Address().Name + " flip v2 current"}, told(list))
		s.mark(list)
	}
	s.declare(key, token)
	require.Empty(t, s.reports())

	// A removal is not reported. If the secret is made again, its removed version
	// has ended.
	s.did(s.rotate(RotateOptions{Immediate: true}))
	s.declare(key)
	_, err := s.Remove(context.Background(), token.Address())
	require.NoError(t, err)
	s.declare(key, token)
	require.Equal(t, []string{"key flip v3 current", "token flip v3 ended", "token create v4 current"}, told(s.reports()))
}

// Two slow operators report the same change, and neither reopens or loses one.
func TestTwoOperatorsReport(t *testing.T) {
	key, token := aRandom("key", retained(2)), aRandom("token", retained(2))
	s := newScene(t, key, token)
	s.did(s.apply())
	require.Empty(t, s.reports())
	s.did(s.rotate(RotateOptions{Immediate: true, Only: []secret.Address{key.Address()}}))
	first := s.reports()
	require.Equal(t, []string{"key flip v2 current"}, told(first))
	s.did(s.rotate(RotateOptions{Immediate: true}))
	second := s.reports()
	require.Equal(t, []string{"key flip v2 retired", "key flip v3 current", "token flip v2 current"}, told(second))
	s.mark(first)
	require.Equal(t, []string{"key flip v3 current", "token flip v2 current"}, told(s.reports()))
	s.mark(second)
	s.mark(first)
	require.Empty(t, s.reports())
}

// The ledger is changed between Load and CompareAndSwap of MarkReported, and
// its answers are lost.
func TestMarkReportedAmongOtherWriters(t *testing.T) {
	key := aRandom("key", retained(2))
	for name, test := range map[string]struct {
		swap  func(s *scene, l *MemoryLedger, old Revision, next State) (Revision, error)
		fails bool
	}{
		"a conflict": {func(s *scene, l *MemoryLedger, old Revision, next State) (Revision, error) {
			return "", ErrConflict
		}, false},
		"stored and superseded": {func(s *scene, l *MemoryLedger, old Revision, next State) (Revision, error) {
			rev, err := l.CompareAndSwap(context.Background(), old, next)
			require.NoError(s.t, err)
			return rev, ErrSuperseded
		}, false},
		"unknown": {func(s *scene, l *MemoryLedger, old Revision, next State) (Revision, error) {
			return "", ErrUnknown
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			s.did(s.apply())
			require.Empty(t, s.reports())
			s.did(s.rotate(RotateOptions{Immediate: true}))
			list := s.reports()
			o := *s.Operator
			o.Ledger = &swapping{s.ledger, 1, func(old Revision, next State) (Revision, error) {
				return test.swap(s, s.ledger, old, next)
			}}
			err := o.MarkReported(context.Background(), list)
			if test.fails {
				require.ErrorIs(t, err, ErrUnknown)
				require.Equal(t, told(list), told(s.reports()))
				return
			}
			require.NoError(t, err)
			require.Empty(t, s.reports())
			o.Ledger = &swapping{s.ledger, 1000, func(Revision, State) (Revision, error) { return "", ErrConflict }}
			require.NoError(t, o.MarkReported(context.Background(), list), "they are marked: nothing is written")
		})
	}
}

// swapping replaces the first n CompareAndSwaps.
type swapping struct {
	*MemoryLedger
	n    int
	swap func(old Revision, next State) (Revision, error)
}

func (l *swapping) CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error) {
	if l.n--; l.n >= 0 {
		return l.swap(old, next)
	}
	return l.MemoryLedger.CompareAndSwap(ctx, old, next)
}

// A ledger that moved while the command ran is not changed any more.
func TestMarkReportedRefusesAMovedLedger(t *testing.T) {
	s := newScene(t, aRandom("key", retained(2)))
	list := s.reports()
	require.NotEmpty(t, list)
	s.change(func(st *state) { st.Fenced = "elsewhere" })
	require.ErrorIs(t, s.MarkReported(context.Background(), list), Moved)
}

// The log of a ledger may have lost the entries, or be older than
// LogEntry.Document. The secret is reported anyway, with its current version.
// A long list is cut to the newest changes.
func TestAReportNeedsNoLog(t *testing.T) {
	key := aRandom("key", retained(2))
	s := newScene(t, key)
	s.mark(s.reports())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	s.change(func(st *state) { st.Log = nil })
	require.Equal(t, []string{"key publish v2 current"}, told(s.reports()))

	s.change(func(st *state) {
		for i := range 3 * maxChanges {
			st.Log = append(st.Log, LogEntry{Op: OpPrune, Address: key.Address().String(), Document: 2,
				IDs: []string{fmt.Sprint("v", 1000+i)}})
		}
		st.Log = append(st.Log, LogEntry{Op: OpConfirm, Address: key.Address().String(), Document: 2},
			LogEntry{Op: OpFlip, Address: key.Address().String(), Document: 2, IDs: []string{"v2"}},
			LogEntry{Op: OpFlip, Address: key.Address().String(), Document: 3, IDs: []string{"v3"}})
	})
	list := s.reports()
	require.Len(t, list, maxChanges)
	require.Equal(t, "key flip v2 current", told(list)[maxChanges-1])
}

// A ledger without a report has none of the fields of reports.
func TestTheFormatOfALedgerWithReports(t *testing.T) {
	s := newScene(t, aRandom("key", retained(2)))
	s.did(s.apply())
	plain, err := s.ledger.state.encode()
	require.NoError(t, err)
	require.NotContains(t, string(plain), "report")

	s.reports()
	s.did(s.rotate(RotateOptions{Immediate: true}))
	s.mark(s.reports())
	plain, err = s.ledger.state.encode()
	require.NoError(t, err)
	require.Contains(t, string(plain), `"format":4`)
	read, err := decodeState(plain)
	require.NoError(t, err)
	require.True(t, read.Equal(s.ledger.state))
	require.True(t, read.state().Reporting)
	require.Equal(t, uint64(2), read.state().Secrets[0].Reported)

	// Formats 1 to 3 keep no reports.
	for format := 1; format <= 3; format++ {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(strings.Replace(string(plain), `"reporting":true`, `"reporting":false`, 1)),
			&fields))
		fields["format"] = format
		plain, err := json.Marshal(fields)
		require.NoError(t, err)
		old, err := decodeState(plain)
		require.NoError(t, err)
		require.Equal(t, 4, old.stamped().state().Format)
		require.Equal(t, 4, wrapState(old.state().reporting()).stamped().state().Format)
	}
}
