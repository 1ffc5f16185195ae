package secret

import (
	"context"
	"os"
)

type envStore struct{}

var _ Locator = envStore{}

// Env returns the store of the process's environment: the value of a secret is
// the variable named by its binding. It is the default store of reads. A
// variable that is set but empty is [ErrEmpty] to a reader, not [ErrNotFound].
func Env() Store { return envStore{} }

func (s envStore) Get(ctx context.Context, addr Address) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", endOf(ctx)
	}
	text, ok := os.LookupEnv(addr.Binding())
	if !ok {
		return "", because(ErrNotFound, s.Locate(addr)+" is not set")
	}
	return text, nil
}

func (envStore) Locate(addr Address) string { return "environment variable " + addr.Binding() }
