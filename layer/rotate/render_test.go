package rotate

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestPinnedFormats(t *testing.T) {
	rotation := retained(10)
	for name, c := range map[string]struct {
		format secret.Format
		as     secret.Format
		begin  string
	}{
		"auto":    {secret.FormatAuto, secret.FormatJSON, `{"current":"v2"`},
		"json":    {secret.FormatJSON, secret.FormatJSON, `{"current":"v2"`},
		"compact": {secret.FormatCompact, secret.FormatCompact, "current=v2;v1="},
	} {
		t.Run(name, func(t *testing.T) {
			key := secret.Random(secret.Options{Name: "key", Format: c.format, Rotation: rotation})
			s := newScene(t, key)
			s.flip(key)
			require.Equal(t, c.as, s.doc(key).StoredAs())
			require.True(t, strings.HasPrefix(strings.ReplaceAll(s.text(key), " ", ""), c.begin))
			require.Equal(t, map[string]string{"v1": s.nth(key, 1), "v2": s.nth(key, 2)}, s.reads(key))
			require.Equal(t, len(s.text(key)), s.status(key.Address()).Bytes)
		})
	}
}

// The text of a pinned plain secret is the bare value, without a second
// version.
func TestPlainTextIsTheBareValue(t *testing.T) {
	t.Run("static", func(t *testing.T) {
		key := secret.Static(secret.Options{Name: "dsn", Format: secret.FormatPlain})
		s := newScene(t, key)
		s.did(s.set(key, "current=v9;v9=first-password"))
		require.Equal(t, "current=v9;v9=first-password", s.text(key))
		require.Equal(t, []string{"set v2"}, s.did(s.set(key, "second-password")))
		require.Equal(t, "second-password", s.text(key))
		require.Equal(t, "v2", s.status(key.Address()).Current)
		require.Len(t, s.status(key.Address()).Versions, 1)
		require.Equal(t, []string{"flip v3"}, s.did(s.rollback(key, false)))
		require.Equal(t, "current=v9;v9=first-password", s.text(key))
		s.still()
	})
	t.Run("random rotates only with immediate", func(t *testing.T) {
		key := secret.Random(secret.Options{Name: "key", Format: secret.FormatPlain})
		s := newScene(t, key)
		s.did(s.apply())
		require.Empty(t, s.did(s.unchanged(s.rotateNow)))
		err := s.problem(key)(s.unchanged(func() (Result, error) {
			return s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}})
		}))
		require.ErrorIs(t, err, Refused)
		require.ErrorIs(t, err, PlainValue)
		require.Equal(t, []string{"flip v2"}, s.did(s.rotate(RotateOptions{Immediate: true})))
		require.Equal(t, s.nth(key, 2), s.text(key))
	})
	t.Run("with a rotation it is invalid", func(t *testing.T) {
		key := secret.Random(secret.Options{Name: "key", Format: secret.FormatPlain, Rotation: every(30)})
		require.ErrorIs(t, key.Err(), secret.ErrInvalid)
		s := newScene(t, key)
		require.ErrorIs(t, s.stopped(s.apply), secret.ErrInvalid)
		require.Nil(t, s.record(key))
	})
}

// A declaration that package secret rejects is rejected here, before anything
// changes.
func TestAWrongDeclaration(t *testing.T) {
	for name, key := range map[string]*secret.Secret{
		"bytes":     secret.Random(secret.Options{Name: "key", Bytes: 8}),
		"no period": secret.Random(secret.Options{Name: "key", Rotation: every(0)}),
		"period":    secret.Random(secret.Options{Name: "key", Rotation: every(6)}),
		"retain": secret.Random(secret.Options{Name: "key",
			Rotation: &secret.Rotation{EveryDays: 30, Retain: secret.Retention{Mode: secret.RetainFor}}}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			require.ErrorIs(t, s.stopped(s.apply), secret.ErrInvalid)
		})
	}
}

