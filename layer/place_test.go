package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
)

func TestPlacesAreParsed(t *testing.T) {
	for text, want := range map[string]place{
		"layer.secrets.age": {text: "layer.secrets.age"},
		"ops/shop.age":      {text: "ops/shop.age"},
		"/srv/a:b.age":      {text: "/srv/a:b.age"},
		"C:shop.age":        {text: "C:shop.age"},
		"./a=b@c:d?e.age":   {text: "./a=b@c:d?e.age"},
		"100%.age":          {text: "100%.age"},
		"a?b&c.age":         {text: "a?b&c.age"},
		"the shop's.age":    {text: "the shop's.age"},
		"läden#1;2,3.age":   {text: "läden#1;2,3.age"},
		"postgres://h/d?password_encryption=scram-sha-256": {kind: inPostgres, name: "default",
			url: "postgres://h/d?password_encryption=scram-sha-256"},
		"postgres://h/d?sslkey=/k&sslcert=/c&passfile=/p": {kind: inPostgres, name: "default",
			url: "postgres://h/d?sslkey=/k&sslcert=/c&passfile=/p"},
		"s3://ledgers?endpoint=https://h.example":                       {kind: inBucket},
		"s3://ledgers/a/b?endpoint=https%3A%2F%2Fh.example&region=auto": {kind: inBucket},
		"postgres://db.internal/ledgers": {kind: inPostgres, name: "default",
			url: "postgres://db.internal/ledgers"},
		"postgresql://layer@db:5433/ledgers?name=shop": {kind: inPostgres, name: "shop",
			url: "postgresql://layer@db:5433/ledgers"},
		"postgres://layer@a:5432,b:5432/l?sslmode=verify-full&name=the%20shop&target_session_attrs=read-write": {kind: inPostgres, name: "the shop",
			url: "postgres://layer@a:5432,b:5432/l?sslmode=verify-full&target_session_attrs=read-write"},
		"postgres://layer@[::1]:5432/l?name=": {kind: inPostgres, name: "default",
			url: "postgres://layer@[::1]:5432/l"},
		"postgres://a%3Ab@h/d?default_query_exec_mode=exec": {kind: inPostgres, name: "default", ownMode: true,
			url: "postgres://a%3Ab@h/d?default_query_exec_mode=exec"},
		"postgres://":  {kind: inPostgres, name: "default", url: "postgres://"},
		"postgres:///": {kind: inPostgres, name: "default", url: "postgres:///"},
	} {
		want.text = text
		got, err := with(nil).parsePlace(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for text, folder := range map[string]string{"shop.age": ".", "ops/shop.age": "ops", "/a/b": "/a",
		"s3://ledgers/a?endpoint=https://h": ".", "postgres://h/d": "."} {
		p, err := with(nil).parsePlace(text)
		require.NoError(t, err)
		require.Equal(t, folder, p.folder())
	}
}

// TestRegionOfAnEndpoint checks the endpoint, and the region for which requests
// to it are signed.
func TestRegionOfAnEndpoint(t *testing.T) {
	const r2 = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com"
	for name, tc := range map[string]struct {
		address  string
		env      map[string]string
		endpoint string
		region   string
	}{
		"R2": {address: "?endpoint=" + r2, endpoint: r2, region: "auto"},
		"R2, for which AWS_REGION is not": {address: "?endpoint=" + r2, env: map[string]string{"AWS_REGION": "eu-west-1"},
			endpoint: r2, region: "auto"},
		"R2 in a jurisdiction": {address: "?endpoint=https://0123.eu.r2.cloudflarestorage.com",
			endpoint: "https://0123.eu.r2.cloudflarestorage.com", region: "auto"},
		"R2, as the address says": {address: "?region=weur&endpoint=" + r2, endpoint: r2, region: "weur"},
		"R2 by the environment": {env: map[string]string{"AWS_ENDPOINT_URL_S3": r2, "AWS_REGION": "eu-west-1"},
			endpoint: r2, region: "auto"},
		"no R2": {address: "?endpoint=https://r2.cloudflarestorage.com.example",
			endpoint: "https://r2.cloudflarestorage.com.example", region: "us-east-1"},
		"AWS": {address: "?endpoint=https://s3.eu-central-1.amazonaws.com",
			endpoint: "https://s3.eu-central-1.amazonaws.com", region: "eu-central-1"},
		"AWS, for which AWS_REGION is not": {address: "?endpoint=https://s3.eu-central-1.amazonaws.com",
			env:      map[string]string{"AWS_REGION": "us-west-2"},
			endpoint: "https://s3.eu-central-1.amazonaws.com", region: "eu-central-1"},
		"AWS, as the address says": {address: "?endpoint=https://s3.eu-central-1.amazonaws.com&region=us-west-2",
			endpoint: "https://s3.eu-central-1.amazonaws.com", region: "us-west-2"},
		"AWS, dual stack": {address: "?endpoint=https://s3.dualstack.ap-southeast-2.amazonaws.com",
			endpoint: "https://s3.dualstack.ap-southeast-2.amazonaws.com", region: "ap-southeast-2"},
		"AWS, old style": {address: "?endpoint=https://s3-us-west-2.amazonaws.com",
			endpoint: "https://s3-us-west-2.amazonaws.com", region: "us-west-2"},
		"AWS, governmental": {address: "?endpoint=https://s3.us-gov-west-1.amazonaws.com",
			endpoint: "https://s3.us-gov-west-1.amazonaws.com", region: "us-gov-west-1"},
		"AWS in China": {address: "?endpoint=https://s3.cn-north-1.amazonaws.com.cn",
			endpoint: "https://s3.cn-north-1.amazonaws.com.cn", region: "cn-north-1"},
		"AWS, a bucket's host": {address: "?endpoint=https://x.S3.eu-north-1.amazonaws.com",
			endpoint: "https://x.S3.eu-north-1.amazonaws.com", region: "eu-north-1"},
		"AWS, global": {address: "?endpoint=https://s3.amazonaws.com", endpoint: "https://s3.amazonaws.com",
			region: "us-east-1"},
		"AWS, global, and AWS_REGION": {address: "?endpoint=https://s3.amazonaws.com",
			env:      map[string]string{"AWS_REGION": "eu-west-3"},
			endpoint: "https://s3.amazonaws.com", region: "eu-west-3"},
		"not AWS": {address: "?endpoint=https://s3.eu-central-1.amazonaws.com.example",
			endpoint: "https://s3.eu-central-1.amazonaws.com.example", region: "us-east-1"},
		"not AWS's S3": {address: "?endpoint=https://nots3.eu-central-1.amazonaws.com",
			endpoint: "https://nots3.eu-central-1.amazonaws.com", region: "us-east-1"},
		"not AWS either": {address: "?endpoint=https://s3.eu-central-1.example.com",
			endpoint: "https://s3.eu-central-1.example.com", region: "us-east-1"},
		"AWS_REGION alone": {env: map[string]string{"AWS_REGION": "sa-east-1"},
			endpoint: "https://s3.sa-east-1.amazonaws.com", region: "sa-east-1"},
		"AWS_DEFAULT_REGION alone": {env: map[string]string{"AWS_DEFAULT_REGION": "sa-east-1"},
			endpoint: "https://s3.sa-east-1.amazonaws.com", region: "sa-east-1"},
		"both": {env: map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "sa-east-1"},
			endpoint: "https://s3.eu-west-1.amazonaws.com", region: "eu-west-1"},
		"the address's region alone": {address: "?region=eu-south-2", env: map[string]string{"AWS_REGION": "eu-west-1"},
			endpoint: "https://s3.eu-south-2.amazonaws.com", region: "eu-south-2"},
		"MinIO": {address: "?endpoint=https://minio.internal:9000", endpoint: "https://minio.internal:9000",
			region: "us-east-1"},
		"MinIO with a region": {address: "?endpoint=https://minio.internal:9000",
			env: map[string]string{"AWS_REGION": "here"}, endpoint: "https://minio.internal:9000", region: "here"},
		"here": {address: "?endpoint=http://127.0.0.1:7070", endpoint: "http://127.0.0.1:7070",
			region: "us-east-1"},
		"by the environment": {env: map[string]string{"AWS_ENDPOINT_URL": "https://minio.internal"},
			endpoint: "https://minio.internal", region: "us-east-1"},
		"S3's variable before the general": {env: map[string]string{"AWS_ENDPOINT_URL": "https://a.internal",
			"AWS_ENDPOINT_URL_S3": "https://b.internal"},
			endpoint: "https://b.internal", region: "us-east-1"},
		"the environment's endpoint before AWS": {env: map[string]string{"AWS_ENDPOINT_URL": "https://minio.internal",
			"AWS_REGION": "here"}, endpoint: "https://minio.internal", region: "here"},
		"the address before the environment": {address: "?endpoint=https://mine.internal",
			env:      map[string]string{"AWS_ENDPOINT_URL_S3": "https://b.internal"},
			endpoint: "https://mine.internal", region: "us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := with(tc.env).bucketAt("s3://ledgers/team/shop" + tc.address)
			require.NoError(t, err)
			require.Equal(t, []string{"ledgers", "team/shop", tc.endpoint, tc.region},
				[]string{o.Bucket, o.Prefix, o.Endpoint, o.Region})
		})
	}
}

