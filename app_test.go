package secret_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestAppFollowsARotation: from Start on reads come from memory, and changes in
// the store reach them by polling or by a hint.
func TestAppFollowsARotation(t *testing.T) {
	for name, open := range map[string]func(*secret.Memory) secret.Store{
		"polled":  func(m *secret.Memory) secret.Store { return onlyGet{m} },
		"watched": func(m *secret.Memory) secret.Store { return m },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := secret.NewMemory(map[string]string{"$SECRET.auth.key": "current=v1;v1=one"})
				s := secret.Static(secret.Options{Namespace: "auth", Name: "key"})
				app := secret.NewApp(secret.AppOptions{Store: open(m)}).Use(s)
				var changes []secret.Change
				app.OnChange(func(c secret.Change) { changes = append(changes, c) })
				require.NoError(t, app.Start(context.Background()))
				text, err := s.Current().Text()
				require.NoError(t, err)
				require.True(t, text == "one")

				m.Set("$SECRET.auth.key", "current=v2;v1=one;v2=two")
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				text, err = s.Current().Text()
				require.NoError(t, err)
				require.True(t, text == "two")
				require.Equal(t, []secret.Change{{Address: s.Address(), Old: "v1", New: "v2", CurrentChanged: true, Added: []string{"v2"}}}, changes)

				m.Delete("$SECRET.auth.key")
				time.Sleep(time.Hour)
				text, err = s.Current().Text()
				require.NoError(t, err, "the last good document is kept")
				require.True(t, text == "two")
				require.False(t, app.Status().OK)
				require.NoError(t, app.Close())
			})
		})
	}
}

// onlyGet hides a store's optional interfaces.
type onlyGet struct{ secret.Store }

// BenchmarkRead measures reads under a started App.
func BenchmarkRead(b *testing.B) {
	_, compact := documents(3)
	s := secret.Static(secret.Options{Name: "key",
		Store: secret.NewMemory(map[string]string{"$SECRET.default.key": compact})})
	app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(s)
	require.NoError(b, app.Start(context.Background()))
	at := time.Date(2002, 5, 15, 0, 0, 0, 0, time.UTC)
	b.Run("current", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if text, err := s.Current().Text(); err != nil || text == "" {
				b.Fatal("not read")
			}
		}
	})
	b.Run("version", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if text, err := s.Version("v2").Text(); err != nil || text == "" {
				b.Fatal("not read")
			}
		}
	})
	b.Run("at", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if text, err := s.At(at).Text(); err != nil || text == "" {
				b.Fatal("not read")
			}
		}
	})
}
