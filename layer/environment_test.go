package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestRunPassesNoCredentialOfTheBucket also checks that the programs of another
// kind of ledger get the variables of AWS.
func TestRunPassesNoCredentialOfTheBucket(t *testing.T) {
	t.Parallel()
	e := fakeS3(t, nil)
	a, place := newAttempt(t, e), e.place()
	env := []string{"AWS_SESSION_TOKEN=madeup_Tk58bNq3Wd", "AWS_SECURITY_TOKEN=madeup_Tk58bNq3Wd", "AWS_REGION=here"}
	a.hide("madeup_Tk58bNq3Wd", "a session's token")
	a.layer(0, env, "init", "--to", "dir:out", "--ledger", place)
	a.layer(0, env, "apply", "--spec", "spec.json", "--ledger", place)
	run := func(ledger, script string, flags ...string) string {
		args := append([]string{"run", "--spec", "spec.json", "--ledger", ledger}, flags...)
		return a.layer(0, env, append(args, "--", "sh", "-c", script)...)
	}
	const none = `test -z "${AWS_ACCESS_KEY_ID+set}${AWS_SECRET_ACCESS_KEY+set}${AWS_SESSION_TOKEN+set}${AWS_SECURITY_TOKEN+set}" && test "$AWS_REGION" = here`
	require.Contains(t, run(place, none),
		"not passed on: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_SECURITY_TOKEN: pass one on with "+
			"--keep-env NAME")
	require.Contains(t, run(place, `test -n "$AWS_ACCESS_KEY_ID" && test -z "$AWS_SECRET_ACCESS_KEY"`, "--keep-env",
		"AWS_ACCESS_KEY_ID"),
		"not passed on: AWS_SECRET_ACCESS_KEY, ")

	a.layer(0, env, "init", "--to", "dir:other", "--ledger", "file.age")
	a.layer(0, env, "apply", "--spec", "spec.json", "--ledger", "file.age")
	require.Empty(t, run("file.age", `test -n "$AWS_ACCESS_KEY_ID" && test -n "$AWS_SESSION_TOKEN"`))
}

func TestCredentialsAreLeftOutByTheirWholeName(t *testing.T) {
	vars := map[string]string{"PGPASSWORD": "a", "PGPASSWORD_FILE": "b", "LAYER_IDENTITY": "c", "AWS_ACCESS_KEY_ID": "d",
		"X": "PGPASSWORD=e"}
	p := with(vars)
	p.environ = func() []string { return append(list(vars), "PGPASSWORD=twice", "PGPASSWORD") }
	l := &layer{process: p, ledger: "layer.secrets.age"}
	passed, dropped := l.passedOn(nil)
	require.Equal(t, []string{"AWS_ACCESS_KEY_ID=d", "PGPASSWORD_FILE=b", "X=PGPASSWORD=e"}, passed)
	require.Equal(t, []string{"LAYER_IDENTITY", "PGPASSWORD"}, dropped)
	passed, _ = l.passedOn([]string{"LAYER_IDENTITY"})
	require.Contains(t, passed, "LAYER_IDENTITY=c")
	l.ledger = "s3://ledgers"
	passed, _ = l.passedOn(nil)
	require.Equal(t, []string{"PGPASSWORD_FILE=b", "X=PGPASSWORD=e"}, passed)
}

// The variable that dsn_env names is layer's own from the moment at which the
// declarations are read, also for a program that a package of others starts.
func TestAdministratorsOfGeneratorsAreLeftOut(t *testing.T) {
	of := func(generator, name string) secret.SpecSecret {
		return secret.SpecSecret{Kind: secret.KindGenerated, Generator: generator, Params: map[string]string{"dsn_env": name}}
	}
	spec := secret.Spec{Secrets: []secret.SpecSecret{of("postgres/role", "ADMIN"), of("postgres/role", "ADMIN"),
		of("program", "OTHER"), of("postgres/role", "postgres://u@db"), of("postgres/role", "PGPASSWORD"),
		of("postgres/role", "UNSET"), of("postgres/role", "")}}
	p := with(map[string]string{"ADMIN": "a", "OTHER": "b", "ADMIN_FILE": "c", "PGPASSWORD": "d"})
	var unset []string
	p.unsetenv = func(name string) error { unset = append(unset, name); return nil }
	l := &layer{process: p}
	l.environ = func() []string { return []string{"ADMIN=a", "OTHER=b", "ADMIN_FILE=c", "PGPASSWORD=d"} }
	require.NoError(t, l.ownAlso(spec))
	require.Equal(t, []string{"ADMIN", "UNSET"}, unset)
	passed, dropped := l.passedOn(nil)
	require.Equal(t, []string{"OTHER=b", "ADMIN_FILE=c"}, passed)
	require.Equal(t, []string{"PGPASSWORD", "ADMIN"}, dropped)

	_, err := l.keptNames([]string{"ADMIN,UNSET"})
	require.NoError(t, err)
	require.NoError(t, l.ownAlso(spec))
	_, err = l.keptNames([]string{"postgres://u@db"})
	require.ErrorContains(t, err, "is passed on anyway")
	_, err = l.keptNames([]string{"OTHER"})
	require.NoError(t, err)
	require.ErrorContains(t, l.ownAlso(spec), "is passed on anyway")
}
