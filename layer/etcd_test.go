package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/servers"
)

// certificate writes a self-signed certificate and its key, and returns their
// files.
func certificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour),
		IsCA:     true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secretDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretDER}), 0o600))
	return cert, key
}

// TestEtcdTLS checks that layer uses the certificates that etcdctl's variables
// name, or reports their problem.
func TestEtcdTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir, "one")
	_, otherKey := certificate(t, dir, "other")
	private := filepath.Join(dir, "private")
	require.NoError(t, os.WriteFile(private, []byte(pgPassword), 0o600))
	none := filepath.Join(dir, "none")
	for name, tc := range map[string]struct{ ca, cert, key, says string }{
		"none":                   {},
		"an authority":           {ca: cert},
		"a pair":                 {cert: cert, key: key},
		"all":                    {ca: cert, cert: cert, key: key},
		"no authority's file":    {ca: none, says: "ETCDCTL_CACERT: " + none + " cannot be read: no such file"},
		"an authority's folder":  {ca: dir, says: "ETCDCTL_CACERT: " + dir + " cannot be read"},
		"no authority":           {ca: private, says: "ETCDCTL_CACERT: " + private + " contains no certificate in PEM"},
		"a key for an authority": {ca: key, says: "contains no certificate"},
		"a certificate alone":    {cert: cert, says: "ETCDCTL_CERT and ETCDCTL_KEY belong together: set both"},
		"a key alone":            {key: key, says: "belong together"},
		"no certificate's file": {cert: none, key: key,
			says: "ETCDCTL_CERT and ETCDCTL_KEY: " + none + " and " + key + " cannot be used"},
		"no key's file":       {cert: cert, key: none, says: "cannot be used"},
		"the wrong way round": {cert: key, key: cert, says: "cannot be used: both must be PEM files"},
		"another's key":       {cert: cert, key: otherKey, says: "belong together"},
		"no certificate":      {cert: private, key: key, says: "cannot be used"},
		"no key":              {cert: cert, key: private, says: "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := process{}.etcdTLS(tc.ca, tc.cert, tc.key)
			if tc.says != "" {
				require.ErrorContains(t, err, tc.says)
				require.Empty(t, redacttest.Check(err, pgPassword))
				require.Empty(t, readable(err.Error()))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc == struct{ ca, cert, key, says string }{}, c == nil)
			if c != nil {
				require.Equal(t, tc.ca != "", c.RootCAs != nil)
				require.Equal(t, tc.cert != "", len(c.Certificates) == 1)
			}
		})
	}
}

// TestEtcdSettings checks that a wrong setting of the target etcd is reported
// before the ledger is touched.
func TestEtcdSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, _ := certificate(t, dir, "one")
	declare(t, dir, rotating)
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "etcd://127.0.0.1:1")
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "etcd://127.0.0.1:1", "--ledger", "slash.age", "--workspace", "a/b")
	before := contents(t, dir)
	for name, tc := range map[string]struct {
		env  []string
		args string
		says []string
	}{
		"nobody there": {nil, "status", []string{"etcd /layer////",
			"connection refused: no member listens at the endpoints"}},
		"nobody there, to apply": {nil, "apply", []string{"no member listens at the endpoints"}},
		"nobody there, to log in": {[]string{"ETCDCTL_USER=layer:" + pgPassword}, "status",
			[]string{"the user cannot be logged in"}},
		"no password": {[]string{"ETCDCTL_USER=layer"}, "status",
			[]string{"ETCDCTL_USER names a user without a password: set ETCDCTL_PASSWORD"}},
		"an empty password": {[]string{"ETCDCTL_USER=layer:"}, "status",
			[]string{"without a password: set ETCDCTL_PASSWORD"}},
		"a file that is not there": {[]string{"ETCDCTL_CACERT=nowhere.pem"}, "status",
			[]string{"ETCDCTL_CACERT: nowhere.pem cannot be read"}},
		"half a pair": {[]string{"ETCDCTL_CERT=" + cert}, "status",
			[]string{"ETCDCTL_CERT and ETCDCTL_KEY belong together"}},
		"a certificate without TLS": {[]string{"ETCDCTL_CACERT=" + cert}, "target etcd://127.0.0.1:1?tls=off",
			[]string{"a certificate is given, and the endpoints are http"}},
		"a slash in a name": {nil, "status --ledger slash.age", []string{"the workspace must be"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, asJSON := range []bool{false, true} {
				if asJSON && strings.Contains(name, "log in") {
					continue // this case takes ten seconds
				}
				args := append(append([]string{"secret"}, strings.Fields(tc.args)...), "--spec", "spec.json")
				if asJSON {
					args = append(args, "--json")
				}
				stdout, stderr := layerIn(t, dir, tc.env, 1, args...)
				require.Empty(t, complaints(args, 1, stdout, stderr))
				require.Empty(t, redacttest.Find(stdout+stderr, pgPassword))
				for _, want := range tc.says {
					require.Contains(t, stdout+stderr, want)
				}
			}
			require.Equal(t, before["/layer.secrets.age"], contents(t, dir)["/layer.secrets.age"])
		})
	}
}

