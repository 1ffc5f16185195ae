package secret_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func idsIn(vs []secret.Version) (ids []string) {
	for _, v := range vs {
		ids = append(ids, v.ID)
	}
	return ids
}

func TestSlicesAreTheCallers(t *testing.T) {
	d := parsed(t, "v1=a;v2=b;v3=c")
	now := time.Unix(1_800_000_000, 0)
	for name, read := range map[string]func() []secret.Version{
		"Active":   func() []secret.Version { return d.Active(now) },
		"ActiveAt": func() []secret.Version { return d.ActiveAt(now) },
	} {
		first := read()
		first[0] = secret.Version{}
		first[1].ID = "other"
		second := read()
		require.Equal(t, []string{"v3", "v2", "v1"}, idsIn(second), name)
		require.Equal(t, "other", first[1].ID, "%s: a later read does not touch an earlier one's slice", name)
	}

	none := parsed(t, "v1=a;v1_expires=2020-01-01T00:00:00Z")
	require.True(t, none.Active(now) != nil && len(none.Active(now)) == 0, "none is an empty slice")
	require.True(t, none.ActiveAt(now) != nil && len(none.ActiveAt(now)) == 0, "none is an empty slice")

	bytes, err := d.Current().Bytes()
	require.NoError(t, err)
	clear(bytes)
	require.True(t, d.Current().Text() == "c", "the bytes are the caller's")

	s := secret.Random(secret.Options{Name: "k", Bytes: 16, Encoding: secret.EncodingRaw})
	doc, err := s.With(secret.NewMemory(map[string]string{s.Binding(): "0123456789abcdef"})).Load(context.Background())
	require.NoError(t, err)
	for range 2 {
		key, err := doc.Current().Bytes()
		require.True(t, err == nil && string(key) == "0123456789abcdef")
		clear(key)
	}
}

func TestAllYieldsTheOrderOfTheText(t *testing.T) {
	for _, text := range []string{"current=v2;v9=a;v2=b;v5=c",
		`{"current":"v2","versions":{"v9":{"value":"a"},"v2":{"value":"b"},"v5":{"value":"c"}}}`} {
		d := parsed(t, text)
		for range 2 {
			require.Equal(t, []string{"v9", "v2", "v5"}, idsIn(slices.Collect(d.All())))
		}
		seen := 0
		for v := range d.All() {
			if seen++; v.ID == "v2" {
				break
			}
		}
		require.Equal(t, 2, seen, "a loop may end early")
	}
}

func TestEqualComparesTheWholeValue(t *testing.T) {
	v := parsed(t, "v1=token-1;v2=token-2").Current()
	require.True(t, v.Equal("token-2"))
	for name, other := range map[string]string{
		"empty": "", "another version's": "token-1", "shorter": "token-", "longer": "token-22", "case": "Token-2",
		"white space": "token-2 ", "id": "v2",
	} {
		require.False(t, v.Equal(other), name)
	}
	require.True(t, parsed(t, " token\n").Current().Equal(" token\n"))
	require.False(t, parsed(t, " token\n").Current().Equal("token"))
	require.False(t, secret.Version{}.Equal(""), "an empty text never is")
	require.False(t, version("v1", "").Equal(""), "an empty text never is")
}

// TestSameVersion: versions from two reads of one document are equal by ==.
func TestSameVersion(t *testing.T) {
	d := parsed(t, "current=v1;v1=a;v2=a")
	v1, err := d.Version("v1")
	require.NoError(t, err)
	v2, err := d.Version("v2")
	require.NoError(t, err)
	at, err := d.At(may)
	require.NoError(t, err)
	require.True(t, v1 == d.Current() && v1 == at && v1 == d.Active(may)[0])
	require.False(t, v1 == v2)
}

func TestZeroVersion(t *testing.T) {
	var v secret.Version
	require.True(t, v.Text() == "")
	_, err := v.Bytes()
	require.ErrorIs(t, err, secret.ErrEncoding)
	require.ErrorIs(t, v.JSON(new(any)), secret.ErrEncoding)
	require.Equal(t, "no version", v.String())
}

func TestZeroDocument(t *testing.T) {
	for name, d := range map[string]*secret.Document{"nil": nil, "zero": new(secret.Document)} {
		require.True(t, d.Current() == secret.Version{}, name)
		require.Equal(t, secret.FormatAuto, d.StoredAs(), name)
		require.Zero(t, countOf(d), name)
		_, err := d.Version("v1")
		require.ErrorIs(t, err, secret.ErrVersionNotFound, name)
		_, err = d.Version("")
		require.ErrorIs(t, err, secret.ErrVersionNotFound, name)
		_, err = d.ActiveVersion("v1", may)
		require.ErrorIs(t, err, secret.ErrVersionNotFound, name)
		_, err = d.At(may)
		require.ErrorIs(t, err, secret.ErrNotActive, name)
		require.Empty(t, d.Active(may), name)
		require.Empty(t, d.ActiveAt(may), name)
	}
}

