package secret

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// The members of an object are those that encoding/json finds.
func TestMembersOfASpecObject(t *testing.T) {
	for _, text := range []string{
		`{}`, " {\t} ", `{"a":1}`, "{ \"a\" :\n 1.5e-3 ,\r\"b\": [ ] }", `{"a":{"b":[{"c":"}"},"]"]},"d":"x"}`,
		`{"":"","\u0061":"\"","b\\":"\\","\"":"\\\""}`, `{"a":[1,2,{"b":[]}],"c":true,"d":false,"e":null}`,
		`{"a":"[{,:","b,":"\u007d"}`, `{"a":1,"b":2,"a":[3]}`, `{"a":1,"a":2,"a":3}`, `{"é":"ü","\ud83d\ude00":"😀"}`,
	} {
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &want), text)
		var got specMembers
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got.values, text)
	}
	for _, text := range []string{`null`, `[]`, `"{}"`, `1`, `true`} {
		require.ErrorIs(t, json.Unmarshal([]byte(text), new(specMembers)), errShape, text)
	}
	var got specMembers
	require.NoError(t, json.Unmarshal([]byte(`{"a":1,"b":2,"a":3,"c":4,"a":5,"c":6}`), &got))
	require.Equal(t, map[string]bool{"a": true, "c": true}, got.twice)
}
