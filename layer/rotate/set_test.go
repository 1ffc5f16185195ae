package rotate

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestSetOnAStaticSecretCountsAtOnce(t *testing.T) {
	key := aStatic("stripe", retained(10))
	s := newScene(t, key)
	require.Equal(t, []string{"create v1"}, s.did(s.set(key, "sk_live_first_value")))
	require.Zero(t, s.version(key, "v1").ActiveFrom)
	s.pass(5*day + 700*time.Millisecond)
	require.Equal(t, []string{"set v2"}, s.did(s.set(key, "sk_live_second_value")))
	require.Equal(t, "v2", s.current(key))
	require.Equal(t, s.at.Truncate(time.Second), s.version(key, "v2").ActiveFrom)
	require.Equal(t, ceilSecond(s.at).Add(12*day), s.version(key, "v1").ExpiresAt, "the old one stays under retain")
	s.still()
}

func TestSettingTheCurrentValueAgainDoesNothing(t *testing.T) {
	for name, key := range map[string]*secret.Secret{"static": aStatic("stripe", nil),
		"random": aRandom("key", every(30))} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			value := strings.Repeat("Ab1_", 10) + "AAA"
			s.did(s.set(key, value))
			s.pass(time.Hour)
			require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.set(key, value) })))
		})
	}
}

func TestAnOlderValueSetAgainIsANewVersion(t *testing.T) {
	key := aStatic("stripe", kept())
	s := newScene(t, key)
	for _, value := range []string{"sk_live_first_value", "sk_live_second_value", "sk_live_first_value"} {
		s.did(s.set(key, value))
		s.pass(time.Hour)
	}
	require.Equal(t, map[string]string{"v1": "sk_live_first_value", "v2": "sk_live_second_value",
		"v3": "sk_live_first_value"}, s.reads(key))
	require.Equal(t, "v3", s.current(key))
}

func TestSetOnARandomSecretTakesBothPhases(t *testing.T) {
	for name, key := range map[string]*secret.Secret{
		"random": aRandom("key", every(30)),
		"generated of N bytes, without a generator": secret.Generated(secret.Options{Namespace: "auth", Name: "key",
			Bytes: 32}),
		"generated text": secret.Generated(secret.Options{Namespace: "auth", Name: "key"}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			first, second := strings.Repeat("Ab1_", 10)+"AAA", strings.Repeat("Cd2-", 10)+"AAA"
			require.Equal(t, []string{"create v1"}, s.did(s.set(key, first)))
			s.pass(time.Hour)
			require.Equal(t, []string{"add v2"}, s.did(s.set(key, second)))
			require.Equal(t, "v1", s.current(key))
			require.Equal(t, s.at.Add(day), s.version(key, "v2").ActiveFrom)

			err := s.problem(key)(s.unchanged(func() (Result, error) { return s.set(key, strings.Repeat("Ef3_", 10)+"AAA") }))
			require.ErrorIs(t, err, Refused, "while announced")
			require.ErrorIs(t, err, AlreadyAnnounced)
			require.Empty(t, s.did(s.unchanged(func() (Result, error) { return s.set(key, second) })), "the announced value")
			s.pass(day)
			require.Equal(t, []string{"flip v2"}, s.did(s.rotate()))
			require.Equal(t, second, s.doc(key).Current().Text())
		})
	}
}

func TestSetRefusesWhatDoesNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		key   *secret.Secret
		value string
		is    error
	}{
		"too short a key": {aRandom("key", nil), "c2hvcnQtdmFsdWUtb2Ytc2l4dGVlbg", secret.ErrEncoding},
		"hex of half":     {aRandom("key", nil), strings.Repeat("0f", 16), secret.ErrEncoding},
		"no alphabet":     {aRandom("key", nil), strings.Repeat("!?", 16), secret.ErrEncoding},
		"raw, too long": {secret.Random(secret.Options{Name: "key", Bytes: 32, Encoding: secret.EncodingRaw}),
			strings.Repeat("x", 33), secret.ErrEncoding},
		"generated with N": {secret.Generated(secret.Options{Name: "key", Bytes: 32}), "not-a-key-of-32-bytes",
			secret.ErrEncoding},
		"empty":     {aStatic("stripe", nil), "", nil},
		"not UTF-8": {aStatic("stripe", nil), "sk_live_\xff\xfe_value", nil},
		"compact with ;": {secret.Static(secret.Options{Name: "key", Format: secret.FormatCompact}),
			"one;two;three-value", nil},
		"compact with room": {secret.Static(secret.Options{Name: "key", Format: secret.FormatCompact}),
			" padded-value-here ", nil},
		"larger than a store takes": {aStatic("stripe", nil), strings.Repeat("large-value-", 6000), secret.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.key)
			err := s.problem(c.key)(s.unchanged(func() (Result, error) { return s.set(c.key, c.value) }))
			require.ErrorIs(t, err, Refused)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.Nil(t, s.record(c.key))
		})
	}
}

// set accepts every spelling of a key of N bytes that readers accept, and
// publishes it unchanged.
func TestSetTakesEverySpelling(t *testing.T) {
	for name, value := range map[string]string{
		"hex": strings.Repeat("0f", 32), "HEX": strings.Repeat("0F", 32),
		"base64": strings.Repeat("+/+/", 10) + "AAA=", "base64url": strings.Repeat("-_-_", 10) + "AAA",
	} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", nil)
			s := newScene(t, key)
			require.Equal(t, []string{"create v1"}, s.did(s.set(key, value)))
			require.Equal(t, value, s.doc(key).Current().Text())
			b, err := s.doc(key).Current().Bytes()
			require.NoError(t, err)
			require.NotEmpty(t, b)
		})
	}
}

func TestSetKeepsAValueAsItIs(t *testing.T) {
	for name, value := range map[string]string{
		"space around":    "  padded value \n",
		"a document":      `{"current":"v9","versions":{"v9":{"value":"inner-value"}}}`,
		"like compact":    "current=v9;v9=inner-value",
		"credentials":     `{"accessKeyId":"AKIAEXAMPLE12345","secret":"ÄÖÜ-value"}`,
		"a PEM":           "-----BEGIN KEY-----\nMIIexampleexample\n-----END KEY-----\n",
		"a NUL":           "before\x00after-the-null",
		"quotes and such": "\"\\<>&'\u2028\u2029-value",
	} {
		t.Run(name, func(t *testing.T) {
			for form, key := range map[string]*secret.Secret{"document": aStatic("stripe", kept()),
				"plain": secret.Static(secret.Options{Name: "stripe", Format: secret.FormatPlain}),
				"bare":  aStatic("stripe", nil)} {
				s := newScene(t, key)
				if form == "bare" && (name == "a document" || name == "like compact") {
					err := s.problem(key)(s.unchanged(func() (Result, error) { return s.set(key, value) }))
					require.ErrorIs(t, err, Refused, "readers would detect a document")
					continue
				}
				s.did(s.set(key, value))
				require.Equal(t, value, s.doc(key).Current().Text(), form)
				require.Equal(t, "v1", s.current(key), form)
			}
		})
	}
}

// A static secret can be set any number of times, after any outcome of the
// earlier request.
func TestSetAfterALostSet(t *testing.T) {
	key := aStatic("stripe", retained(5))
	s := newScene(t, key)
	s.did(s.set(key, "sk_live_first_value"))
	s.shop.publish = swallowed
	require.ErrorIs(t, s.problem(key)(s.set(key, "sk_live_second_value")), Unsettled)
	s.shop.publish = nil
	require.Equal(t, []string{"publish v2", "set v3"}, s.did(s.set(key, "sk_live_third_value")))
	require.Equal(t, "v3", s.current(key))
	require.Equal(t, []string{"v1", "v2", "v3"}, s.ids(key), "a request that was lost may have been seen")
}

func TestSetOfAnUndeclaredSecret(t *testing.T) {
	s := newScene(t, aStatic("stripe", nil))
	err := s.stopped(func() (Result, error) { return s.set(aStatic("other", nil), "sk_live_first_value") })
	require.ErrorContains(t, err, "$SECRET.billing.other is not declared")
}