// TestServerEtcd runs an operator's commands on the target etcd, a cluster of
// three members.
func TestServerEtcd(t *testing.T) {
	cluster := servers.StartEtcd(t, 3)
	client, err := clientv3.New(clientv3.Config{Endpoints: cluster.Endpoints(), DialTimeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	commands := scriptCommands()
	maps.Copy(commands, map[string]func(*testscript.TestScript, bool, []string){"etcd": cmdEtcd(cluster, client)})
	testscript.Run(t, testscript.Params{Dir: "testdata/etcd", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			// Each script has its own names, because all scripts share one cluster.
			env.Setenv("TARGET", "etcd://"+strings.Join(cluster.Endpoints(), ","))
			env.Setenv("MINE", strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"))
			env.Setenv("DEAD", "etcd://127.0.0.1:1,"+cluster.Endpoints()[0])
			return setUp(env)
		}})
}

// TestServerEtcdCredentials checks that an etcd with authentication accepts the
// user that etcdctl's variables name, and no other. Every problem of the
// credential is reported, and no part of the credential is shown.
func TestServerEtcdCredentials(t *testing.T) {
	cluster := servers.StartEtcd(t, 1)
	client, err := clientv3.New(clientv3.Config{Endpoints: cluster.Endpoints(), DialTimeout: 10 * time.Second})
	require.NoError(t, err)
	defer client.Close()
	ctx := t.Context()
	for _, user := range []string{"root", "writer", "reader"} {
		_, err = client.UserAdd(ctx, user, pgPassword)
		require.NoError(t, err)
		_, err = client.RoleAdd(ctx, user)
		require.NoError(t, err)
		_, err = client.UserGrantRole(ctx, user, user)
		require.NoError(t, err)
	}
	for role, may := range map[string]clientv3.PermissionType{"writer": clientv3.PermissionType(clientv3.PermReadWrite),
		"reader": clientv3.PermissionType(clientv3.PermRead)} {
		_, err = client.RoleGrantPermission(ctx, role, "/layer/", clientv3.GetPrefixRangeEnd("/layer/"), may)
		require.NoError(t, err)
	}
	_, err = client.AuthEnable(ctx)
	require.NoError(t, err)

	dir := t.TempDir()
	declare(t, dir, rotating)
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "etcd://"+cluster.Endpoints()[0])
	r := newRecord(dir)
	r.hide(pgPassword, "the password")
	try := func(status int, env []string, says string, args ...string) {
		t.Helper()
		for _, line := range [][]string{args, append(args[:len(args):len(args)], "--json")} {
			stdout, stderr := layerIn(t, dir, env, status, line...)
			r.add(strings.Join(line, " "), line, stdout, stderr)
			require.Regexp(t, says, stdout+stderr)
			require.Empty(t, complaints(line, status, stdout, stderr))
		}
	}
	status := []string{"secret", "status", "--spec", "spec.json"}
	apply := []string{"secret", "apply", "--spec", "spec.json"}
	try(1, nil, "etcd asks for a user", status...)
	try(1, []string{"ETCDCTL_USER=writer"}, "without a password: set ETCDCTL_PASSWORD", status...)
	try(1, []string{"ETCDCTL_USER=writer", "ETCDCTL_PASSWORD=" + strings.ToUpper(pgPassword)},
		"the user cannot be logged in", status...)
	try(1, []string{"ETCDCTL_USER=nobody:" + pgPassword}, "the user cannot be logged in", status...)
	try(0, []string{"ETCDCTL_USER=reader:" + pgPassword}, "unpublished", status...)
	try(1, []string{"ETCDCTL_USER=reader", "ETCDCTL_PASSWORD=" + pgPassword},
		"permission denied: let the user's role read this key, or write it and its note", apply...)
	try(0, []string{"ETCDCTL_USER=reader:" + pgPassword}, "unpublished", status...)
	try(0, []string{"ETCDCTL_USER=writer", "ETCDCTL_PASSWORD=" + pgPassword}, "", apply...)
	// ETCDCTL_USER takes precedence, as for etcdctl.
	try(0, []string{"ETCDCTL_USER=writer:" + pgPassword, "ETCDCTL_PASSWORD=wrong"}, `\bok\b|"ok"`, status...)
	require.Empty(t, r.leaks())
}

// cmdEtcd works on a cluster:
//
//	etcd keys PREFIX [KEY…]                      these are all keys with the prefix, in order
//	etcd value KEY PATTERN                       the key's value matches
//	etcd put KEY TEXT                            a person writes by hand
//	etcd drop KEY                                a person deletes by hand
//	etcd reads W P E ADDRESS CURRENT [FILE]      a program reads this version, and the content of FILE
func cmdEtcd(cluster *servers.Etcd, client *clientv3.Client) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		switch args[0] {
		case "keys":
			found, err := client.Get(ctx, args[1], clientv3.WithPrefix(), clientv3.WithKeysOnly())
			ts.Check(err)
			var keys []string
			for _, kv := range found.Kvs {
				keys = append(keys, string(kv.Key))
			}
			if slices.Equal(keys, args[2:]) == neg {
				ts.Fatalf("the keys are %q", keys)
			}
		case "value":
			found, err := client.Get(ctx, args[1])
			ts.Check(err)
			if len(found.Kvs) != 1 {
				ts.Fatalf("%d values", len(found.Kvs))
			}
			matches(ts, neg, args[2], string(found.Kvs[0].Value))
		case "put":
			if !strings.HasSuffix(args[1], ".note") {
				of(ts).hide(args[2], "a value of the script")
			}
			_, err := client.Put(ctx, args[1], args[2])
			ts.Check(err)
		case "drop":
			_, err := client.Delete(ctx, args[1])
			ts.Check(err)
		case "reads":
			names := args[1:4]
			store, err := etcd.OpenStore(ctx, etcd.Options{Endpoints: cluster.Endpoints(), Workspace: names[0],
				Project: names[1], Environment: names[2]})
			ts.Check(err)
			defer store.Close()
			addr, err := secret.ParseAddress(args[4])
			ts.Check(err)
			v, err := secret.Static(secret.Options{Namespace: addr.Namespace, Name: addr.Name}).With(store).Current().Get(ctx)
			ts.Check(err)
			of(ts).hide(v.Text(), "a value")
			same := v.ID == args[5] && (len(args) < 7 || v.Equal(strings.TrimSuffix(ts.ReadFile(args[6]), "\n")))
			if same == neg {
				ts.Fatalf("it holds %s, with the value of the file: %v", v.ID, same)
			}
		default:
			ts.Fatalf("etcd does not %s", args[0])
		}
	}
}
