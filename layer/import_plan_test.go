package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

func importSpec(t *testing.T) secret.Spec {
	t.Helper()
	spec, err := secret.ParseSpec([]byte(`{"secrets": [
		{"kind": "static", "namespace": "billing", "name": "stripe"},
		{"kind": "static", "namespace": "billing", "name": "paypal"}]}`))
	require.NoError(t, err)
	return spec
}

func TestNamesOfAFileMeanSecrets(t *testing.T) {
	stripe, paypal := secret.Address{Namespace: "billing", Name: "stripe"},
		secret.Address{Namespace: "billing", Name: "paypal"}
	for name, tc := range map[string]struct {
		file    string
		maps    []string
		want    []secret.Address
		unknown []string
	}{
		"binding name":       {"LAYERON_SECRET_BILLING_STRIPE=madeup_1", nil, []secret.Address{stripe}, nil},
		"address":            {"$SECRET.billing.stripe=madeup_1", nil, []secret.Address{stripe}, nil},
		"short address":      {"billing.stripe=madeup_1", nil, []secret.Address{stripe}, nil},
		"address in JSON":    {`{"$SECRET.billing.stripe": "madeup_1"}`, nil, []secret.Address{stripe}, nil},
		"another case":       {"BILLING.STRIPE=madeup_1", nil, nil, []string{"BILLING.STRIPE"}},
		"given":              {"KEY=madeup_1", []string{"KEY=$SECRET.billing.stripe"}, []secret.Address{stripe}, nil},
		"given, with equals": {`{"a=b": "madeup_1"}`, []string{"a=b=$SECRET.billing.stripe"}, []secret.Address{stripe}, nil},
		"one name for two": {"KEY=madeup_1", []string{"KEY=$SECRET.billing.stripe", "KEY=$SECRET.billing.paypal"},
			[]secret.Address{paypal, stripe}, nil},
		"given, in place of its own meaning": {"billing.stripe=madeup_1", []string{"billing.stripe=$SECRET.billing.paypal"},
			[]secret.Address{paypal}, nil},
		"unknown with a problem": {"A=$HOME\nbilling.stripe=madeup_1", nil, []secret.Address{stripe}, []string{"A"}},
		"unknown values of every kind": {`{"a": null, "b": {"c": [1]}, "d": 1, "billing.stripe": "madeup_1"}`, nil,
			[]secret.Address{stripe}, []string{"a", "b", "d"}},
		"a piece of a key": {"billing.stripe=madeup_1\nTWFkZXVw==", nil, []secret.Address{stripe}, []string{hiddenName}},
		"an empty variable": {"billing.stripe=madeup_1\nSENTRY_DSN=\nPORT=", nil, []secret.Address{stripe},
			[]string{"SENTRY_DSN", hiddenName}},
		"a text as a name": {`{"made up": "x", "billing.stripe": "madeup_1"}`, nil, []secret.Address{stripe},
			[]string{hiddenName}},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := parseFile(tc.file, "")
			require.NoError(t, err)
			maps, err := parseMappings(tc.maps)
			require.NoError(t, err)
			require.NoError(t, resolveMappings(maps, importSpec(t), rotate.State{}))
			plan, err := planImport(importSpec(t), rotate.State{}, entries, maps)
			require.NoError(t, err)
			var got []secret.Address
			for _, item := range plan.items {
				got = append(got, item.spec.Address)
				require.Equal(t, changeFirst, item.change)
			}
			require.Equal(t, tc.want, got)
			var unknown []string
			for _, e := range plan.unknown {
				unknown = append(unknown, shownName(e))
			}
			require.Equal(t, tc.unknown, unknown)
			require.NotContains(t, fmt.Sprintf("%+v %#v", plan, plan), "madeup_1")
		})
	}
}

// A name that is the binding of one secret and the address of another means
// neither.
func TestANameOfTwoSecretsIsRefused(t *testing.T) {
	spec := importSpec(t)
	spec.Secrets[0].Binding = "billing.stripe"
	entries, err := parseFile("billing.stripe=madeup_1", "")
	require.NoError(t, err)
	_, err = planImport(spec, rotate.State{}, entries, nil)
	require.ErrorContains(t, err, "line 1: billing.stripe is the binding name of one secret and the address of another")
	entries, err = parseFile("$SECRET.billing.stripe=madeup_1", "")
	require.NoError(t, err)
	plan, err := planImport(spec, rotate.State{}, entries, nil)
	require.NoError(t, err)
	require.Len(t, plan.items, 1)
}

func TestFilesThatCannotBeReadNameTheLine(t *testing.T) {
	for name, tc := range map[string]struct{ file, says string }{
		"UTF-16":             {"\xff\xfem\x00a\x00", "UTF-16"},
		"bytes":              {"A=madeup\xff", "not UTF-8"},
		"cut off":            {"{\"a\": \"x\",\n\"b\": \"madeup", "line 2: it is not valid JSON"},
		"no comma":           {"{\"a\": \"x\"\n\"madeup\": 1}", "line 2: it is not valid JSON"},
		"two objects":        {"{\"a\": \"madeup\"}\n{}", "line 2: text follows"},
		"text behind":        {"{\"a\": \"x\"}\nmadeup", "line 2: text follows"},
		"the same name":      {"{\"a\": \"madeup\",\n\"\\u0061\": \"x\"}", "line 2: it defines a again, after line 1"},
		"the same name, env": {"A=madeup\nA=madeup", "line 2: it defines A again, after line 1"},
		"sops":               {`{"a": "ENC[AES256_GCM,data:madeup]"}`, "sops decrypt"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseFile(tc.file, "")
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "madeup")
		})
	}
	_, err := parseFile(`["madeup"]`, "json")
	require.ErrorContains(t, err, "no JSON object")
	list, err := parseFile("\ufeffA=x", "")
	require.NoError(t, err)
	require.Equal(t, "A", list[0].Name)
}

// encoding/json would replace half of a pair by another character, and round a
// number.
func TestJSONValuesAreTakenExactlyOrNotAtAll(t *testing.T) {
	for raw, want := range map[string]string{
		`"a\u00e9\ud83d\ude00\n\"\\u0041"`: "aé😀\n\"\\u0041", `"\\ud83d"`: `\ud83d`, `"\ufffd"`: "\ufffd",
		`"\ud83d"`: "", `"\ude00"`: "", `"\ud83d\ud83d"`: "", `"\ud83dx"`: "", `"\ud83d\\ude00"`: "",
		`1`: "", `1e400`: "", `-0`: "", `true`: "", `false`: "", `null`: "", `{}`: "", `["a"]`: "",
	} {
		list, err := parseJSON(`{"a": ` + raw + `}`)
		require.NoError(t, err, raw)
		require.Len(t, list, 1)
		require.Equal(t, want, list[0].Value.Reveal(), raw)
		require.Equal(t, want == "", list[0].Problem != "", raw)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, text := range []string{`{"a": "x", "b": 1}`, `{"a": "\ud83d\ude00"}`, `{"a": "\ud83d"`, `{`, `{"a"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if list, err := parseFile(text, "json"); err == nil {
			for _, e := range list {
				require.Positive(t, e.Line)
				require.True(t, e.Problem == "" || e.Value.Reveal() == "", "a value with a problem is not returned")
			}
		}
	})
}
