package secret

import "context"

// Store hands out stored texts. [NewMemory], [Env] and [Dir] are stores; writing one's own takes one method, and
// secrettest.TestStore tells whether it behaves.
//
// A Store must be safe for concurrent use, must come back soon after ctx has ended, and must put nothing of a value into
// an error.
type Store interface {
	// Get returns the text stored for addr, whole and unchanged, or an error that wraps [ErrNotFound] and says where it
	// looked.
	Get(ctx context.Context, addr Address) (string, error)
}

// Locator is an optional interface of a [Store]: it names the place where the store looks for a secret, such as a variable
// or a file, for messages about a value that is there but wrong.
type Locator interface {
	Locate(addr Address) string
}

// locate asks the store for the place, and returns "" where it does not tell.
func locate(s Store, addr Address) string {
	if l, ok := s.(Locator); ok {
		return l.Locate(addr)
	}
	return ""
}
