package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestParseSpecByHand: a person writes the declared members, and the rest is
// derived.
func TestParseSpecByHand(t *testing.T) {
	made := func(o secret.AppOptions, secrets ...*secret.Secret) secret.Spec {
		return secret.NewApp(o).Use(secrets...).Spec()
	}
	for name, c := range map[string]struct {
		text string
		want secret.Spec
	}{
		"none": {`{"secrets":[]}`, made(secret.AppOptions{})},
		"smallest": {`{"secrets":[{"kind":"random","name":"a"}]}`,
			made(secret.AppOptions{}, secret.Random(secret.Options{Name: "a"}))},
		"sorted": {`{"secrets":[{"kind":"static","name":"b"},{"kind":"static","name":"a"},{"kind":"static","namespace":"a","name":"z"}]}`,
			made(secret.AppOptions{}, secret.Static(secret.Options{Name: "a"}), secret.Static(secret.Options{Name: "b"}),
				secret.Static(secret.Options{Namespace: "a", Name: "z"}))},
		"spelled out": {` {"workspace":"w","project":"","environment":"e","secrets":[{"kind":"generated","name":"a","namespace":"","secretName":"",
			"bytes":0,"encoding":"auto","format":"auto","generator":"","params":{}}]}` + "\n",
			made(secret.AppOptions{Workspace: "w", Environment: "e"}, secret.Generated(secret.Options{Name: "a"}))},
		"rotation without retain": {`{"secrets":[{"kind":"static","name":"a","rotation":{"everyDays":7}}]}`,
			made(secret.AppOptions{}, secret.Static(secret.Options{Name: "a", Rotation: &secret.Rotation{EveryDays: 7}}))},
		"another zone": {`{"secrets":[{"kind":"static","name":"a","rotation":{"everyDays":7,"startAt":"2026-01-01T01:00:00.5+01:00","retain":{"mode":"retain_forever"}}}]}`,
			made(secret.AppOptions{}, secret.Static(secret.Options{Name: "a", Rotation: &secret.Rotation{EveryDays: 7,
				StartAt: time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC), Retain: secret.Retention{Mode: secret.RetainForever}}}))},
		"a graph of something else": {`{"secrets":[{"kind":"static","name":"a"}],"graph":{"nodes":[{"id":7}],"edges":"none"}}`,
			made(secret.AppOptions{}, secret.Static(secret.Options{Name: "a"}))},
		"unknown members": {`{"$schema":"x","Workspace":"w","SECRETS":7,"secrets":[{"kind":"static","name":"a","Bytes":9,"note":{"a":[]},"rotation":{"everyDays":7,"x":null,
			"retain":{"mode":"none","Days":1}}}],"x":1,"x":2}`,
			made(secret.AppOptions{}, secret.Static(secret.Options{Name: "a", Rotation: &secret.Rotation{EveryDays: 7}}))},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := secret.ParseSpec([]byte(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// misplaced is a value in the wrong place. No message may repeat it.
const misplaced = "sk_live_Misplaced!Value"

// TestParseSpecRefusals: every refusal contains the path of the member and the
// allowed values.
func TestParseSpecRefusals(t *testing.T) {
	one := func(members string) string { return `{"secrets":[` + members + `]}` }
	second := func(members string) string { return one(`{"kind":"static","name":"first"},{` + members + `}`) }
	random := func(members string) string { return second(`"kind":"random","name":"key",` + members) }
	rotating := func(members string) string { return random(`"rotation":{` + members + `}`) }
	for name, c := range map[string]struct{ text, member, says string }{
		"empty":            {"", "", "not JSON, at byte 0"},
		"cut off":          {`{"secrets":[`, "", "not JSON, at byte 12"},
		"something after":  {`{"secrets":[]} {}`, "", "not JSON, at byte 16"},
		"a bare value":     {misplaced, "", "not JSON, at byte 1"},
		"a quoted value":   {`"` + misplaced + `"`, "", "not a JSON object"},
		"null":             {"null", "", "not a JSON object"},
		"array":            {"[]", "", "not a JSON object"},
		"not UTF-8":        {"{\"secrets\":[],\"workspace\":\"\xff\"}", "", "not UTF-8"},
		"workspace number": {`{"workspace":1,"secrets":[]}`, "workspace", "a string"},
		"workspace null":   {`{"workspace":null,"secrets":[]}`, "workspace", "a string"},
		"workspace twice":  {`{"workspace":"a","workspace":"a","secrets":[]}`, "workspace", "is given twice"},
		"project":          {`{"project":["` + misplaced + `"],"secrets":[]}`, "project", "a string"},
		"environment":      {`{"environment":false,"secrets":[]}`, "environment", "a string"},
		"no secrets":       {"{}", "secrets", "is missing; [] means none"},
		"secrets by case":  {`{"Secrets":[]}`, "secrets", "is missing"},
		"secrets null":     {`{"secrets":null}`, "secrets", "an array"},
		"secrets object":   {`{"secrets":{}}`, "secrets", "an array"},
		"secrets twice":    {`{"secrets":[],"secrets":[]}`, "secrets", "is given twice"},
		"secret null":      {one("null"), "secrets[0]", "is not an object"},
		"secret text":      {one(`"` + misplaced + `"`), "secrets[0]", "is not an object"},
		"secret array":     {one("[]"), "secrets[0]", "is not an object"},
		"no kind":          {second(`"name":"a"`), "secrets[1].kind", "is missing: allowed is static, random or generated"},
		"kind null":        {second(`"name":"a","kind":null`), "secrets[1].kind", "static, random or generated"},
		"kind number":      {second(`"name":"a","kind":1`), "secrets[1].kind", "static, random or generated"},
		"another kind": {second(`"name":"a","kind":"` + misplaced + `"`), "secrets[1].kind",
			"static, random or generated"},
		"kind twice":       {second(`"name":"a","kind":"static","kind":"random"`), "secrets[1].kind", "is given twice"},
		"no name":          {second(`"kind":"static"`), "secrets[1].name", "is missing: allowed is 1 to 63 of a-z"},
		"name empty":       {second(`"kind":"static","name":""`), "secrets[1].name", "1 to 63 of a-z"},
		"name null":        {second(`"kind":"static","name":null`), "secrets[1].name", "a string"},
		"name a value":     {second(`"kind":"static","name":"` + misplaced + `"`), "secrets[1].name", "1 to 63 of a-z"},
		"name surrogate":   {second(`"kind":"static","name":"a\ud800"`), "secrets[1].name", "1 to 63 of a-z"},
		"namespace number": {second(`"kind":"static","name":"a","namespace":5`), "secrets[1].namespace", "a string"},
		"namespace value": {second(`"kind":"static","name":"a","namespace":"` + misplaced + `"`), "secrets[1].namespace",
			"1 to 63 of a-z"},
		"address": {second(`"kind":"static","name":"a","address":"$SECRET.default.b"`), "secrets[1].address",
			"it would be $SECRET.default.a"},
		"address value": {second(`"kind":"static","name":"a","address":"` + misplaced + `"`), "secrets[1].address",
			"it would be $SECRET.default.a"},
		"address empty": {second(`"kind":"static","name":"a","address":""`), "secrets[1].address",
			"it would be $SECRET.default.a"},
		"address null":  {second(`"kind":"static","name":"a","address":null`), "secrets[1].address", "a string"},
		"address alone": {second(`"kind":"static","address":"$SECRET.a.b"`), "secrets[1].name", "is missing"},
		"binding of layer": {second(`"kind":"static","name":"a","binding":"layer.seen"`), "secrets[1].binding",
			"it would be LAYERON_SECRET_DEFAULT_A"},
		"binding null": {second(`"kind":"static","name":"a","binding":null`), "secrets[1].binding", "a string"},
		"same declared binding": {one(`{"kind":"static","name":"a","binding":"DB"},{"kind":"static","name":"b","binding":"DB"}`),
			"", "$SECRET.default.a and $SECRET.default.b have the same binding name DB: "},
		"bindings that differ in case": {one(`{"kind":"static","name":"a","binding":"DB"},{"kind":"static","name":"b","binding":"db"}`),
			"", "$SECRET.default.a and $SECRET.default.b have binding names that differ only in case, DB and db: "},
		"same address, other binding": {second(`"kind":"static","name":"first","binding":"DB"`), "",
			"$SECRET.default.first is declared twice; declare it once"},
		"binding value": {second(`"kind":"static","name":"a","binding":"` + misplaced + `"`), "secrets[1].binding",
			"it would be LAYERON_SECRET_DEFAULT_A"},
		"binding empty": {second(`"kind":"static","name":"a","binding":""`), "secrets[1].binding",
			"it would be LAYERON_SECRET_DEFAULT_A"},
		"secretName":       {random(`"secretName":"` + misplaced + `"`), "secrets[1].secretName", "letters, digits, - and _"},
		"secretName array": {random(`"secretName":["` + misplaced + `"]`), "secrets[1].secretName", "a string"},
		"bytes text":       {random(`"bytes":"` + misplaced + `"`), "secrets[1].bytes", "a whole number"},
		"bytes fraction":   {random(`"bytes":32.5`), "secrets[1].bytes", "a whole number"},
		"bytes too large":  {random(`"bytes":9223372036854775808`), "secrets[1].bytes", "a whole number"},
		"bytes null":       {random(`"bytes":null`), "secrets[1].bytes", "a whole number"},
		"bytes twice":      {random(`"bytes":32,"bytes":32`), "secrets[1].bytes", "is given twice"},
		"bytes 15":         {random(`"bytes":15`), "secrets[1].bytes", "is 15, allowed is 16 to 1024"},
		"bytes 1025":       {random(`"bytes":1025`), "secrets[1].bytes", "is 1025, allowed is 16 to 1024"},
		"bytes of static": {second(`"kind":"static","name":"a","bytes":32`), "secrets[1].bytes",
			"is 32, allowed is none on a static secret"},
		"encoding":       {random(`"encoding":"` + misplaced + `"`), "secrets[1].encoding", "auto or raw"},
		"encoding null":  {random(`"encoding":null`), "secrets[1].encoding", "auto or raw"},
		"format":         {random(`"format":"` + misplaced + `"`), "secrets[1].format", "auto, plain, json or compact"},
		"format number":  {random(`"format":2`), "secrets[1].format", "auto, plain, json or compact"},
		"generator":      {random(`"generator":"` + misplaced + `"`), "secrets[1].generator", "none on a random secret"},
		"generator type": {random(`"generator":{}`), "secrets[1].generator", "a string"},
		"params alone": {second(`"kind":"generated","name":"a","params":{"a":"` + misplaced + `"}`), "secrets[1].params",
			"none without a Generator"},
		"params array":  {random(`"params":["` + misplaced + `"]`), "secrets[1].params", "an object of strings"},
		"params null":   {random(`"params":null`), "secrets[1].params", "an object of strings"},
		"param null":    {random(`"params":{"` + misplaced + `":null}`), "secrets[1].params", "an object of strings"},
		"param number":  {random(`"params":{"` + misplaced + `":1}`), "secrets[1].params", "an object of strings"},
		"param twice":   {random(`"params":{"a":"x","a":"x"}`), "secrets[1].params", "each given once"},
		"rotation null": {random(`"rotation":null`), "secrets[1].rotation", "an object"},
		"rotation text": {random(`"rotation":"` + misplaced + `"`), "secrets[1].rotation", "an object"},
		"rotation twice": {random(`"rotation":{"everyDays":7},"rotation":{"everyDays":7}`), "secrets[1].rotation",
			"is given twice"},
		"rotation empty": {rotating(``), "secrets[1].rotation.everyDays", "is 0, allowed is 7 to 36500"},
		"rotation plain": {random(`"format":"plain","rotation":{"everyDays":7}`), "secrets[1].rotation",
			"none with FormatPlain"},
		"everyDays 6": {rotating(`"everyDays":6`), "secrets[1].rotation.everyDays", "is 6, allowed is 7 to 36500"},
		"everyDays 36501": {rotating(`"everyDays":36501`), "secrets[1].rotation.everyDays",
			"is 36501, allowed is 7 to 36500"},
		"everyDays text":  {rotating(`"everyDays":"` + misplaced + `"`), "secrets[1].rotation.everyDays", "a whole number"},
		"everyDays null":  {rotating(`"everyDays":null`), "secrets[1].rotation.everyDays", "a whole number"},
		"everyDays twice": {rotating(`"everyDays":7,"everyDays":8`), "secrets[1].rotation.everyDays", "is given twice"},
		"startAt": {rotating(`"everyDays":7,"startAt":"` + misplaced + `"`), "secrets[1].rotation.startAt",
			"RFC 3339"},
		"startAt empty": {rotating(`"everyDays":7,"startAt":""`), "secrets[1].rotation.startAt", "RFC 3339"},
		"startAt day":   {rotating(`"everyDays":7,"startAt":"2026-01-01"`), "secrets[1].rotation.startAt", "RFC 3339"},
		"startAt zero": {rotating(`"everyDays":7,"startAt":"0001-01-01T00:00:00Z"`), "secrets[1].rotation.startAt",
			"from 1970 to 9999"},
		"startAt number": {rotating(`"everyDays":7,"startAt":1767225600`), "secrets[1].rotation.startAt", "a time"},
		"startAt null":   {rotating(`"everyDays":7,"startAt":null`), "secrets[1].rotation.startAt", "a time"},
		"retain text":    {rotating(`"everyDays":7,"retain":"retain_for"`), "secrets[1].rotation.retain", "an object"},
		"retain null":    {rotating(`"everyDays":7,"retain":null`), "secrets[1].rotation.retain", "an object"},
		"mode": {rotating(`"everyDays":7,"retain":{"mode":"` + misplaced + `"}`),
			"secrets[1].rotation.retain.mode", "none, retain_for or retain_forever"},
		"mode null": {rotating(`"everyDays":7,"retain":{"mode":null}`), "secrets[1].rotation.retain.mode",
			"none, retain_for or retain_forever"},
		"mode twice": {rotating(`"everyDays":7,"retain":{"mode":"none","mode":"none"}`), "secrets[1].rotation.retain.mode",
			"is given twice"},
		"days text": {rotating(`"everyDays":7,"retain":{"mode":"retain_for","days":"30"}`),
			"secrets[1].rotation.retain.days", "a whole number"},
		"days missing": {rotating(`"everyDays":7,"retain":{"mode":"retain_for"}`), "secrets[1].rotation.retain.days",
			"is 0, allowed is 1 to 36500"},
		"days 36501": {rotating(`"everyDays":7,"retain":{"mode":"retain_for","days":36501}`),
			"secrets[1].rotation.retain.days", "is 36501, allowed is 1 to 36500"},
		"days alone": {rotating(`"everyDays":7,"retain":{"days":30}`), "secrets[1].rotation.retain.days",
			"is 30, allowed is none"},
		"days for ever": {rotating(`"everyDays":7,"retain":{"mode":"retain_forever","days":30}`),
			"secrets[1].rotation.retain.days", "is 30, allowed is none"},
		"same address": {second(`"kind":"random","name":"first"`), "",
			"$SECRET.default.first is declared twice; declare it once"},
		"same binding": {one(`{"kind":"static","namespace":"auth","name":"session-key"},{"kind":"static","name":"a"},{"kind":"static","namespace":"auth-session","name":"key"}`),
			"", "$SECRET.auth.session-key and $SECRET.auth-session.key have the same binding name " +
				"LAYERON_SECRET_AUTH_SESSION_KEY: one would read the other's value; rename one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := secret.ParseSpec([]byte(c.text))
			require.Zero(t, spec)
			requireSpecError(t, err, c.member)
			require.Contains(t, err.Error(), c.says)
			var e *secret.Error
			require.ErrorAs(t, err, &e)
			require.NotContains(t, fmt.Sprintf("%v %+v %#v %v", err, *e, *e, e.Err), misplaced)
			require.Equal(t, -1, offsetOf(e))
		})
	}
}

// TestParseSpecNamesTheAddressesOfACollision: a path would be a place in a file
// that a program has written.
func TestParseSpecNamesTheAddressesOfACollision(t *testing.T) {
	_, err := secret.ParseSpec([]byte(`{"secrets":[{"kind":"random","namespace":"a","name":"b-c"},{"kind":"random","namespace":"a-b","name":"c"}]}`))
	require.EqualError(t, err, "secret: parse spec: invalid: $SECRET.a.b-c and $SECRET.a-b.c have the same binding name "+
		"LAYERON_SECRET_A_B_C: one would read the other's value; rename one of them")
	require.NotContains(t, err.Error(), "secrets[")

	_, err = secret.ParseSpec([]byte(`{"secrets":[{"kind":"random","name":"b"},{"kind":"static","namespace":"default","name":"b"}]}`))
	require.EqualError(t, err, "secret: parse spec: invalid: $SECRET.default.b is declared twice; declare it once")
}

// FuzzParseSpec: never a panic, never another error, and no part of the text in
// an error; and an accepted spec reads back equal.
func FuzzParseSpec(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "spec", "*.json"))
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(data))
	}
	for _, s := range []string{"", "null", `{"secrets":null}`,
		`{"secrets":[{"kind":"static","name":"a"},{"kind":"random","name":"b","bytes":16}]}`,
		`{"secrets":[{"kind":"generated","name":"a","generator":"g\ud800","params":{"a":"\u0000<&>"}}],"workspace":"\u2028"}`,
		`{"secrets":[{"kind":"random","name":"a","rotation":{"everyDays":36500,"startAt":"9999-12-31T23:59:59.999999999+00:01"}}]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := secret.ParseSpec([]byte(text))
		if err != nil {
			var e *secret.Error
			if !errors.Is(err, secret.ErrInvalid) || !errors.As(err, &e) || e.Op != "parse spec" {
				t.Fatalf("an error of another kind: %T", err)
			}
			for _, piece := range pieces(text) {
				derived := strings.HasSuffix(e.Member, ".address") || strings.HasSuffix(e.Member, ".binding") ||
					// shows the names, which are well formed
					e.Member == "" && strings.Contains(err.Error(), "$SECRET.") // as a collision does
				if !derived && strings.Contains(err.Error(), piece) && !strings.Contains(specSayings, piece) {
					t.Fatal("the error shows a part of the text")
				}
			}
			return
		}
		data, err := json.Marshal(spec)
		if err != nil {
			t.Fatalf("not written: %v", err)
		}
		back, err := secret.ParseSpec(data)
		if err != nil {
			t.Fatalf("not read back: %v", err)
		}
		if !reflect.DeepEqual(spec, back) {
			t.Fatal("read back as another spec")
		}
	})
}

// specSayings are our own words, which a text may hold by chance.
const specSayings = "secrets[0].rotation.everyDays secrets[0].rotation.retain.mode secrets[0].rotation.startAt " +
	"secrets[0].secretName " +
	"secrets[0].namespace secrets[0].generator retain_forever FormatCompact RetainForever 2026-05-25T00:00:00.000Z " +
	"environment"
