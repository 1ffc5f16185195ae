package main

import (
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/generate/postgres"
	"github.com/layeron-hq/secret/layer/ledger"
)

// A program that layer starts gets none of layer's own credentials. Otherwise a
// compromised program could read the ledger, and with it every version of every
// secret. --keep-env makes the exceptions.

// layer's own credentials: the variables from which layer takes a credential
// for the ledger or the target. A variable that contains the name of a file is
// not one of them.
var (
	ownCredentials = []string{ledger.IdentityVariable, "CLOUDFLARE_API_TOKEN", "PGPASSWORD", "PGSSLPASSWORD",
		"ETCDCTL_USER", "ETCDCTL_PASSWORD"}
	// AWS_SECURITY_TOKEN is an older name of AWS_SESSION_TOKEN.
	ofBucket = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}
)

// ownEnvironment returns the functions that read this process's environment, and
// removes layer's own credentials from it, because packages such as age's start
// programs that inherit it. Those of Postgres stay, which its driver reads there.
func ownEnvironment() (lookup func(string) (string, bool), environ func() []string) {
	all := os.Environ()
	values := map[string]string{}
	for _, variable := range all {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	for _, name := range slices.Concat(ownCredentials, ofBucket) {
		if !strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
	lookup = func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
	return lookup, func() []string { return slices.Clone(all) }
}

// passedOn returns the variables for another program, without layer's own
// credentials except those in keep. It also returns the names of the variables
// that it left out. The AWS variables are layer's own only if the ledger is in
// a bucket.
func (l *layer) passedOn(keep []string) (passed, dropped []string) {
	own := slices.Concat(ownCredentials, l.admins)
	if strings.HasPrefix(l.ledger, "s3:") {
		own = slices.Concat(own, ofBucket)
	}
	passed = l.environ()
	for _, name := range own {
		if slices.Contains(keep, name) {
			continue
		}
		if value, _ := l.lookup(name); value != "" {
			dropped = append(dropped, name)
		}
		passed = without(passed, name)
	}
	return passed, dropped
}

// without returns an environment without the named variable.
func without(environ []string, name string) []string {
	return slices.DeleteFunc(environ, func(variable string) bool { return isNamed(variable, name) })
}

func isNamed(variable, name string) bool {
	other, _, _ := strings.Cut(variable, "=")
	return other == name || runtime.GOOS == "windows" && strings.EqualFold(other, name)
}

// keptNames parses --keep-env. Its error does not repeat a refused name, which
// may be a value. Whether another variable is a credential of a generator is
// known when the declarations are read.
func (l *layer) keptNames(given []string) (names []string, err error) {
	for _, list := range given {
		for name := range strings.SplitSeq(list, ",") {
			switch {
			case slices.Contains(slices.Concat(ownCredentials, ofBucket), name):
			case !variableForm().MatchString(name):
				return nil, passedAnyway()
			default:
				l.kept = append(l.kept, name)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

func passedAnyway() error {
	return usagef("--keep-env names a variable that is passed on anyway: it takes %s, and the variable in dsn_env of a "+
		"declared secret", strings.Join(slices.Concat(ownCredentials, ofBucket), ", "))
}

// ownAlso makes the variables from which the declared generators take their
// credentials layer's own.
func (l *layer) ownAlso(spec secret.Spec) error {
	l.admins = administrators(spec)
	for _, name := range l.kept {
		if !slices.Contains(l.admins, name) {
			return passedAnyway()
		}
	}
	for _, name := range l.admins {
		if l.unsetenv != nil {
			_ = l.unsetenv(name) // as in ownEnvironment
		}
	}
	return nil
}

// administrators returns the names of the variables with an administrator's
// connection string. A name in another form may be the string itself.
func administrators(spec secret.Spec) (names []string) {
	for _, s := range spec.Secrets {
		name := s.Params["dsn_env"]
		if s.Generator == postgres.Name && variableForm().MatchString(name) && !slices.Contains(ownCredentials, name) &&
			!slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
