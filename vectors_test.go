package secret_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// vectorFile is testdata/vectors.json: its README describes the members.
type vectorFile struct {
	Vectors []vector      `json:"vectors"`
	Bytes   []bytesVector `json:"bytes"`
}

type storedText struct {
	Text   *string `json:"text"`
	Base64 *string `json:"base64"`
	Parts  []struct {
		Text  string `json:"text"`
		Times int    `json:"times"`
	} `json:"parts"`
}

type vector struct {
	Name    string `json:"name"`
	Comment string `json:"comment"`
	storedText
	Pin      string          `json:"pin"`
	Error    string          `json:"error"`
	Format   string          `json:"format"`
	Versions []vectorVersion `json:"versions"`
	Current  string          `json:"current"`
	Reads    struct {
		At            []vectorRead `json:"at"`
		ActiveAt      []vectorRead `json:"activeAt"`
		Active        []vectorRead `json:"active"`
		Version       []vectorRead `json:"version"`
		ActiveVersion []vectorRead `json:"activeVersion"`
	} `json:"reads"`
}

type vectorVersion struct {
	ID          string    `json:"id"`
	Value       *string   `json:"value"`
	ValueBase64 *string   `json:"valueBase64"`
	ActiveFrom  time.Time `json:"activeFrom"`
	ExpiresAt   time.Time `json:"expiresAt"`
}

type vectorRead struct {
	ID    string    `json:"id"`
	T     time.Time `json:"t"`
	IDs   []string  `json:"ids"`
	Error string    `json:"error"`
}

type bytesVector struct {
	Name    string `json:"name"`
	Comment string `json:"comment"`
	storedText
	Kind     string `json:"kind"`
	Bytes    int    `json:"bytes"`
	Encoding string `json:"encoding"`
	Hex      string `json:"hex"`
	Error    string `json:"error"`
}

var vectorErrors = map[string]error{
	"empty":             secret.ErrEmpty,
	"malformed":         secret.ErrMalformed,
	"too-large":         secret.ErrTooLarge,
	"version-not-found": secret.ErrVersionNotFound,
	"not-active":        secret.ErrNotActive,
	"encoding":          secret.ErrEncoding,
}

var formats = map[string]secret.Format{
	"":        secret.FormatAuto,
	"plain":   secret.FormatPlain,
	"json":    secret.FormatJSON,
	"compact": secret.FormatCompact,
}

func readVectors(t *testing.T) (f vectorFile) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&f))
	return f
}

func (s storedText) of(t *testing.T) string {
	t.Helper()
	ways := 0
	text := ""
	if s.Text != nil {
		ways++
		text = *s.Text
	}
	if s.Base64 != nil {
		ways++
		raw, err := base64.StdEncoding.DecodeString(*s.Base64)
		require.NoError(t, err)
		text = string(raw)
	}
	if s.Parts != nil {
		ways++
		for _, part := range s.Parts {
			text += strings.Repeat(part.Text, part.Times)
		}
	}
	require.Equal(t, 1, ways, "the text is given in one way")
	return text
}

func (v vectorVersion) value(t *testing.T) string {
	t.Helper()
	require.True(t, (v.Value == nil) != (v.ValueBase64 == nil), "the value is given in one way")
	if v.Value != nil {
		return *v.Value
	}
	raw, err := base64.StdEncoding.DecodeString(*v.ValueBase64)
	require.NoError(t, err)
	return string(raw)
}

// requireKind wants err to be of the one kind that a vector names, to be an
// *Error, and to show no piece of a value.
func requireKind(t *testing.T, err error, kind, what string) {
	t.Helper()
	if kind == "" {
		require.NoError(t, err, what)
		return
	}
	want, known := vectorErrors[kind]
	require.True(t, known, "the vector names an unknown kind of error")
	for _, sentinel := range vectorErrors {
		require.Equal(t, sentinel == want, errors.Is(err, sentinel), "%s: %v, asked for %v", what, err, sentinel)
	}
	var e *secret.Error
	require.True(t, errors.As(err, &e), "%s: not an *Error", what)
	if kind != "malformed" {
		require.Equal(t, -1, offsetOf(e), "%s: a place where there is none", what)
	}
	quiet(t, err, e, "hush")
}

// quiet wants no way of writing an error down to show the piece.
func quiet(t *testing.T, err error, e *secret.Error, piece string) {
	t.Helper()
	asJSON, _ := json.Marshal(e)
	shown := fmt.Sprintf("%v %+v %#v %q", err, e, *e, e) + string(asJSON)
	for inner := error(e); inner != nil; inner = errors.Unwrap(inner) {
		shown += fmt.Sprintf("%+v %#v", inner, inner)
	}
	require.False(t, strings.Contains(shown, piece), "an error shows a piece of a value")
}

func TestVectorsAreWellFormed(t *testing.T) {
	f := readVectors(t)
	require.NotEmpty(t, f.Vectors)
	require.NotEmpty(t, f.Bytes)
	seen := map[string]bool{}
	check := func(name, comment string) {
		require.NotEmpty(t, name)
		require.NotEmpty(t, comment, name)
		require.False(t, seen[name], "%s: given twice", name)
		seen[name] = true
	}
	for _, v := range f.Vectors {
		check(v.Name, v.Comment)
		require.True(t, (v.Error == "") != (v.Format == ""), "%s: either an error or a format", v.Name)
		require.Contains(t, formats, v.Pin, v.Name)
		require.Contains(t, formats, v.Format, v.Name)
		require.Equal(t, v.Format == "json" || v.Format == "compact", len(v.Versions) > 0 && v.Current != "", v.Name)
	}
	for _, v := range f.Bytes {
		check(v.Name, v.Comment)
		require.True(t, (v.Error == "") != (v.Hex == ""), "%s: either an error or bytes", v.Name)
	}
}

