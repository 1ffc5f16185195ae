package rotate

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// New records and changed ones in one swap: each address has one record, in order.
func TestOneRecordAnAddress(t *testing.T) {
	addr := func(i int) secret.Address { return secret.Address{Namespace: "ns", Name: fmt.Sprintf("key-%03d", i)} }
	for n := range 12 {
		for added := range 12 {
			st := &state{}
			for i := range n {
				st.Secrets = append(st.Secrets, &record{Address: addr(2*i + 1)})
			}
			records := []*record{{Address: addr(2 * added), Gen: 7}}
			for i := range n {
				records = append(records, &record{Address: addr(2*i + 1), Gen: 7})
			}
			next := st.with(records...)
			require.Len(t, next.Secrets, n+1)
			require.Len(t, st.Secrets, n)
			for i, r := range next.Secrets {
				require.Equal(t, uint64(7), r.Gen)
				require.Same(t, r, next.find(r.Address))
				require.True(t, i == 0 || compareAddress(next.Secrets[i-1].Address, r.Address) < 0)
			}
		}
	}
}
