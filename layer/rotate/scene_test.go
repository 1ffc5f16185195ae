package rotate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
)

// scene is a bench with a store that can fail. It searches all output for every
// value that went in.
type scene struct {
	*bench
	shop   *shop
	values []string
	drawn  map[secret.Address]int
}

// shop is a store whose requests fail, are lost or arrive late, as the test
// sets.
type shop struct {
	*drivertest.MemoryPublisher
	publish  func(driver.Item) (carriedOut bool, err error) // nil: all requests succeed
	inspect  func(map[string]driver.Published) error
	bySecret bool // values are named by their secretName
	sent     []driver.Item
	inspects int
}

func (p *shop) NameOf(names driver.Names) string {
	if p.bySecret {
		return names.SecretName
	}
	return p.MemoryPublisher.NameOf(names)
}

func (p *shop) Publish(ctx context.Context, items []driver.Item) []error {
	p.sent = append(p.sent, items...)
	return each(items, func(i driver.Item) error {
		if p.publish == nil {
			return errors.Join(p.MemoryPublisher.Publish(ctx, []driver.Item{i})...)
		}
		carriedOut, err := p.publish(i)
		if carriedOut {
			err = errors.Join(append(p.MemoryPublisher.Publish(ctx, []driver.Item{i}), err)...)
		}
		return err
	})
}

func (p *shop) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	p.inspects++
	found, err := p.MemoryPublisher.Inspect(ctx, names)
	if err == nil && p.inspect != nil {
		err = p.inspect(found)
	}
	return found, err
}

// late applies a late request of any sender.
func (p *shop) late(i driver.Item) {
	_ = p.MemoryPublisher.Publish(context.Background(), []driver.Item{i})
}

func newScene(t *testing.T, secrets ...*secret.Secret) *scene {
	s := &scene{bench: newBench(t, secrets...), drawn: map[secret.Address]int{}}
	s.shop = &shop{MemoryPublisher: s.store}
	s.Publisher = s.shop
	s.mint = s.draw
	s.pause = func(context.Context, time.Duration) error { return nil }
	s.Progress = func(e Event) { s.watch(e) }
	s.By = "tester"
	return s
}

// draw makes values that look random and are the same in every run of a test.
func (s *scene) draw(spec secret.SpecSecret) string {
	s.drawn[spec.Address]++
	return s.value(spec, s.drawn[spec.Address])
}

func (s *scene) value(spec secret.SpecSecret, n int) string {
	var b []byte
	for i := 0; len(b) < max(spec.Bytes, 16); i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", spec.Address, n, i))
		b = append(b, sum[:]...)
	}
	text := base64.RawURLEncoding.EncodeToString(b[:max(spec.Bytes, 16)])
	if spec.Encoding == secret.EncodingRaw {
		text = text[:spec.Bytes]
	}
	s.values = append(s.values, text)
	return text
}

// nth returns the nth value that was drawn for a secret.
func (s *scene) nth(key *secret.Secret, n int) string {
	spec, ok := s.find(key.Address())
	require.True(s.t, ok)
	return s.value(spec, n)
}

// watch fails the test if an output shows part of a value.
func (s *scene) watch(told ...any) {
	s.t.Helper()
	for _, one := range told {
		text := fmt.Sprintf("%v %+v %#v %q", one, one, one, one)
		for _, value := range s.values {
			for i := 0; i == 0 || i+8 <= min(len(value), 200); i++ {
				if len(value) >= 8 && strings.Contains(text, value[i:i+8]) {
					require.Fail(s.t, fmt.Sprintf("a %T shows a value", one))
				}
			}
		}
	}
}

// seen searches the output of an operation, and returns it.
func (s *scene) seen(r Result, err error) (Result, error) {
	s.t.Helper()
	s.watch(r)
	for _, one := range r.Secrets {
		if one.Problem != nil {
			s.watch(one.Problem)
			s.wellPut(one.Problem)
		}
	}
	for _, failed := range r.Failed {
		s.watch(failed)
		s.wellPut(failed)
	}
	if err != nil {
		s.watch(err)
		s.wellPut(err)
	}
	return r, err
}

