package rotate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/slow"
)

// rekey renews the note keys, and returns the keys of the removed recipient.
func (s *scene) rekey() (left *state) {
	s.t.Helper()
	st, rev, err := s.ledger.Load(s.t.Context())
	require.NoError(s.t, err)
	_, _, err = Commit(s.t.Context(), s.ledger, rev, st.Rekeyed())
	require.NoError(s.t, err)
	return st.state()
}

// overwrite puts another value into the store.
func (s *scene) overwrite(key *secret.Secret, note string) {
	s.shop.late(driver.Item{Name: s.called(key), Text: driver.NewValue(foreignValue), Note: note})
}

const foreignValue = "a value of another program"

// forgeries are notes without a valid signature for this name: signed by no
// key, by the removed recipient, or by another ledger.
func forgeries(left *state, s *scene, key, other *secret.Secret) map[string]string {
	name := s.called(key)
	made := func(gen, cur string) string {
		return fmt.Sprintf("sv1 gen=%s cur=%s fp=%032x by=%016x", gen, cur, 7, 7)
	}
	foreign, gen := NewState(Settings{}).state(), uint64(1)
	if r := left.find(key.Address()); r != nil {
		gen = r.Gen
	}
	const most = 9223372036854775807
	return map[string]string{
		"made up":                          made("4", "v3"),
		"made up, high":                    made("9999999999999999999", "v999999999"),
		"made up, of ten digits":           made("1", "v1000000000"),
		"made up, the last id":             made("1", "v2000000000"),
		"made up, past 64 bits":            made("99999999999999999999", "v99999999999999999999"),
		"another ledger's":                 foreign.newNote(name, gen+40, "v7", foreignValue),
		"another ledger's, high":           foreign.newNote(name, most, "v2000000000", foreignValue),
		"another name's":                   left.newNote("X"+name, gen, "v1", foreignValue),
		"another secret's":                 s.note(other),
		"of the one who left, next":        left.newNote(name, gen+1, "v1", foreignValue),
		"of the one who left, high":        left.newNote(name, most, "v999999999", foreignValue),
		"of the one who left, an old high": left.newNote(name, 1, "v999999999", foreignValue),
	}
}

// situations are the states in which a run may find a forged note. In each, key
// and other are published or not. Each returns the keys of the removed
// recipient.
var situations = map[string]func(s *scene, key, other *secret.Secret) (left *state){
	"bound": func(s *scene, key, other *secret.Secret) *state {
		s.declare(other)
		s.did(s.apply())
		left := s.rekey()
		s.declare(key, other)
		return left
	},
	"removed": func(s *scene, key, other *secret.Secret) *state {
		s.did(s.apply())
		s.declare(other)
		s.actions(s.remove(key))
		left := s.rekey()
		s.declare(key, other)
		return left
	},
	"published": func(s *scene, _, _ *secret.Secret) *state {
		s.did(s.apply())
		return s.rekey()
	},
	"announced": func(s *scene, _, _ *secret.Secret) *state {
		s.did(s.apply())
		s.pass(time.Hour)
		s.did(s.rotateNow())
		return s.rekey()
	},
	"intent": func(s *scene, key, _ *secret.Secret) *state {
		s.did(s.apply())
		s.interrupt(swallowed, func() (Result, error) {
			return s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}})
		})
		return s.rekey()
	},
	"intent under the new key": func(s *scene, key, _ *secret.Secret) *state {
		s.did(s.apply())
		left := s.rekey()
		s.interrupt(swallowed, func() (Result, error) {
			return s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}})
		})
		return left
	},
	"first intent": func(s *scene, key, other *secret.Secret) *state {
		s.declare(other)
		s.did(s.apply())
		s.declare(key, other)
		s.interrupt(swallowed, s.apply)
		return s.rekey()
	},
	"kept": func(s *scene, key, other *secret.Secret) *state {
		s.declare(other)
		s.did(s.apply())
		s.declare(key, other)
		s.overwrite(key, "")
		s.problem(key)(s.set(key, s.nth(key, 50)))
		return s.rekey()
	},
	"missing": func(s *scene, key, _ *secret.Secret) *state {
		s.did(s.apply())
		require.Empty(s.t, s.store.Remove(s.t.Context(), []string{s.called(key)}))
		return s.rekey()
	},
}

// story runs every operation that an operator may try over a foreign value, and
// returns each outcome and the final record.
func story(s *scene, key *secret.Secret) string {
	var b strings.Builder
	record := func(op string, r Result, err error) {
		s.seen(r, err)
		// The target has only foreign notes. The secret is drifted anyway.
		if errors.Is(err, WrongTarget) {
			err = nil
		}
		fmt.Fprintf(&b, "%s: %v %v", op, s.actions(r, nil), err)
		for _, one := range r.Secrets {
			fmt.Fprintf(&b, "; %s %s %v", one.Address, one.State, one.Problem)
		}
		fmt.Fprintln(&b)
	}
	do := func(op string, do func() (Result, error)) {
		r, err := do()
		record(op, r, err)
	}
	do("status", func() (Result, error) { return s.Status(s.t.Context()) })
	do("apply", s.apply)
	do("rotate", func() (Result, error) { return s.rotate() })
	do("now", s.rotateNow)
	do("rollback", func() (Result, error) { return s.rollback(key, false) })
	do("set", func() (Result, error) { return s.set(key, s.nth(key, 60)) })
	s.DryRun = true
	r, err := s.rotate(RotateOptions{Adopt: true})
	s.DryRun = false
	record("preview", r, err)
	fmt.Fprintf(&b, "%+v\n", r.Adoptions)
	do("adopt", func() (Result, error) { return s.rotate(RotateOptions{Adopt: true}) })
	for range 4 {
		s.pass(3 * day)
		do("now", s.rotateNow)
	}
	s.pass(3 * day)
	do("rotate", func() (Result, error) { return s.rotate() })
	s.still()
	rec := s.record(key)
	fmt.Fprintf(&b, "generation %d, highest %d, %v", rec.Gen, rec.Highest, s.ids(key))
	require.Less(s.t, rec.Gen, uint64(40))
	require.Less(s.t, rec.Highest, 12)
	return b.String()
}

// A note that no key signed for the name, or that its key may not sign any
// more, has the effect of no note: on every outcome, every id and every
// generation.
func TestForgedNoteHasTheEffectOfNone(t *testing.T) {
	slow.Sequential(t)
	for situation, prepare := range situations {
		key, other := aRandom("key", retained(2)), aRandom("other", retained(2))
		staged := func(t *testing.T) (*scene, *state) {
			s := newScene(t, key, other)
			return s, prepare(s, key, other)
		}
		s, left := staged(t)
		s.overwrite(key, "")
		want := story(s, key)
		probe, _ := staged(t)
		for shape := range forgeries(left, probe, key, other) {
			t.Run(situation+"/"+shape, func(t *testing.T) {
				s, left := staged(t)
				s.overwrite(key, forgeries(left, s, key, other)[shape])
				require.Equal(t, strings.Split(want, "\n"), strings.Split(story(s, key), "\n"))
			})
		}
	}
}