// Compact replaces JSON if JSON would pass the limit and compact can represent
// every value.
func TestCompactWhereJSONIsTooLarge(t *testing.T) {
	key := aStatic("stripe", kept())
	s := newScene(t, key)
	s.Limit = 300
	value := func(i int) string { return fmt.Sprintf("sk_live_%030d", i) }
	formats := []secret.Format{}
	for i := range 12 {
		s.pass(time.Hour)
		r, err := s.seen(s.set(key, value(i)))
		require.NoError(t, err)
		if r.Secrets[0].Problem != nil {
			break
		}
		require.LessOrEqual(t, len(s.text(key)), 300)
		require.Len(t, s.reads(key), i+1)
		want := secret.FormatJSON
		if text, err := s.doc(key).Encode(secret.FormatJSON); err != nil || len(text) > 300 {
			want = secret.FormatCompact
		}
		formats = append(formats, s.doc(key).StoredAs())
		require.Equal(t, want, formats[i])
	}
	require.Contains(t, formats, secret.FormatCompact)
	err := s.problem(key)(s.unchanged(func() (Result, error) { return s.set(key, value(99)) }))
	require.ErrorIs(t, err, secret.ErrTooLarge)
	require.ErrorIs(t, err, Refused)
	require.ErrorContains(t, err, "300")
	require.ErrorContains(t, err, "nothing was changed")
	require.Zero(t, s.status(key.Address()).Room)
	// JSON again after it fits.
	s.did(s.revoke(key, "v1"))
	s.did(s.revoke(key, "v2"))
	require.Equal(t, secret.FormatJSON, s.doc(key).StoredAs())
}

func TestTooLargeChangesNothing(t *testing.T) {
	for name, key := range map[string]*secret.Secret{
		"json, pinned":               secret.Static(secret.Options{Name: "key", Format: secret.FormatJSON}),
		"compact, pinned":            secret.Static(secret.Options{Name: "key", Format: secret.FormatCompact}),
		"a value that compact can't": secret.Static(secret.Options{Name: "key", Rotation: kept()}),
		"plain":                      secret.Static(secret.Options{Name: "key", Format: secret.FormatPlain}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			s.Limit = 400
			first := strings.Repeat("value-", 20)
			if strings.HasPrefix(name, "a value") {
				first += ";"
			}
			s.did(s.set(key, first))
			err := s.problem(key)(s.unchanged(func() (Result, error) { return s.set(key, strings.Repeat("VALUE-", 100)) }))
			require.ErrorIs(t, err, secret.ErrTooLarge)
			s.still()
		})
	}
}

// The limit counts bytes, and a text of exactly that size fits.
func TestTheLimitIsInBytes(t *testing.T) {
	require.Equal(t, 65_536, DefaultLimit)
	key := secret.Static(secret.Options{Name: "key", Format: secret.FormatPlain})
	s := newScene(t, key)
	require.Equal(t, []string{"create v1"}, s.did(s.set(key, strings.Repeat("ä", 32_768))))
	require.ErrorIs(t, s.problem(key)(s.set(key, strings.Repeat("ä", 32_768)+"x")), secret.ErrTooLarge)
	require.Equal(t, 0, s.status(key.Address()).Limit-s.status(key.Address()).Bytes)
}

// The report warns before a document is full: it contains the number of
// versions that still fit.
func TestRoomIsReportedBeforeItEnds(t *testing.T) {
	key := secret.Random(secret.Options{Name: "key", Rotation: kept(), Format: secret.FormatJSON})
	s := newScene(t, key)
	s.Limit = 900
	s.did(s.apply())
	for {
		room := s.status(key.Address()).Room
		r, err := s.seen(s.rotate(RotateOptions{Immediate: true}))
		require.NoError(t, err)
		if r.Secrets[0].Problem != nil {
			require.ErrorIs(t, r.Secrets[0].Problem, secret.ErrTooLarge)
			require.Zero(t, room)
			break
		}
		s.pass(time.Hour)
	}
	require.Greater(t, len(s.ids(key)), 3)
}

// An announcement must leave room for its flip. Otherwise the announced version
// would stay announced for ever.
func TestAnAnnouncementThatCanBeFlipped(t *testing.T) {
	for limit := 200; limit < 330; limit++ {
		key := secret.Random(secret.Options{Name: "key", Rotation: every(300), Format: secret.FormatJSON})
		s := newScene(t, key)
		s.Limit = limit
		s.did(s.apply())
		r, err := s.seen(s.rotateNow())
		require.NoError(t, err)
		if r.Secrets[0].Problem != nil {
			continue
		}
		s.pass(day)
		require.Equal(t, []string{"flip v2"}, s.did(s.rotate()), "limit %d", limit)
	}
}