// wellPut checks that a person can read an error.
func (s *scene) wellPut(err error) {
	s.t.Helper()
	text := err.Error()
	for _, word := range []string{"%!", "rotate.", "*secret", "goroutine", "0xc0", "<nil>"} {
		require.NotContains(s.t, text, word)
	}
	require.NotContains(s.t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", text[:1], text)
}

// did requires success, and returns the actions.
func (s *scene) did(r Result, err error) []string {
	s.t.Helper()
	r, err = s.seen(r, err)
	require.NoError(s.t, err)
	for _, one := range r.Secrets {
		require.NoError(s.t, one.Problem, one.Address)
	}
	require.Empty(s.t, r.Failed)
	return s.actions(r, nil)
}

// problem requires that the run itself succeeded and one secret failed, and
// returns the reason.
func (s *scene) problem(key *secret.Secret) func(Result, error) error {
	return func(r Result, err error) error {
		s.t.Helper()
		r, err = s.seen(r, err)
		require.NoError(s.t, err)
		for _, one := range r.Secrets {
			if one.Address == key.Address() {
				require.Error(s.t, one.Problem)
				return one.Problem
			}
		}
		require.Fail(s.t, "no such secret in the result")
		return nil
	}
}

// stopped requires that a whole run failed and changed nothing.
func (s *scene) stopped(do func() (Result, error)) error {
	s.t.Helper()
	before := s.picture()
	_, err := s.seen(do())
	require.Error(s.t, err)
	require.Equal(s.t, before, s.picture(), "a run that stops changes nothing")
	return err
}

// unchanged requires that an operation changes not a byte of ledger and store.
func (s *scene) unchanged(do func() (Result, error)) (Result, error) {
	s.t.Helper()
	before, sent := s.picture(), len(s.shop.sent)
	r, err := s.seen(do())
	require.Equal(s.t, before, s.picture())
	require.Len(s.t, s.shop.sent, sent, "nothing is sent")
	return r, err
}

// still requires that a rotate finds no work.
func (s *scene) still() {
	s.t.Helper()
	require.Empty(s.t, s.did(s.unchanged(func() (Result, error) { return s.rotate() })))
}

// picture returns a digest of ledger and store: different states differ, and no
// content is shown.
func (s *scene) picture() string {
	s.t.Helper()
	st, rev, err := s.ledger.Load(context.Background())
	require.NoError(s.t, err)
	b, err := st.encode()
	require.NoError(s.t, err)
	return fmt.Sprint("revision ", rev, ", digest ", digest(fmt.Sprint(string(b), s.texts())))
}

func (s *scene) texts() map[string]string {
	names := s.store.Names()
	found, err := s.store.Inspect(context.Background(), names)
	require.NoError(s.t, err)
	texts := map[string]string{}
	for _, name := range names {
		text, _ := s.store.Text(name)
		texts[name] = fmt.Sprint(text, found[name])
	}
	return texts
}

func (s *scene) state() *state {
	s.t.Helper()
	st, _, err := s.ledger.Load(context.Background())
	require.NoError(s.t, err)
	return st.state()
}

func (s *scene) record(key *secret.Secret) *record { return s.state().find(key.Address()) }

func (s *scene) note(key *secret.Secret) string {
	found, err := s.store.Inspect(context.Background(), []string{s.called(key)})
	require.NoError(s.t, err)
	return found[s.called(key)].Note
}

// called returns the name of a value in the store.
func (s *scene) called(key *secret.Secret) string {
	spec, ok := s.find(key.Address())
	if !ok {
		return key.Binding()
	}
	return s.name(spec)
}

func (s *scene) text(key *secret.Secret) string {
	text, _ := s.store.Text(s.called(key))
	return text
}

// change edits the ledger, as if an earlier run had left it so.
func (s *scene) change(edit func(*state)) {
	s.t.Helper()
	st, rev, err := s.ledger.Load(context.Background())
	require.NoError(s.t, err)
	next := *st.state()
	next.Secrets = slices.Clone(next.Secrets)
	for i, r := range next.Secrets {
		next.Secrets[i] = r.clone()
	}
	edit(&next)
	_, _, err = Commit(context.Background(), s.ledger, rev, wrapState(&next))
	require.NoError(s.t, err)
}

func (s *scene) apply() (Result, error) { return s.Apply(context.Background()) }

func (s *scene) rotate(how ...RotateOptions) (Result, error) {
	if len(how) == 0 {
		how = []RotateOptions{{}}
	}
	return s.Rotate(context.Background(), how[0])
}

func (s *scene) set(key *secret.Secret, value string) (Result, error) {
	s.values = append(s.values, value)
	return s.Set(context.Background(), key.Address(), driver.NewValue(value))
}

func (s *scene) rollback(key *secret.Secret, immediate bool) (Result, error) {
	return s.Rollback(context.Background(), key.Address(), immediate)
}

func (s *scene) revoke(key *secret.Secret, id string) (Result, error) {
	return s.Revoke(context.Background(), key.Address(), id)
}

// reads returns the versions that readers see, as id=value.
func (s *scene) reads(key *secret.Secret) map[string]string {
	s.t.Helper()
	versions := map[string]string{}
	for v := range s.doc(key).All() {
		versions[v.ID] = v.Text()
	}
	return versions
}

func (s *scene) ids(key *secret.Secret) []string {
	return slices.Sorted(maps.Keys(s.reads(key)))
}

func (s *scene) current(key *secret.Secret) string { return s.doc(key).Current().ID }

func (s *scene) version(key *secret.Secret, id string) secret.Version {
	s.t.Helper()
	v, err := s.doc(key).Version(id)
	require.NoError(s.t, err)
	return v
}

// announce creates a value and begins its first rotation.
func (s *scene) announce(key *secret.Secret) {
	s.t.Helper()
	require.Equal(s.t, []string{"create v1"}, s.did(s.apply()))
	s.pass(time.Hour)
	require.Equal(s.t, []string{"add v2"}, s.did(s.rotate(RotateOptions{Now: true,
		Only: []secret.Address{key.Address()}})))
}

// flip continues to the second phase.
func (s *scene) flip(key *secret.Secret) {
	s.t.Helper()
	s.announce(key)
	s.pass(day)
	require.Equal(s.t, []string{"flip v2"}, s.did(s.rotate()))
}

// The declarations of most scenarios.
func aRandom(name string, r *secret.Rotation) *secret.Secret {
	return secret.Random(secret.Options{Namespace: "auth", Name: name, Rotation: r})
}

func aStatic(name string, r *secret.Rotation) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "billing", Name: name, Rotation: r})
}

