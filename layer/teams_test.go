package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/layeron-hq/secret/internal/servers"
)

// TestServerTeams runs the commands of docs/teams.md. Only the addresses are
// replaced, with those of servers on this machine.
func TestServerTeams(t *testing.T) {
	bucket, database := versity(t), newPostgres(t)
	members := servers.StartEtcd(t, 3)
	client, err := clientv3.New(clientv3.Config{Endpoints: members.Endpoints(), DialTimeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	tools := buildKeygen(t)
	commands := recipeCommands()
	commands["etcd"] = cmdEtcd(members, client)
	testscript.Run(t, testscript.Params{Dir: "testdata/teams", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", env.Getenv("PATH")+string(filepath.ListSeparator)+tools)
			if err := setUpRecipe(env); err != nil {
				return err
			}
			s := env.Values[sessionKey{}].(*session)
			s.hide(s3Key, "a credential")
			s.hide(pgPassword, "a credential")
			inBucket := bucket.place()
			s.places = strings.NewReplacer(
				"s3://acme-ledgers/shop?endpoint=https://ACCOUNT.r2.cloudflarestorage.com", inBucket,
				"postgres://layer@db.internal/ledgers?sslmode=verify-full&name=shop", database.place(),
				"etcd://etcd-1:2379,etcd-2:2379,etcd-3:2379", "etcd://"+strings.Join(members.Endpoints(), ","))
			env.Setenv("BUCKET", inBucket)
			for _, v := range bucket.environment() {
				name, value, _ := strings.Cut(v, "=")
				env.Setenv(name, value)
			}
			return nil
		}})
}
