package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/servers"
)

// attempt runs layer in its own folder, with an engine's environment and the
// variables that a test adds. It checks that neither the output nor the
// remaining files show a credential.
type attempt struct {
	t   *testing.T
	dir string
	e   engine
	*record
}

func newAttempt(t *testing.T, e engine) attempt {
	t.Helper()
	dir := t.TempDir()
	declare(t, dir, rotating)
	a := attempt{t, dir, e, newRecord(dir)}
	for _, private := range []string{s3Key, pgPassword} {
		a.hide(private, "a credential")
	}
	t.Cleanup(func() { require.Empty(t, a.leaks()) })
	return a
}

func (a attempt) layer(status int, env []string, args ...string) string {
	a.t.Helper()
	args = append([]string{"secret"}, args...)
	stdout, stderr := layerIn(a.t, a.dir, append(a.e.environment(), env...), status, args...)
	a.add(strings.Join(args, " "), args, stdout, stderr)
	a.collect(nil)
	require.Empty(a.t, complaints(args, status, stdout, stderr))
	return stdout + stderr
}

// refused checks that init and the following command both fail, change nothing
// and report the reason.
func (a attempt) refused(place string, env []string, says string) {
	a.t.Helper()
	for _, args := range [][]string{{"init", "--to", "dir:out", "--ledger", place},
		{"init", "--to", "dir:out", "--ledger", place, "--json"}} {
		require.Regexp(a.t, says, a.layer(1, env, args...))
	}
	require.Len(a.t, contents(a.t, a.dir), 1, "only the declarations exist, as before")
}

// TestBucketCredentials checks that the error names a missing credential, and
// describes an invalid one without showing it.
func TestBucketCredentials(t *testing.T) {
	t.Parallel()
	e := fakeS3(t, nil)
	for name, tc := range map[string]struct {
		env  []string
		says string
	}{
		"none": {[]string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="},
			"the credential for the bucket is missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for R2 too"},
		"no id":  {[]string{"AWS_ACCESS_KEY_ID= "}, "missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		"no key": {[]string{"AWS_SECRET_ACCESS_KEY="}, "missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		"two words": {[]string{"AWS_SECRET_ACCESS_KEY=" + s3Key + " " + s3Key},
			"the secret key or the session token has white space"},
		"another's form": {[]string{"AWS_ACCESS_KEY_ID=" + s3Key},
			"the access key's id has characters that are not allowed there"},
		"a damaged token": {[]string{"AWS_SESSION_TOKEN=" + pgPassword + "\t" + pgPassword},
			"the secret key or the session token has white space"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newAttempt(t, e).refused(e.place(), tc.env, tc.says)
		})
	}
}

// TestBucketAnswers checks the answers that a server, or a proxy in between,
// may return.
func TestBucketAnswers(t *testing.T) {
	t.Parallel()
	answers := func(status int, body string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			})
		}
	}
	code := func(word string) string {
		return "<Error><Code>" + word + "</Code><Message>" + s3Key + "</Message></Error>"
	}
	for name, tc := range map[string]struct {
		answers func(http.Handler) http.Handler
		says    string
	}{
		"denied": {answers(403, code("AccessDenied")),
			"AccessDenied: let the credential get and put ledger.age and probe under the prefix"},
		"denied without a word": {answers(403, ""), "the credential may not do that"},
		"no such key": {answers(403, code("InvalidAccessKeyId")),
			"InvalidAccessKeyId: the access key does not exist"},
		"no bucket": {answers(404, code("NoSuchBucket")), "NoSuchBucket: make the bucket, or correct its name"},
		"elsewhere": {answers(301, code("PermanentRedirect")), "PermanentRedirect: the bucket is in another region"},
		"no conditions": {answers(501, code("NotImplemented")),
			"does not support conditional writes .*choose a server that honours If-Match"},
		"everything is welcome": {answers(200, ""), "the server ignores conditions"},
		"another program":       {answers(400, "<html>"+s3Key+"</html>"), "status 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := fakeS3(t, tc.answers)
			newAttempt(t, e).refused(e.place(), nil, tc.says)
		})
	}
}

