package rotate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A rollback copies a value, so its place becomes free when its last version has
// ended. The current value's place becomes free by no end.
func TestAPlaceBecomesFreeWithItsLastVersion(t *testing.T) {
	s, key, _ := withLogins(t, every(30))
	free := func(id string) {
		t.Helper()
		for name, do := range map[string]func() (Result, error){
			"now":    s.rotateNow,
			"revoke": func() (Result, error) { return s.revoke(key, s.current(key)) },
		} {
			r, err := s.unchanged(do)
			require.NoError(t, err, name)
			require.ErrorIs(t, r.Secrets[0].Problem, InUse, name)
			require.ErrorContains(t, r.Secrets[0].Problem, "a new one can be made after "+
				s.version(key, id).ExpiresAt.Format(time.RFC3339)+", when version "+id+" has ended", name)
			var p *Problem
			require.ErrorAs(t, r.Secrets[0].Problem, &p)
			require.Equal(t, id, p.Version)
		}
	}
	s.did(s.apply())
	s.did(s.rotate(RotateOptions{Immediate: true}))
	free("v1")
	s.pass(time.Hour)
	s.did(s.rollback(key, true)) // v3 has the value of v1
	free("v2")
	s.pass(time.Hour)
	s.did(s.rollback(key, true)) // v4 has the value of v2
	free("v3")
	s.did(s.revoke(key, "v3"))
	require.Equal(t, []string{"flip v5", "revoke v2", "revoke v4"}, s.did(s.revoke(key, "v4")))
}
