package keyring

import (
	"context"
	"sync"
	"time"
)

// ownPatience is how long a store that must be asked is given by a call that takes no context.
const ownPatience = 10 * time.Second

// patience is a context whose time begins when somebody first asks for its end. Under an App nobody does, and no timer is
// started for nothing.
type patience struct {
	once sync.Once
	ctx  context.Context
}

func (p *patience) begun() context.Context {
	p.once.Do(func() { p.ctx, _ = withPatience(context.Background()) }) // its timer ends it
	return p.ctx
}

func (p *patience) Deadline() (time.Time, bool) { return p.begun().Deadline() }
func (p *patience) Done() <-chan struct{}       { return p.begun().Done() }
func (p *patience) Err() error                  { return p.begun().Err() }
func (p *patience) Value(key any) any           { return p.begun().Value(key) }
