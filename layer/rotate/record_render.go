package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// DefaultLimit is the most bytes that a text may have: what Cloudflare's Secrets Store takes.
const DefaultLimit = 65_536

// render writes the document of a record as the text to publish, and proves by package secret that readers get just that
// out of it.
func (r *record) render(spec secret.SpecSecret, limit int) (string, error) {
	doc, err := r.document(spec)
	if err != nil {
		return "", err
	}
	text, err := encode(doc, spec.Format, limit)
	if err != nil {
		return "", err
	}
	return text, r.readBack(spec, text)
}

// document is what readers are to see: no version that is gone, and of a plain value the current one alone.
func (r *record) document(spec secret.SpecSecret) (*secret.Document, error) {
	if spec.Format == secret.FormatPlain {
		if v := r.version(r.Current); v != nil {
			return secret.NewDocument("v1", secret.NewVersion("v1", v.Value, noTime, noTime))
		}
		return nil, fmt.Errorf("%w: no current version", secret.ErrInvalid)
	}
	var versions []secret.Version
	for _, v := range r.Versions {
		if v.Gone == "" {
			versions = append(versions, secret.NewVersion(v.ID, v.Value, v.ActiveFrom, v.ExpiresAt))
		}
	}
	return secret.NewDocument(r.Current, versions...)
}

// encode picks the format: the pinned one, else JSON, else compact where JSON is over the limit.
func encode(doc *secret.Document, pinned secret.Format, limit int) (string, error) {
	format := pinned
	if format == secret.FormatAuto {
		format = secret.FormatJSON
	}
	if pinned == secret.FormatPlain {
		text := doc.Current().Text() // never taken for another format: the declaration pins it
		if len(text) > limit {
			return "", tooLarge(len(text), limit, doc)
		}
		return text, nil
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
	return "", tooLarge(len(text), limit, doc)
}

func tooLarge(size, limit int, doc *secret.Document) error {
	n := 0
	for range doc.All() {
		n++
	}
	if n < 2 {
		return fmt.Errorf("%w: the text would have %d bytes, and the store takes %d: a shorter value is needed",
			secret.ErrTooLarge, size, limit)
	}
	return fmt.Errorf("%w: the text would have %d bytes in %d versions, and the store takes %d: nothing was changed. "+
		"It is full: declare a shorter retention for later versions and revoke old ones now, or use a shorter value",
		secret.ErrTooLarge, size, n, limit)
}

// room tells how many more versions like the current one fit into the limit.
func (r *record) room(spec secret.SpecSecret, size, limit int) int {
	v := r.version(r.Current)
	if v == nil || spec.Format == secret.FormatPlain {
		return 0
	}
	one := len(v.Value) + len(v.ID) + len(`,"":{"value":"","activeFrom":"2006-01-02T15:04:05Z","expiresAt":"2006-01-02T15:04:05Z"}`)
	return max(0, (limit-size)/one)
}

// readBack proves that a program with this declaration reads from the text what the record holds.
func (r *record) readBack(spec secret.SpecSecret, text string) error {
	doc, err := declared(spec, text).Load(context.Background())
	if err != nil {
		return err
	}
	if spec.Format == secret.FormatPlain {
		if v := r.version(r.Current); !doc.Current().Equal(v.Value) {
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
		if err != nil || !got.Equal(v.Value) || !got.ActiveFrom.Equal(v.ActiveFrom) || !got.ExpiresAt.Equal(v.ExpiresAt) {
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

// checkValue proves that a program with this declaration can use the value: its length above all.
func checkValue(spec secret.SpecSecret, value string) error {
	doc, err := secret.NewDocument("v1", secret.NewVersion("v1", value, noTime, noTime))
	if err != nil {
		return err
	}
	text, err := encode(doc, spec.Format, 1<<20)
	if err != nil {
		return err
	}
	_, err = declared(spec, text).Current().Bytes()
	if known := (*secret.Error)(nil); errors.As(err, &known) {
		return known.Err // whoever set it knows of which secret, and there is no version yet
	}
	return err
}

// checkDeclaration returns what package secret says against a declaration: nobody could read what is made by it.
func checkDeclaration(spec secret.SpecSecret) error {
	return declared(spec, "").Err()
}

// declared is the declaration of a spec, over a store that holds the text.
func declared(spec secret.SpecSecret, text string) *secret.Secret {
	o := secret.Options{Namespace: spec.Namespace, Name: spec.Name, Bytes: spec.Bytes, Encoding: spec.Encoding, Format: spec.Format,
		Rotation: spec.Rotation, Generator: spec.Generator, Params: spec.Params, SecretName: spec.SecretName,
		Store: secret.NewMemory(map[string]string{spec.Binding: text})}
	switch spec.Kind {
	case secret.KindRandom:
		return secret.Random(o)
	case secret.KindGenerated:
		return secret.Generated(o)
	}
	return secret.Static(o)
}
