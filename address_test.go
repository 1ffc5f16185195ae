package secret_test

import (
	"encoding"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

var (
	_ encoding.TextMarshaler   = secret.Address{}
	_ encoding.TextUnmarshaler = (*secret.Address)(nil)
)

func TestAddressesAreParsedStrictly(t *testing.T) {
	for _, tc := range []struct {
		address       secret.Address
		text, binding string
	}{
		{secret.Address{Namespace: "auth", Name: "session-key"}, "$SECRET.auth.session-key",
			"LAYERON_SECRET_AUTH_SESSION_KEY"},
		{secret.Address{Namespace: "auth-session", Name: "key"}, "$SECRET.auth-session.key",
			"LAYERON_SECRET_AUTH_SESSION_KEY"},
		{secret.Address{Namespace: "default", Name: "a"}, "$SECRET.default.a", "LAYERON_SECRET_DEFAULT_A"},
		{secret.Address{Namespace: "0", Name: "9"}, "$SECRET.0.9", "LAYERON_SECRET_0_9"},
		{secret.Address{Namespace: "a_b", Name: "c--d__e"}, "$SECRET.a_b.c--d__e", "LAYERON_SECRET_A_B_C__D__E"},
		{secret.Address{Namespace: strings.Repeat("z", 63), Name: strings.Repeat("y", 63)},
			"$SECRET." + strings.Repeat("z", 63) + "." + strings.Repeat("y", 63),
			"LAYERON_SECRET_" + strings.Repeat("Z", 63) + "_" + strings.Repeat("Y", 63)},
	} {
		t.Run(tc.text, func(t *testing.T) {
			require.Equal(t, tc.text, tc.address.String())
			require.Equal(t, tc.binding, tc.address.Binding())
			parsed, err := secret.ParseAddress(tc.text)
			require.NoError(t, err)
			require.True(t, tc.address == parsed, "comparable")
			b, err := tc.address.MarshalText()
			require.NoError(t, err)
			require.Equal(t, tc.text, string(b))
			var back secret.Address
			require.NoError(t, back.UnmarshalText(b))
			require.Equal(t, tc.address, back)
		})
	}
}

func TestAddressWithoutNamespaceIsDefault(t *testing.T) {
	a := secret.Address{Name: "key"}
	require.Equal(t, "$SECRET.default.key", a.String())
	require.Equal(t, "LAYERON_SECRET_DEFAULT_KEY", a.Binding())
	b, err := a.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "$SECRET.default.key", string(b))
}

func TestAddressAsKey(t *testing.T) {
	parsed, err := secret.ParseAddress("$SECRET.auth.session-key")
	require.NoError(t, err)
	m := map[secret.Address]int{secret.Random(secret.Options{Namespace: "auth", Name: "session-key"}).Address(): 1}
	require.Equal(t, 1, m[parsed])
	b, err := json.Marshal(m)
	require.NoError(t, err)
	require.JSONEq(t, `{"$SECRET.auth.session-key":1}`, string(b))
	var back map[secret.Address]int
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, m, back)
}

// notAddresses are texts that ParseAddress must refuse.
var notAddresses = []string{
	"", "$SECRET", "$SECRET.", "$SECRET..", "$SECRET.a", "$SECRET.a.", "$SECRET..a", "$SECRET.key", "auth.session-key",
	"$secret.auth.key",
	"SECRET.auth.key", " $SECRET.auth.key", "$SECRET.auth.key ", "$SECRET.auth.key\n", "$SECRET.auth.a.b",
	"$SECRET.Auth.key", "$SECRET.auth.Key",
	"$SECRET.auth.-key", "$SECRET.auth.key-", "$SECRET._auth.key", "$SECRET.auth_.key", "$SECRET.auth.ke y",
	"$SECRET.auth/key", "$SECRET.auth.clé",
	"$SECRET.auth.key\x00", "$SECRET." + strings.Repeat("a", 64) + ".b", "$SECRET.a." + strings.Repeat("b", 64),
	"LAYERON_SECRET_AUTH_KEY",
	"sk_live_Qz7kWv2mXt9RbLp4nHc8", "$SECRET.auth.sk_live_Qz7kWv2mXt9RbLp4nHc8",
}

func TestParseAddressRefuses(t *testing.T) {
	before := secret.Address{Namespace: "left", Name: "alone"}
	for _, text := range notAddresses {
		t.Run(text, func(t *testing.T) {
			a, err := secret.ParseAddress(text)
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.Zero(t, a)
			require.ErrorContains(t, err, "$SECRET.<namespace>.<name>")
			var e *secret.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "parse address", e.Op)
			require.Equal(t, -1, offsetOf(e))
			// Whoever mixes up two arguments passes a value.
			require.Empty(t, redacttest.Check(err, "Qz7kWv2mXt9RbLp4nHc8"))

			a = before
			require.ErrorIs(t, a.UnmarshalText([]byte(text)), secret.ErrInvalid)
			require.Equal(t, before, a)
		})
	}
}

// The status of an App whose declarations are wrong must be writable too.
func TestMarshalAddressNeverFails(t *testing.T) {
	for _, a := range []secret.Address{{}, {Namespace: "auth"}, {Name: "Key"}, {Namespace: "a.b", Name: "c"},
		{Namespace: "a", Name: "b.c"}, {Name: "x\n"}} {
		text, err := a.MarshalText()
		require.NoError(t, err)
		require.Equal(t, a.String(), string(text))
	}
}

// FuzzParseAddress: an accepted address is written back unchanged, and any
// shell accepts its binding as a name.
func FuzzParseAddress(f *testing.F) {
	for _, text := range notAddresses {
		f.Add(text)
	}
	f.Add("$SECRET.auth.session-key")
	f.Add("$SECRET.0.a_-b")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := secret.ParseAddress(text)
		if err != nil {
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.Zero(t, a)
			return
		}
		require.Equal(t, text, a.String())
		require.NoError(t, secret.Static(secret.Options{Namespace: a.Namespace, Name: a.Name}).Err())
		require.Regexp(t, `^LAYERON_SECRET_[A-Z0-9][A-Z0-9_]*[A-Z0-9]$`, a.Binding())
		require.LessOrEqual(t, len(a.Binding()), len("LAYERON_SECRET_")+63+1+63)
	})
}