func every(days int) *secret.Rotation { return &secret.Rotation{EveryDays: days} }

func retained(days int) *secret.Rotation {
	return &secret.Rotation{EveryDays: 30, Retain: secret.Retention{Mode: secret.RetainFor, Days: days}}
}

func kept() *secret.Rotation {
	return &secret.Rotation{EveryDays: 30, Retain: secret.Retention{Mode: secret.RetainForever}}
}

var errLost = errors.New("the connection broke")

// lost applies requests and loses the answers.
func lost(driver.Item) (bool, error) { return true, errLost }

// swallowed loses requests; their outcome is unknown.
func swallowed(driver.Item) (bool, error) { return false, errLost }

// turnedDown reports that a request was not applied.
func turnedDown(driver.Item) (bool, error) { return false, driver.NotApplied(errLost) }

func (s *scene) rotateNow() (Result, error) { return s.rotate(RotateOptions{Now: true}) }

// remember returns a function that restores the present ledger, as an old copy
// of its file does.
func (s *scene) remember() (goBack func()) {
	n, state := s.ledger.n, s.ledger.state
	return func() { s.ledger.n, s.ledger.state = n, state }
}

// digest differs for different texts and shows none.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// each calls do for every item, and returns the errors at their item's index.
func each[T any](items []T, do func(T) error) []error {
	var errs []error
	for i, item := range items {
		if err := do(item); err != nil {
			if errs == nil {
				errs = make([]error, len(items))
			}
			errs[i] = err
		}
	}
	return errs
}
