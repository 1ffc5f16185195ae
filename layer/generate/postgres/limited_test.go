package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// Without the administrator's connection string it is not known whether a value
// can be ended. No error repeats a part of the string.
func TestCanRetireNeedsTheAdministrator(t *testing.T) {
	const password = "madeup_Rk49wTs6Vb"
	for text, want := range map[string]string{
		"postgres://layer:" + password + "@127.0.0.1:1/shop":    "",
		"postgres://layer:" + password + "@127.0.0.1:port/shop": "postgres: the environment variable ADMIN has no valid",
		"": "postgres: the environment variable ADMIN, which dsn_env names, is empty",
	} {
		g := New(Options{Getenv: func(string) string { return text }})
		of := g.For(driver.Request{Address: "$SECRET.shop.database",
			Params: map[string]string{"dsn_env": "ADMIN", "role": "app", "grant": "app_rights"}}).(driver.Limited)
		can, err := of.CanRetire(t.Context())
		require.Equal(t, want == "", can)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
		require.Empty(t, redacttest.Check(err, password))
	}
	wrong := New(Options{}).For(driver.Request{Params: map[string]string{"dsn_env": "ADMIN"}}).(driver.Limited)
	can, err := wrong.CanRetire(t.Context())
	require.ErrorContains(t, err, "needs the param role")
	require.False(t, can)
}
