package rotate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestWithKeepsOneRecordForEachAddress(t *testing.T) {
	at := func(name string, gen uint64) *record {
		return &record{Address: secret.Address{Namespace: "n", Name: name}, Gen: gen}
	}
	st := (&state{}).with(at("d", 1), at("b", 1)).with(at("a", 2), at("d", 2), at("c", 2), at("b", 2))
	var names string
	for _, r := range st.Secrets {
		names += r.Address.Name
		require.Equal(t, uint64(2), r.Gen)
	}
	require.Equal(t, "abcd", names)
}