func TestZeroRef(t *testing.T) {
	var zero secret.Ref
	for name, ref := range map[string]secret.Ref{
		"Ref": zero, "of the zero Secret": new(secret.Secret).Current(),
		"of a nil Secret": (*secret.Secret)(nil).Version("v1"),
	} {
		_, err := ref.Get(context.Background())
		require.ErrorIs(t, err, secret.ErrInvalid, name)
		text, err := ref.Text()
		require.True(t, text == "" && errors.Is(err, secret.ErrInvalid), name)
		_, err = ref.Bytes()
		require.ErrorIs(t, err, secret.ErrInvalid, name)
		require.ErrorIs(t, ref.JSON(new(any)), secret.ErrInvalid, name)
		_, err = secret.JSON[string](ref)
		require.ErrorIs(t, err, secret.ErrInvalid, name)
	}
}

// TestRefsReadAsTheDocument: each read of a Secret returns the same as the
// document's method of that name.
func TestRefsReadAsTheDocument(t *testing.T) {
	// The two readings of the clock, a Ref's and this test's, may differ: no life
	// ends between them.
	const text = "current=v2;v1=a;v1_expires=2020-01-01T00:00:00Z;v2=b;v2_active=2010-01-01T00:00:00Z;v3=c;v3_active=" +
		"9999-01-01T00:00:00Z"
	s := secret.Static(secret.Options{Name: "k"})
	s = s.With(secret.NewMemory(map[string]string{s.Binding(): text}))
	doc, err := s.Load(context.Background())
	require.NoError(t, err)
	now := time.Now()

	refs := map[string]struct {
		ref  secret.Ref
		want string
		err  error
	}{
		"current":                   {s.Current(), "v2", nil},
		"version, expired":          {s.Version("v1"), "v1", nil},
		"version, announced":        {s.Version("v3"), "v3", nil},
		"version, none":             {s.Version("v9"), "", secret.ErrVersionNotFound},
		"at, the first":             {s.At(time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC)), "v1", nil},
		"at, the second":            {s.At(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)), "v2", nil},
		"active version":            {s.ActiveVersion("v2"), "v2", nil},
		"active version, announced": {s.ActiveVersion("v3"), "v3", nil},
		"active version, expired":   {s.ActiveVersion("v1"), "", secret.ErrNotActive},
		"active version, none":      {s.ActiveVersion("v9"), "", secret.ErrVersionNotFound},
	}
	for name, r := range refs {
		v, err := r.ref.Get(context.Background())
		require.Equal(t, r.want, v.ID, name)
		require.ErrorIs(t, err, r.err, name)
		got, err := r.ref.Text()
		require.ErrorIs(t, err, r.err, name)
		require.True(t, got == v.Text(), name)
	}

	active, err := s.Active()
	require.NoError(t, err)
	require.Equal(t, []string{"v2", "v3"}, idsIn(active))
	require.Equal(t, idsIn(doc.Active(now)), idsIn(active))
	activeAt, err := s.ActiveAt(may)
	require.NoError(t, err)
	require.Equal(t, []string{"v2"}, idsIn(activeAt))
}

