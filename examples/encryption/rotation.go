package main

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/layeron-hq/secret"
)

// rotations simulates `layer secret`: all versions so far, none of which
// expires by itself.
type rotations []secret.Version

// rotate publishes a new version that is current from t on.
func (r *rotations) rotate(store *secret.Memory, t time.Time) error {
	key := make([]byte, 32)
	rand.Read(key)
	id := "v" + strconv.Itoa(len(*r)+1)
	*r = append(*r, secret.NewVersion(id, base64.RawURLEncoding.EncodeToString(key), t, time.Time{}))
	return r.publish(store)
}

// keepLast removes all versions except the current one.
func (r *rotations) keepLast(store *secret.Memory) error {
	*r = (*r)[len(*r)-1:]
	return r.publish(store)
}

func (r *rotations) publish(store *secret.Memory) error {
	doc, err := secret.NewDocument("", *r...) // the last is current
	if err != nil {
		return err
	}
	text, err := doc.Encode(secret.FormatJSON)
	if err != nil {
		return err
	}
	store.Set(recordKey.Binding(), text)
	return nil
}
