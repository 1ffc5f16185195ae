package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// object is the part of a Secret that this package reads. The zero object is one
// that does not exist.
type object struct {
	Metadata struct {
		UID         string            `json:"uid"`
		Version     string            `json:"resourceVersion"`
		Deletion    string            `json:"deletionTimestamp"`
		Annotations map[string]string `json:"annotations"`
		Managed     json.RawMessage   `json:"managedFields"`
	} `json:"metadata"`
	Immutable bool              `json:"immutable"`
	Data      map[string][]byte `json:"data"`
	rest      int               // the size of all but the values and the managed fields, in bytes
}

func (o object) exists() bool { return o.Metadata.UID != "" }

// value returns the state of a value, and whether the object has it.
func (o object) value(name string) (driver.Published, bool) {
	value, ok := o.Data[name]
	if !ok {
		return driver.Published{}, false
	}
	return driver.Published{Note: o.Metadata.Annotations[annotation(name)], Modified: digest(value)}, true
}

// changeable returns an error if the API server would refuse every change.
func (o object) changeable() error {
	switch {
	case o.Immutable:
		return fmt.Errorf("%w: it is immutable: delete it and run again, or choose another NAME", secret.ErrInvalid)
	case o.Metadata.Deletion != "":
		return fmt.Errorf("%w: it is being deleted: wait until it is gone, or remove its finalizers", secret.ErrInvalid)
	}
	return nil
}

// patch is the part of a Secret that this package writes, as a JSON merge patch:
// members that it lacks stay, and null removes one. A server-side apply would
// remove the keys of earlier requests instead.
type patch struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Metadata   patchMetadata `json:"metadata"`
	Type       string        `json:"type,omitempty"`
	// A []byte is written as base64, and nil as null.
	Data map[string][]byte `json:"data"`
}

type patchMetadata struct {
	Name        string             `json:"name,omitempty"`
	Namespace   string             `json:"namespace,omitempty"`
	Version     string             `json:"resourceVersion,omitempty"` // the server refuses the patch of another one
	Annotations map[string]*string `json:"annotations"`
}

func newPatch() patch {
	return patch{APIVersion: "v1", Kind: "Secret", Data: map[string][]byte{},
		Metadata: patchMetadata{Annotations: map[string]*string{}}}
}

func (p patch) set(item driver.Item) {
	note := item.Note
	p.Data[item.Name] = []byte(stored(item.Text.Reveal()))
	p.Metadata.Annotations[annotation(item.Name)] = &note
}

func (p patch) remove(name string) {
	p.Data[name] = nil
	p.Metadata.Annotations[annotation(name)] = nil
}

// Annotations with the notes begin with this prefix.
const prefix = "secret.layeron.dev/"

// simple matches the names of annotations, without their prefix.
var simple = lazyregexp.New(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)

// annotation returns the annotation with the note of a value. Kubernetes allows
// 63 characters and no special one at either end; another name gets a digest.
func annotation(name string) string {
	if simple().MatchString(name) {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(name))
	return prefix + "sha256." + hex.EncodeToString(sum[:])[:56]
}

// key matches the keys of a Secret. Kubernetes also allows a leading dot and
// dash, which no binding has.
var key = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$`)

// stored returns the bytes for a text: secret.Dir drops one newline at the end
// of a file, so a text that ends with a newline gets one more.
func stored(text string) string {
	if strings.HasSuffix(text, "\n") {
		return text + "\n"
	}
	return text
}

// text is the inverse of stored.
func text(value []byte) string {
	if s := string(value); strings.HasSuffix(s, "\n") {
		return s[:len(s)-1]
	}
	return string(value)
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func checkItem(item driver.Item) error {
	switch text := item.Text.Reveal(); {
	case !key().MatchString(item.Name):
		return fmt.Errorf("%w: %.64q cannot be a key of a Secret: a key has 1 to 253 letters, digits, _, - and ., "+
			"not - or . first", secret.ErrInvalid, item.Name)
	case text == "":
		return fmt.Errorf("%s: %w: there is no text to publish", item.Name, secret.ErrEmpty)
	case len(stored(text)) > maxValues:
		return fmt.Errorf("%s: %w: the values of one Secret may have 1 MiB together", item.Name, secret.ErrTooLarge)
	case len(item.Note) > maxNote:
		return fmt.Errorf("%s: %w: a note may have at most %d characters", item.Name, secret.ErrInvalid, maxNote)
	}
	return nil
}