// TestServerVersityCredentials checks credentials against a server that
// verifies them.
func TestServerVersityCredentials(t *testing.T) {
	e := versity(t)
	place := e.place()
	a := newAttempt(t, e)
	a.refused(place, []string{"AWS_SECRET_ACCESS_KEY=" + s3Key[1:]},
		"SignatureDoesNotMatch: the secret key does not belong to the access key's id")
	a.refused(place, []string{"AWS_ACCESS_KEY_ID=nobody"}, "status 40[34]")
	a.refused(strings.Replace(place, "s3://ledgers", "s3://others", 1), nil,
		"NoSuchBucket: make the bucket, or correct its name")
	a.layer(0, nil, "init", "--to", "dir:out", "--ledger", place)
	require.Contains(t, a.layer(1, []string{"AWS_SECRET_ACCESS_KEY=" + s3Key[1:]}, "status", "--spec", "spec.json",
		"--ledger", place), "SignatureDoesNotMatch")
}

// TestServerIgnoresConditions checks that s3rver is refused: it ignores the
// conditions of a write, so two runs would overwrite each other.
func TestServerIgnoresConditions(t *testing.T) {
	program := servers.Find(t, "s3rver")
	dir, address := t.TempDir(), servers.Address(t)
	servers.Start(t, address, nil, program, "-d", dir, "-a", "127.0.0.1", "-p",
		address[strings.LastIndexByte(address, ':')+1:], "--configure-bucket", "ledgers")
	e := s3Engine{endpoint: "http://" + address}
	a := newAttempt(t, e)
	env := []string{"AWS_ACCESS_KEY_ID=S3RVER", "AWS_SECRET_ACCESS_KEY=S3RVER"}
	a.refused(e.place(), env,
		"the server ignores conditions: it wrote a probe that it should have refused. It is deleted again, and choose a "+
			"server that honours If-Match")
	for name := range contents(t, dir) {
		require.NotContains(t, name, "probe")
	}
	a.layer(0, env, "init", "--to", "dir:out")
	require.Contains(t, a.layer(1, env, "ledger", "copy", "layer.secrets.age", e.place()), "ignores conditions")
	a.layer(0, env, "apply", "--spec", "spec.json") // the file is in use as before
}

// TestServerPostgresCredentials checks roles without the required privileges,
// and users that do not exist.
func TestServerPostgresCredentials(t *testing.T) {
	e := newPostgres(t)
	place := e.place()
	as := func(who string) string { return strings.Replace(place, "layer@", who+"@", 1) }
	a := newAttempt(t, e)
	a.refused(place, []string{"PGPASSWORD="}, "SQLSTATE 28P01: the user or the password is refused")
	a.refused(place, []string{"PGPASSWORD=" + pgPassword[1:]}, "SQLSTATE 28P01: the user or the password is refused")
	a.refused(as("nobody"), nil, "SQLSTATE 28P01: the user or the password is refused")
	a.refused(strings.Replace(place, "/ledgers?", "/nowhere?", 1), nil, "SQLSTATE 3D000: there is no such database")
	a.refused(strings.Replace(place, "sslmode=disable", "sslmode=verify-full", 1), nil,
		"the server has no TLS, which sslmode asks for")
	a.layer(0, nil, "init", "--to", "dir:out", "--ledger", place)
	require.Contains(t, a.layer(1, nil, "status", "--spec", "spec.json", "--ledger", as("reader")),
		"SQLSTATE 42501: let the role select, insert and update layer_ledger")
	db, _, err := e.connect(place)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("GRANT SELECT ON layer_ledger TO reader")
	require.NoError(t, err)
	a.layer(0, nil, "status", "--spec", "spec.json", "--ledger", as("reader"))
	require.Contains(t, a.layer(1, nil, "apply", "--spec", "spec.json", "--ledger", as("reader")), "SQLSTATE 42501")
	require.NoFileExists(t, a.dir+"/out/LAYERON_SECRET_AUTH_SESSION_KEY", "nothing is published that is not recorded")
	// A role that may only read cannot move the ledger: the file stays in use.
	a.layer(0, nil, "init", "--to", "dir:other")
	require.Contains(t, a.layer(1, nil, "ledger", "copy", "layer.secrets.age",
		strings.Replace(as("reader"), "name=shop", "name=other", 1)),
		"The old ledger is in use as before")
	a.layer(0, nil, "apply", "--spec", "spec.json")
	a.layer(0, nil, "apply", "--spec", "spec.json", "--ledger", place)
}
