package secret_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// noStore fails the test if it is asked: building a Spec reads no store.
type noStore struct{}

func (noStore) Get(context.Context, secret.Address) (string, error) {
	return "", errors.New("a store was asked")
}

var acme = secret.AppOptions{Store: noStore{}, Workspace: "acme", Project: "shop", Environment: "production"}

// specCase is the source of one golden file under testdata/spec.
type specCase struct {
	options secret.AppOptions
	secrets func() []*secret.Secret
}

var specCases = map[string]specCase{
	"empty": {secret.AppOptions{}, func() []*secret.Secret { return nil }},
	// The example of the design, with the missing options filled in.
	"design": {acme, func() []*secret.Secret {
		return []*secret.Secret{
			secret.Generated(secret.Options{Namespace: "storage", Name: "r2", Generator: "cloudflare/r2-credentials",
				Params: map[string]string{"bucket": "media", "access": "read"}}),
			secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32, Encoding: secret.EncodingRaw,
				Format: secret.FormatJSON, Rotation: &secret.Rotation{EveryDays: 90,
					StartAt: time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600)),
					Retain:  secret.Retention{Mode: secret.RetainFor, Days: 30}}}),
		}
	}},
	// Every kind, format and mode, the smallest declarations, and names that sort
	// in another order than their parts.
	"options": {secret.AppOptions{Project: "shop"}, func() []*secret.Secret {
		return []*secret.Secret{
			secret.Static(secret.Options{Name: "zulu"}),
			secret.Static(secret.Options{Name: "plain", Format: secret.FormatPlain, SecretName: "Plain_Value-1"}),
			secret.Random(secret.Options{Name: "smallest"}),
			secret.Random(secret.Options{Namespace: "default-2", Name: "compact", Bytes: 1024, Format: secret.FormatCompact,
				Rotation: &secret.Rotation{EveryDays: 7}}),
			secret.Random(secret.Options{Namespace: "default_2", Name: "kept", Bytes: 16,
				Rotation: &secret.Rotation{EveryDays: 36_500, StartAt: time.Date(2026, 1, 1, 0, 0, 0, 5, time.UTC),
					Retain: secret.Retention{Mode: secret.RetainForever}}}),
			secret.Generated(secret.Options{Name: "text", Params: map[string]string{}, Encoding: secret.EncodingAuto}),
			secret.Generated(secret.Options{Name: "key", Bytes: 32, Generator: "own/<step>"}),
		}
	}},
	// Who makes the values, and two secrets that are one value.
	"graph": {acme, func() []*secret.Secret {
		return []*secret.Secret{
			secret.Static(secret.Options{Namespace: "billing", Name: "stripe", SecretName: "STRIPE_KEY"}),
			secret.Static(secret.Options{Namespace: "mail", Name: "stripe", SecretName: "STRIPE_KEY"}),
			secret.Random(secret.Options{Namespace: "auth", Name: "key"}),
			secret.Generated(secret.Options{Namespace: "auth", Name: "external"}),
			secret.Generated(secret.Options{Namespace: "auth", Name: "made", Generator: "own/maker"}),
		}
	}},
}

