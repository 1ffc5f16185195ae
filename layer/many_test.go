package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/file"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/target/dir"
)

// many returns an operator of n new secrets, with a ledger in a file and a
// directory as the target.
func many(t testing.TB, n int) *rotate.Operator {
	t.Helper()
	folder := t.TempDir()
	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	identity := filepath.Join(folder, "identity")
	require.NoError(t, os.WriteFile(identity, []byte(key.String()), 0o600))
	ids, err := ledger.ReadIdentities(identity)
	require.NoError(t, err)
	l, err := file.Open(filepath.Join(folder, "ledger"), file.Options{Identities: ids})
	require.NoError(t, err)
	_, _, err = rotate.Commit(t.Context(), l, "", rotate.NewState(rotate.Settings{
		Recipients: []string{key.Recipient().String()}, Window: time.Nanosecond, Margin: time.Nanosecond}))
	require.NoError(t, err)
	o := &rotate.Operator{Ledger: l, Publisher: dir.New(filepath.Join(folder, "secrets"))}
	app := secret.NewApp(secret.AppOptions{})
	for i := range n {
		app.Use(secret.Random(secret.Options{Namespace: "many", Name: fmt.Sprint("key-", i),
			Rotation: &secret.Rotation{EveryDays: 30}}))
	}
	o.Spec = app.Spec()
	return o
}

// The whole of a command but for its start and its output. rotate publishes
// three texts of each secret in one run, since the window is a nanosecond: it
// announces, flips and prunes.
func BenchmarkCommandsOfManySecrets(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint("apply/", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				o := many(b, n)
				b.StartTimer()
				_, err := o.Apply(b.Context())
				require.NoError(b, err)
			}
		})
		b.Run(fmt.Sprint("rotate/", n), func(b *testing.B) {
			o := many(b, n)
			_, err := o.Apply(b.Context())
			require.NoError(b, err)
			for b.Loop() {
				_, err := o.Rotate(b.Context(), rotate.RotateOptions{Now: true})
				require.NoError(b, err)
			}
		})
	}
}
