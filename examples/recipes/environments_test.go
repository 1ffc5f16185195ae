package recipes

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnvironmentsShareBindingsAndNoNames(t *testing.T) {
	staging, production := newApp("staging", nil).Spec().Secrets[0], newApp("production", nil).Spec().Secrets[0]
	require.Equal(t, staging.Binding, production.Binding)
	require.NotEqual(t, staging.SecretName, production.SecretName)
	require.Equal(t, production, newApp("production", nil).Spec().Secrets[0])
}
