package main

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/layeron-hq/secret"
)

// rotations stands for `layer secret rotate`: all versions so far, none of which ever ends.
type rotations []secret.Version

// rotate publishes a new version that is current from t on.
func (r *rotations) rotate(store *secret.Memory, key *secret.Secret, t time.Time) error {
	id := "v" + strconv.Itoa(len(*r)+1)
	*r = append(*r, secret.NewVersion(id, base64.RawURLEncoding.EncodeToString(newKey()), t, time.Time{}))
	doc, err := secret.NewDocument(id, *r...)
	if err != nil {
		return err
	}
	text, err := doc.Encode(secret.FormatJSON)
	if err != nil {
		return err
	}
	store.Set(key.Binding(), text)
	return nil
}
