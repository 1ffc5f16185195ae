package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The vector is the one of Postgres' own tests: the password "pencil" of RFC 7677.
func TestVerifierIsTheOneThatPostgresComputes(t *testing.T) {
	salt := []byte{0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81}
	v, err := verifier("pencil", salt, 4096)
	require.NoError(t, err)
	require.Equal(t, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"+
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", v)
}

func TestPasswordHas256Bits(t *testing.T) {
	a, b := newPassword(), newPassword()
	require.NotEqual(t, a, b)
	require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, a)
}

func TestMarkKeepsTheNameOfTheValue(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"layer 01234567 $SECRET.shop.db 0123456789ab", "x", " since  ended ", `it's "x"\`,
		`x, granted "y"`, "鍵"} {
		for _, granted := range []string{"", "app_rights", `it's, granted "x"\`, " since  ended ", "鍵"} {
			m, ok := parseMark(inUseMark(name, at, granted))
			require.True(t, ok)
			require.Equal(t, mark{name: name, at: at, granted: granted}, m)
			m, ok = parseMark(freeMark(name, at, granted))
			require.True(t, ok)
			require.Equal(t, mark{name: name, at: at, free: true, granted: granted}, m)
		}
	}
	m, ok := parseMark("layer secret: free")
	require.True(t, ok)
	require.Equal(t, mark{free: true}, m)
	for _, comment := range []string{"", "the service", "layer secret", "layer secret: in use by ",
		"layer secret: in use by x", "layer secret: in use by x since yesterday",
		`layer secret: in use by x, granted "y"`} {
		_, ok := parseMark(comment)
		require.False(t, ok, comment)
	}
}

func TestNewValueGetsTheRoleThatIsNotInUse(t *testing.T) {
	const (
		name  = "layer 01234567 $SECRET.shop.db bbbb"
		last  = "layer 01234567 $SECRET.shop.db aaaa"
		other = "layer 76543210 $SECRET.shop.db cccc"
	)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	old, young := now.Add(-6*time.Minute), now.Add(-time.Minute)
	a, b := "app_a", "app_b"
	for _, tc := range []struct {
		title  string
		inUse  []string
		roles  map[string]string // comments
		want   string
		exists bool
		says   string
	}{
		{title: "no roles", want: a},
		{title: "the first is in use", inUse: []string{"app_a/" + last}, roles: map[string]string{a: inUseMark(last, old, "")},
			want: b},
		{title: "the second is in use", inUse: []string{"app_b/" + last},
			roles: map[string]string{a: freeMark(name, old, ""), b: inUseMark(last, old, "")}, want: a, exists: true},
		{title: "both are in use", inUse: []string{"app_b/x", "app_a/y"}, says: "wait until the older one has ended"},
		{title: "ids of another base name", inUse: []string{"api_a/x", "api_b/y"}, want: a},
		{title: "handed over", roles: map[string]string{a: "layer secret: free"}, want: a, exists: true},
		{title: "a role without a comment", roles: map[string]string{a: ""},
			says: `COMMENT ON ROLE "app_a" IS 'layer secret: free'`},
		{title: "a role with a comment", roles: map[string]string{a: "ours"}, says: `another comment than layer's`},
		{title: "a foreign role, which would be next", inUse: []string{"app_a/" + last},
			roles: map[string]string{a: inUseMark(last, old, ""), b: ""}, says: `the role "app_b" exists`},
		{title: "a foreign role as the other one", roles: map[string]string{b: ""}, says: `the role "app_b" exists`},
		{title: "another ledger's", roles: map[string]string{b: inUseMark(other, old, "")},
			says: "another secret or another ledger"},
		{title: "another ledger's, which has ended", roles: map[string]string{a: freeMark(other, young, "")}, want: a,
			exists: true},
		{title: "not recorded, and old", roles: map[string]string{a: inUseMark(last, old, "")}, want: a, exists: true},
		{title: "not recorded, and young", roles: map[string]string{a: inUseMark(last, young, "")},
			says: `the role "app_a" got a password 1m0s ago`},
		{title: "not recorded, by the server's clock in the future",
			roles: map[string]string{a: inUseMark(last, now.Add(time.Hour), "")}, says: "another run is at work"},
	} {
		t.Run(tc.title, func(t *testing.T) {
			c := choice{p: params{role: "app"}, name: name, inUse: tc.inUse, now: now}
			for role1, comment := range tc.roles {
				c.roles = append(c.roles, role{role1, comment})
			}
			chosen, exists, _, err := c.choose()
			if tc.says != "" {
				require.ErrorContains(t, err, tc.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, chosen)
			require.Equal(t, tc.exists, exists)
		})
	}
}

func TestParamsAreChecked(t *testing.T) {
	given := map[string]string{"dsn_env": "DATABASE_ADMIN_URL", "role": "app", "grant": "app_rights"}
	_, err := parseParams(given)
	require.NoError(t, err)
	for _, tc := range []struct{ param, value, says string }{
		{"dsn_env", "", "is not the name of an environment variable"},
		{"dsn_env", "postgres://admin:Xq7mVt2b@db/shop", "is not the name of an environment variable"},
		{"role", "", "needs the param role"},
		{"role", strings.Repeat("r", 62), "choose a name of at most 61"},
		{"role", "pg_app", "begin with pg_"},
		{"role", "pg", "begin with pg_"},
		{"role", "a\x00b", "control characters"},
		{"role", "a\xff", "must be UTF-8"},
		{"grant", "", "needs the param grant"},
		{"grant", "app_a", "one of the roles that take turns"},
		{"grant", strings.Repeat("r", 64), "choose a name of at most 63"},
		{"format", "yaml", "can be url or json"},
		{"nologin", "yes", "nologin of postgres/role can be true or false"},
		{"terminate", "1", "terminate of postgres/role can be true or false"},
		{"host", "admin:Xq7mVt2b@db", "is not HOST or HOST:PORT"},
		{"host", "db:0", "is not HOST or HOST:PORT"},
		{"host", "db:99999", "is not HOST or HOST:PORT"},
		{"database", "a\nb", "control characters"},
		{"roles", "app", `takes no param "roles"`},
	} {
		t.Run(tc.param+" "+tc.says, func(t *testing.T) {
			changed := map[string]string{tc.param: tc.value}
			for k, v := range given {
				if _, ok := changed[k]; !ok {
					changed[k] = v
				}
			}
			_, err := parseParams(changed)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "Xq7mVt2b")
		})
	}
	for text, want := range map[string]string{"db": "db 5432", "pooler.internal:6432": "pooler.internal 6432",
		"[::1]:6432": "::1 6432", "::1": "::1 5432", "10.0.0.1": "10.0.0.1 5432"} {
		given["host"] = text
		p, err := parseParams(given)
		require.NoError(t, err, text)
		require.Equal(t, want, p.host+" "+itoa(p.port))
	}
}
