package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/layeron-hq/secret/driver"
)

// roles makes and ends the values of one secret: a [driver.Generator] and a
// [driver.Tester].
type roles struct {
	getenv  func(string) string
	request driver.Request
}

var (
	_ driver.Generator = (*roles)(nil)
	_ driver.Tester    = (*roles)(nil)
	_ driver.Bounded   = (*roles)(nil)
	_ driver.Limited   = (*roles)(nil)
)

// MostInUse implements [driver.Bounded].
func (r *roles) MostInUse() int { return 2 }

// Make implements [driver.Generator]: it sets a new password on the role that no
// value in use has, in one transaction. It creates the role if it is missing.
func (r *roles) Make(ctx context.Context, name string, given map[string]string) (driver.Made, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	began := time.Now().Round(0) // the clock of the wall: the other one may stand still while a machine sleeps
	p, err := parseParams(given)
	if err == nil && (!plain(name) || name == "") {
		err = errors.New("the name of a value must be UTF-8 without control characters")
	}
	if err != nil {
		return driver.Made{}, wrap(driver.NotApplied(err))
	}
	s, admin, err := r.connect(ctx, p)
	if err != nil {
		return driver.Made{}, wrap(driver.NotApplied(err))
	}
	defer s.close()
	value, chosen, err := s.prepare(ctx, p, admin, name, r.request.InUse)
	if err == nil && time.Now().Round(0).Sub(began) > callTime {
		err = errors.New("the machine was asleep: run again")
	}
	if err != nil {
		return driver.Made{}, wrap(driver.NotApplied(err)) // the transaction is rolled back
	}
	if err := s.commit(ctx); err != nil {
		return driver.Made{}, wrap(err)
	}
	return driver.Made{Value: driver.NewValue(value), ID: id(chosen, name)}, nil
}

// prepare makes the value in a transaction, and leaves the transaction open.
func (s *session) prepare(ctx context.Context, p params, admin *pgconn.Config, name string, inUse []string) (value,
	chosen string, err error) {
	turn := p.names()
	if slices.Contains(turn[:], s.user) {
		return "", "", fmt.Errorf("the administrator's login in %s is %s, one of the roles that take turns: give the "+
			"administrator another role", s.env, quoteName(s.user))
	}
	if err := s.begin(ctx); err != nil {
		return "", "", err
	}
	found, err := s.roles(ctx, "r.rolname::text IN ("+quoteText(turn[0])+","+quoteText(turn[1])+","+
		quoteText(p.grant)+")")
	if err != nil {
		return "", "", err
	}
	now, err := s.now(ctx)
	if err != nil {
		return "", "", err
	}
	if !slices.ContainsFunc(found, func(r role) bool { return r.name == p.grant }) {
		return "", "", fmt.Errorf("there is no role %s, which the param grant names: CREATE ROLE %s, and grant it the "+
			"rights of the service", quoteName(p.grant), quoteName(p.grant))
	}
	chosen, exists, earlier, err := choice{p: p, name: name, inUse: inUse, roles: found, now: now}.choose()
	if err != nil {
		return "", "", err
	}
	password := newPassword()
	l := newLogin(admin, p, chosen, password)
	if err := l.check(admin); err != nil {
		return "", "", err
	}
	if value, err = l.text(p.json); err != nil {
		return "", "", err
	}
	if err := s.set(ctx, chosen, exists, password, "LOGIN"); err != nil {
		return "", "", err
	}
	granted, err := s.grant(ctx, p.grant, chosen, earlier.granted)
	if err != nil {
		return "", "", err
	}
	return value, chosen, s.mark(ctx, chosen, inUseMark(name, now, granted))
}

// set sets the password of a role, and creates the role unless it exists.
func (s *session) set(ctx context.Context, name string, exists bool, password, option string) error {
	v, err := newVerifier(password)
	if err != nil {
		return err
	}
	quoted, admin := quoteName(name), quoteName(s.user)
	if !exists {
		return s.do(ctx, "the role "+quoted+" cannot be created", "CREATE ROLE "+quoted+" "+option+" PASSWORD"+
			quoteText(v), "let the administrator create roles: ALTER ROLE "+admin+" CREATEROLE")
	}
	return s.do(ctx, "the password of role "+quoted+" cannot be set", "ALTER ROLE "+quoted+" "+option+" PASSWORD"+
		quoteText(v), s.needsAdmin(quoted))
}

