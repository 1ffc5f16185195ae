package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/layer/rotate"
)

// put writes a state to a ledger in memory, like the restore of a backup or
// another tool.
func put(l *rotate.MemoryLedger, s rotate.State) {
	if _, err := l.CompareAndSwap(context.Background(), revision(l), s); err != nil {
		panic(err)
	}
}

func revision(l *rotate.MemoryLedger) rotate.Revision {
	_, rev, _ := l.Load(context.Background())
	return rev
}

func stateOf(l *rotate.MemoryLedger) rotate.State {
	s, _, _ := l.Load(context.Background())
	return s
}

// stamped returns the state after n changes.
func stamped(s rotate.State, n int) rotate.State {
	l, rev := new(rotate.MemoryLedger), rotate.Revision("")
	for range n {
		var err error
		if s, rev, err = rotate.Commit(context.Background(), l, rev, s); err != nil {
			panic(err)
		}
	}
	return s
}

// forged returns a state with the id of another one: an attacker can write every
// field.
func forged(s rotate.State, id string) rotate.State {
	return edited(s, func(members map[string]any) { members["id"] = id })
}

// edited returns a state whose plaintext was changed.
func edited(s rotate.State, edit func(members map[string]any)) rotate.State {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	identity, err := age.GenerateX25519Identity()
	must(err)
	set := s.Settings()
	set.Recipients = []string{identity.Recipient().String()}
	sealed, err := rotate.Seal(s.WithSettings(set))
	must(err)
	plain, err := age.Decrypt(bytes.NewReader(sealed), identity)
	must(err)
	var members map[string]any
	decoder := json.NewDecoder(plain)
	decoder.UseNumber()
	must(decoder.Decode(&members))
	edit(members)
	text, err := json.Marshal(members)
	must(err)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, identity.Recipient())
	must(err)
	_, err = io.Copy(w, bytes.NewReader(text))
	must(err)
	must(w.Close())
	next, err := rotate.Unseal(out.Bytes(), identity)
	must(err)
	return next.WithSettings(s.Settings())
}

// holding returns a state with a value, and its parts that must not be
// shown: the value and the keys of its notes.
func holding(t *testing.T, recipients ...string) (s rotate.State, hidden []string) {
	t.Helper()
	const value = "Qz7kWv2mXt9RbLp4nHc8sJ1d"
	l := new(rotate.MemoryLedger)
	_, _, err := rotate.Commit(t.Context(), l, "", rotate.NewState(rotate.Settings{Recipients: recipients}))
	require.NoError(t, err)
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe"})
	o := rotate.Operator{Ledger: l, Publisher: new(drivertest.MemoryPublisher),
		Spec: secret.NewApp(secret.AppOptions{}).Use(stripe).Spec()}
	_, err = o.Set(t.Context(), stripe.Address(), driver.NewValue(value))
	require.NoError(t, err)
	hidden = []string{value}
	edited(stateOf(l), func(members map[string]any) {
		for _, name := range []string{"fpKey", "byKey", "anchor"} {
			key, err := base64.StdEncoding.DecodeString(members[name].(string))
			require.NoError(t, err)
			hidden = append(hidden, string(key))
		}
	})
	return stateOf(l), hidden
}
