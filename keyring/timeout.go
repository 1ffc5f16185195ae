package keyring

import (
	"context"
	"sync"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// lazyTimeout is a context whose time begins when its end is first asked for.
// Under an App it never is, and no timer is started for nothing.
type lazyTimeout struct {
	once sync.Once
	ctx  context.Context
}

func (l *lazyTimeout) begun() context.Context {
	l.once.Do(func() { l.ctx, _ = timeout.Context(context.Background(), timeout.Default) }) // its timer ends it
	return l.ctx
}

func (l *lazyTimeout) Deadline() (time.Time, bool) { return l.begun().Deadline() }
func (l *lazyTimeout) Done() <-chan struct{}       { return l.begun().Done() }
func (l *lazyTimeout) Err() error                  { return l.begun().Err() }
func (l *lazyTimeout) Value(key any) any           { return l.begun().Value(key) }