// Unpadded base64url of N random bytes; raw: N base64url characters; N is from
// 16 to 1024.
func TestRandomTexts(t *testing.T) {
	seen := map[string]bool{}
	for n := 16; n <= 1024; n++ {
		for _, encoding := range []secret.Encoding{secret.EncodingAuto, secret.EncodingRaw} {
			spec := secret.SpecSecret{Kind: secret.KindRandom, Namespace: "auth", Name: "key", Bytes: n, Encoding: encoding,
				Address: secret.Address{Namespace: "auth", Name: "key"}, Binding: "LAYERON_SECRET_AUTH_KEY"}
			text := randomText(spec)
			require.NoError(t, checkValue(spec, text))
			require.Len(t, text, textLength(spec))
			require.False(t, seen[text])
			seen[text] = true
			if encoding == secret.EncodingRaw {
				require.Len(t, text, n)
				require.Empty(t, strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
				continue
			}
			b, err := base64.RawURLEncoding.Strict().DecodeString(text)
			require.NoError(t, err)
			require.Len(t, b, n)
		}
	}
}

// Without the tests' own values: a program reads the value that the engine
// draws.
func TestDrawnValues(t *testing.T) {
	key := secret.Random(secret.Options{Name: "key", Bytes: 64})
	raw := secret.Random(secret.Options{Name: "raw", Bytes: 40, Encoding: secret.EncodingRaw})
	s := newScene(t, key, raw)
	s.mint = nil
	s.did(s.apply())
	b, err := key.With(s.store).Current().Bytes()
	require.NoError(t, err)
	require.Len(t, b, 64)
	b, err = raw.With(s.store).Current().Bytes()
	require.NoError(t, err)
	require.Len(t, b, 40)
	before := s.text(key)
	s.did(s.rotate(RotateOptions{Immediate: true}))
	require.NotEqual(t, before, s.text(key))
	require.Len(t, s.reads(key), 2)
}

// A text that would be read back differently is never sent.
func TestReadBack(t *testing.T) {
	spec := secret.SpecSecret{Kind: secret.KindRandom, Namespace: "auth", Name: "key", Bytes: 32,
		Address: secret.Address{Namespace: "auth", Name: "key"},
		Binding: "LAYERON_SECRET_AUTH_KEY"}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	make := func() *record {
		return &record{Current: "v2", Highest: 2, Versions: []version{
			{ID: "v1", Value: "first-value", ExpiresAt: at}, {ID: "v2", Value: "second-value", ActiveFrom: at}}}
	}
	text, err := make().render(spec, DefaultLimit)
	require.NoError(t, err)
	for name, change := range map[string]func(*record){
		"another value":    func(r *record) { r.Versions[0].Value = "first-walue" },
		"another current":  func(r *record) { r.Current = "v1" },
		"another end":      func(r *record) { r.Versions[0].ExpiresAt = at.Add(time.Second) },
		"another start":    func(r *record) { r.Versions[1].ActiveFrom = at.Add(time.Nanosecond) },
		"one more":         func(r *record) { r.Versions = append(r.Versions, version{ID: "v3", Value: "third-value"}) },
		"one less":         func(r *record) { r.Versions = r.Versions[1:] },
		"one that is gone": func(r *record) { r.Versions[0].Gone = GonePruned },
	} {
		r := make()
		require.NoError(t, r.readBack(spec, text), name)
		change(r)
		err := r.readBack(spec, text)
		require.ErrorIs(t, err, secret.ErrEncoding, name)
		require.NotContains(t, err.Error(), "value")
	}
	plain, static := spec, spec
	plain.Format, static.Kind, static.Bytes = secret.FormatPlain, secret.KindStatic, 0
	bare := make()
	bare.Bare = true
	for _, spec := range []secret.SpecSecret{plain, static} {
		require.NoError(t, bare.readBack(spec, "second-value"))
		require.ErrorIs(t, bare.readBack(spec, "first-value"), secret.ErrEncoding)
	}
	bare.Versions[1].Value = "v1=second-value"
	require.NoError(t, bare.readBack(plain, "v1=second-value"))
	require.ErrorIs(t, bare.readBack(static, "v1=second-value"), secret.ErrEncoding)
	require.Error(t, make().readBack(spec, "{"))
}
