package postgres

import (
	"context"
	"errors"
	"os"

	"github.com/layeron-hq/secret/driver"
)

// Name is the name of the generator in a declaration (secret.Options.Generator).
const Name = "postgres/role"

// Options are the options of [New].
type Options struct {
	// Getenv returns the environment variable that a dsn_env names. Nil: os.Getenv.
	Getenv func(string) string
}

// Generator is a [driver.RequestGenerator] of logins for a Postgres database. It is
// a [driver.Bounded]: two values of a secret can be in use. What [Generator.For]
// returns is a [driver.Tester]. These are its params:
//
//	dsn_env      the environment variable with the administrator's connection string
//	role         the base name of the roles: app for app_a and app_b
//	grant        the role whose rights both get
//	format       url (the default), or json: {"host", "port", "database", "user", "password", "url"}
//	host         HOST or HOST:PORT of the values, such as a pooler's, in place of the administrator's
//	database     the database of the values, in place of the administrator's
//	sslrootcert  the file with the server's authority, where the service runs
//	nologin      true: the role of an ended value cannot log in
//	terminate    true: the sessions of an ended value are ended
//
// The first three are required. A Generator is safe for concurrent use.
type Generator struct{ getenv func(string) string }

var (
	_ driver.RequestGenerator = (*Generator)(nil)
	_ driver.Bounded          = (*Generator)(nil)
)

// New returns a Generator. It sends no request.
func New(o Options) *Generator {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	return &Generator{getenv: o.Getenv}
}

// For implements [driver.RequestGenerator].
func (g *Generator) For(r driver.Request) driver.Generator {
	return &roles{getenv: g.getenv, request: r}
}

// MostInUse implements [driver.Bounded]: a secret has two roles.
func (g *Generator) MostInUse() int { return 2 }

var errFor = driver.NotApplied(errors.New("postgres: " + Name + " needs the declaration of the secret: the program " +
	"calls For first"))

// Make returns an error, because only what [Generator.For] returns makes values.
func (g *Generator) Make(context.Context, string, map[string]string) (driver.Made, error) {
	return driver.Made{}, errFor
}

// Retire returns an error, because only what [Generator.For] returns ends values.
func (g *Generator) Retire(context.Context, string) error { return errFor }

// Sweep returns an error, because only what [Generator.For] returns ends values.
func (g *Generator) Sweep(context.Context, []string, []string) error { return errFor }
