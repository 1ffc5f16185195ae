package recipes

import (
	"go/parser"
	"go/token"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLibraryFollowsTheSecret(t *testing.T) {
	r := start(t, mailKey, "old")
	m := newMailer()
	requireKey := func(want string, m mailer) {
		t.Helper()
		request := httptest.NewRequest("POST", "/", nil)
		require.NoError(t, m.authorize(request))
		require.Equal(t, want, request.Header.Get("X-Api-Key"))
	}
	requireKey("old", m)
	r.set("new")
	requireKey("new", m)
	requireKey("fixed", mailer{fixedKey("fixed")})
}

func TestLibraryImportsNoSecretsLibrary(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "library.go", nil, parser.ImportsOnly)
	require.NoError(t, err)
	require.Len(t, file.Imports, 1)
	require.Equal(t, `"net/http"`, file.Imports[0].Path.Value)
}
