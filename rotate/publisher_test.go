package rotate_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/rotate"
	"github.com/layeron-hq/secret/rotate/rotatetest"
)

func TestDirIsAPublisher(t *testing.T) {
	rotatetest.TestPublisher(t, func(t *testing.T) (rotate.Publisher, func(string) (string, bool)) {
		dir := filepath.Join(t.TempDir(), "secrets")
		return rotate.Dir(dir), func(name string) (string, bool) {
			text, err := secret.Dir(dir).Get(t.Context(), addressOf(name))
			return text, err == nil
		}
	})
}

func TestMemoryIsAPublisher(t *testing.T) {
	rotatetest.TestPublisher(t, func(*testing.T) (rotate.Publisher, func(string) (string, bool)) {
		m := new(rotate.MemoryPublisher)
		return m, m.Text
	})
}

// addressOf returns an address that has this binding.
func addressOf(binding string) secret.Address {
	namespace, name, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(binding, "LAYERON_SECRET_")), "_")
	return secret.Address{Namespace: namespace, Name: name}
}
