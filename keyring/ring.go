package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret"
)

const (
	domain = "layeron-hq/secret keyring v1" // no key of another program, or of another form of this one, is the same
	keyLen = 32

	// A key of fewer bytes can be guessed. A text may be of letters alone, so it needs more of them.
	leastDecoded = 16
	leastText    = 32

	// mostKeys is how many versions' keys are kept. A program rarely meets more; one that does derives some anew.
	mostKeys = 256
)

// ring is what a Signer and a Sealer have in common: a secret, and the keys of its versions for one use and one purpose.
type ring struct {
	secret    *secret.Secret
	purpose   string
	info      string // HKDF's
	refresher *refresher

	kept atomic.Pointer[kept]
	mu   sync.Mutex // held to replace kept
}

// kept is the keys derived from one document. It never changes.
type kept struct {
	doc  *secret.Document
	keys map[string]*key
}

func newRing(s *secret.Secret, use, purpose string) *ring {
	return &ring{secret: s, purpose: purpose, info: domain + "\x00" + use + "\x00" + purpose, refresher: refresherFor(s)}
}

// usable returns what is wrong with the arguments of the constructor.
func (r *ring) usable() error {
	if r.purpose == "" {
		return because(secret.ErrInvalid, "the purpose is empty; say what the key is for, such as \"session cookie\"")
	}
	return r.secret.Err()
}

// current returns the version to use for new work, and its key.
func (r *ring) current() (secret.Version, *key, error) {
	if err := r.usable(); err != nil {
		return secret.Version{}, nil, err
	}
	doc, err := r.secret.Load(new(lazyTimeout))
	if err != nil {
		return secret.Version{}, nil, err
	}
	v := doc.Current()
	if !validID(v.ID) {
		return secret.Version{}, nil, because(secret.ErrInvalid, "the current version's id cannot stand in a token or a sealed text; "+
			"an id is 1 to 64 of A-Z, a-z, 0-9, - and _")
	}
	k, err := r.key(doc, v)
	return v, k, err
}

// find returns the key of the version that a text names, expired or not. A version that is not known here may be newer than
// this machine's copy: then the store is asked.
func (r *ring) find(ctx context.Context, id string, pick pick) (*key, error) {
	answers := r.refresher.ended()
	doc, v, err := r.look(ctx, id, pick)
	if errors.Is(err, secret.ErrVersionNotFound) {
		trouble := r.refresher.refresh(ctx, r.secret)
		if r.refresher.ended() != answers { // also where another caller's refresh ended since the look
			doc, v, err = r.look(ctx, id, pick)
			if f, ok := errors.AsType[*fault](err); ok { // the store has gone away: it is still this version that is not known
				trouble, err = f.error, wrap("version "+id, secret.ErrVersionNotFound)
			}
		}
		if errors.Is(err, secret.ErrVersionNotFound) && trouble != nil {
			err = fail(err.Error()+"; the store could not be asked for it: "+trouble.Error(), err, trouble)
		}
	}
	if err != nil {
		return nil, err
	}
	k, err := r.key(doc, v)
	if err != nil {
		return nil, &fault{err}
	}
	return k, nil
}

// pick says which versions are good for what is being done.
type pick uint8

const (
	pickActive pick = iota // those that have not expired
	pickAny
)

func (r *ring) look(ctx context.Context, id string, pick pick) (*secret.Document, secret.Version, error) {
	doc, err := r.secret.Load(ctx)
	if err != nil {
		return nil, secret.Version{}, &fault{err}
	}
	var v secret.Version
	if pick == pickActive {
		v, err = doc.ActiveVersion(id, time.Now())
	} else {
		v, err = doc.Version(id)
	}
	return doc, v, err
}

// stale tells whether id is of a version that the current one has replaced. On a machine that is behind, a version that is
// announced here may be the current one elsewhere: what it made is newer, not stale.
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

// key returns the key of a version of doc, derived once.
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

// validID tells whether a version's id can stand in a token and a sealed text.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

const maxID = 64
