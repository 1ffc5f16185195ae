//go:build !js

package secret

import (
	"context"
	"time"
)

// patience bounds a read that takes no context and has to ask the store.
func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}
