package postgres

import (
	"context"
	"fmt"
)

// grant makes a role a member of another, unless it is one: then an administrator
// without the right to grant can be used. It revokes an earlier grant of layer's,
// which the param named then. granted is the role that layer has granted by now.
func (s *session) grant(ctx context.Context, group, to, earlier string) (granted string, err error) {
	if earlier != "" && earlier != group {
		if err := s.revoke(ctx, earlier, to); err != nil {
			return "", err
		}
		earlier = ""
	}
	if member, err := s.member(ctx, group, to); member || err != nil {
		return earlier, err
	}
	return group, s.do(ctx, "the role "+quoteName(group)+" cannot be granted to "+quoteName(to), "GRANT "+
		quoteName(group)+" TO "+quoteName(to), "let the administrator grant it: GRANT "+quoteName(group)+" TO "+
		quoteName(s.user)+" WITH ADMIN OPTION")
}

// revoke ends the membership of a role in another.
func (s *session) revoke(ctx context.Context, group, from string) error {
	if member, err := s.member(ctx, group, from); !member || err != nil {
		return err
	}
	what := "the role " + quoteName(group) + ", which the param grant named before, cannot be revoked from " +
		quoteName(from)
	advice := fmt.Sprintf("REVOKE %s FROM %s as the role that granted it. If it shall keep these rights: COMMENT ON ROLE "+
		"%[2]s IS '%[3]s'", quoteName(group), quoteName(from), freePrefix)
	if err := s.do(ctx, what, "REVOKE "+quoteName(group)+" FROM "+quoteName(from), advice); err != nil {
		return err
	}
	// From Postgres 16 on, the grant of another administrator stays, without an error.
	if member, err := s.member(ctx, group, from); !member || err != nil {
		return err
	}
	return fmt.Errorf("%s: another role granted it: %s", what, advice)
}

// member reports whether a role is a member of another.
func (s *session) member(ctx context.Context, group, role string) (bool, error) {
	rows, err := s.rows(ctx, `SELECT 1 FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid
	JOIN pg_roles AS r ON r.oid = m.member WHERE g.rolname::text =`+quoteText(group)+` AND r.rolname::text =`+
		quoteText(role))
	return len(rows) > 0, s.failed(ctx, "the members of "+quoteName(group)+" cannot be read", err, "")
}
