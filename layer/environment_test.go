package main

import (
	"testing"

	"github.com/stretchr/testify/require"
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