func (s *session) needsAdmin(quoted string) string {
	admin := quoteName(s.user)
	return "let the administrator change the role: ALTER ROLE " + admin + " CREATEROLE, and from Postgres 16 on GRANT " +
		quoted + " TO " + admin + " WITH ADMIN OPTION"
}

func (s *session) mark(ctx context.Context, name, comment string) error {
	quoted := quoteName(name)
	return s.do(ctx, "the comment on role "+quoted+" cannot be written", "COMMENT ON ROLE "+quoted+" IS"+
		quoteText(comment), s.needsAdmin(quoted))
}

// Test implements [driver.Tester]: it logs in with the value.
func (r *roles) Test(ctx context.Context, made driver.Made) error {
	p, err := parseParams(r.request.Params)
	if err != nil {
		return wrap(err)
	}
	admin, err := r.config(p)
	if err != nil {
		return wrap(err)
	}
	c, err := parseValue(made.Value.Reveal(), admin)
	if err != nil {
		return wrap(err)
	}
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	what := "the login as " + quoteName(c.User) + " fails"
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return wrap(failure(ctx, what, err, "the password is refused, or the role cannot log in: it may have another "+
			"password by now, VALID UNTIL may have passed, or pg_hba.conf has no line for the role"))
	}
	s := &session{conn: conn}
	defer s.close()
	rows, err := s.rows(ctx, "SELECT 1")
	if err == nil && len(rows) != 1 {
		err = errAnswer
	}
	return wrap(s.failed(ctx, what, err, "let the role use the database"))
}

// Retire implements [driver.Generator]: it sets a random password, which is
// discarded, on the role that has the value. It changes no role that has another
// value by now.
func (r *roles) Retire(ctx context.Context, id string) error {
	return r.end(ctx, func(role role, m mark) bool { return role.name+"/"+m.name == id })
}

// CanRetire implements [driver.Limited]: a value can be ended if this machine has
// the administrator's connection string. It does not connect.
func (r *roles) CanRetire(context.Context) (bool, error) {
	p, err := parseParams(r.request.Params)
	if err == nil {
		_, err = r.config(p)
	}
	return err == nil, wrap(err)
}

// Sweep implements [driver.Generator].
func (r *roles) Sweep(ctx context.Context, names, known []string) error {
	if len(names) == 0 {
		return nil
	}
	return r.end(ctx, func(role role, m mark) bool {
		return slices.Contains(names, m.name) && !slices.Contains(known, id(role.name, m.name))
	})
}

// end ends the values of the roles that match selects.
func (r *roles) end(ctx context.Context, match func(role, mark) bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	p, err := parseParams(r.request.Params)
	if err != nil {
		return wrap(err)
	}
	s, _, err := r.connect(ctx, p)
	if err != nil {
		return wrap(err)
	}
	defer s.close()
	if err := s.begin(ctx); err != nil {
		return wrap(err)
	}
	roles, err := s.roles(ctx, "d.description LIKE"+quoteText(inUsePrefix+"%")+" OR d.description LIKE"+
		quoteText(freePrefix+"%"))
	if err != nil {
		return wrap(err)
	}
	now, err := s.now(ctx)
	if err != nil {
		return wrap(err)
	}
	option := ""
	if p.nologin {
		option = "NOLOGIN"
	}
	var ended []string
	for _, role := range roles {
		m, ok := parseMark(role.comment)
		if !ok || m.name == "" || !match(role, m) {
			continue
		}
		ended = append(ended, role.name)
		if m.free { // an earlier call may have ended no session yet
			continue
		}
		if err := s.set(ctx, role.name, true, newPassword(), option); err != nil {
			return wrap(err)
		}
		if err := s.mark(ctx, role.name, freeMark(m.name, now, m.granted)); err != nil {
			return wrap(err)
		}
	}
	if err := s.commit(ctx); err != nil || !p.terminate {
		return wrap(err)
	}
	for _, name := range ended {
		if err := s.terminate(ctx, name); err != nil {
			return wrap(err)
		}
	}
	return nil
}

// terminate ends the sessions of a role. It runs after the commit, so that they
// cannot log in again.
func (s *session) terminate(ctx context.Context, name string) error {
	return s.do(ctx, "the sessions of role "+quoteName(name)+" cannot be ended", `SELECT
	pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename::text =`+quoteText(name)+`
	AND pid <> pg_catalog.pg_backend_pid()`,
		"let the administrator end sessions: GRANT pg_signal_backend TO "+quoteName(s.user))
}

// wrap names the package in an error.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("postgres: %w", err)
}
