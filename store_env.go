package secret

import (
	"context"
	"os"
)

type envStore struct{}

var _ Locator = envStore{}

// Env is the store of a process's environment: a secret's value is the variable named like its binding. It is what reads
// use where nothing else is said. A variable that is set but empty is [ErrEmpty] to a reader, not [ErrNotFound].
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
