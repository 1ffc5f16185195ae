package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/servers"
)

// databaseCommand returns the command database, for one script. database start
// starts a Postgres server and sets DATABASE_ADMIN_URL. database login FILE VERSION
// logs in with the version's connection string, which ! expects to fail. It knows
// the versions that the file had when it was called before.
func databaseCommand(t *testing.T) func(*testscript.TestScript, bool, []string) {
	seen := map[string]string{}
	return func(ts *testscript.TestScript, neg bool, args []string) {
		ctx := context.Background()
		if args[0] == "start" {
			server := servers.StartPostgres(t)
			admin, err := pgx.Connect(ctx, server.URL("postgres"))
			ts.Check(err)
			defer admin.Close(ctx)
			var rules string
			ts.Check(admin.QueryRow(ctx, "SHOW hba_file").Scan(&rules))
			ts.Check(os.WriteFile(rules,
				[]byte("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o600))
			for _, statement := range []string{"SELECT pg_reload_conf()", "CREATE ROLE app_rights"} {
				_, err := admin.Exec(ctx, statement)
				ts.Check(err)
			}
			ts.Setenv("DATABASE_ADMIN_URL", server.URL("postgres"))
			return
		}
		document, err := secret.Parse(strings.TrimSpace(ts.ReadFile(args[1])))
		ts.Check(err)
		for v := range document.All() {
			seen[v.ID] = v.Text()
		}
		c, err := pgx.Connect(ctx, seen[args[2]])
		if err == nil {
			err = c.Close(ctx)
		}
		if (err != nil) != neg {
			ts.Fatalf("the login succeeded: %t", err == nil) // the error could show the file
		}
	}
}
