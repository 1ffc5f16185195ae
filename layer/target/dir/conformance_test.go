package dir

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
)

func TestKeepsThePromisesOfAPublisher(t *testing.T) {
	drivertest.TestPublisher(t, func(t *testing.T) (driver.Publisher, func(string) (string, bool)) {
		dir := filepath.Join(t.TempDir(), "secrets")
		return New(dir), func(name string) (string, bool) {
			text, err := secret.Dir(dir).Get(t.Context(), addressOf(name))
			return text, err == nil
		}
	})
}

// addressOf returns an address that has this binding.
func addressOf(binding string) secret.Address {
	namespace, name, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(binding, "LAYERON_SECRET_")), "_")
	return secret.Address{Namespace: namespace, Name: name}
}
