package rotate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver/drivertest"
)

// bench is an Operator over memory, with a clock that the test moves.
type bench struct {
	*Operator
	t      *testing.T
	ledger *MemoryLedger
	store  *drivertest.MemoryPublisher
	at     time.Time
}

func newBench(t *testing.T, secrets ...*secret.Secret) *bench {
	b := &bench{t: t, ledger: &MemoryLedger{}, store: &drivertest.MemoryPublisher{},
		at: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	b.Operator = &Operator{Ledger: b.ledger, Publisher: b.store, clock: func() time.Time { return b.at }}
	b.declare(secrets...)
	_, _, err := Commit(context.Background(), b.ledger, "", NewState(Settings{}))
	require.NoError(t, err)
	return b
}

func (b *bench) declare(secrets ...*secret.Secret) {
	b.Spec = secret.NewApp(secret.AppOptions{}).Use(secrets...).Spec()
}

func (b *bench) pass(d time.Duration) { b.at = b.at.Add(d) }

func (b *bench) actions(r Result, err error) []string {
	b.t.Helper()
	require.NoError(b.t, err)
	var list []string
	for _, a := range r.Actions {
		list = append(list, string(a.Action)+" "+a.Version)
	}
	return list
}

func (b *bench) status(addr secret.Address) SecretStatus {
	r, err := b.Operator.Status(context.Background())
	require.NoError(b.t, err)
	for _, s := range r.Secrets {
		if s.Address == addr {
			return s
		}
	}
	return SecretStatus{}
}

func (b *bench) doc(s *secret.Secret) *secret.Document {
	b.t.Helper()
	doc, err := s.With(b.store).Load(context.Background())
	require.NoError(b.t, err)
	return doc
}

func TestARotationInTwoPhases(t *testing.T) {
	ctx := context.Background()
	key := secret.Random(secret.Options{Namespace: "auth", Name: "key", Rotation: &secret.Rotation{EveryDays: 30}})
	b := newBench(t, key)
	require.Equal(t, []string{"create v1"}, b.actions(b.Apply(ctx)))
	require.Empty(t, b.actions(b.Apply(ctx)))
	require.Empty(t, b.actions(b.Rotate(ctx, RotateOptions{})))
	require.Equal(t, StateOK, b.status(key.Address()).State)
	b.pass(31 * day)
	require.Equal(t, StateDue, b.status(key.Address()).State)
	require.Equal(t, []string{"add v2"}, b.actions(b.Rotate(ctx, RotateOptions{})))
	require.Equal(t, StatePending, b.status(key.Address()).State)
	require.Equal(t, "v1", b.doc(key).Current().ID)
	b.pass(day - time.Second)
	require.Empty(t, b.actions(b.Rotate(ctx, RotateOptions{Now: true})))
	b.pass(time.Second)
	require.Equal(t, []string{"flip v2"}, b.actions(b.Rotate(ctx, RotateOptions{Now: true})))
	require.Equal(t, "v2", b.doc(key).Current().ID)
	require.Len(t, b.doc(key).Active(b.at), 2)
	b.pass(2 * day)
	require.Equal(t, []string{"prune v1"}, b.actions(b.Rotate(ctx, RotateOptions{})))
	require.Len(t, b.doc(key).Active(b.at), 1)
	require.Empty(t, b.actions(b.Rotate(ctx, RotateOptions{})))
}

// A run reports how many secrets of a step are done.
func TestProgressCountsTheSecrets(t *testing.T) {
	s := newScene(t, aRandom("a", nil), aRandom("b", nil), aRandom("c", nil))
	s.Publisher = s.store // shop publishes one by one
	var published []Event
	s.Progress = func(e Event) {
		if e.Stage == StagePublish {
			published = append(published, e)
		}
	}
	s.did(s.apply())
	require.Equal(t, []Event{{Stage: StagePublish, Secrets: 3}, {Stage: StagePublish, Secrets: 3, Done: 1},
		{Stage: StagePublish, Secrets: 3, Done: 2}, {Stage: StagePublish, Secrets: 3, Done: 3}}, published)
}
