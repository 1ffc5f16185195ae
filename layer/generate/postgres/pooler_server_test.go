package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

// TestServerPgBouncer: the administrator and the service use a pooler, which asks
// the server for passwords.
func TestServerPgBouncer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	through := func(t *testing.T, pooler string) *declared {
		d := w.declare(t, "host", pooler)
		base := d.params["role"]
		run(t, w.admin(t), "CREATE ROLE dba_"+base+" LOGIN CREATEROLE PASSWORD '"+adminPassword+"'",
			"GRANT "+base+"_rights TO dba_"+base+" WITH ADMIN OPTION")
		d.dsn = fmt.Sprintf("postgres://dba_%s:%s@%s/postgres?sslmode=disable", base, adminPassword, pooler)
		return d
	}
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			pooler := w.server.StartPgBouncer(t, mode)
			d := through(t, pooler)
			require.Contains(t, d.make().Value.Reveal(), "@"+pooler+"/")
			d.make()
			for range 5 {
				d.works()
				open := connect(t, d.inUse[1].Value.Reveal()+"&default_query_exec_mode=exec")
				d.retire() // and the pooler refuses the old password
				run(t, open, "SELECT 1")
				d.make()
				d.works()
				run(t, open, "SELECT 1")
			}
			log := w.log(t)
			for _, p := range d.all {
				require.False(t, strings.Contains(log, p), "a password is in the server's log")
			}
		})
	}
	t.Run("statement", func(t *testing.T) {
		d := through(t, w.server.StartPgBouncer(t, "statement"))
		_, err := d.tryMake(d.name())
		require.ErrorIs(t, err, driver.ErrNotApplied)
		require.ErrorContains(t, err, "let it pool by transaction, or connect to the server itself")
	})
}