func TestVectorsAreReadAsTheySay(t *testing.T) {
	for _, v := range readVectors(t).Vectors {
		t.Run(v.Name, func(t *testing.T) {
			text := v.of(t)
			doc, err := loadPinned(text, formats[v.Pin])
			checkVector(t, v, text, doc, err)
			if v.Pin == "" {
				doc, err = secret.Parse(text)
				checkVector(t, v, text, doc, err)
			}
		})
	}
}

// loadPinned reads text as a program would that declares its format.
func loadPinned(text string, pin secret.Format) (*secret.Document, error) {
	s := secret.Static(secret.Options{Name: "vector", Format: pin})
	return s.With(secret.NewMemory(map[string]string{s.Binding(): text})).Load(context.Background())
}

func checkVector(t *testing.T, v vector, text string, doc *secret.Document, err error) {
	t.Helper()
	requireKind(t, err, v.Error, "the text")
	if v.Error != "" {
		require.True(t, doc == nil, "a document beside an error")
		return
	}
	require.Equal(t, v.Format, doc.StoredAs().String())
	if v.Format == "plain" {
		v.Versions, v.Current = []vectorVersion{{ID: "v1", Value: &text}}, "v1"
	}
	got := slices.Collect(doc.All())
	require.Len(t, got, len(v.Versions))
	for i, want := range v.Versions {
		require.True(t, want.ID == got[i].ID, "the id of version %d", i)
		require.True(t, want.value(t) == got[i].Text(), "the value of version %d", i)
		require.True(t, want.ActiveFrom == got[i].ActiveFrom, "version %d is active from %v", i, got[i].ActiveFrom)
		require.True(t, want.ExpiresAt == got[i].ExpiresAt, "version %d expires at %v", i, got[i].ExpiresAt)
	}
	requireVersion(t, v, v.Current, doc.Current(), "current")

	for _, r := range v.Reads.At {
		what := "at " + r.T.String()
		found, err := doc.At(r.T)
		requireKind(t, err, r.Error, what)
		requireVersion(t, v, r.ID, found, what)
	}
	for _, r := range v.Reads.ActiveAt {
		requireVersions(t, v, r.IDs, doc.ActiveAt(r.T), "active at "+r.T.String())
	}
	for _, r := range v.Reads.Active {
		requireVersions(t, v, r.IDs, doc.Active(r.T), "active, now "+r.T.String())
	}
	for _, r := range v.Reads.Version {
		found, err := doc.Version(r.ID)
		requireKind(t, err, r.Error, "version "+r.ID)
		requireVersion(t, v, idIfFound(r), found, "version "+r.ID)
	}
	for _, r := range v.Reads.ActiveVersion {
		what := "active version " + r.ID + ", now " + r.T.String()
		found, err := doc.ActiveVersion(r.ID, r.T)
		requireKind(t, err, r.Error, what)
		requireVersion(t, v, idIfFound(r), found, what)
	}
}

func idIfFound(r vectorRead) string {
	if r.Error != "" {
		return ""
	}
	return r.ID
}

// requireVersion wants the version that the vector lists under id, value and
// all; id "" is the zero Version.
func requireVersion(t *testing.T, v vector, id string, got secret.Version, what string) {
	t.Helper()
	require.Equal(t, id, got.ID, what)
	if id == "" {
		require.True(t, got == secret.Version{}, what)
		return
	}
	i := slices.IndexFunc(v.Versions, func(w vectorVersion) bool { return w.ID == id })
	require.GreaterOrEqual(t, i, 0, "%s: the vector has no such version", what)
	require.True(t, v.Versions[i].value(t) == got.Text(), "%s: another value", what)
	require.True(t, v.Versions[i].ActiveFrom == got.ActiveFrom && v.Versions[i].ExpiresAt == got.ExpiresAt,
		"%s: another life", what)
}

func requireVersions(t *testing.T, v vector, ids []string, got []secret.Version, what string) {
	t.Helper()
	gotIDs := []string{}
	for _, g := range got {
		gotIDs = append(gotIDs, g.ID)
		requireVersion(t, v, g.ID, g, what)
	}
	require.Equal(t, ids, gotIDs, what)
}

func TestBytesVectors(t *testing.T) {
	makers := map[string]func(secret.Options) *secret.Secret{
		"static": secret.Static, "random": secret.Random, "generated": secret.Generated,
	}
	encodings := map[string]secret.Encoding{"": secret.EncodingAuto, "raw": secret.EncodingRaw}
	for _, v := range readVectors(t).Bytes {
		t.Run(v.Name, func(t *testing.T) {
			require.Contains(t, makers, v.Kind)
			require.Contains(t, encodings, v.Encoding)
			text := v.of(t)
			declared := makers[v.Kind](secret.Options{Name: "vector", Bytes: v.Bytes, Encoding: encodings[v.Encoding]})
			require.NoError(t, declared.Err())
			s := declared.With(secret.NewMemory(map[string]string{declared.Binding(): text}))

			got, err := s.Current().Bytes()
			requireKind(t, err, v.Error, "bytes")
			if v.Error != "" {
				require.True(t, got == nil, "bytes beside an error")
				var e *secret.Error
				require.True(t, errors.As(err, &e))
				quiet(t, err, e, strings.TrimSpace(text))
				return
			}
			want, err := hex.DecodeString(v.Hex)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "other bytes")
		})
	}
}
