package ledger

import (
	"fmt"

	"github.com/layeron-hq/secret/layer/rotate"
)

// CheckNew returns an error if this machine remembers a ledger in the place of l, or
// if the memory is damaged: no new ledger can begin there. l is a result of
// [Remember]; for any other ledger CheckNew returns nil. It reads the memory and
// writes nothing.
func CheckNew(l rotate.Ledger) error {
	if r, ok := l.(interface{ checkNew() error }); ok {
		return r.checkNew()
	}
	return nil
}

func (r *remembered) checkNew() error {
	known, err := readSeen(r.seenPath)
	if err != nil {
		return r.explain(err)
	}
	if origin := known.Places[r.place]; origin != "" {
		return r.explain(fmt.Errorf("ledger %s was here before, as this machine remembers: restore it from git or a backup. "+
			"To begin anew without it, "+
			"delete %s first", known.id(origin), r.seenPath))
	}
	return nil
}
