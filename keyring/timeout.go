package keyring

import (
	"context"
	"sync"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// lazyTimeout is a context whose time begins at the first call of a method.
// Under an App no method is called, so no timer is started in vain.
type lazyTimeout struct {
	once sync.Once
	ctx  context.Context
}

func (l *lazyTimeout) begun() context.Context {
	// the timer ends it
	l.once.Do(func() { l.ctx, _ = timeout.Context(context.Background(), timeout.Default) })
	return l.ctx
}

func (l *lazyTimeout) Deadline() (time.Time, bool) { return l.begun().Deadline() }
func (l *lazyTimeout) Done() <-chan struct{}       { return l.begun().Done() }
func (l *lazyTimeout) Err() error                  { return l.begun().Err() }
func (l *lazyTimeout) Value(key any) any           { return l.begun().Value(key) }
