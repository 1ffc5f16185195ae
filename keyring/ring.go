package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/binding"
)

const (
	// keys differ from those of other programs, and of other forms of this package
	domain = "layeron-hq/secret keyring v1"
	keyLen = 32

	// A shorter key can be guessed. A text may consist of letters only, so it needs
	// more bytes.
	leastDecoded = 16
	leastText    = 32

	// mostKeys is the number of versions whose keys are kept. A program rarely
	// needs more; one that does derives some keys again.
	mostKeys = 256
)

// ring is the common part of a Signer and a Sealer: a secret, and the keys of
// its versions for one use and one purpose.
type ring struct {
	secret    *secret.Secret
	purpose   string
	info      string // HKDF's
	refresher *refresher

	kept atomic.Pointer[kept]
	mu   sync.Mutex // held to replace kept
}

// kept holds the keys derived from one document. It never changes.
type kept struct {
	doc  *secret.Document
	keys map[string]*key
}

func newRing(s *secret.Secret, use, purpose string) *ring {
	return &ring{secret: s, purpose: purpose, info: domain + "\x00" + use + "\x00" + purpose, refresher: refresherFor(s)}
}

// usable returns the fault of the constructor's arguments, or nil.
func (r *ring) usable() error {
	if r.purpose == "" {
		return because(secret.ErrInvalid, "the purpose is empty; say what the key is for, such as \"session cookie\"")
	}
	return r.secret.Err()
}

// current returns the version for new work, and its key.
func (r *ring) current(ctx context.Context) (secret.Version, *key, error) {
	if err := r.usable(); err != nil {
		return secret.Version{}, nil, err
	}
	doc, err := r.secret.Load(ctx)
	if err != nil {
		return secret.Version{}, nil, err
	}
	v := doc.Current()
	if !validID(v.ID) {
		return secret.Version{}, nil, because(secret.ErrInvalid,
			"a token or a sealed text cannot contain the current version's id; "+
				"an id is 1 to 64 of A-Z, a-z, 0-9, - and _")
	}
	k, err := r.key(doc, v)
	return v, k, err
}

// find returns the key of the version that a text names, expired or not.
func (r *ring) find(ctx context.Context, id string, pick pick) (*key, error) {
	found := find(ctx, r.secret, r.refresher, id, pick)
	switch {
	case found.err != nil && found.trouble != nil:
		return nil, fail(found.err.Error()+"; the store could not be asked for it: "+found.trouble.Error(),
			found.err, found.trouble)
	case found.err != nil:
		return nil, found.err
	case found.trouble != nil:
		return nil, &fault{found.trouble}
	}
	k, err := r.key(found.doc, found.version)
	if err != nil {
		return nil, &fault{err}
	}
	return k, nil
}

// stale reports whether id is the id of a version that the current one has
// replaced. On a machine that is behind, a version that is announced here may
// be current elsewhere: its texts are newer, not stale.
func (r *ring) stale(id string) bool {
	if r.usable() != nil {
		return false
	}
	doc, err := r.secret.Load(new(lazyTimeout))
	if err != nil {
		return false
	}
	v, err := doc.Version(id)
	current := doc.Current()
	return err == nil && v.ID != current.ID && !v.ActiveFrom.After(current.ActiveFrom)
}

// key returns the key of a version of doc, and derives it once.
func (r *ring) key(doc *secret.Document, v secret.Version) (*key, error) {
	if have := r.kept.Load(); have != nil && have.doc == doc {
		if k := have.keys[v.ID]; k != nil {
			return k, nil
		}
	}
	k, err := r.derive(v)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := map[string]*key{v.ID: k}
	if have := r.kept.Load(); have != nil && have.doc == doc && len(have.keys) < mostKeys {
		if first := have.keys[v.ID]; first != nil {
			return first, nil
		}
		maps.Copy(keys, have.keys)
	}
	r.kept.Store(&kept{doc, keys})
	return k, nil
}

func (r *ring) derive(v secret.Version) (*key, error) {
	b, err := v.Bytes()
	if err != nil {
		return nil, err
	}
	least, what := leastDecoded, " decoded bytes"
	if len(b) == len(v.Text()) { // decoding always makes a text shorter
		least, what = leastText, " characters used as they are"
	}
	if len(b) < least {
		return nil, because(secret.ErrInvalid, "version "+v.ID+" of "+r.secret.String()+" is too short for a key: "+
			strconv.Itoa(len(b))+what+", at least "+strconv.Itoa(least)+" are needed; declare it with secret.Random")
	}
	derived, err := hkdf.Key(sha256.New, b, nil, r.info, keyLen)
	if err != nil {
		return nil, err
	}
	return newKey(derived), nil
}

// validID reports whether a token and a sealed text can contain the version's
// id.
func validID(id string) bool { return id != "" && len(id) <= maxID && binding.Only(id, "-") }

const maxID = 64
