package rotate

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/layeron-hq/secret"
)

// This file turns a record into the stored text. Every text is read back by
// package secret before it is recorded as an intent: a text that readers parse
// as another document must never leave, since a later run cannot read it back
// from the target.

// DefaultLimit is the default limit of a text's length in bytes: the limit of
// Cloudflare's Secrets Store.
const DefaultLimit = 65_536

// render returns the text to publish for a record, after package secret has
// parsed the text to exactly the record's document. It returns
// secret.ErrTooLarge if no permitted format fits into limit bytes.
func (r *record) render(spec secret.SpecSecret, limit int) (string, error) {
	spec = r.published(spec)
	text, err := r.text(spec.Format, limit)
	if err != nil {
		return "", err
	}
	return text, r.readBack(spec, text)
}

// text returns the bare value, or the encoded document.
func (r *record) text(pinned secret.Format, limit int) (string, error) {
	if r.Bare {
		return bareText(r.version(r.Current), limit)
	}
	doc, err := r.document()
	if err != nil {
		return "", err
	}
	return encode(doc, pinned, limit)
}

// document returns the document for readers: the versions that have not left.
func (r *record) document() (*secret.Document, error) {
	var versions []secret.Version
	for _, v := range r.Versions {
		if v.Gone == "" {
			versions = append(versions, secret.NewVersion(v.ID, v.Value, v.ActiveFrom, v.ExpiresAt))
		}
	}
	return secret.NewDocument(r.Current, versions...)
}

// encode encodes a document in the pinned format. Without one it uses JSON, and
// compact if JSON would be longer than limit bytes.
func encode(doc *secret.Document, pinned secret.Format, limit int) (string, error) {
	format := pinned
	if format == secret.FormatAuto {
		format = secret.FormatJSON
	}
	text, err := doc.Encode(format)
	if err == nil && len(text) <= limit {
		return text, nil
	}
	if pinned == secret.FormatAuto && (err == nil || errors.Is(err, secret.ErrTooLarge)) {
		if short, e := doc.Encode(secret.FormatCompact); e == nil && len(short) <= limit {
			return short, nil
		}
	}
	if err != nil {
		return "", err
	}
	n := 0
	for range doc.All() {
		n++
	}
	return "", tooLarge(len(text), limit, n)
}

// tooLarge returns the error for a text of n versions.
func tooLarge(size, limit, n int) error {
	if n < 2 {
		return fmt.Errorf("%w: the text would have %d bytes, and the target takes %d: a shorter value is needed",
			secret.ErrTooLarge, size, limit)
	}
	return fmt.Errorf("%w: the text would have %d bytes in %d versions, and the target takes %d: nothing was changed. "+
		"It is full: declare a shorter retention for later versions and revoke old ones now, or use a shorter value",
		secret.ErrTooLarge, size, n, limit)
}

// room returns how many more versions like the current one fit into limit
// bytes. It is 0 for a bare value, which has one version.
func (r *record) room(size, limit int) int {
	v := r.version(r.Current)
	if v == nil || r.Bare {
		return 0
	}
	one := len(v.Value) + len(v.ID) +
		len(`,"":{"value":"","activeFrom":"2006-01-02T15:04:05Z","expiresAt":"2006-01-02T15:04:05Z"}`)
	return max(0, (limit-size)/one)
}

// readBack returns an error unless a program with this declaration reads
// exactly the record's versions from the text.
func (r *record) readBack(spec secret.SpecSecret, text string) error {
	doc, err := declared(spec, text).Load(context.Background())
	if err != nil {
		return err
	}
	if r.Bare {
		if doc.StoredAs() != secret.FormatPlain || !doc.Current().Equal(r.version(r.Current).Value) {
			return errOtherText
		}
		return nil
	}
	if doc.Current().ID != r.Current {
		return errOtherText
	}
	i := 0
	for _, v := range r.Versions {
		if v.Gone != "" {
			continue
		}
		got, err := doc.Version(v.ID)
		if err != nil || !got.Equal(v.Value) ||
			!got.ActiveFrom.Equal(v.ActiveFrom) || !got.ExpiresAt.Equal(v.ExpiresAt) {
			return errOtherText
		}
		i++
	}
	for range doc.All() {
		i--
	}
	if i != 0 {
		return errOtherText
	}
	return nil
}

var errOtherText = fmt.Errorf("%w: the text would be read as another document", secret.ErrEncoding)

// checkValue returns an error unless a program with this declaration can use
// the value. Above all it checks the length.
func checkValue(spec secret.SpecSecret, value string) error {
	if !utf8.ValidString(value) {
		return fmt.Errorf("%w: the value is not UTF-8 text", secret.ErrEncoding) // JSON would change it
	}
	r := &record{Current: bareID, Bare: bare(spec), Versions: []version{{ID: bareID, Value: value}}}
	text, err := r.render(spec, 1<<20)
	if err != nil {
		return err
	}
	_, err = declared(spec, text).Current().Bytes()
	if known := (*secret.Error)(nil); errors.As(err, &known) {
		return known.Err // the caller adds the address, and no id exists yet
	}
	return err
}

// checkDeclaration returns package secret's error for a declaration. No program
// could read a value that is made for a wrong one.
func checkDeclaration(spec secret.SpecSecret) error {
	return declared(spec, "").Err()
}

// declared returns the secret that a spec declares, over a store that holds the
// text.
func declared(spec secret.SpecSecret, text string) *secret.Secret {
	o := secret.Options{Namespace: spec.Namespace, Name: spec.Name,
		Bytes: spec.Bytes, Encoding: spec.Encoding, Format: spec.Format,
		Rotation: spec.Rotation, Generator: spec.Generator, Params: spec.Params, SecretName: spec.SecretName,
		Optional: spec.Optional,
		Store:    secret.NewMemory(map[string]string{spec.Address.String(): text})}
	if spec.Binding != spec.Address.Binding() {
		o.Binding = spec.Binding
	}
	switch spec.Kind {
	case secret.KindRandom:
		return secret.Random(o)
	case secret.KindGenerated:
		return secret.Generated(o)
	}
	return secret.Static(o)
}
