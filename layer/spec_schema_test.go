package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestSpecSchemaMembers checks that the schema describes each member that Go
// writes, and no other.
func TestSpecSchemaMembers(t *testing.T) {
	schema := readSpecSchema(t)
	for def, typ := range map[string]reflect.Type{
		"":          reflect.TypeFor[secret.Spec](),
		"secret":    reflect.TypeFor[secret.SpecSecret](),
		"rotation":  reflect.TypeFor[secret.Rotation](),
		"retention": reflect.TypeFor[secret.Retention](),
		"graph":     reflect.TypeFor[secret.Graph](),
		"node":      reflect.TypeFor[secret.Node](),
		"edge":      reflect.TypeFor[secret.Edge](),
	} {
		t.Run(def, func(t *testing.T) {
			s := schema
			if def != "" {
				s = schema.Defs[def]
			}
			require.NotNil(t, s)
			require.NotEmpty(t, s.Description)
			written, described := []string{}, []string{}
			for f := range typ.Fields() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				written = append(written, name)
			}
			for name, member := range s.Properties {
				if name != "$schema" {
					described = append(described, name)
				}
				require.NotEmpty(t, member.Description, name)
			}
			require.ElementsMatch(t, written, described)
		})
	}
}

// TestSpecSchema checks that the golden files match testdata/spec.schema.json,
// and that the schema rejects wrong files.
func TestSpecSchema(t *testing.T) {
	schema, err := readSpecSchema(t).Resolve(nil)
	require.NoError(t, err)
	check := func(data []byte) error {
		var v any
		require.NoError(t, json.Unmarshal(data, &v))
		return schema.Validate(v)
	}
	files, err := filepath.Glob(filepath.Join("..", "testdata", "spec", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, check(data), file)
	}
	design, err := os.ReadFile(filepath.Join("..", "testdata", "spec", "design.json"))
	require.NoError(t, err)
	for _, c := range [][2]string{
		{`"kind": "random"`, `"kind": "manual"`},
		{`"kind": "random"`, `"kind": "static"`},
		{`"kind": "generated"`, `"kind": "random", "bytes": 32`},
		{`"bytes": 32`, `"bytes": 15`},
		{`"bytes": 32,`, ``},
		{`"name": "session-key"`, `"name": "Session-Key"`},
		{`"name": "session-key",`, ``},
		{`"address": "$SECRET.auth.session-key"`, `"address": "auth/session-key"`},
		{`"secretName": "lo_`, `"secretName": "lo.`},
		{`"format": "json"`, `"format": "plain"`},
		{`"encoding": "raw"`, `"encoding": "hex"`},
		{`"everyDays": 90`, `"everyDays": 6`},
		{`"everyDays": 90`, `"everyday": 90`},
		{`"startAt": "2026-01-01T00:00:00Z"`, `"startAt": "2026-01-01"`},
		{`"mode": "retain_for"`, `"mode": "none"`},
		{`"days": 30`, `"days": 0`},
		{`"bucket": "media"`, `"bucket": 1`},
		{`"generator": "cloudflare/r2-credentials",`, ``},
		{`"kind": "stored_as"`, `"kind": "kept"`},
		{`"intent": "random"`, `"intent": ""`},
		{`"workspace": "acme"`, `"workspace": null`},
	} {
		broken := strings.Replace(string(design), c[0], c[1], 1)
		require.NotEqual(t, string(design), broken, c[0])
		require.Error(t, check([]byte(broken)), "%s for %s", c[1], c[0])
	}
}

func readSpecSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "spec.schema.json"))
	require.NoError(t, err)
	var schema jsonschema.Schema
	require.NoError(t, json.Unmarshal(data, &schema))
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", schema.Schema)
	return &schema
}
