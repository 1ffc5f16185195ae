package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// object is the part of a Secret that this package reads.
type object struct {
	Metadata struct {
		UID         string            `json:"uid"`
		Deletion    string            `json:"deletionTimestamp"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Immutable bool              `json:"immutable"`
	Data      map[string][]byte `json:"data"`
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

const (
	// maxData is the most that the values of one Secret may have, in bytes.
	maxData = 1 << 20
	// maxAnnotations is the most that the keys and values of all annotations of an
	// object may have, in bytes.
	maxAnnotations = 256 << 10
	maxNote        = 200 // bytes
)

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
	case len(stored(text)) > maxData:
		return fmt.Errorf("%s: %w: the values of one Secret may have 1 MiB together", item.Name, secret.ErrTooLarge)
	case len(item.Note) > maxNote:
		return fmt.Errorf("%s: %w: a note may have at most %d characters", item.Name, secret.ErrInvalid, maxNote)
	}
	return nil
}

// room returns an error if the object cannot hold these sizes, in bytes by name,
// beside its values under other names.
func (o object) room(sizes map[string]int) error {
	data, notes := 0, 0
	annotations := map[string]bool{}
	for name, size := range sizes {
		data += size
		annotations[annotation(name)] = true
		notes += len(annotation(name)) + maxNote
	}
	for name, value := range o.Data {
		if _, replaced := sizes[name]; !replaced {
			data += len(value)
		}
	}
	for name, value := range o.Metadata.Annotations {
		if !annotations[name] {
			notes += len(name) + len(value)
		}
	}
	const several = "publish to several objects: give each group of secrets a ledger of its own, with another " +
		"NAME in its target"
	switch {
	case data > maxData:
		return fmt.Errorf("%w: its values would have %d bytes, and a Secret may have 1 MiB (%d): %s", secret.ErrTooLarge,
			data, maxData, several)
	case notes > maxAnnotations:
		return fmt.Errorf("%w: its annotations could have %d bytes, and an object may have 256 KiB (%d): %s",
			secret.ErrTooLarge, notes, maxAnnotations, several)
	}
	return nil
}
