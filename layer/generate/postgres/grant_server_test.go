package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

// rights: an administrator need not be a superuser.
func rights(t *testing.T, w world) {
	d := w.declare(t)
	base, admin := d.params["role"], w.admin(t)
	run(t, admin, "CREATE ROLE dba_"+base+" LOGIN PASSWORD '"+adminPassword+"'")
	d.dsn = fmt.Sprintf("postgres://dba_%s:%s@%s/postgres?sslmode=disable", base, adminPassword, w.server.Address)
	refused := func(says string) {
		t.Helper()
		_, err := d.tryMake(d.name())
		require.ErrorIs(t, err, driver.ErrNotApplied)
		require.ErrorContains(t, err, says)
	}
	refused("cannot be created: SQLSTATE 42501: let the administrator create roles: ALTER ROLE \"dba_" + base +
		"\" CREATEROLE")
	run(t, admin, "ALTER ROLE dba_"+base+" CREATEROLE")
	newer := one(t, admin, "SHOW server_version_num") >= "160000"
	if newer {
		refused("cannot be granted to")
		run(t, admin, "GRANT "+base+"_rights TO dba_"+base+" WITH ADMIN OPTION")
	}
	d.make()
	d.make()
	d.retire()
	d.make()
	d.works()

	// Another administrator, who has not created the roles.
	run(t, admin, "CREATE ROLE next_"+base+" LOGIN CREATEROLE PASSWORD '"+adminPassword+"'")
	d.dsn = strings.Replace(d.dsn, "dba_", "next_", 1)
	if newer {
		err := d.clean(d.generator().Retire(t.Context(), d.ids()[1]))
		require.ErrorContains(t, err, "the password of role \""+base+"_b\" cannot be set: SQLSTATE 42501: ")
		advice := "GRANT \"" + base + "_b\" TO \"next_" + base + "\" WITH ADMIN OPTION"
		require.ErrorContains(t, err, advice)
		run(t, admin, advice, strings.Replace(advice, "_b", "_a", 1))
		d.works()
	}
	d.retire()
	d.make()
	d.works()

	run(t, admin, "ALTER ROLE "+base+"_a SUPERUSER") // which only a superuser may change
	err := d.clean(d.generator().Retire(t.Context(), d.ids()[1]))
	require.ErrorContains(t, err, "the password of role \""+base+"_a\" cannot be set: SQLSTATE 42501: let the "+
		"administrator change the role")
	d.works()

	d.dsn = config(t, d.inUse[0]).ConnString()
	refused("one of the roles that take turns")
}

// regrants: with its next value, each role loses the role that layer granted to
// it, and none that others granted.
func regrants(t *testing.T, w world) {
	d := w.declare(t)
	base, admin := d.params["role"], w.admin(t)
	first := d.params["grant"]
	groups := func(suffix string) string {
		return strings.ReplaceAll(one(t, admin, "SELECT coalesce(string_agg(g.rolname, ' ' ORDER BY g.rolname), '') FROM "+
			"pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid JOIN pg_roles AS r ON r.oid = m.member WHERE "+
			"r.rolname = $1", base+suffix), base, "")
	}
	second, own := base+`_other, granted "x"`, base+"_own"
	run(t, admin, "CREATE ROLE "+pgx.Identifier{second}.Sanitize(), "CREATE ROLE "+own)
	d.make()
	run(t, admin, "GRANT "+own+" TO "+base+"_a")
	d.params["grant"] = second
	d.make()
	require.Equal(t, `_other, granted "x"`, groups("_b"))
	require.Equal(t, "_own _rights", groups("_a"), "its value is in use")
	d.retire()
	require.Equal(t, "_own _rights", groups("_a"))
	d.make()
	require.Equal(t, `_other, granted "x" _own`, groups("_a"))

	// A grant of others stays, although the param named it.
	d.params["grant"] = own
	d.retire()
	d.make()
	require.Equal(t, "_own", groups("_b"))
	d.retire()
	d.make()
	require.Equal(t, "_own", groups("_a"))
	d.params["grant"] = first
	d.retire()
	d.make()
	require.Equal(t, "_rights", groups("_b"))
	d.retire()
	d.make()
	require.Equal(t, "_own _rights", groups("_a"))

	// It was revoked, and its role dropped, by hand.
	run(t, admin, "DROP ROLE "+first)
	d.params["grant"] = own
	d.retire()
	d.make()
	d.works()
	require.Equal(t, "_own", groups("_b"))

	// Another administrator granted it.
	run(t, admin, "CREATE ROLE dba_"+base+" LOGIN CREATEROLE PASSWORD '"+adminPassword+"'", "GRANT "+own+" TO dba_"+
		base+" WITH ADMIN OPTION", "GRANT "+pgx.Identifier{second}.Sanitize()+" TO dba_"+base+" WITH ADMIN OPTION")
	d.params["grant"] = second
	d.retire()
	d.make()
	require.Equal(t, `_other, granted "x" _own`, groups("_a"))
	if one(t, admin, "SHOW server_version_num") < "160000" {
		return // a grant has no owner
	}
	run(t, admin, "GRANT "+base+"_a TO dba_"+base+" WITH ADMIN OPTION", "GRANT "+base+"_b TO dba_"+base+
		" WITH ADMIN OPTION")
	d.dsn = fmt.Sprintf("postgres://dba_%s:%s@%s/postgres?sslmode=disable", base, adminPassword, w.server.Address)
	d.retire()
	_, err := d.tryMake(d.name())
	require.ErrorIs(t, err, driver.ErrNotApplied)
	require.ErrorContains(t, err, `the role "`+own+`", which the param grant named before, cannot be revoked from "`+base+
		`_b": another role granted it: REVOKE "`+own+`" FROM "`+base+`_b" as the role that granted it`)
	d.works()
	run(t, admin, "COMMENT ON ROLE "+base+"_b IS 'layer secret: free'") // as the message says
	d.make()
	d.works()
	require.Equal(t, `_other, granted "x" _own`, groups("_b"))
}
