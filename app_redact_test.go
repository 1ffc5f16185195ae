package secret_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// textMap is a store as a test may write it: fmt prints the content of a map.
type textMap map[string]string

func (m textMap) Get(_ context.Context, a secret.Address) (string, error) {
	return m[a.Binding()], nil
}

// TestAppShowsNoValue: neither a store's nor one that was loaded, under any
// verb, also in a field where fmt calls no method.
func TestAppShowsNoValue(t *testing.T) {
	const value = "Qz7kWv2mXt9RbLp4nHc8"
	s := secret.Static(secret.Options{Name: "key"})
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Store: textMap{s.Binding(): value}}).Use(s)
	require.NoError(t, app.Start(context.Background()))
	defer app.Close()
	holder := struct {
		App *embedded
		own *secret.App
		s   *secret.Secret
	}{&embedded{app}, app, s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%o", "%b",
		"%p"} {
		require.NotContains(t, fmt.Sprintf(verb+verb+verb, app, holder, &holder), value, verb)
	}
	shown, err := json.Marshal(app)
	require.NoError(t, err)
	require.NotContains(t, string(shown), value)
	status, err := json.Marshal(app.Status())
	require.NoError(t, err)
	require.NotContains(t, string(status)+fmt.Sprintf("%+v %#v", app.Status(), app.Spec()), value)
}

type embedded struct{ *secret.App }
