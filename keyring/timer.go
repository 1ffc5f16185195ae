//go:build !js

package keyring

import (
	"context"
	"errors"
)

func withPatience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, ownPatience, errPatience)
}

var errPatience = errors.New("the store has not answered within " + ownPatience.String())