// TestWrongAddresses checks that a wrong address gives exit status 2. No part
// of the address appears on the screen or in a file, even if that part is
// valid: the address may contain a password.
func TestWrongAddresses(t *testing.T) {
	t.Parallel()
	const pw = pgPassword
	at := "@db.internal/ledgers"
	ledgers := map[string]struct{ address, says string }{
		"a password": {"postgres://layer:" + pw + at,
			"contains a password.*PGPASSWORD or ~/.pgpass, and change this one"},
		"postgresql":                       {"postgresql://layer:" + pw + at, "contains a password"},
		"a password alone":                 {"postgres://:" + pw + at, "contains a password"},
		"a user without a password's text": {"postgres://layer:" + at, "contains a password"},
		"several hosts":                    {"postgres://layer:" + pw + "@a:1,b:2/ledgers?name=x", "contains a password"},
		"no host":                          {"postgres://layer:" + pw + "@/ledgers", "contains a password"},
		"a sign in it":                     {"postgres://layer:a@" + pw + at, "contains a password"},
		"a sign in the user":               {"postgres://lay@er:" + pw + at, "contains a password"},
		"a slash in it":                    {"postgres://layer:a/" + pw + at, "damaged"},
		"a question mark in it":            {"postgres://layer:a?" + pw + at, "damaged"},
		"a hash in it":                     {"postgres://layer:a#" + pw + at, "contains a password"},
		"a per cent in it":                 {"postgres://layer:a%" + pw + at, "contains a password"},
		"as a parameter":                   {"postgres://db/l?password=" + pw, "contains a password"},
		"as a parameter in hex":            {"postgres://db/l?name=x&p%61ssword=" + pw, "contains a password"},
		"an empty parameter":               {"postgres://db/l?password=", "contains a password"},
		"that of the certificate's key":    {"postgres://db/l?sslpassword=" + pw, "contains a password"},
		"in the user as a parameter":       {"postgres://db/l?user=layer:" + pw + "@db", "contains a password"},
		"in the host as a parameter":       {"postgres:///l?host=layer:" + pw + "@db", "contains a password"},
		"in the name as a parameter":       {"postgres:///l?dbname=layer:" + pw + "@db", "contains a password"},
		"a damaged query":                  {"postgres://db/l?a=%zz&x=" + pw, "damaged after the question mark"},
		"a semicolon":                      {"postgres://db/l?a=b;password=" + pw, "damaged after the question mark"},
		"a damaged address":                {"postgres://db:" + pw + "/l", "damaged"},
		"a damaged setting":                {"postgres://db/l?sslmode=" + pw, "damaged"},
		"a file that is not there":         {"postgres://db/l?sslmode=verify-full&sslrootcert=/nowhere/" + pw, "damaged"},
		"a bucket's key": {"s3://" + s3ID + ":" + s3Key + "@ledgers/shop?endpoint=https://h.example",
			"not of the form|names a user or a key"},
		"a key without slashes": {"s3://" + s3ID + ":" + pw + "@ledgers/shop?endpoint=https://h.example",
			"names a user or a key.*AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		"a key's id": {"s3://" + s3ID + "@ledgers/shop?endpoint=https://h.example",
			"names a user or a key"},
		"an endpoint's key": {"s3://ledgers/shop?endpoint=https://" + s3ID + ":" + pw + "@h.example",
			"the endpoint names a user"},
		"a key as a parameter": {"s3://ledgers/shop?endpoint=https://h.example&secret_key=" + pw,
			"endpoint and region, and nothing else"},
		"no bucket": {"s3://?endpoint=https://h.example&x=" + pw, "not of the form"},
		"no bucket's name": {"s3://" + strings.ToUpper(pw) + "?endpoint=https://h.example",
			"no bucket's name"},
		"no endpoint":             {"s3://ledgers/" + pw, "no endpoint.*AWS_ENDPOINT_URL_S3.*AWS_REGION"},
		"an endpoint in the open": {"s3://ledgers/" + pw + "?endpoint=http://h.example", "plain http"},
		"a public endpoint":       {"s3://ledgers/" + pw + "?endpoint=https://pub-1.r2.dev", "r2.dev"},
		"no endpoint's form":      {"s3://ledgers?endpoint=" + pw, "the endpoint is not of the form"},
		"no region":               {"s3://ledgers?endpoint=https://h.example&region=" + pw + "!", "no region"},
		"two endpoints": {"s3://ledgers?endpoint=https://h.example&endpoint=https://" + pw,
			"twice, or empty"},
		"no endpoint's text": {"s3://ledgers/" + pw + "?endpoint=", "twice, or empty"},
		"a fragment":         {"s3://ledgers/shop?endpoint=https://h.example#" + pw, "not of the form"},
		"a path upwards":     {"s3://ledgers/../" + pw + "?endpoint=https://h.example", "prefix"},
		"etcd":               {"etcd://u:" + pw + "@h:1", "a ledger is a FILE"},
		"another scheme": {"mysql://u:" + pw + "@h/d",
			"a ledger is a FILE, s3://BUCKET/PREFIX\\?endpoint=https://… or postgres://HOST/DATABASE"},
		"the web":   {"https://u:" + pw + "@h/d", "a ledger is a FILE"},
		"capitals":  {"POSTGRES://u:" + pw + "@h/d", "a ledger is a FILE"},
		"no scheme": {"://" + pw, "a ledger is a FILE"},
		"no text":   {"", "--ledger is empty: a ledger is a FILE"},
		"psql's other form": {"host=db user=u password=" + pw,
			"--ledger has none of these forms. Put a password into PGPASSWORD"},
		"a password alone of that form":    {"password=" + pw, "none of these forms.*is written ./NAME"},
		"one slash":                        {"postgres:/u:" + pw + "@h", "none of these forms"},
		"no slash":                         {"postgres:u:" + pw + "@h/d", "none of these forms"},
		"no scheme, a user":                {"u:" + pw + "@h/db", "none of these forms"},
		"no scheme, a user alone":          {pw + "@h/db", "none of these forms"},
		"no scheme, slashes":               {"//u:" + pw + "@h/db", "none of these forms"},
		"no scheme, encoded":               {"u%3A" + pw + "%40h/db", "none of these forms"},
		"no scheme, encoded twice":         {"u%253A" + pw + "%2540h/db", "none of these forms"},
		"a bucket without slashes":         {"s3:b?secret=" + pw, "none of these forms"},
		"a bucket with one":                {"s3:/b?endpoint=https://" + pw + "@h", "a ledger is a FILE"},
		"capitals without slashes":         {"S3:B?SECRET=" + pw, "none of these forms"},
		"for Java":                         {"jdbc:postgresql://u:" + pw + "@h/db", "a ledger is a FILE"},
		"for Java, as a parameter":         {"jdbc:postgresql:db?user=u&password=" + pw, "none of these forms"},
		"for Python":                       {"postgresql+ssl://u:" + pw + "@h/db", "a ledger is a FILE"},
		"a query alone":                    {"?token=" + pw, "none of these forms"},
		"a port in front":                  {"h:5432/" + pw, "none of these forms"},
		"a key":                            {"AGE-SECRET-KEY-1" + pw, "none of these forms.*a key into the environment"},
		"a key, in small letters":          {"age-secret-key-1" + pw, "none of these forms"},
		"capitals as a parameter":          {"postgres://db/l?PASSWORD=" + pw, "contains a password"},
		"another name as a parameter":      {"postgres://db/l?Pwd=" + pw, "contains a password"},
		"a token as a parameter":           {"postgres://db/l?sslmode=verify-full&auth_token=" + pw, "contains a password"},
		"a secret as a parameter":          {"postgres://db/l?app.secret=" + pw, "contains a password"},
		"a key as a parameter of Postgres": {"postgres://db/l?api-key=" + pw, "contains a password"},
		"within a parameter":               {"postgres://db/l?options=-c%20app.password%3D" + pw, "contains a password"},
		"an address within a parameter":    {"postgres://db/l?application_name=http://u:" + pw + "@h", "contains a password"},
		"a second host":                    {"postgres://u@a,u:" + pw + "@b/l", "contains a password"},
		"a parameter without a value":      {"postgres://u:1?" + pw + "@h/l", "damaged"},
		"a fragment of Postgres":           {"postgres://db/l#" + pw, "damaged"},
		"a slash in it, after digits":      {"postgres://u:1234/" + pw + "@h/l", "damaged"},
		"a colon in the database":          {"postgres://h/l:" + pw, "damaged"},
	}
	dir := t.TempDir()
	declare(t, dir, rotating)
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:out")
	before := contents(t, dir)
	run := func(t *testing.T, env []string, says string, args ...string) {
		t.Helper()
		for _, line := range [][]string{args, append(args[:len(args):len(args)], "--json")} {
			r := runHere(t, dir, env, line...)
			require.Equal(t, 2, r.status, r.stdout+r.stderr)
			require.Regexp(t, "(?s)"+says, r.stdout+r.stderr)
			require.Empty(t, complaints(line, 2, r.stdout, r.stderr))
			for _, private := range []string{pw, strings.ToUpper(pw), s3Key, s3ID} {
				require.Empty(t, redacttest.Find(r.stdout+r.stderr, private))
			}
		}
		require.Equal(t, before, contents(t, dir), "no file is made or changed")
	}
	for name, tc := range ledgers {
		t.Run(name, func(t *testing.T) {
			run(t, nil, tc.says, "secret", "status", "--ledger", tc.address, "--spec", "spec.json")
			run(t, nil, tc.says, "secret", "init", "--to", "cloudflare", "--ledger", tc.address)
			if tc.address == "" {
				return // LAYER_LEDGER is not set
			}
			run(t, nil, tc.says, "secret", "ledger", "copy", "layer.secrets.age", tc.address)
			run(t, nil, tc.says, "secret", "ledger", "copy", tc.address, "new.age")
			run(t, []string{"LAYER_LEDGER=" + tc.address}, tc.says, "secret", "log")
		})
	}
	for address, says := range map[string]string{
		"etcd://u:" + pw + "@h:2379":     "names a user or a password.*ETCDCTL_USER and ETCDCTL_PASSWORD",
		"etcd://" + pw + "@h:2379":       "names a user or a password",
		"etcd://h:2379?password=" + pw:   "tls=on or tls=off, and nothing else",
		"etcd://h:2379?tls=" + pw:        "tls=on or tls=off, and nothing else",
		"etcd://h:2379/" + pw:            "not of the form",
		"etcd://" + pw:                   "not of the form",
		"etcd://h:2379,":                 "not of the form",
		"etcd://":                        "not of the form|no endpoint",
		"etcd:h:" + pw:                   "not of the form",
		"etcd":                           "not of the form",
		"etcd://h:2379?tls=%zz" + pw:     "damaged",
		"redis://:" + pw + "@h":          "--to names no target: use one of dir:PATH, cloudflare, kubernetes:NAMESPACE/NAME or etcd://HOST:PORT",
		"postgres://u:" + pw + "@h/d":    "--to names no target",
		"cloudflare:" + pw:               "--to names no target",
		"dir:postgres://u:" + pw + "@h":  "--to names no target, .*: a folder with one of .* is written dir:./NAME",
		"dir:u:" + pw + "@h":             "is written dir:./NAME",
		"dir:password=" + pw:             "is written dir:./NAME",
		"dir:AGE-SECRET-KEY-1" + pw:      "is written dir:./NAME",
		"ETCD://u:" + pw + "@h:2379":     "--to names no target",
		"etcd://u%3A" + pw + "%40h:2379": "not of the form",
		"https://u:" + pw + "@h":         "--to names no target",
		"secret=" + pw:                   "--to names no target",
	} {
		t.Run("target "+strings.ReplaceAll(address, pw, "PASSWORD"), func(t *testing.T) {
			run(t, nil, says, "secret", "status", "--to", address, "--spec", "spec.json")
			run(t, nil, says, "secret", "init", "--ledger", "new.age", "--to", address)
			run(t, nil, says, "secret", "target", address, "--spec", "spec.json")
		})
	}
}

// contents returns a digest of each file in a folder. The digests differ where
// the files differ and show no content.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		list[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	}))
	return list
}
