package secret_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestCopiesOfWithAreNotDeclaredTwice by the program: the message explains that
// an App serves one copy.
func TestCopiesOfWithAreNotDeclaredTwice(t *testing.T) {
	one, two := secret.NewMemory(nil), secret.NewMemory(nil)
	one.Set("$SECRET.app.key", "one")
	two.Set("$SECRET.app.key", "two")
	key := static("key")
	for name, secrets := range map[string][]*secret.Secret{
		"two copies":                 {key.With(one), key.With(two)},
		"the declaration and a copy": {key, key.With(two)},
		"a copy of a copy":           {key, key.With(one).With(two)},
	} {
		t.Run(name, func(t *testing.T) {
			err := secret.NewApp(secret.AppOptions{Store: one, Refresh: -1}).Use(secrets...).Start(t.Context())
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.EqualError(t, err, "secret: start: 1 problem with the App's 2 secrets:\n  $SECRET.app.key: invalid: "+
				"declared twice, differently: Store; one is a copy that With made for another store, and an App reads an "+
				"address from one store: give each copy an App of its own")
		})
	}
	t.Run("copies on one store are one", func(t *testing.T) {
		requireStart(t, secret.NewApp(secret.AppOptions{Refresh: -1}).Use(key.With(one), key.With(one)))
	})
}

// TestDocumentAndStatusUseTheSameNames, so that one program can read both.
func TestDocumentAndStatusUseTheSameNames(t *testing.T) {
	for _, text := range []string{"one", "current=v2;v1=one;v1_expires=2999-01-01T00:00:00.5Z;v2=two",
		`{"versions":{"v1":{"value":"one","activeFrom":"2020-01-01T00:00:00+01:00"}}}`} {
		key := static("key")
		app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(map[string]string{"$SECRET.app.key": text}), Refresh: -1})
		requireStart(t, app.Use(key))
		doc, err := key.Load(t.Context())
		require.NoError(t, err)
		members := func(v any) (m map[string]any) {
			data, err := json.Marshal(v)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, &m))
			return m
		}
		status := members(app.Status().Secrets[0])
		of := members(doc)
		require.Len(t, of, 3)
		for name, value := range of {
			require.Equal(t, value, status[name], name)
		}
		require.NoError(t, app.Close())
	}
}