// TestSpecGolden: the JSON of a Spec, byte for byte, and read back equal.
func TestSpecGolden(t *testing.T) {
	for name, c := range specCases {
		t.Run(name, func(t *testing.T) {
			spec := secret.NewApp(c.options).Use(c.secrets()...).Spec()
			requireGolden(t, spec, "spec", name+".json")

			data, err := json.Marshal(spec)
			require.NoError(t, err)
			back, err := secret.ParseSpec(data)
			require.NoError(t, err)
			require.Equal(t, spec, back)
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "spec", "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(specCases), "a golden file that nothing makes")
}

// TestSpecAsDesigned: the document of the design, written out by hand. Golden
// files could be rewritten by mistake.
func TestSpecAsDesigned(t *testing.T) {
	c := specCases["design"]
	data, err := json.Marshal(secret.NewApp(c.options).Use(c.secrets()...).Spec())
	require.NoError(t, err)
	// printf 4:acme4:shop10:production4:auth11:session-key | sha256sum | cut -c1-24
	const key, r2 = "lo_c09539598f479c58e62c5801", "lo_3781100a037cd90ae76c1603"
	require.Equal(t, strings.Join([]string{
		`{"workspace":"acme","project":"shop","environment":"production","secrets":[`,
		`{"address":"$SECRET.auth.session-key","kind":"random","namespace":"auth","name":"session-key",`,
		`"binding":"LAYERON_SECRET_AUTH_SESSION_KEY","secretName":"` + key + `","bytes":32,"encoding":"raw","format":"json",`,
		`"rotation":{"everyDays":90,"startAt":"2026-01-01T00:00:00Z","retain":{"mode":"retain_for","days":30}}},`,
		`{"address":"$SECRET.storage.r2","kind":"generated","namespace":"storage","name":"r2",`,
		`"binding":"LAYERON_SECRET_STORAGE_R2","secretName":"` + r2 + `",`,
		`"generator":"cloudflare/r2-credentials","params":{"access":"read","bucket":"media"}}],`,
		`"graph":{"nodes":[{"id":"secret:$SECRET.auth.session-key","kind":"secret","intent":"random"},`,
		`{"id":"value:` + key + `","kind":"value"},{"id":"binding:LAYERON_SECRET_AUTH_SESSION_KEY","kind":"binding"},`,
		`{"id":"secret:$SECRET.storage.r2","kind":"secret","intent":"cloudflare/r2-credentials"},`,
		`{"id":"value:` + r2 + `","kind":"value"},{"id":"binding:LAYERON_SECRET_STORAGE_R2","kind":"binding"}],`,
		`"edges":[{"from":"secret:$SECRET.auth.session-key","to":"value:` + key + `","kind":"stored_as"},`,
		`{"from":"binding:LAYERON_SECRET_AUTH_SESSION_KEY","to":"value:` + key + `","kind":"reads"},`,
		`{"from":"secret:$SECRET.storage.r2","to":"value:` + r2 + `","kind":"stored_as"},`,
		`{"from":"binding:LAYERON_SECRET_STORAGE_R2","to":"value:` + r2 + `","kind":"reads"}]}}`,
	}, ""), string(data))
}

// TestSpecStable: the same declarations give the same bytes in any order,
// however often.
func TestSpecStable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, c := range specCases {
		t.Run(name, func(t *testing.T) {
			want, err := json.Marshal(secret.NewApp(c.options).Use(c.secrets()...).Spec())
			require.NoError(t, err)
			for range 100 {
				secrets := append(c.secrets(), c.secrets()...) // each declared twice: that is one
				random.Shuffle(len(secrets), func(i, j int) { secrets[i], secrets[j] = secrets[j], secrets[i] })
				app := secret.NewApp(c.options)
				for _, s := range secrets {
					app.Use(s)
				}
				got, err := json.Marshal(app.Spec())
				require.NoError(t, err)
				require.Equal(t, string(want), string(got))
			}
		})
	}
}

// TestSpecSecretName computes the derived name by the rule as it is written
// down: 4:auth11:session-key.
func TestSpecSecretName(t *testing.T) {
	derive := func(parts ...string) string {
		text := ""
		for _, p := range parts {
			text += fmt.Sprintf("%d:%s", len(p), p)
		}
		return fmt.Sprintf("lo_%x", sha256.Sum256([]byte(text)))[:3+24]
	}
	seen := map[string]string{}
	for name, c := range map[string]struct {
		workspace, project, environment string
		options                         secret.Options
		want                            string
	}{
		"all": {"acme", "shop", "production", secret.Options{Namespace: "auth", Name: "session-key"},
			derive("acme", "shop", "production", "auth", "session-key")},
		"no app": {"", "", "", secret.Options{Namespace: "auth", Name: "session-key"},
			derive("", "", "", "auth", "session-key")},
		"namespace": {"", "", "", secret.Options{Name: "session-key"}, derive("", "", "", "default", "session-key")},
		"a part moved": {"acme", "production", "shop", secret.Options{Namespace: "auth", Name: "session-key"},
			derive("acme", "production", "shop", "auth", "session-key")},
		"a part shifted": {"acm", "eshop", "production", secret.Options{Namespace: "auth", Name: "session-key"},
			derive("acm", "eshop", "production", "auth", "session-key")},
		"a length in it": {"acme4:shop", "", "production", secret.Options{Namespace: "auth", Name: "session-key"},
			derive("acme4:shop", "", "production", "auth", "session-key")},
		"length in bytes": {"Ärger", "", "", secret.Options{Namespace: "auth", Name: "session-key"},
			derive("Ärger", "", "", "auth", "session-key")},
		"same binding": {"acme", "shop", "production", secret.Options{Namespace: "auth-session", Name: "key"},
			derive("acme", "shop", "production", "auth-session", "key")},
		"declared, as is": {"acme", "shop", "production",
			secret.Options{Namespace: "auth", Name: "session-key", SecretName: "MY-key_1"}, "MY-key_1"},
	} {
		t.Run(name, func(t *testing.T) {
			app := secret.NewApp(secret.AppOptions{Workspace: c.workspace, Project: c.project, Environment: c.environment})
			got := app.Use(secret.Static(c.options)).Spec().Secrets[0].SecretName
			require.Equal(t, c.want, got)
			require.NotContains(t, seen, got, "the name of another secret")
			seen[got] = name
		})
	}
}

// TestSpecGraph: who makes each value, and one node for a value that two
// secrets share.
func TestSpecGraph(t *testing.T) {
	c := specCases["graph"]
	g := secret.NewApp(c.options).Use(c.secrets()...).Spec().Graph
	intents, kinds := map[string]string{}, map[string]int{}
	for _, n := range g.Nodes {
		kinds[n.Kind]++
		require.True(t, strings.HasPrefix(n.ID, n.Kind+":"), n.ID)
		if n.Intent != "" {
			intents[n.ID] = n.Intent
		}
	}
	require.Equal(t, map[string]string{
		"secret:$SECRET.billing.stripe": "operator", "secret:$SECRET.mail.stripe": "operator",
		"secret:$SECRET.auth.key":      "random",
		"secret:$SECRET.auth.external": "external_value_required", "secret:$SECRET.auth.made": "own/maker",
	}, intents)
	require.Equal(t, map[string]int{"secret": 5, "binding": 5, "value": 4}, kinds)
	shared := []secret.Edge{}
	for _, e := range g.Edges {
		if e.To == "value:STRIPE_KEY" {
			shared = append(shared, e)
		}
	}
	require.Equal(t, []secret.Edge{
		{From: "secret:$SECRET.billing.stripe", To: "value:STRIPE_KEY", Kind: "stored_as"},
		{From: "binding:LAYERON_SECRET_BILLING_STRIPE", To: "value:STRIPE_KEY", Kind: "reads"},
		{From: "secret:$SECRET.mail.stripe", To: "value:STRIPE_KEY", Kind: "stored_as"},
		{From: "binding:LAYERON_SECRET_MAIL_STRIPE", To: "value:STRIPE_KEY", Kind: "reads"},
	}, shared)
	require.Len(t, g.Edges, 10)
}

// TestSpecIsACopy: changing a Spec changes no declaration.
func TestSpecIsACopy(t *testing.T) {
	c := specCases["design"]
	app := secret.NewApp(c.options).Use(c.secrets()...)
	before, err := json.Marshal(app.Spec())
	require.NoError(t, err)
	spec := app.Spec()
	spec.Secrets[0].Rotation.EveryDays = 8
	spec.Secrets[1].Params["bucket"] = "other"
	spec.Graph.Nodes[0].ID = "other"
	after, err := json.Marshal(app.Spec())
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

// TestSpecOfWrongDeclarations: a Spec contains a faulty declaration unchanged
// and does not panic; ParseSpec reports the fault.
func TestSpecOfWrongDeclarations(t *testing.T) {
	for name, c := range map[string]struct {
		s      *secret.Secret
		member string
	}{
		"bytes": {secret.Static(secret.Options{Name: "a", Bytes: 8}), "secrets[0].bytes"},
		"name":  {secret.Static(secret.Options{Name: "A"}), "secrets[0].name"},
		"days":  {secret.Random(secret.Options{Name: "a", Rotation: &secret.Rotation{}}), "secrets[0].rotation.everyDays"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(secret.NewApp(secret.AppOptions{}).Use(c.s).Spec())
			require.NoError(t, err)
			_, err = secret.ParseSpec(data)
			requireSpecError(t, err, c.member)
		})
	}
	t.Run("no constant", func(t *testing.T) {
		spec := secret.NewApp(secret.AppOptions{}).Use(secret.Static(secret.Options{Name: "a", Encoding: 9})).Spec()
		require.Len(t, spec.Secrets, 1)
		_, err := json.Marshal(spec)
		require.ErrorIs(t, err, secret.ErrInvalid)
	})
	t.Run("undeclared", func(t *testing.T) {
		spec := secret.NewApp(secret.AppOptions{}).Use(nil, new(secret.Secret)).Spec()
		require.Empty(t, spec.Secrets)
		require.Empty(t, spec.Graph.Nodes)
	})
}

func requireSpecError(t *testing.T, err error, member string) {
	t.Helper()
	require.ErrorIs(t, err, secret.ErrInvalid)
	var e *secret.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "parse spec", e.Op)
	require.Equal(t, member, e.Member)
	require.Contains(t, err.Error(), "secret: parse spec"+strings.Repeat(", "+member, min(1, len(member)))+": invalid: ")
}
