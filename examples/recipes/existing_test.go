package recipes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestExistingNames(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://app@db/shop")
	text, err := databaseURL.Current().Text()
	require.NoError(t, err)
	require.Equal(t, "postgres://app@db/shop", text)

	folder := t.TempDir()
	for s, content := range map[*secret.Secret]string{tlsCertificate: "certificate", tlsKey: "key"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, s.Binding()), []byte(content+"\n"), 0o600))
		text, err := s.With(secret.Dir(folder)).Current().Text()
		require.NoError(t, err)
		require.Equal(t, content, text)
	}
	require.FileExists(t, filepath.Join(folder, "tls.crt"))
}
