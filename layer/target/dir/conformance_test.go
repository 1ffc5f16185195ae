package dir

import (
	"context"
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
			return textIn(t, dir, name)
		}
	})
}

// textIn returns the text that secret.Dir reads under a binding name, whole and
// without its meaning.
func textIn(t *testing.T, dir, name string) (string, bool) {
	var text string
	var found bool
	store := storeFunc(func(ctx context.Context, addr secret.Address) (string, error) {
		read, err := secret.Dir(dir).Get(ctx, addr)
		text, found = read, err == nil
		return read, err
	})
	o := secret.Options{Name: "any", Binding: name, Store: store}
	if addr := addressOf(name); addr.Binding() == name { // derived names may be longer
		o.Namespace, o.Name, o.Binding = addr.Namespace, addr.Name, ""
	}
	_, _ = secret.Static(o).Load(t.Context())
	return text, found
}

type storeFunc func(context.Context, secret.Address) (string, error)

func (f storeFunc) Get(ctx context.Context, addr secret.Address) (string, error) { return f(ctx, addr) }

// addressOf returns an address that has this binding.
func addressOf(binding string) secret.Address {
	namespace, name, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(binding, "LAYERON_SECRET_")), "_")
	return secret.Address{Namespace: namespace, Name: name}
}
