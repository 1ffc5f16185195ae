package secret

import (
	"context"
	"os"

	"github.com/layeron-hq/secret/internal/binding"
)

type envStore struct{}

var (
	env envStore

	_ Locator = &env
)

// Env returns the store of the process's environment: the value of a secret is
// the variable named by its binding. It is the default store of reads. A
// variable that is set but empty is [ErrEmpty] to a reader, not [ErrNotFound].
// An Options.Binding that cannot name a variable is [ErrInvalid].
func Env() Store { return &env }

func (*envStore) Get(ctx context.Context, addr Address) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", endOf(ctx)
	}
	name := BindingOf(ctx, addr)
	if !binding.IsVariable(name) {
		return "", because(ErrInvalid, envPlace+name+": "+binding.NotAVariable)
	}
	text, ok := os.LookupEnv(name)
	if !ok {
		return "", because(ErrNotFound, envPlace+name+" is not set")
	}
	return text, nil
}

const envPlace = "environment variable "

func (*envStore) Locate(addr Address) string { return envPlace + addr.Binding() }
