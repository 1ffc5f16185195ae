package postgres

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

// The value leads to the administrator's database, with the same protection.
func TestValueIsTheAdministratorsWithAnotherLogin(t *testing.T) {
	for _, name := range []string{"PGSSLMODE", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLROOTCERT"} {
		t.Setenv(name, "")
	}
	for _, tc := range []struct {
		dsn  string
		p    params
		want string
	}{
		{"postgres://admin:Xq7mVt2b@db.internal/shop?sslmode=verify-full", params{},
			"postgres://app_a:PW@db.internal:5432/shop?sslmode=verify-full"},
		{"postgres://admin:Xq7mVt2b@db.internal:6543/shop", params{},
			"postgres://app_a:PW@db.internal:6543/shop?sslmode=prefer"},
		{"host=db.internal user=admin password=Xq7mVt2b dbname=shop sslmode=require", params{},
			"postgres://app_a:PW@db.internal:5432/shop?sslmode=require"},
		{"postgres://admin:Xq7mVt2b@db/shop?sslmode=allow", params{}, "postgres://app_a:PW@db:5432/shop?sslmode=allow"},
		{"postgres://admin:Xq7mVt2b@db/shop?sslmode=disable", params{}, "postgres://app_a:PW@db:5432/shop?sslmode=disable"},
		{"postgres://admin:Xq7mVt2b@db/shop?sslmode=verify-ca", params{sslrootcert: "/etc/db ca.pem"},
			"postgres://app_a:PW@db:5432/shop?sslmode=verify-ca&sslrootcert=%2Fetc%2Fdb%20ca.pem"},
		{"postgres://admin:Xq7mVt2b@db/?sslmode=disable", params{}, "postgres://app_a:PW@db:5432/admin?sslmode=disable"},
		{"postgres://admin:Xq7mVt2b@db1:1,db2:2/shop?sslmode=require&target_session_attrs=primary", params{},
			"postgres://app_a:PW@db1:1,db2:2/shop?sslmode=require&target_session_attrs=read-write"},
		{"postgres://admin:Xq7mVt2b@[::1]:7/shop?sslmode=disable&application_name=x&options=-csearch_path%3Dx", params{},
			"postgres://app_a:PW@[::1]:7/shop?sslmode=disable"},
		{"postgres:///shop?host=/var/run/postgresql&port=5433&user=admin", params{},
			"postgres://app_a:PW@/shop?host=%2Fvar%2Frun%2Fpostgresql&port=5433"},
		{"postgres://admin:Xq7mVt2b@db/shop?sslmode=verify-full", params{host: "pooler", port: 6432, database: "my shop?"},
			"postgres://app_a:PW@pooler:6432/my%20shop%3F?sslmode=verify-full"},
		{"postgres://admin:Xq7mVt2b@db/shop?sslmode=verify-full&sslnegotiation=direct&channel_binding=require", params{},
			"postgres://app_a:PW@db:5432/shop?channel_binding=require&sslmode=verify-full&sslnegotiation=direct"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			admin, err := pgconn.ParseConfig(tc.dsn)
			require.NoError(t, err)
			l := newLogin(admin, tc.p, "app_a", "PW")
			require.NoError(t, l.check(admin))
			text, err := l.text(false)
			require.NoError(t, err)
			require.Equal(t, tc.want, text)
			c, err := parseValue(text, admin)
			require.NoError(t, err)
			require.Equal(t, "app_a PW "+l.database, c.User+" "+c.Password+" "+c.Database)
			if tc.p.host == "" {
				require.Equal(t, admin.Host+itoa(admin.Port), c.Host+itoa(c.Port))
				require.Equal(t, len(admin.Fallbacks), len(c.Fallbacks))
				require.Equal(t, sslMode(admin), sslMode(c))
			}
			text, err = l.text(true)
			require.NoError(t, err)
			var v jsonValue
			require.NoError(t, json.Unmarshal([]byte(text), &v))
			require.Equal(t, jsonValue{c.Host, c.Port, l.database, "app_a", "PW", tc.want}, v)
			again, err := readValue(text)
			require.NoError(t, err)
			require.Equal(t, tc.want, again)
		})
	}
	for _, role := range []string{`it's "quoted"_a`, "Übergröße_a", "a/b@c:d%20_a", " _a", `back\slash_a`} {
		admin, err := pgconn.ParseConfig("postgres://admin:Xq7mVt2b@db/shop?sslmode=disable")
		require.NoError(t, err)
		require.NoError(t, newLogin(admin, params{}, role, "PW").check(admin), role)
	}
}

func TestOtherTextsAreNoValues(t *testing.T) {
	admin, err := pgconn.ParseConfig("postgres://admin@db/shop?sslmode=disable")
	require.NoError(t, err)
	for _, text := range []string{"", "Xq7mVt2b", "{", `{"url":""}`, `{"url":3}`, "postgres://%", "mysql://a:Xq7mVt2b@b/c",
		"postgres://db/shop"} {
		_, err := parseValue(text, admin)
		require.ErrorContains(t, err, "the value is not one that postgres/role made", text)
		require.NotContains(t, err.Error(), "Xq7mVt2b")
	}
}
