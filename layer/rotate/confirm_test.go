package rotate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
)

// remembering is a ledger that records the generations of the confirmed states.
type remembering struct {
	*MemoryLedger
	confirmed []uint64
}

func (l *remembering) Confirmed(_ context.Context, s State) {
	l.confirmed = append(l.confirmed, s.Generation())
}

// TestRunConfirmsWhatTheTargetShows checks that only a note which is recorded
// in the ledger confirms the ledger.
func TestRunConfirmsWhatTheTargetShows(t *testing.T) {
	ctx := context.Background()
	key := secret.Random(secret.Options{Namespace: "auth", Name: "key"})
	other := secret.Random(secret.Options{Namespace: "auth", Name: "other"})
	for name, tc := range map[string]struct {
		change    func(b *bench)
		confirmed bool
	}{
		"as it was published": {func(*bench) {}, true},
		"an old copy of the ledger": {func(b *bench) {
			s, _, _ := b.ledger.Load(ctx)
			_, err := b.Rotate(ctx, RotateOptions{Now: true, Immediate: true})
			require.NoError(b.t, err)
			b.replace(s)
		}, false},
		"no value is there": {func(b *bench) { b.Publisher = new(drivertest.MemoryPublisher) }, false},
		"one of two is there": {func(b *bench) {
			require.NoError(b.t, errors.Join(b.store.Remove(ctx, []string{key.Address().Binding()})...))
		}, true},
		"values of another":       {func(b *bench) { b.overwrite(key, ""); b.overwrite(other, "by hand") }, false},
		"one of two is another's": {func(b *bench) { b.overwrite(key, "by hand") }, true},
		"another ledger with copied notes": {func(b *bench) {
			s, _, _ := b.ledger.Load(ctx)
			forged := *s.state()
			forged.ByKey, forged.FpKey, forged.Former = randomBytes(32), randomBytes(32), nil
			b.replace(wrapState(&forged))
		}, false},
		"a second ledger at the same generation": {func(b *bench) {
			before, _, _ := b.ledger.Load(ctx)
			_, err := b.Rotate(ctx, RotateOptions{Now: true, Immediate: true})
			require.NoError(b.t, err)
			b.replace(before)
			b.Publisher = new(drivertest.MemoryPublisher)
			_, err = b.Rotate(ctx, RotateOptions{Now: true, Immediate: true})
			require.NoError(b.t, err)
			b.Publisher = b.store
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, key, other)
			_, err := b.Apply(ctx)
			require.NoError(t, err)
			tc.change(b)
			l := &remembering{MemoryLedger: b.ledger}
			b.Ledger = l
			s, _, err := l.Load(ctx)
			require.NoError(t, err)
			_, err = b.Operator.Status(ctx)
			require.NoError(t, err)
			_, _ = b.CompareNotes(ctx, s, b.Spec.Secrets)
			if !tc.confirmed {
				require.Empty(t, l.confirmed)
				return
			}
			require.NotEmpty(t, l.confirmed)
			for _, gen := range l.confirmed {
				require.Equal(t, s.Generation(), gen)
			}
		})
	}
}

func (b *bench) replace(s State) {
	_, rev, _ := b.ledger.Load(context.Background())
	_, err := b.ledger.CompareAndSwap(context.Background(), rev, s)
	require.NoError(b.t, err)
}

func (b *bench) overwrite(s *secret.Secret, note string) {
	require.NoError(b.t, errors.Join(b.store.Publish(context.Background(),
		[]driver.Item{{Name: s.Address().Binding(), Text: driver.NewValue("by hand"), Note: note}})...))
}

// TestCompareNotesRefusesAnOldLedger checks that a ledger behind the target
// releases no values, and that no other difference in the target holds values
// back.
func TestCompareNotesRefusesAnOldLedger(t *testing.T) {
	ctx := context.Background()
	key := secret.Random(secret.Options{Namespace: "auth", Name: "key"})
	b := newBench(t, key)
	_, err := b.Apply(ctx)
	require.NoError(t, err)
	old, _, err := b.ledger.Load(ctx)
	require.NoError(t, err)
	b.pass(time.Hour)
	_, err = b.Rotate(ctx, RotateOptions{Now: true, Immediate: true})
	require.NoError(t, err)
	now, _, err := b.ledger.Load(ctx)
	require.NoError(t, err)

	compare := func(s State, of []secret.SpecSecret) error {
		_, err := b.CompareNotes(ctx, s, of)
		return err
	}
	require.NoError(t, compare(now, b.Spec.Secrets))
	err = compare(old, b.Spec.Secrets)
	require.ErrorIs(t, err, Ahead)
	require.ErrorContains(t, err, key.Address().String())
	require.ErrorIs(t, compare(now.Rekeyed(), b.Spec.Secrets), nil, "notes under a former key count")
	require.ErrorIs(t, compare(NewState(Settings{}), b.Spec.Secrets), nil, "another ledger's notes are no proof")
	require.NoError(t, compare(old, nil))

	b.overwrite(key, "sv1 gen=999 cur=v999 fp=0123456789abcdef0123456789abcdef by=0123456789abcdef")
	require.NoError(t, compare(old, b.Spec.Secrets), "a note that is not signed is none")

	bare, err := b.CompareNotes(ctx, now, b.Spec.Secrets)
	require.NoError(t, err)
	require.Equal(t, []secret.Address{key.Address()}, bare, "nothing in the target says how old the ledger is")
	bare, err = b.CompareNotes(ctx, NewState(Settings{}), b.Spec.Secrets)
	require.NoError(t, err)
	require.Empty(t, bare)

	failed := errors.New("no answer")
	b.Publisher = &shop{MemoryPublisher: b.store, inspect: func(map[string]driver.Published) error { return failed }}
	require.ErrorIs(t, compare(now, b.Spec.Secrets), failed)
}
