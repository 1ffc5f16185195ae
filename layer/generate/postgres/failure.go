package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret/layer/internal/pgfailure"
)

// failed returns the error for a request that failed, or nil. what is the
// operation that failed, right the next step if a login or a right is refused. It
// does not use the server's text, which may repeat a statement or a value.
func (s *session) failed(ctx context.Context, what string, err error, right string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errAnswer) {
		return fmt.Errorf("%s: %w", what, errAnswer)
	}
	return failure(ctx, what, err, right)
}

func failure(ctx context.Context, what string, err error, right string) error {
	code := pgfailure.State(err)
	if code == "" || code == "57014" {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("%s: interrupted: %w", what, cause)
		}
	}
	switch code {
	case "":
		says, _ := pgfailure.Lost(err)
		return fmt.Errorf("%s: %s", what, says)
	case "08P01":
		says, _ := pgfailure.Pooler(err)
		return fmt.Errorf("%s: SQLSTATE %s: %s", what, code, says)
	}
	return fmt.Errorf("%s: SQLSTATE %s: %s", what, code, next(code, right))
}

// next returns the next step for the operator.
func next(code, right string) string {
	switch code {
	case "42501", "28P01", "28000", "0LP01": // a right or a login is refused
		if right != "" {
			return right
		}
	case "25006":
		return "the server is a standby or read-only: connect to the primary"
	case "3D000":
		return "there is no such database: correct its name"
	case "42710", "23505":
		return "another run made the role at the same time: run again"
	case "57014", "55P03", "25P03", "25P04":
		return "a time limit ended it, because another run or session holds a lock: run again"
	case "22021", "22P05":
		return "a name has characters that the database's encoding lacks: choose another name"
	case "28P02":
		return "the server's rules for passwords refuse a verifier: allow passwords that are hashed already"
	case "XX000":
		return "another run changed the role at the same time: run again"
	}
	switch code[:2] {
	case "53":
		return "the server has no connection, disk or memory to spare: free some, then run again"
	case "57", "08", "40":
		return "the server ended it: run again"
	}
	return "look the code up in Postgres' documentation"
}