// TestErrorsSayWhere: the place of a fault is that in the stored text, with all
// that was trimmed; of ids only v<digits> are shown.
func TestErrorsSayWhere(t *testing.T) {
	// The text is the two parts together; the fault is at the start of the second.
	// Without a second part the error has no offset.
	cases := []struct {
		name, version, member string
		text                  []string
	}{
		{"a cut", "", "", []string{`{"versions":{"v1":{"value":"hush"`, ""}},
		{"a cut, trimmed", "", "", []string{"\ufeff \n" + `{"versions":{"v1":{"value":"hush"}`, " \t"}},
		{"something after the object", "", "", []string{`{"versions":{}} `, "x"}},
		{"a bad escape", "", "", []string{`{"versions":{"v1":{"value":"hush\`, `x"}}}`}},
		{"nested too deep", "", "", []string{`{"versions":{},"x":` + strings.Repeat("[", 9_999),
			"[" + strings.Repeat("]", 10_000) + "}"}},
		{"invalid UTF-8", "", "", []string{"\ufeff " + `{"versions":{"v1":{"value":"hush`, "\xff\"}}}"}},
		{"current", "", "current", []string{` {"current":`, `7,"versions":{"v1":{"value":"hush"}}}`}},
		{"current twice", "", "current", []string{`{"current":"v1",`, `"current":"v1","versions":{"v1":{"value":"hush"}}}`}},
		{"versions twice", "", "versions", []string{`{"versions":{"v1":{"value":"hush"}},`, `"versions":{}}`}},
		{"a value", "v2", "value", []string{"\n" + `{"versions":{"v2":{"value":`, `5}}}`}},
		{"a lone surrogate", "v2", "value", []string{`{"versions":{"v2":{"value":`, `"hush\ud800"}}}`}},
		{"a lone surrogate in an id", "", "", []string{`{"versions":{`, `"hush\ud800":{"value":"hush"}}}`}},
		{"a lone surrogate in current", "", "current",
			[]string{`{"current":`, `"\udc00hush","versions":{"v1":{"value":"hush"}}}`}},
		{"a missing value", "v2", "value", []string{`{"versions":{"v2":`, `{}}}`}},
		{"a time", "v2", "activeFrom", []string{`{"versions":{"v2":{"value":"hush","activeFrom":`, `"hush"}}}`}},
		{"a time that is none", "v2", "expiresAt", []string{`{"versions":{"v2":{"value":"hush","expiresAt":`, `1}}}`}},
		{"a life", "v2", "expiresAt", []string{`{"versions":{"v2":`,
			`{"value":"hush","activeFrom":"2026-01-01T00:00:00Z","expiresAt":"2025-01-01T00:00:00Z"}}}`}},
		{"value twice", "v2", "value", []string{`{"versions":{"v2":{"value":"hush",`, `"value":"hush"}}}`}},
		{"a version that is none", "v12", "", []string{`{"versions":{"v12":`, `"hush"}}`}},
		{"an id", "", "", []string{`{"versions":{`, `"":{"value":"hush"}}}`}},
		{"an id that is not shown", "", "value", []string{`{"versions":{"hush":{"value":`, `5}}}`}},
		{"an id that begins like one", "", "value", []string{`{"versions":{"v1-hush":{"value":`, `5}}}`}},
		{"an id twice", "v2", "", []string{`{"versions":{"v2":{"value":"hush"},"v2":{"value":"hush"}}}`}},
		{"an id twice that is not shown", "", "", []string{`{"versions":{"hush":{"value":"hush"},"hush":{"value":"hush"}}}`}},
		{"compact, no equals sign", "", "", []string{"\ufeff\ncurrent=v1; ;v1=a;  ", "hush ;v2=b"}},
		{"compact, current twice", "", "current", []string{"current=v1;v1=a;", "current=hush"}},
		{"compact, empty", "v1", "", []string{" current=v2;", "v1=;v2=hush"}},
		{"compact, empty and not shown", "", "", []string{"current=v2;", "hush=;v2=a"}},
		{"compact, white space", "v1", "", []string{"v2=a;", "v1= hush"}},
		{"compact, a suffix", "v1", "", []string{"v1=a; ", "v1_hush=b"}},
		{"compact, a time", "v1", "expires", []string{"v1=a;", "v1_expires=hush"}},
		{"compact, an early attribute alone", "v3", "active", []string{"v1=a;", "v3_active=2026-01-01T00:00:00Z;v2=b"}},
		{"compact, an attribute alone that is not shown", "", "active",
			[]string{"current=v1;v1=a;", "hush_active=2026-01-01T00:00:00Z;v2=b"}},
		{"compact, an attribute twice", "v1", "active", []string{"v1=a;v1_active=2026-01-01T00:00:00Z;",
			"v1_active=2026-01-01T00:00:00Z"}},
		{"compact, an id twice", "v1", "", []string{"v1=hush;v1=hush"}},
		{"a name twice", "v1", "", []string{`{"versions":{"v1":{"value":"hush","hush":{"hush":1,"hush":2}}}}`}},
		{"compact, no version", "", "", []string{"current=hush"}},
		{"compact, a life", "v1", "expires",
			[]string{"v1=hush;v1_active=2026-01-01T00:00:00Z;v1_expires=2025-01-01T00:00:00Z"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := secret.Parse(strings.Join(c.text, ""))
			require.True(t, errors.Is(err, secret.ErrMalformed), "%v", err)
			var e *secret.Error
			require.True(t, errors.As(err, &e))
			require.Equal(t, "parse", e.Op)
			require.Equal(t, c.version, e.Version)
			require.Equal(t, c.member, e.Member)
			want := -1
			if len(c.text) == 2 {
				want = len(c.text[0])
			}
			require.Equal(t, want, offsetOf(e))
			quiet(t, err, e, "hush")
		})
	}
}

// TestEveryCut: wherever a version document is cut off, none of its values is
// handed out as a plain one.
func TestEveryCut(t *testing.T) {
	const text = `{"current":"v\u0032","n":[-1.5e+3,0.25,10,true,false,null,{},[]],"versions":` +
		`{"v1":{"value":"a\\\"\n","activeFrom":"2026-05-01T00:00:00Z"},"v2":{"x":0,"value":"\ud83d\ude00"}}}`
	require.NotNil(t, parsed(t, text))
	for i := 1; i < len(text); i++ {
		d, err := secret.Parse(text[:i])
		if i < len(`{"current"`) {
			require.True(t, err == nil && d.StoredAs() == secret.FormatPlain, "%d: no name stands there yet: %v", i, err)
			continue
		}
		require.True(t, errors.Is(err, secret.ErrMalformed), "%d: %v", i, err)
		var e *secret.Error
		require.True(t, errors.As(err, &e))
		require.True(t, 0 <= offsetOf(e) && offsetOf(e) <= i, "%d: the fault is at %d", i, offsetOf(e))
	}
}
